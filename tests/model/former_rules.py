"""The former rules of time, as a control: the laws must fail here where the product failed.

A key has a *base* (the machine after everything that is decided), *recent* candidates that are not, and a *head* (base
with recent applied) that eager rules read. What is older than maxspan + 2 x lateness behind the key's now is refused.
"""

import copy

from one_slot import OneSlotMachine, Pending
from partition import FOREVER, Output
from watermark import key_now


class Heard:
    """An event time that moves the key's now, in the shape that `key_now` takes."""

    def __init__(self, event, arrival):
        self.event, self.arrival = event, arrival


class FormerKey:
    def __init__(self, key, rule):
        machine = lambda: OneSlotMachine(key, rule.stages, rule.maxspan, rule.until, rule.order_tolerance)
        self.base, self.head = machine(), machine()
        self.recent, self.last_decided = [], None
        self.known, self.sent = {}, {}  # identity -> event time
        self.heard, self.last_heard = [], None


class FormerPartition:
    """Use as a `Partition`. It has no second rule for recordings: at their end it decides what is left."""

    def __init__(self, rule, clock, policy=None):
        self.rule, self.clock = rule, clock
        self.keys, self.outputs, self.loan, self.position = {}, [], 0, None
        self.memory = rule.maxspan + 2 * rule.allowed_lateness

    def record(self, record):
        self.position = record.serial
        self.clock.take(record)
        self.tick()
        for key in record.event.keys if record.event.tags else ():
            if key not in self.keys:
                self.keys[key] = FormerKey(key, self.rule)
            self._offer(self.keys[key], record.event)
            self._settle(self.keys[key])

    def idle(self, elapsed):
        self.loan = elapsed
        self.tick()
        self.loan = 0

    def finish(self):
        for state in self.keys.values():
            self._end(state)

    def tick(self):
        for key in list(self.keys):
            self.tick_key(key)

    def tick_key(self, key):
        state = self.keys[key]
        self._settle(state)
        if self.clock.age(state.last_heard, self.loan) > self.memory:
            self._end(state)
            del self.keys[key]

    def _now(self, state):
        return key_now(state.heard, self.clock, self.rule.ahead, self.loan) if state.heard else -FOREVER

    def _offer(self, state, event):
        now = self._now(state)
        oldest = now - self.memory
        state.known = {identity: time for identity, time in state.known.items() if time >= oldest}
        state.sent = {identity: time for identity, time in state.sent.items() if time >= oldest}
        is_copy = event.identity in state.known
        state.known.setdefault(event.identity, event.event_time)
        state.heard.append(Heard(event, self.clock.note()))
        state.last_heard = self.clock.note()
        self._turn_over(state)
        if is_copy or event.event_time < oldest:
            return
        if state.last_decided is not None and event.ordinal < state.last_decided:
            self._offer_late(state, event)
            return self._rebuild(state)
        is_in_order = not state.recent or event.ordinal > state.recent[-1].ordinal
        state.recent.append(event)
        state.recent.sort(key=lambda candidate: candidate.ordinal)
        if self.rule.is_eager and is_in_order:
            state.head.push(event)
            self._send(state, state.head)
        else:
            self._rebuild(state)

    def _turn_over(self, state):
        """What was heard is kept by eighths of the memory."""
        share = max((self.memory + self.clock.slack) / 8, 1e-9)
        first = self.clock.pace // share - 8
        state.heard = [heard for heard in state.heard if heard.arrival // share >= first] or state.heard[-1:]

    def _offer_late(self, state, event):
        """It may start, extend or complete what precedes it; it never overwrites or uses up what is newer."""
        base = state.base
        newer = {stage for stage, pending in base.slots.items() if pending.events[-1].ordinal > event.ordinal}
        if not newer:
            base.push(event)
            return self._send(state, base)
        for stage in range(len(base.positive) - 1, 0, -1):
            may_extend = stage - 1 in base.slots and stage - 1 not in newer and stage not in newer
            if base._tag(stage) in event.tags and may_extend:
                pending = base.slots.pop(stage - 1)
                if event.event_time - pending.events[0].event_time <= base.maxspan:
                    base._advance_to(stage, Pending(pending.events + [event], pending.is_spoilt, pending.leading))
        if base._tag(0) in event.tags and 0 not in newer:
            base._begin(event)
        if base.until and base.until in event.tags:
            base.slots = {stage: pending for stage, pending in base.slots.items() if stage in newer}
        self._send(state, base)

    def _rebuild(self, state):
        if self.rule.is_eager:
            state.head = copy.deepcopy(state.base)
            for event in state.recent:
                state.head.push(event)
            self._send(state, state.head)

    def _settle(self, state):
        limit = self._now(state) - self.rule.allowed_lateness
        while state.recent and state.recent[0].event_time < limit:
            event = state.recent.pop(0)
            state.base.push(event)
            state.last_decided = event.ordinal
        state.base.advance(limit)
        self._send(state, state.base)
        for machine in (state.base, state.head):
            for stage, pending in list(machine.slots.items()):
                if min(event.event_time for event in pending.events) + self.rule.maxspan < limit:
                    del machine.slots[stage]

    def _end(self, state):
        for event in state.recent:
            state.base.push(event)
        state.base.advance(FOREVER)
        self._send(state, state.base)

    def _send(self, state, machine):
        for match in machine.matches:
            last = match.events[-1]
            if last.identity not in state.sent:
                state.sent[last.identity] = last.event_time
                self.outputs.append(Output(match, self.position))
        machine.matches = []
