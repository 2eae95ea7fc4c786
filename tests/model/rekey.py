"""Re-keying: the clock of a partition in which events meet that came through several partitions of the input.

Each forwarded record, and each beat that tells only how far a source has come, carries its source and what the source's
clock showed. The clock here is the least of what the sources have told, those left out that are silent, and never goes
back. It has a pace like any other. An event of a source that is ahead counts as arrived when this clock comes to where it
stood: so all is as if everything had come through one partition, in the order of the sources' clocks.
"""

from bisect import bisect_left
from collections import namedtuple

IDLE_TIMEOUT = 30  # a source that has told nothing for so long is not waited for
LONGEST_GAP = 5  # a gap counts as at most this much of that time: after an outage of everything nobody was silent

# Where a record stood first: its source, and what the clock and the pace of that partition showed.
Forwarded = namedtuple("Forwarded", "source clock pace")

# A movement of the clock: from where to where, and what the pace gained by it.
Move = namedtuple("Move", "until since pace_until gained")

BY_CLOCKS = "by clocks"
# Rejected: paces have no common origin; and who is ahead of the others ages before they come there.
LEAST_PACE = "least pace"
AT_ARRIVAL = "at arrival"


class RekeyedClock:
    """Use as a `PartitionClock`. The sources are not committed: `listen` before a replay hears all that count."""

    def __init__(self, slack, max_move=float("inf"), rule=BY_CLOCKS):
        self.slack, self.max_move, self.rule = slack, max_move, rule
        self.topic_time = None
        self.alive = 0  # time during which the topic was alive, by its own stamps
        self.sources = {}  # source -> (what it last told, the time alive then)
        self.shows = None
        self.pace = 0
        self.moves = []
        self.current = None

    def copy(self, sources=None):
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.sources = dict(self.sources if sources is None else sources)
        other.moves = list(self.moves)
        return other

    def take(self, record):
        gap = 0 if self.topic_time is None else max(0, record.stamp - self.topic_time)
        self.topic_time = record.stamp if self.topic_time is None else self.topic_time + gap
        self.alive += min(gap, LONGEST_GAP)
        self.current = record.forwarded
        self.sources[record.forwarded.source] = (record.forwarded, self.alive)
        if self.alive >= IDLE_TIMEOUT:  # all sources had time to tell
            self._move_to(min(self._heard(0)))

    def note(self):
        """An arrival remembers where its source stood if that is ahead, else the pace; (is it ahead, which)."""
        if self.current is None:
            return None
        place = self._place(self.current)
        is_ahead = self.rule != AT_ARRIVAL and self.rule != LEAST_PACE and (self.shows is None or place > self.shows)
        return (is_ahead, place if is_ahead else self.pace)

    def age(self, note, loan=0):
        """Returns by how much what was noted has aged for certain; less than nothing if it counts as not arrived."""
        if loan and not self._heard(loan) and self.shows is not None:
            alone = self.copy()  # all are silent: nobody is waited for, and idle time counts
            alone._move_to(max(self._place(word) for word, _ in self.sources.values()))
            return alone.age(note) + loan
        is_ahead, value = note
        if not is_ahead:
            return self.pace - value - self.slack
        if self.shows is None or value > self.shows:
            return -float("inf")
        move = self.moves[bisect_left(self.moves, (value,))]
        return self.pace - (move.pace_until - min(move.until - value, move.gained)) - self.slack

    def heard_of(self, heard):
        """An event that counts as not arrived does not move its key's now."""
        return [entry for entry in heard if entry[1] > -float("inf")]

    def _place(self, word):
        return word.pace if self.rule == LEAST_PACE else word.clock

    def _heard(self, loan):
        """Returns what those have told that are not silent."""
        now = self.alive + loan
        return [self._place(word) for word, at in self.sources.values() if now - at <= IDLE_TIMEOUT]

    def _move_to(self, least):
        if self.shows is None or least > self.shows:
            since = least if self.shows is None else self.shows
            gained = min(least - since, self.max_move)
            self.shows, self.pace = least, self.pace + gained
            self.moves.append(Move(least, since, self.pace, gained))


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
    """Returns the clock at the start of a replay: what it shows and its pace are committed, the sources are heard again."""
    first = next(at for at in range(start + 1) if clocks[start].alive - clocks[at].alive <= IDLE_TIMEOUT + LONGEST_GAP)
    clock = clocks[first].copy(sources={})
    for record in records[first:start]:
        clock.take(record)
    clock.shows, clock.pace, clock.moves = clocks[start].shows, clocks[start].pace, []
    return clock
