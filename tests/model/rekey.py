"""Re-keying: the clock of a partition in which events meet that came through several partitions of the input.

Each forwarded record, and each beat that tells only how far a source has come, carries its source and what the source's
clock showed. The topic is stamped by the broker. A candidate ages by the topic's own time, but no further than all
sources that are not silent have come past the place where it stood: what they still bring is waited for.
"""

from collections import namedtuple

IDLE_TIMEOUT = 30  # a source that has told nothing for so long is not waited for
LONGEST_GAP = 5  # a gap counts as at most this much of that time: after an outage of everything nobody was silent

# Where a record stood first: its source, and what the clock and the pace of that partition showed.
Forwarded = namedtuple("Forwarded", "source clock pace")

BY_CLOCKS = "by clocks"
# Rejected: the paces of partitions have no common origin, and who leaves or returns moves the least by any amount.
LEAST_PACE = "least pace"
OWN_PACE = "own pace"


class RekeyedClock:
    """Use as a `PartitionClock`. The sources are not committed: `listen` before a replay hears all that count."""

    def __init__(self, slack, rule=BY_CLOCKS):
        self.slack, self.rule = slack, rule
        self.topic_time = None
        self.alive = 0  # time during which the topic was alive
        self.sources = {}  # source -> (what it last told, the time alive then)
        self.current = None

    def copy(self, sources=None):
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.sources = dict(self.sources if sources is None else sources)
        return other

    @property
    def shows(self):
        return self.topic_time

    def take(self, record):
        gap = 0 if self.topic_time is None else max(0, record.stamp - self.topic_time)
        self.topic_time = record.stamp if self.topic_time is None else self.topic_time + gap
        self.alive += min(gap, LONGEST_GAP)
        self.current = record.forwarded
        self.sources[record.forwarded.source] = (record.forwarded, self.alive)

    def note(self):
        if self.current is None:
            return None
        if self.rule == LEAST_PACE:
            return self._least("pace", 0)
        return (self.topic_time, getattr(self.current, self._what))

    def age(self, note, loan=0):
        """Returns by how much what was noted has aged; less than nothing while a source has not come there."""
        if self.rule == LEAST_PACE:
            least = self._least("pace", loan)
            return loan if least is None else least - note + loan - self.slack
        topic_time, place = note
        by_topic = self.topic_time - topic_time + loan
        least = self._least(self._what, loan)
        if self.alive + loan < IDLE_TIMEOUT:
            return -float("inf")  # not all sources had time to tell
        return by_topic if least is None else min(by_topic, least - place - self.slack)

    @property
    def _what(self):
        return "pace" if self.rule == OWN_PACE else "clock"

    def heard_of(self, heard):
        """An event of a source that is ahead moves its key's now only when the others have come there."""
        return heard if self.rule == LEAST_PACE else [entry for entry in heard if entry[1] >= 0]

    def _least(self, what, loan):
        """Returns how far the least has come of those that are not silent; nothing if all are."""
        now = self.alive + loan
        told = [getattr(word, what) for word, at in self.sources.values() if now - at <= IDLE_TIMEOUT]
        return min(told, default=None)


def replay_start(clocks, records, cut, spans, hold):
    """Returns the oldest record that was kept when the oldest kept at the cut came, and so on, `spans` times."""
    oldest_kept = _oldest_kept(clocks, records, cut, hold)
    start = cut
    for _ in range(spans):
        start = oldest_kept[start]
    return start


def _oldest_kept(clocks, records, cut, hold):
    """Returns, for each record, the oldest one before it that a candidate of would still be held as it came."""
    kept, oldest, notes = [], [], {}
    for index in range(cut + 1):
        oldest.append(kept[0] if kept else index)
        clock = clocks[index].copy()
        clock.take(records[index])
        notes[index] = clock.note()
        kept = [at for at in kept + [index] if clock.age(notes[at]) <= hold]
    return oldest


def listen(clocks, records, start):
    """Returns the clock at the start of a replay, rebuilt from what was told within one idle timeout before it."""
    first = next(at for at in range(start + 1) if clocks[start].alive - clocks[at].alive <= IDLE_TIMEOUT + LONGEST_GAP)
    clock = clocks[first].copy(sources={})
    for record in records[first:start]:
        clock.take(record)
    return clock
