"""The batch reference: sorts all events and matches stage by stage, with lists.

It follows Elasticsearch's sequence matcher and knows none of the rules of time: no arrival, no clock, no memory.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Match:
    """A match: its join key and its events in the order of the stages; for a sample the number of its window."""

    key: tuple
    events: tuple
    window: int = None

    @property
    def identities(self):
        return tuple(event.identity for event in self.events)

    @property
    def final(self):
        """What identifies its alert: the key and the last event, or the window's number."""
        return (self.key, self.window if self.window is not None else self.events[-1].identity)


def finals(matches):
    """Returns what identifies the alerts of these matches."""
    return {match.final for match in matches}


def batch_matches(events, stages, maxspan=None, until=None):
    """Returns all matches of a sequence; `stages` are pairs (tag, whether the event must be missing)."""
    ordered = sorted(events, key=lambda event: event.ordinal)
    positive = [index for index, (_, is_missing) in enumerate(stages) if not is_missing]
    complete = []
    for key in sorted({key for event in ordered for key in event.keys}):
        of_key = [event for event in ordered if key in event.keys]
        for sequence in _positive_sequences(of_key, [stages[index][0] for index in positive], maxspan, until):
            if _absences_hold(of_key, stages, positive, sequence, maxspan):
                complete.append(Match(key, tuple(sequence)))
    return complete


def is_forbidden(events, match, stages, maxspan):
    """Tells whether a missing event of all these is in its place in a match."""
    positive = [index for index, (_, is_missing) in enumerate(stages) if not is_missing]
    return not _absences_hold([e for e in events if match.key in e.keys], stages, positive, match.events, maxspan)


def _positive_sequences(events, tags, maxspan, until):
    """Joins the hits of each stage to the latest candidate before them; that candidate and all older ones are used up."""
    candidates = [[event] for event in events if tags[0] in event.tags]
    ends = [event.ordinal for event in events if until in event.tags] if until else []
    for tag in tags[1:]:
        longer = []
        for event in events:
            if tag not in event.tags:
                continue
            before = [c for c in candidates if c[-1].ordinal < event.ordinal]
            if not before:
                continue
            latest = before[-1]
            candidates = candidates[len(before):]
            too_long = maxspan is not None and event.event_time - latest[0].event_time > maxspan
            is_ended = any(latest[-1].ordinal <= end < event.ordinal for end in ends)
            if not too_long and not is_ended:
                longer.append(latest + [event])
        candidates = longer
    return candidates


def _absences_hold(events, stages, positive, sequence, maxspan):
    """Tells whether a window of maxspan can be laid over the sequence so that no missing event is in its place."""
    first, last = sequence[0].event_time, sequence[-1].event_time
    times_of = lambda tag: [event.event_time for event in events if tag in event.tags]
    for index, (tag, is_missing) in enumerate(stages):
        if is_missing and positive[0] < index < positive[-1]:
            before = max(place for place, other in enumerate(positive) if other < index)
            low, high = sequence[before].event_time, sequence[before + 1].event_time
            if any(low < time < high for time in times_of(tag)):
                return False
    leading = [tag for tag, _ in stages[: positive[0]]]
    trailing = [tag for tag, _ in stages[positive[-1] + 1:]]
    if not leading and not trailing:
        return True
    before = max((time for tag in leading for time in times_of(tag) if time < first), default=None)
    after = min((time for tag in trailing for time in times_of(tag) if time > last), default=None)
    if leading and trailing:
        return before is None or after is None or after - before > maxspan
    if leading:
        return before is None or last - before > maxspan
    return after is None or after - first > maxspan


def batch_samples(events, terms, span):
    """Returns the (key, window number) of every window for which a sample exists, by trying all choices.

    A sample is one distinct event for each term, all within `span`; its window is that of its newest event.
    """
    found = set()
    for key in {key for event in events for key in event.keys}:
        of_key = sorted((event for event in events if key in event.keys), key=lambda event: event.ordinal)
        for newest in of_key:
            near = [e for e in of_key if e.ordinal <= newest.ordinal and newest.event_time - e.event_time <= span]
            if _some_choice(near, list(terms), newest, False):
                found.add((key, newest.event_time // span))
    return found


def _some_choice(events, terms, wanted, has_wanted):
    if not terms:
        return has_wanted
    for event in events:
        if terms[0] in event.tags:
            rest = [other for other in events if other is not event]
            if _some_choice(rest, terms[1:], wanted, has_wanted or event is wanted):
                return True
    return False
