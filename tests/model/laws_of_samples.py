"""Samples: laws 5, 7 and 8 for distinct events, one for each term, in any order; one alert for each key and window."""

from dataclasses import replace

from batch import batch_samples, finals
from event import distinct_events, first_arrivals
from laws import law, matches_of, run, usual_case
from laws_of_recovery import check_restart, restart_case
from laws_of_time import is_clock_pulled
from rule import Rule


def sample_rule(random):
    terms = tuple((random.choice("ABCD"), False) for _ in range(random.choice([2, 2, 3, 3, 4])))
    rule = Rule(terms, random.choice([2, 3, 5, 8]), is_sample=True, allowed_lateness=random.choice([0, 2, 5]))
    return replace(rule, hold=random.choice([rule.floor, rule.floor + 1, 40]))


def sample_case(random):
    case = usual_case(random)
    case.rule = sample_rule(random)
    return case


def terms_of(rule):
    return [tag for tag, _ in rule.stages]


def not_a_sample(rule, match):
    """Tells what is wrong with a sample, if anything is."""
    times = [event.event_time for event in match.events]
    if len(set(match.identities)) != len(rule.stages):
        return "not distinct"
    if any(tag not in event.tags for tag, event in zip(terms_of(rule), match.events)):
        return "an event does not satisfy its term"
    if max(times) - min(times) > rule.maxspan or match.window != max(times) // rule.maxspan:
        return "not within maxspan, or of another window"
    return None


def found_within(records, rule, hold):
    """Returns the windows with a sample whose events arrive within `hold`."""
    arrived = first_arrivals(records)
    events = distinct_events(records)
    near = lambda begin: [e for e in events if begin <= arrived[e.identity] <= begin + hold]
    return set().union(*(batch_samples(near(arrived[e.identity]), terms_of(rule), rule.maxspan) for e in events))


@law("sample 7", "each window with a sample that arrives within `hold` is found, and no other", sample_case)
def samples_are_found(case, design, counts):
    if is_clock_pulled(case, counts):
        return
    outputs = matches_of(run(design.new(case.rule, case.stamps), case.records))
    for match in outputs:
        if not_a_sample(case.rule, match):
            yield f"{match}: {not_a_sample(case.rule, match)}"
    want, found = found_within(case.records, case.rule, case.rule.hold), finals(outputs)
    every = batch_samples(distinct_events(case.records), terms_of(case.rule), case.rule.maxspan)
    counts["windows"] += len(every)
    counts["found"] += len(found)
    if not want <= found <= every:
        yield f"at least {sorted(want)}, at most {sorted(every)}, got {sorted(found)}"
    lasted = case.records[-1].arrived - case.records[0].arrived
    if lasted <= case.rule.hold and len(outputs) != len(found):
        yield f"a window twice within `hold`: {outputs}"


@law("sample 8", "a recording gives the batch answer, and the same samples in any order", sample_case)
def sample_recording_is_batch(case, design, counts):
    want = batch_samples(distinct_events(case.records), terms_of(case.rule), case.rule.maxspan)
    chosen = []
    for order in (case.records, case.records[::-1], sorted(case.records, key=lambda record: record.shuffle)):
        partition = design.new(case.rule.emitting("bounded"), case.stamps)
        for record in order:
            partition.record(record)
        partition.finish()
        chosen.append(matches_of(partition))
        counts["windows"] += len(want)
        if finals(chosen[-1]) != want or any(not_a_sample(case.rule, match) for match in chosen[-1]):
            yield f"want {sorted(want)}, got {chosen[-1]}"
    if chosen[0] != chosen[1] or chosen[0] != chosen[2]:
        yield f"other samples in another order: {chosen}"


def sample_restart_case(random):
    rule = sample_rule(random)
    shape = random.choice([None, "long", "copies", "scrambled", "scrambled"])
    if shape == "scrambled":
        rule = replace(rule, stages=(("A", False), ("B", False)), hold=rule.floor + random.choice([0, 4]))
    return restart_case(random, rule, shape, "append" if shape == "scrambled" else None)


@law("sample 5", "recovery of samples", sample_restart_case)
def sample_restarts(case, design, counts):
    yield from check_restart(case, design, counts, "eager", lambda: design.new(case.rule, case.stamps))
