"""Law 5: after a restart at any point the output is that of an uninterrupted run."""

from dataclasses import replace

from laws import Case, law, random_rule, random_shape, random_stamps
from recovery import restart, run_with_history
from rule import Rule
from streams import stream, with_any_idle_time


def restart_case(random, rule=None, shape=None, stamps=None):
    """A restart anywhere, between two idle advances too; the replay may start earlier than it has to."""
    rule = rule or random_rule(random)
    stamps = stamps or random_stamps(random)
    records = stream(random, rule.allowed_lateness, stamps, shape or random_shape(random), rule.hold)
    with_any_idle_time(random, records)
    cut = random.choice(records[1:] or records)
    earlier = random.choice([0, 0, random.random()])
    return Case(rule, stamps, records, cut.serial, random.randint(0, len(cut.idle_before)), earlier)


def long_case(random):
    """Streams that are long beside what is held, with copies again and again: here the depth of the replay matters."""
    rule = random_rule(random)
    rule = replace(rule, maxspan=min(rule.maxspan, 3), allowed_lateness=min(rule.allowed_lateness, 2), order_tolerance=0)
    rule = replace(rule, hold=rule.floor + random.choice([0, 0, 1]))
    return restart_case(random, rule, random.choice(["long", "copies"]), random.choice(["append", "append", "create"]))


def scrambled_case(random):
    """Events of one moment that arrive over several times `hold`, in any order and with copies."""
    stages = random.choice(["A B", "A B", "A B C", "A !C B", "!C A B", "A !B", "A B !C"])
    stages = tuple((stage[-1], stage[0] == "!") for stage in stages.split())
    rule = Rule(stages, random.choice([2, 3, 5]), random.choice([None, None, "C"]), 0, random.choice([0, 0, 2]))
    rule = replace(rule, hold=rule.floor + random.choice([0, 4, 20]))
    return restart_case(random, rule, "scrambled", "append")


def check_restart(case, design, counts, emit, new):
    """Yields the difference between what leaves after a restart and what would have left without."""
    index = min(case.place(case.cut), len(case.records) - 1)
    idles = min(case.cut_idles, len(case.records[index].idle_before))
    history = run_with_history(new(), case.records)
    latest = history.clocks[index].replay_start(history.clocks, index, design.spans(case.rule), history.partition.hold)
    start = latest - round(latest * case.earlier)
    checkpoint = history.checkpoint_at(index, idles, start)
    if "start forgotten" in design.switches:
        checkpoint = replace(checkpoint, seen_from=None)
    want = history.partition.outputs[history.outputs_before[index, idles]:]
    got = restart(new(), checkpoint, case.records)
    counts["replayed"] += index - start
    counts["not replayed"] += start
    counts["outputs after"] += len(want)
    if want != got:
        yield f"{emit}, cut before {case.cut} after {idles} idle advances, replay from index {start}: want {want}, got {got}"


def restarts_change_nothing(case, design, counts):
    for emit in ("eager", "exact"):
        yield from check_restart(case, design, counts, emit, lambda: design.new(case.rule.emitting(emit), case.stamps))


law("5", "recovery: a restart at any point changes nothing", restart_case)(restarts_change_nothing)
law("5 long", "recovery, on long streams with copies again and again", long_case)(restarts_change_nothing)
law("5 scrambled", "recovery, where the order of arrival has nothing to do with time", scrambled_case)(restarts_change_nothing)
