"""Suppression: recovery, and never an alert too few."""

from dataclasses import replace

from laws import law, matches_of, random_rule, run
from laws_of_recovery import check_restart, restart_case
from suppression import SuppressingPartition

GROUPS = {
    "by join key": lambda match: match.key,
    "all alike": lambda match: (),
    "by a field of the final event": lambda match: match.events[-1].identity % 3,
}


def suppressing_case(random):
    rule = random_rule(random)
    if random.random() < 0.5:  # a rule that counts: complete again with each event
        rule = replace(rule, stages=(("A", False),) * random.choice([1, 2, 3]), order_tolerance=0)
    rule = replace(rule, hold=rule.floor + random.choice([0, 4]))
    case = restart_case(random, rule, random.choice([None, "long", "flood", "copies"]))
    case.more |= {
        "duration": random.choice([1, 3, 10, 60, 600]),
        "limit": random.choice([1, 2, 3, 100]),
        "group": random.choice(list(GROUPS)),
    }
    return case


def new_partition(case, design, emit):
    return SuppressingPartition(
        case.rule.emitting(emit),
        design.clock(case.stamps),
        design.policy,
        duration=case.more["duration"],
        limit=case.more["limit"],
        group_of=GROUPS[case.more["group"]],
        committed=1 if "few windows committed" in design.switches else None,
        is_rebuilt_by_replay="windows rebuilt by replay" in design.switches,
    )


@law("suppression 5", "recovery: a restart lets the same alerts through", suppressing_case)
def suppression_survives(case, design, counts):
    for emit in ("eager", "exact"):
        yield from check_restart(case, design, counts, emit, lambda: new_partition(case, design, emit))


@law("suppression", "what is left out has an alert like it within the duration", suppressing_case)
def never_too_few(case, design, counts):
    for emit in ("eager", "exact"):
        partition = run(new_partition(case, design, emit), case.records)
        partition.finish()
        group_of, duration = partition.group_of, case.more["duration"]
        at = lambda match: max(event.event_time for event in match.events)
        near = lambda one, other: group_of(one) == group_of(other) and abs(at(one) - at(other)) < duration
        left = matches_of(partition)
        counts["left"] += len(left)
        counts["left out"] += len(partition.left_out)
        for output in partition.left_out:
            if not any(near(match, output.match) for match in left):
                yield f"{emit}: {output.match} was left out, and nothing like it left: {left}"
        lasted = case.records[-1].arrived - case.records[0].arrived
        is_short = lasted <= duration and case.more["limit"] == 100 and case.stamps == "append"
        times = [at(match) for match in left]
        if is_short and case.more["group"] == "all alike" and times == sorted(times):
            counts["short"] += 1
            if any(after - before < duration for before, after in zip(times, times[1:])):
                yield f"{emit}: alike within the duration: {left}"
