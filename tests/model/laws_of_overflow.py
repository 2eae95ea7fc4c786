"""Limits: what they do to recovery, that they hold, that the newest is never refused, and that none makes an alert."""

from dataclasses import replace

from batch import batch_matches, finals, is_forbidden
from event import distinct_events
from laws import law, matches_of, random_rule, run, usual_case
from laws_of_recovery import check_restart, restart_case, scrambled_case
from laws_of_time import eager_finals, is_clock_pulled, of_key, on_time_keys
from references import keys_of, sorted_answer


def limited(random, rule):
    limits = random.choice(["rule", "key", "both"])
    quota = random.choice([4, 8, 15, 30]) if limits != "key" else None
    return replace(rule, quota=quota, quota_of_key=random.choice([2, 4, 8]) if limits != "rule" else None)


def overflowing_restart(random):
    if random.random() < 0.5:
        case = scrambled_case(random)
    else:
        rule = random_rule(random)
        rule = replace(rule, hold=random.choice([rule.floor, rule.floor + 10]))
        case = restart_case(random, rule, random.choice(["flood", "flood", "copies", "long"]))
    case.rule = limited(random, case.rule)
    return case


def overflowing_case(random, **settings):
    case = usual_case(random, shape=random.choice(["flood", "flood", "usual"]), **settings)
    case.rule = limited(random, case.rule)
    return case


@law("overflow 5", "recovery: a restart under overflow changes nothing", overflowing_restart)
def overflow_survives(case, design, counts):
    for emit in ("eager", "exact"):
        yield from check_restart(case, design, counts, emit, lambda: design.new(case.rule.emitting(emit), case.stamps))


@law("overflow", "a limit is kept, and the newest is never refused", overflowing_case)
def limits_are_kept(case, design, counts):
    rule = case.rule
    for emit in ("eager", "exact"):
        partition = design.new(rule.emitting(emit), case.stamps)
        largest = 0
        for record in case.records:
            partition.record(record)
            largest = max(largest, record.size * len(record.event.keys))
            used = sum(partition.quota.sizes.values())
            if rule.quota and used > max(rule.quota, largest):
                yield f"{emit}: {used} are held after record {record.serial}"
            for key, held in partition.keys.items():
                if rule.quota_of_key and len(held.delivered) > rule.quota_of_key:
                    yield f"{emit}: {len(held.delivered)} of key {key} are held after record {record.serial}"
            for key in record.event.keys if record.event.tags else ():
                if record.event.identity not in partition.keys[key].delivered:
                    yield f"{emit}: record {record.serial} was refused"
        counts["evicted"] += partition.evicted


@law("overflow 7", "what arrives within `hold` and fits into the limits is found", lambda r: overflowing_case(r, absences=0))
def fitting_is_found(case, design, counts):
    if is_clock_pulled(case, counts):
        return
    found = eager_finals(case, design)
    rule = case.rule
    places = {}
    for place, record in enumerate(case.records):
        places.setdefault(record.event.identity, place)
    for match in batch_matches(distinct_events(case.records), rule.stages, rule.maxspan, rule.until):
        at = [places[identity] for identity in match.identities]
        between = case.records[min(at): max(at) + 1]
        if between[-1].arrived - between[0].arrived > rule.hold or not _fits(rule, match.key, between):
            continue
        counts["matches"] += 1
        if match.final not in found:
            yield f"{match} is not found, only {sorted(found)}"


def _fits(rule, key, records):
    """Tells whether what these records bring is within the limits, each event counted once for each of its keys."""
    sizes = {}  # of the largest copy
    for record in records:
        for k in record.event.keys if record.event.tags else ():
            entry = (k, record.event.identity)
            sizes[entry] = max(record.size, sizes.get(entry, 0))
    of_key = sum(1 for k, _ in sizes if k == key)
    return (not rule.quota or sum(sizes.values()) <= rule.quota) and (not rule.quota_of_key or of_key <= rule.quota_of_key)


def case_without_copies(random):
    """A copy that comes after a limit drove its first delivery out counts as a new event that is late."""
    case = overflowing_case(random, absences=0.5)
    first = {}
    case.records = [r for r in case.records if first.setdefault(r.event.identity, r.serial) == r.serial]
    return case


@law("overflow !", "no limit makes an absence alert that is none", case_without_copies)
def no_false_absence(case, design, counts):
    if not case.rule.has_absence or is_clock_pulled(case, counts):
        return
    events = distinct_events(case.records)
    partition = run(design.new(case.rule.emitting("exact"), case.stamps), case.records)
    partition.finish()
    matches = matches_of(partition)
    want = finals(sorted_answer(case.rule, events, keys_of(events)))
    counts["undecidable"] += partition.undecidable
    for key in on_time_keys(case):
        counts["found"] += len(of_key(finals(matches), key))
        counts["missed"] += len(of_key(want, key) - of_key(finals(matches), key))
        for match in matches:
            if match.key == key and is_forbidden(events, match, case.rule.stages, case.rule.maxspan):
                yield f"{match} is forbidden"
