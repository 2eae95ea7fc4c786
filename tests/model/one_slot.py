"""The one-slot machine for one join key: what the product runs over the events of a key in ordinal order.

Each stage has room for one pending sequence. A stage takes what the stage before it holds, later stages first, so that
an event never follows itself.

The order tolerance stands beside that and changes nothing of it. A hit that took no strict sequence may take one that
needed the tolerance; these have slots of their own, where the newest overwrites the older one. And it is kept: a
sequence that is formed later may take it although it is up to the tolerance older (`_rescue`). So whether a hit is kept
depends on strict sequences alone, and nothing depends on more than twice maxspan and the tolerance of each stage.
"""

from collections import namedtuple

from batch import Match

# Events so far, whether a missing event came between them, the latest event of a leading absence before them.
Pending = namedtuple("Pending", "events is_spoilt leading")


class OneSlotMachine:
    """Use: `push` each event in ordinal order, then `advance` to the time below which everything is known."""

    def __init__(self, key, stages, maxspan=None, until=None, tolerance=0):
        self.key, self.stages, self.maxspan, self.until, self.tolerance = key, stages, maxspan, until, tolerance
        self.positive = [index for index, (_, is_missing) in enumerate(stages) if not is_missing]
        self.missing_tags = {tag for tag, is_missing in stages if is_missing}
        self.slots = {}
        self.adjusted = {}  # slots of sequences that needed the order tolerance
        self.last_missing = {}  # two latest distinct times by tag
        self.waiting = []  # (deadline, events): complete but for a trailing absence
        self.unmatched = []  # (stage, event): hits that took no strict sequence, for the order tolerance
        self.matches = []

    def push(self, event):
        self._free_over_maxspan(event, self.slots)
        self._free_over_maxspan(event, self.adjusted)
        self.advance(event.event_time)
        self._withdraw_waiting(event)
        for stage in range(len(self.positive) - 1, 0, -1):
            if self._tag(stage) in event.tags:
                self._take(stage, event)
        if self._tag(0) in event.tags:
            self._begin(event)
        if self.until and self.until in event.tags:
            self.slots.clear()
            self.adjusted.clear()
        for tag in self.missing_tags & event.tags:
            known = self.last_missing.get(tag, ())
            self.last_missing[tag] = (event.event_time, *[time for time in known if time != event.event_time][:1])
        if self.tolerance:
            self._rescue(event)

    def advance(self, below):
        """Everything before this time has been pushed: sequences whose deadline is past are complete."""
        if not self.waiting:
            return
        for deadline, events in self.waiting:
            if below > deadline:
                self._emit(events)
        self.waiting = [entry for entry in self.waiting if below <= entry[0]]

    def _tag(self, stage):
        return self.stages[self.positive[stage]][0]

    def _emit(self, events):
        self.matches.append(Match(self.key, tuple(events)))

    def _free_over_maxspan(self, event, slots):
        """A pending sequence over maxspan is none, whether it has been freed or not."""
        if self.maxspan is None or not slots:
            return
        over = [
            stage
            for stage, pending in slots.items()
            if event.event_time - min(e.event_time for e in pending.events) > self.maxspan
        ]
        for stage in over:
            del slots[stage]

    def _withdraw_waiting(self, event):
        trailing = {tag for tag, _ in self.stages[self.positive[-1] + 1:]}
        if trailing & event.tags:
            forbids = lambda deadline, events: events[-1].event_time < event.event_time <= deadline
            self.waiting = [entry for entry in self.waiting if not forbids(*entry)]

    def _take(self, stage, event):
        """A hit takes what is pending before its stage: a strict sequence, or else one that needed the tolerance."""
        if stage - 1 in self.slots:
            self._extend(stage, self.slots.pop(stage - 1), event, self.slots)
        elif self.tolerance:
            if stage - 1 in self.adjusted:
                self._extend(stage, self.adjusted.pop(stage - 1), event, self.adjusted)
            self.unmatched.append((stage, event))

    def _extend(self, stage, pending, event, slots):
        is_spoilt = pending.is_spoilt
        for tag, _ in self.stages[self.positive[stage - 1] + 1: self.positive[stage]]:
            latest = next((time for time in self.last_missing.get(tag, ()) if time < event.event_time), None)
            if latest is not None and latest > pending.events[-1].event_time:
                is_spoilt = True
        self._advance_to(stage, Pending(pending.events + [event], is_spoilt, pending.leading), slots)

    def _begin(self, event):
        leading = None
        for tag, _ in self.stages[: self.positive[0]]:
            latest = next((time for time in self.last_missing.get(tag, ()) if time < event.event_time), None)
            if latest is not None:
                leading = latest if leading is None else max(leading, latest)
        self._advance_to(0, Pending([event], False, leading), self.slots)

    def _advance_to(self, stage, pending, slots):
        if stage == len(self.positive) - 1:
            self._complete(pending)
        else:
            slots[stage] = pending

    def _complete(self, pending):
        if pending.is_spoilt:
            return
        has_leading, has_trailing = self.stages[0][1], self.stages[-1][1]
        first, last = pending.events[0].event_time, pending.events[-1].event_time
        if not has_leading and not has_trailing:
            return self._emit(pending.events)
        if has_leading and not has_trailing:
            if pending.leading is None or last - pending.leading > self.maxspan:
                self._emit(pending.events)
            return
        if has_leading and pending.leading is None:
            return self._emit(pending.events)
        deadline = (pending.leading if has_leading else first) + self.maxspan
        if deadline < last:
            return self._emit(pending.events)
        self.waiting.append((deadline, pending.events))

    def _rescue(self, event):
        """Each sequence that the event has just formed takes kept hits of the next stage, and what comes of it goes on.

        The last stage takes all that fit, a stage before it the newest one.
        """
        oldest = event.event_time - self.tolerance * len(self.positive)
        self.unmatched = [(stage, hit) for stage, hit in self.unmatched if hit.event_time >= oldest]
        formed = [(stage, self._formed_by(event, stage)) for stage in range(len(self.positive) - 1)]
        while formed:
            stage, pending = formed.pop()
            if pending is None:
                continue
            longer = [
                Pending(pending.events + [hit], pending.is_spoilt, pending.leading)
                for hit_stage, hit in self.unmatched
                if hit_stage == stage + 1 and self._may_follow(pending.events, hit)
            ]
            if stage + 2 == len(self.positive):
                for complete in longer:
                    self._complete(complete)
            elif longer:
                self.adjusted[stage + 1] = longer[-1]
                formed.append((stage + 1, longer[-1]))

    def _formed_by(self, event, stage):
        """Returns the pending sequence of a stage that ends with the event, the strict one first."""
        for slots in (self.slots, self.adjusted):
            if stage in slots and slots[stage].events[-1].identity == event.identity:
                return slots[stage]
        return None

    def _may_follow(self, events, hit):
        return hit.event_time >= events[-1].event_time - self.tolerance and self._fits(events, hit)

    def _fits(self, events, hit):
        times = [e.event_time for e in events] + [hit.event_time]
        is_new = all(e.identity != hit.identity for e in events)
        return is_new and (self.maxspan is None or max(times) - min(times) <= self.maxspan)
