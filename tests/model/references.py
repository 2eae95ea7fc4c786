"""What may be expected of a key, by true time and its own events: for which keys a law speaks at all."""

from one_slot import OneSlotMachine


def sorted_answer(rule, events, keys):
    """Returns the matches of a machine that is fed with everything in ordinal order; without order tolerance = batch."""
    matches = []
    for key in keys:
        machine = OneSlotMachine(key, rule.stages, rule.maxspan, rule.until, rule.order_tolerance)
        for event in sorted((event for event in events if key in event.keys), key=lambda event: event.ordinal):
            machine.push(event)
        machine.advance(float("inf"))
        matches += machine.matches
    return matches


def of_key(finals, key):
    return {final for final in finals if final[0] == key}


def keys_of(events):
    return sorted({key for event in events for key in event.keys})


def is_on_time(records, key, lateness, hold):
    """Tells whether every candidate of the key came within the lateness, and no copy of it so late that it is new."""
    first, last_copy, newest = {}, {}, -1e18
    for record in records:
        event = record.event
        if key not in event.keys or not event.tags:
            continue
        if record.arrived - last_copy.get(event.identity, record.arrived) > hold:
            return False
        last_copy[event.identity] = record.arrived
        if event.identity not in first:
            first[event.identity] = record.arrived
            if event.event_time < newest + record.arrived - lateness:
                return False
            newest = max(newest, event.event_time - record.arrived)
    return True


def is_in_order(records, key):
    ordinals = [r.event.ordinal for r in records if key in r.event.keys and r.event.tags]
    return all(before < after for before, after in zip(ordinals, ordinals[1:]))


def is_pulled(records, clock):
    """Tells whether the clock gains more than true time and the slack between any two records."""
    least = float("inf")
    for record in records:
        clock.take(record)
        ahead = clock.note() - record.arrived
        least = min(least, ahead)
        if ahead - least > clock.slack:
            return True
    return False
