"""The clock of a partition and its pace: how much time it has seen pass (rules 1 and 2).

The pace decides only how long something is kept and when something is decided, never what matches. `note` is what an
arrival remembers of it; `age` is what has passed since then, less the slack.
"""

# How a confirmed step of producers' times counts as elapsed time. All but the first are rejected rules.
CAPPED = "capped"  # at most max_skew
NOTHING = "nothing"
ELAPSED = "elapsed"  # all of it


class PartitionClock:
    """Use: `take` every record; then ask for `note` and `age`. Never looks at event times, but where there are no stamps."""

    def __init__(self, stamps, max_skew, slack_in_skews=2, confirmed_step=CAPPED):
        self.is_append = stamps == "append"
        self.max_skew = max_skew
        self.confirmed_step = confirmed_step
        self.slack = 0 if self.is_append else slack_in_skews * max_skew
        self.shows = None
        self.step = None  # (host, the first and the newest time it claims): forward by more than max_skew, unconfirmed
        self.pace = 0

    def copy(self):
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    def take(self, record):
        """Moves the clock by a record's stamp."""
        stamp = record.stamp
        if self.shows is None:
            self.shows = self.pace = stamp
        elif self.is_append:
            if stamp > self.shows:
                self.pace += stamp - self.shows
                self.shows = stamp
        elif stamp - self.shows <= self.max_skew:
            self._follow(stamp, record.host)
        else:
            self._step(stamp, record.host)

    def note(self):
        return self.pace if self.shows is not None else None

    def age(self, note, loan=0):
        """Returns by how much what was noted has aged for certain; `loan` is idle time on top."""
        return self.pace - note + loan - self.slack

    def heard_of(self, heard):
        """Returns those of the (event time, age) of a key's candidates that move its now: all."""
        return heard

    def gained(self, since, until):
        """Returns what was gained for certain between two notes."""
        return until - since - self.slack

    def replay_start(self, before, cut, spans, hold):
        """Returns the last record before which the pace was `spans` times what is kept lower than at the cut."""
        limit = before[cut].pace - spans * (hold + self.slack)
        return max((at for at in range(cut + 1) if before[at].shows is not None and before[at].pace < limit), default=0)

    def _follow(self, stamp, host):
        if stamp > self.shows:
            self.pace += stamp - self.shows
            self.shows = stamp
        if self.step and self.step[0] != host:
            self.step = None

    def _step(self, stamp, host):
        if self.step and self.step[2] <= self.shows:
            self.step = None
        if self.step is None:
            self.step = (host, stamp, stamp)
        elif self.step[0] != host:
            self._confirm(min(self.step[2], stamp))
        else:
            first, newest = self.step[1], max(self.step[2], stamp)
            self.step = (host, first, newest)
            if newest - first > self.max_skew:
                self._confirm(newest)

    def _confirm(self, stamp):
        gained = stamp - self.shows
        self.shows, self.step = stamp, None
        self.pace += {CAPPED: min(gained, self.max_skew), NOTHING: 0, ELAPSED: gained}[self.confirmed_step]
