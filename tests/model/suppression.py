"""Suppression: after an alert, for a while in event time, none that is alike leaves.

What is left out does not prolong a window, so when the next may begin depends on all alerts before, however long ago:
no replay can rebuild that. The windows are committed as they are at the cut, and the matches of a replay do not touch
them. There are never more windows than the committed text has room for, restart or not; the oldest leaves.
"""

from partition import Partition


class Windows:
    """The windows of a partition, by group, in the order in which they began."""

    def __init__(self, duration, limit):
        self.duration, self.limit = duration, limit
        self.by_group = {}  # group -> (event time of the alert that began it, note of the clock then)

    def suppresses(self, group, event_time, note):
        """Takes in an alert that is about to leave; tells whether it is left out."""
        window = self.by_group.get(group)
        if window:
            if abs(event_time - window[0]) < self.duration:
                return True
            if event_time < window[0]:
                return False  # older than the window, which goes on
            del self.by_group[group]
        self.by_group[group] = (event_time, note)
        while len(self.by_group) > self.limit:
            del self.by_group[next(iter(self.by_group))]
        return False

    def forget(self, is_over):
        self.by_group = {group: window for group, window in self.by_group.items() if not is_over(window[1])}


class SuppressingPartition(Partition):
    """A partition whose alerts pass through windows in the order of the records that trigger them."""

    def __init__(self, *arguments, duration, limit, group_of, committed=None, is_rebuilt_by_replay=False, **more):
        super().__init__(*arguments, **more)
        self.windows = Windows(duration, limit)
        self.group_of = group_of
        self.committed = limit if committed is None else committed
        self.is_rebuilt_by_replay = is_rebuilt_by_replay
        self.is_replaying = False
        self.left_out = []

    def replay(self):
        self.is_replaying = True

    def go_live(self, windows):
        self.is_replaying = False
        if not self.is_rebuilt_by_replay:
            self.windows.by_group = dict(windows)

    def windows_to_commit(self):
        return tuple(self.windows.by_group.items())[-self.committed:]

    def _emit(self, matches):
        known = len(self.outputs)
        super()._emit(matches)
        if not self.is_replaying or self.is_rebuilt_by_replay:
            self._let_through(known)

    def _let_through(self, known):
        note = self.clock.note()
        self.windows.forget(lambda since: self.clock.age(since, self.loan) > self.hold + self.windows.duration)
        fresh, self.outputs[known:] = self.outputs[known:], []
        for output in fresh:
            event_time = max(event.event_time for event in output.match.events)
            is_left_out = self.windows.suppresses(self.group_of(output.match), event_time, note)
            (self.left_out if is_left_out else self.outputs).append(output)
