"""Rules that are loaded later: since when a rule has seen the partition, and that a restart knows it."""

from batch import finals
from event import distinct_events
from laws import law, matches_of, run, usual_case
from laws_of_recovery import check_restart, restart_case
from laws_of_time import is_clock_pulled, of_key, on_time_keys
from recovery import Checkpoint, restart, run_with_history
from references import keys_of, sorted_answer


def loaded_restart(random):
    case = restart_case(random)
    case.more["loaded before"] = random.choice([r.serial for r in case.records if r.serial <= case.cut])
    return case


def loaded_case(random, absences=None):
    case = usual_case(random, absences=absences)
    case.more["loaded before"] = random.choice(case.records).serial
    return case


@law("reload 5", "recovery: after a restart a rule knows since when it has seen the partition", loaded_restart)
def start_survives(case, design, counts):
    at = case.more["loaded before"]
    new = lambda emit: design.new(case.rule.emitting(emit), case.stamps, seen_from_position=at)
    for emit in ("eager", "exact"):
        yield from check_restart(case, design, counts, emit, lambda: new(emit))


@law("reload", "without a read-back a rule alerts on nothing that all events forbid, and finds what it has seen", loaded_case)
def seen_is_decided(case, design, counts):
    if is_clock_pulled(case, counts):
        return
    at = case.more["loaded before"]
    seen = [record for record in case.records if record.serial >= at]
    partition = run(design.new(case.rule.emitting("exact"), case.stamps, seen_from_position=at), case.records)
    partition.finish()
    got = finals(matches_of(partition))
    events, seen_events = distinct_events(case.records), distinct_events(seen)
    every = sorted_answer(case.rule, events, keys_of(events))
    of_seen = finals(sorted_answer(case.rule, seen_events, keys_of(seen_events)))
    arrived = {record.event.identity: record.arrived for record in reversed(case.records)}
    must = {m.final for m in every if arrived[m.events[0].identity] > seen[0].arrived + case.rule.unseen_for()} if seen else set()
    before = {record.event.identity for record in case.records if record.serial < at}
    for key in on_time_keys(case):
        if any(key in r.event.keys and r.event.identity in before for r in seen):
            continue  # a copy of what it has not seen is late
        counts["found"] += len(of_key(got, key))
        if case.rule.has_absence and not of_key(got, key) <= of_key(finals(every), key):
            yield f"key {key}: want at most {sorted(of_key(finals(every), key))}, got {sorted(of_key(got, key))}"
        least = of_seen & must if case.stamps == "append" or not case.rule.has_absence else set()
        if not of_key(got, key) >= of_key(least, key):
            yield f"key {key}: want at least {sorted(of_key(least, key))}, got {sorted(of_key(got, key))}"


@law("reload read-back", "with a read-back a rule goes on as if it had been there from the beginning", loaded_restart)
def read_back_is_complete(case, design, counts):
    index = case.place(case.more["loaded before"])
    if index >= len(case.records):
        return
    for emit in ("eager", "exact"):
        history = run_with_history(design.new(case.rule.emitting(emit), case.stamps), case.records)
        start = history.clocks[index].replay_start(history.clocks, index, design.spans(case.rule), history.partition.hold)
        idles = len(case.records[index].idle_before)
        pairs = tuple((at, elapsed) for at, elapsed, _ in history.pairs if start <= at <= index)
        loaded = Checkpoint(index, idles, start, history.clocks[start], pairs)
        got = restart(design.new(case.rule.emitting(emit), case.stamps), loaded, case.records)
        want = history.partition.outputs[history.outputs_before[index, idles]:]
        counts["outputs after"] += len(want)
        if want != got:
            yield f"{emit}, read back from {start}: want {want}, got {got}"
