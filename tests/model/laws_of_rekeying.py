"""Re-keying: laws 1, 5 and 7 for a rule whose events come through several partitions."""

from collections import defaultdict
from dataclasses import replace

from batch import batch_matches, finals
from event import Event, Record, distinct_events, first_arrivals
from laws import Case, law, matches_of, random_rule, random_stamps, run
from partition import Partition
from recovery import restart, run_with_history
from references import is_on_time, keys_of, of_key, sorted_answer
from rekey import IDLE_TIMEOUT, Forwarded, RekeyedClock, listen, replay_start
from streams import MAX_SKEW, with_any_idle_time
from streams_rekeyed import is_waited_for, rekeyed_stream


def rekeyed_case(random, **rule_settings):
    rule = random_rule(random, **rule_settings)
    stamps = random_stamps(random)
    _, topic = rekeyed_stream(random, rule.allowed_lateness, stamps, rule.hold)
    return Case(rule, stamps, topic)


def restart_case(random):
    """Long streams and a small hold, so that the replay need not start at the beginning."""
    case = rekeyed_case(random)
    if random.random() < 0.8:
        rule = replace(case.rule, maxspan=min(case.rule.maxspan, 2), allowed_lateness=random.choice([0, 1]), order_tolerance=0)
        case.rule = replace(rule, hold=rule.floor + random.choice([0, 3]))
        case.stamps = random.choice(["append", "append", "create"])
        _, case.records = rekeyed_stream(random, case.rule.allowed_lateness, case.stamps, case.rule.hold, "copies")
    with_any_idle_time(random, case.records)
    cut = random.choice(case.records[len(case.records) // 2:])
    case.cut, case.cut_idles = cut.serial, random.randint(0, len(cut.idle_before))
    case.earlier = random.choice([0, 0, 0, random.random()])
    return case


def receiver(case, design, emit):
    """With producers' times a silence ends for one source after the other: the slack covers their spread as well."""
    if case.stamps == "append":
        clock = RekeyedClock(0, rule=design.rekeyed)
    else:
        clock = RekeyedClock(2 * MAX_SKEW + IDLE_TIMEOUT, MAX_SKEW, design.rekeyed)
    return Partition(case.rule.emitting(emit), clock, design.policy)


def is_in_doubt(case, counts):
    """A sender that stops for longer than the timeout, and clocks that run ahead of true time, are stated limits."""
    in_doubt = not is_waited_for(case.records) or any_clock_is_pulled(case)
    counts["in doubt"] += in_doubt
    return in_doubt


def any_clock_is_pulled(case):
    """Tells whether what any source's clock shows runs ahead of true time by more than the slack."""
    if case.stamps == "append":
        return False
    by_source = defaultdict(list)
    for record in case.records:
        by_source[record.forwarded.source].append(record)
    errors = [r.forwarded.clock - r.arrived for records in by_source.values() for r in records]
    return max(errors) - min(errors) > 2 * MAX_SKEW


def answer(case, design, emit):
    partition = run(receiver(case, design, emit), case.records)
    partition.finish()
    return finals(matches_of(partition))


@law("rekey 1", "exact = batch, whatever the lag of the senders", rekeyed_case)
def exact_is_batch(case, design, counts):
    if is_in_doubt(case, counts):
        return
    inputs = sorted(case.records, key=lambda record: record.arrived)
    events = distinct_events(case.records)
    want = finals(sorted_answer(case.rule, events, keys_of(events)))
    got = answer(case, design, "exact")
    for key in keys_of(events):
        if is_on_time(inputs, key, case.rule.allowed_lateness, case.rule.hold):
            counts["keys"] += 1
            counts["matches"] += len(of_key(want, key))
            if of_key(want, key) != of_key(got, key):
                yield f"key {key}: want {sorted(of_key(want, key))}, got {sorted(of_key(got, key))}"


@law("rekey 7", "nothing is forgotten, whatever the lag of the senders", lambda r: rekeyed_case(r, absences=0))
def nothing_is_forgotten(case, design, counts):
    if is_in_doubt(case, counts):
        return
    inputs = sorted(case.records, key=lambda record: record.arrived)
    arrived = first_arrivals(inputs)
    found = answer(case, design, "eager")
    for match in batch_matches(distinct_events(inputs), case.rule.stages, case.rule.maxspan, case.rule.until):
        arrivals = [arrived[identity] for identity in match.identities]
        if max(arrivals) - min(arrivals) > case.rule.hold:
            continue
        counts["matches"] += 1
        if match.final not in found:
            yield f"{match} is not found, only {sorted(found)}"


@law("rekey 5", "recovery of a receiver, which commits no source", restart_case)
def receiver_restarts(case, design, counts):
    index = min(case.place(case.cut), len(case.records) - 1)
    idles = min(case.cut_idles, len(case.records[index].idle_before))
    for emit in ("eager", "exact"):
        history = run_with_history(receiver(case, design, emit), case.records)
        latest = replay_start(history.clocks, case.records, index, design.spans(case.rule), history.partition.hold)
        start = latest - round(latest * case.earlier)
        checkpoint = history.checkpoint_at(index, idles, start)
        checkpoint = replace(checkpoint, clock=listen(history.clocks, case.records, start))
        want = history.partition.outputs[history.outputs_before[index, idles]:]
        got = restart(receiver(case, design, emit), checkpoint, case.records)
        counts["replayed"] += index - start
        counts["not replayed"] += start
        counts["outputs after"] += len(want)
        if want != got:
            yield f"{emit}, cut before {case.cut}, replay from index {start}: want {want}, got {got}"


def ending_case(random):
    case = rekeyed_case(random)
    case.more["beats"] = 1000 + 4 * (case.rule.hold + case.rule.floor + 2 * (2 * MAX_SKEW + IDLE_TIMEOUT))
    return case


@law("rekey end", "nothing is kept for ever, as far as clocks of partitions differ by no more than the beats go on", ending_case)
def all_leaves(case, design, counts):
    partition = run(receiver(case, design, "exact"), case.records)
    told = {record.forwarded.source: record.forwarded for record in case.records}
    now, last = case.records[-1].stamp, case.records[-1]
    for elapsed in range(5, int(case.more["beats"]), 5):
        for source, word in told.items():
            beat = Record(last.host, last.channel, Event(0, 0, ""), now + elapsed, now + elapsed, last.serial + 1)
            clock = max(word.clock + elapsed, now + elapsed)
            beat.forwarded = Forwarded(source, clock, word.pace + elapsed)
            partition.record(beat)
    counts["keys"] += len(keys_of(distinct_events(case.records)))
    if partition.keys:
        yield f"still held: {sorted(partition.keys)}"
