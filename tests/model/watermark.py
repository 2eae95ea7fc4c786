"""A key's now, from which its watermark follows (rule 6)."""


def key_now(candidates, clock, ahead, loan=0, back=0):
    """Returns the newest event time held and what has passed since it came; `back` is how much less had at a moment before.

    A single event that is further ahead than `ahead` of all others does not count until a second confirms it.
    """
    heard = clock.heard_of([(held.event.event_time, clock.age(held.arrival, loan)) for held in candidates])
    heard = [(event_time, age - back) for event_time, age in heard if age - back >= -clock.slack]
    if not heard:
        return -float("inf")
    claims = lambda entry: (entry[0] + entry[1], entry[0])
    first = max(heard, key=claims)
    rest = [entry for entry in heard if entry[0] != first[0]]
    if rest and sum(first) - max(map(sum, rest)) > ahead:
        heard = rest
    event_time, age = max(heard)
    return event_time + max(0, age)
