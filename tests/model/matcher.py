"""What the candidates of a key match: a sequence by the one-slot machine, a sample by a choice of distinct events."""

from batch import Match
from bipartite import choose
from one_slot import OneSlotMachine


def sequence_matches(rule, key, candidates, below):
    """Returns the matches of the candidates below a time, everything before it being known."""
    machine = OneSlotMachine(key, rule.stages, rule.maxspan, rule.until, rule.order_tolerance)
    for held in candidates:
        if held.event.event_time < below:
            machine.push(held.event)
    machine.advance(below)
    return machine.matches


def window_of(rule, event):
    """Returns the number of the window of maxspan that an event lies in."""
    return event.event_time // rule.maxspan


def samples_with(rule, key, candidates, event):
    """Returns one sample that contains the event for each window in which there is one: its own and the next."""
    events = [held.event for held in candidates]
    own = window_of(rule, event)
    found = (_sample_in(rule, key, events, number, [event]) for number in (own, own + 1))
    return [match for match in found if match]


def samples_of(rule, key, candidates):
    """Returns one sample for each window that has any, the same in whatever order the events came."""
    events = [held.event for held in candidates]
    numbers = sorted({window_of(rule, event) for event in events})
    found = (_sample_in(rule, key, events, number, []) for number in numbers)
    return [match for match in found if match]


def _sample_in(rule, key, events, number, required):
    terms = [tag for tag, _ in rule.stages]
    for newest in events:
        if window_of(rule, newest) != number or any(newest.ordinal < event.ordinal for event in required):
            continue
        oldest = newest.event_time - rule.maxspan
        near = [e for e in events if oldest <= e.event_time and e.ordinal <= newest.ordinal]
        if any(event not in near for event in required):
            continue
        chosen = choose(terms, near, [newest] + [event for event in required if event is not newest])
        if chosen:
            return Match(key, chosen, number)
    return None
