"""Laws 1 to 4 and 6 to 8 on one rule and one partition. Law 5 is in `laws_of_recovery`."""

from batch import batch_matches, finals
from event import Event, Record, distinct_events, first_arrivals
from laws import law, matches_of, run, usual_case
from pace import PartitionClock
from references import is_in_order, is_on_time, is_pulled, keys_of, of_key, sorted_answer
from streams import MAX_SKEW


def exact_finals(case, design):
    partition = run(design.new(case.rule.emitting("exact"), case.stamps), case.records)
    partition.finish()
    return finals(matches_of(partition))


def eager_finals(case, design):
    return finals(matches_of(run(design.new(case.rule.emitting("eager"), case.stamps), case.records)))


def on_time_keys(case):
    lateness = case.rule.allowed_lateness
    return [key for key in keys_of(distinct_events(case.records)) if is_on_time(case.records, key, lateness, case.rule.hold)]


def is_clock_pulled(case, counts):
    """A clock that runs ahead of true time by more than its slack is a stated limit: such cases are counted apart."""
    pulled = is_pulled(case.records, PartitionClock(case.stamps, MAX_SKEW))
    counts["pulled"] += pulled
    return pulled


def wrong(key, want, got):
    return f"key {key}: want {sorted(want)}, got {sorted(got)}"


@law("machine", "the one-slot machine on sorted events = batch", lambda random: usual_case(random, tolerances=(0,)))
def machine_is_batch(case, design, counts):
    events = distinct_events(case.records)
    want = batch_matches(events, case.rule.stages, case.rule.maxspan, case.rule.until)
    got = sorted_answer(case.rule, events, keys_of(events))
    counts["matches"] += len(want)
    as_ids = lambda matches: sorted((match.key, match.identities) for match in matches)
    if as_ids(want) != as_ids(got):
        yield f"want {as_ids(want)}, got {as_ids(got)}"


@law("1", "exact = batch, for keys whose events come within the lateness", usual_case)
def exact_is_batch(case, design, counts):
    if is_clock_pulled(case, counts):
        return
    want = finals(sorted_answer(case.rule, distinct_events(case.records), keys_of(distinct_events(case.records))))
    got = exact_finals(case, design)
    for key in on_time_keys(case):
        counts["keys"] += 1
        counts["matches"] += len(of_key(want, key))
        if of_key(want, key) != of_key(got, key):
            yield wrong(key, of_key(want, key), of_key(got, key))


@law("2", "eager finds what exact finds; where events come in order it is the batch answer", lambda r: usual_case(r, absences=0))
def eager_is_superset(case, design, counts):
    if is_clock_pulled(case, counts):
        return
    exact, eager = exact_finals(case, design), eager_finals(case, design)
    want = finals(batch_matches(distinct_events(case.records), case.rule.stages, case.rule.maxspan, case.rule.until))
    for key in on_time_keys(case):
        counts["keys"] += 1
        if not of_key(eager, key) >= of_key(exact, key):
            yield "not found eagerly: " + wrong(key, of_key(exact, key), of_key(eager, key))
        if not case.rule.order_tolerance and is_in_order(case.records, key):
            counts["in order"] += 1
            if of_key(eager, key) != of_key(want, key):
                yield "in order: " + wrong(key, of_key(want, key), of_key(eager, key))


def tolerant_case(random):
    while True:
        case = usual_case(random, absences=0, tolerances=(1, 2))
        if case.rule.order_tolerance:
            return case


@law("3", "an order tolerance finds what strict order finds, and more", tolerant_case)
def tolerance_is_superset(case, design, counts):
    if is_clock_pulled(case, counts):
        return
    strict = finals(batch_matches(distinct_events(case.records), case.rule.stages, case.rule.maxspan, case.rule.until))
    got = exact_finals(case, design)
    for key in on_time_keys(case):
        counts["keys"] += 1
        counts["more"] += len(of_key(got, key) - of_key(strict, key))
        if not of_key(got, key) >= of_key(strict, key):
            yield wrong(key, of_key(strict, key), of_key(got, key))


def case_with_other_clocks(random):
    """What other hosts' events say of themselves is made up anew; the arrivals stay."""
    case = usual_case(random, stamps=random.choice(["append", "append", "create"]))
    errors = [-700, -5, 3, 800] if case.stamps == "append" else [-8, -4, 4, 8]
    case.more["other clocks"] = {record.event.identity: random.choice(errors) for record in case.records}
    return case


@law("4", "what a key alerts on depends on its own records, whatever other hosts' clocks say", case_with_other_clocks)
def keys_are_isolated(case, design, counts):
    for key in keys_of(distinct_events(case.records)):
        records = [_with_other_clock(case, record, key) for record in case.records]
        if case.stamps != "append" and not _is_steady(case, records, key):
            continue
        counts["keys"] += 1
        for emit in ("eager", "exact"):
            sides = []
            for side in (case.records, records):
                partition = run(design.new(case.rule.emitting(emit), case.stamps), side)
                partition.finish()
                matches = [match for match in matches_of(partition) if match.key == key]
                sides.append(matches if case.stamps == "append" else finals(matches))
            if sides[0] != sides[1] and (case.stamps == "append" or emit == "exact"):
                yield f"{emit}, key {key}: {sides[0]} become {sides[1]}"


def _with_other_clock(case, record, key):
    if key in record.event.keys:
        return record
    shift = case.more["other clocks"].get(record.event.identity, 0)
    moved = record.with_event(record.event.moved_to(record.event.event_time + shift))
    if case.stamps != "append":
        moved.stamp += shift
    return moved


def _is_steady(case, records, key):
    """With producers' times the law holds for what comes in time, as far as other clocks are right to max_skew."""
    on_time = is_on_time(case.records, key, case.rule.allowed_lateness, case.rule.hold)
    return on_time and not any(is_pulled(side, PartitionClock(case.stamps, MAX_SKEW)) for side in (case.records, records))


def case_in_batches(random):
    case = usual_case(random)
    case.more["batches end before"] = sorted({r.serial for r in case.records if random.random() < 0.2})
    return case


@law("6", "batches change nothing: a key that no record touches may be looked at later", case_in_batches)
def batches_change_nothing(case, design, counts):
    for emit in ("eager", "exact"):
        whole = run(design.new(case.rule.emitting(emit), case.stamps), case.records)
        lazy = design.new(case.rule.emitting(emit), case.stamps)
        tick_all, lazy.tick = lazy.tick, lambda: None
        for record in case.records:
            if record.serial in case.more["batches end before"] or record.idle_before:
                tick_all()
            for elapsed in record.idle_before:
                lazy.loan = elapsed
                tick_all()
                lazy.loan = 0
            _take_lazily(lazy, record)
        tick_all()
        for key in keys_of(distinct_events(case.records)):
            counts["keys"] += 1
            sides = [[m for m in matches_of(side) if m.key == key] for side in (whole, lazy)]
            if sides[0] != sides[1]:
                yield f"{emit}, key {key}: {sides[0]} become {sides[1]}"


def _take_lazily(partition, record):
    """Takes a record and looks at the keys that it touches alone, before and after."""
    clock_before = partition.clock.copy()
    clock_before.take(record)
    now, partition.clock = partition.clock, clock_before
    touched = record.event.keys if record.event.tags else ()
    for key in touched:
        if key in partition.keys:
            partition.tick_key(key)
    partition.clock = now
    partition.record(record)
    for key in touched:
        if key in partition.keys:
            partition.tick_key(key)


@law("7", "nothing is forgotten: what arrives within `hold` of each other is found", lambda r: usual_case(r, absences=0))
def nothing_is_forgotten(case, design, counts):
    if is_clock_pulled(case, counts):
        return
    arrived = first_arrivals(case.records)
    got = {"eager": eager_finals(case, design), "exact": exact_finals(case, design)}
    for match in batch_matches(distinct_events(case.records), case.rule.stages, case.rule.maxspan, case.rule.until):
        arrivals = [arrived[identity] for identity in match.identities]
        if max(arrivals) - min(arrivals) > case.rule.hold:
            continue
        counts["matches"] += 1
        for emit, found in got.items():
            if match.final not in found:
                yield f"{emit}: {match} is not found, only {sorted(found)}"


@law("8", "a recording, in any order, gives the batch answer", usual_case)
def recording_is_batch(case, design, counts):
    events = distinct_events(case.records)
    want = finals(sorted_answer(case.rule, events, keys_of(events)))
    orders = {
        "as it came": case.records,
        "newest first": case.records[::-1],
        "shuffled": sorted(case.records, key=lambda record: record.shuffle),
    }
    for name, order in orders.items():
        emit = "bounded" if design.bounded_input else "eager"
        partition = design.new(case.rule.emitting(emit), case.stamps)
        for record in order:
            partition.record(record)
        partition.finish()
        counts["recordings"] += 1
        if finals(matches_of(partition)) != want:
            yield f"{name}: want {sorted(want)}, got {sorted(finals(matches_of(partition)))}"


@law("end", "nothing is kept for ever, however seldom records come", usual_case)
def all_leaves(case, design, counts):
    partition = run(design.new(case.rule.emitting("exact"), case.stamps), case.records)
    counts["keys"] += len(partition.keys)
    begin, last = partition.clock.shows, case.records[-1]
    for place in range(1, 61):  # two hosts, each record a step that the other has to confirm
        stamp = begin + place * (MAX_SKEW + 5)
        partition.record(Record("pq"[place % 2], "p1", Event(0, 0, ""), stamp, stamp, last.serial + place))
    if partition.keys:
        yield f"still held: {sorted(partition.keys)}"
