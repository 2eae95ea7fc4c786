"""One rule over one partition, as a stream.

Takes records one by one, holds the candidates of each key by the pace of the clock, and hands out matches. It never sees
true time, and never an event before it arrives.
"""

from collections import namedtuple
from dataclasses import dataclass

from held import HeldKey
from matcher import samples_of, samples_with, sequence_matches
from quota import LEAST_RECENT, Quota
from watermark import key_now

FOREVER = float("inf")
JUST_AFTER = 1 / 16  # less than event times can differ by

# A match that has left, and the record that triggered it.
Output = namedtuple("Output", "match position")


@dataclass(frozen=True)
class Policy:
    """Switches for rejected rules, so that the checks can be seen to fail."""

    copies_renew_memory: bool = True
    samples_renew_window: bool = True
    samples_fill_both_windows: bool = True
    eviction: str = LEAST_RECENT
    knows_unseen: bool = True
    unseen_covers_every_absence: bool = True
    hold_covers_slack: bool = True
    undecided_are_decided: bool = True
    leaving_takes_its_matches_along: bool = True
    leaps_are_steps: bool = True
    arrivals_show_what_they_free: bool = True


class Partition:
    """Use: `record` each record, `idle` where the partition is seen idle, `finish` at the end of a recording."""

    def __init__(self, rule, clock, policy=None, seen_from_position=None):
        self.rule, self.clock, self.policy = rule, clock, policy or Policy()
        # The pace may be wrong by the slack once between two arrivals, and once more since the later one.
        self.hold = max(rule.hold, rule.floor + (clock.slack if self.policy.hold_covers_slack else 0))
        self.keys = {}
        self.quota = Quota(rule, self.policy.eviction)
        self.seen_from_position = seen_from_position  # the rule was loaded there; nothing if it has seen all there was
        self.seen_from = None  # note of the clock there, or where the newest candidate that a limit drove out had come
        self.outputs = []
        self.loan = 0
        self.back = 0  # how much lower the pace was at the moment at which a key is looked at
        self.position = None
        self.has_acted = False
        self.refused = self.undecidable = self.evicted = 0

    # --- what happens

    def record(self, record):
        self.position = record.serial
        before = self.clock.note()
        self.clock.take(record)
        if not self._begins(before):
            return
        self.tick()
        if record.event.tags:
            for key in dict.fromkeys(record.event.keys):
                self._deliver(key, record)
        self.tick()

    def idle(self, elapsed):
        """Lends the partition pace; tells whether that dropped or decided anything, so that it has to be committed."""
        self.loan, self.has_acted = elapsed, False
        self.tick()
        self.loan = 0
        return self.has_acted

    def finish(self):
        """A recording ends: what waits for a watermark is decided. An eager rule has sent what it had to."""
        self.position = None
        if self.rule.is_eager:
            return
        for key, held in sorted(self.keys.items()):
            self._decide(key, held, FOREVER)

    def replay(self):
        """What follows has been sent. Suppression alone has state that a replay cannot rebuild."""

    def go_live(self, windows):
        """What follows is sent."""

    def windows_to_commit(self):
        return ()

    def tick(self):
        """Looks at every key."""
        if not self.rule.is_bounded:
            for key in sorted(self.keys):
                self.tick_key(key)

    def tick_key(self, key):
        """Looks at a key at each moment at which something leaves, and at the present one: a leap is as many small steps."""
        for self.back in self._moments_of_leaving(key):
            self._look_at(key)
        self.back = 0
        if key in self.keys:
            self._look_at(key)

    def _moments_of_leaving(self, key):
        """Returns by how much lower the pace was as each candidate that is due to leave had just been held for long enough."""
        over = {self._age(candidate.arrival) - self.hold - JUST_AFTER for candidate in self.keys[key].candidates}
        return sorted((back for back in over if back > 0), reverse=True) if self.policy.leaps_are_steps else []

    def _age(self, note):
        return self.clock.age(note, self.loan) - self.back

    def _look_at(self, key):
        """Decides what is below the key's watermark, then lets go of what has been held for long enough."""
        held = self.keys[key]
        if not self.rule.is_eager and not all(candidate.is_done for candidate in held.candidates):
            self._decide(key, held, self._watermark(held))
        gone = [c for c in held.candidates if self._age(c.arrival) > self.hold]
        if gone:
            self._decide_before_leaving(key, held, gone)
            held.drop(gone)
        for memory in (held.delivered, held.windows):
            self._forget(key, memory)
        if held.is_empty:
            del self.keys[key]

    # --- one key

    def _deliver(self, key, record):
        held = self.keys.setdefault(key, HeldKey())
        event, now = record.event, self.clock.note()
        known = held.delivered.pop(event.identity, None)
        self.quota.touch(key, event.identity, record.size)
        is_copy = known is not None
        held.delivered[event.identity] = known if is_copy and not self.policy.copies_renew_memory else now
        if not is_copy:
            self._admit(key, held, event, now)
        self._make_room(key, held, event.identity)

    def _admit(self, key, held, event, now):
        watermark = self._watermark(held) if held.candidates and not self.rule.is_eager else -FOREVER
        known = self._known_matches(key, held)
        candidate = held.add(event, now)
        candidate.behind = max(0, watermark + self.rule.allowed_lateness - event.event_time)
        if self.rule.is_bounded:
            return
        if self._may_lack_what_forbids(event, watermark):
            # It stays as one that matches nothing: whether it is held must not depend on what else is.
            self.refused += 1
            candidate.is_done = candidate.is_sent = candidate.is_refused = True
        elif self.rule.is_sample:
            self._send_samples(key, held, event, now)
        elif self.rule.is_eager:
            self._send(held, self._matches(key, held, FOREVER), shown_by=event, known=known)
        else:
            limit = max([watermark] + [c.event.event_time + JUST_AFTER for c in held.candidates if c.is_done])
            if event.event_time < limit:
                self._send(held, self._matches(key, held, limit), shown_by=event, known=known)

    def _known_matches(self, key, held):
        """Returns what an arrival finds complete, where it may free a hit for other matches (order tolerance)."""
        if not self.rule.order_tolerance or not self.policy.arrivals_show_what_they_free:
            return None
        return {match.identities for match in self._matches(key, held, FOREVER)}

    def _may_lack_what_forbids(self, event, watermark):
        rule = self.rule
        return rule.has_absence and event.event_time < watermark + rule.allowed_lateness - self.hold + 2 * rule.maxspan

    def _watermark(self, held):
        return key_now(held.candidates, self.clock, self.rule.ahead, self.loan, self.back) - self.rule.allowed_lateness

    def _matches(self, key, held, below):
        return sequence_matches(self.rule, key, [c for c in held.candidates if not c.is_refused], below)

    def _decide(self, key, held, limit):
        """Decides each final event below the limit, once. A sample of a recording is chosen from all there is."""
        if self.rule.is_sample:
            return self._emit(samples_of(self.rule, key, held.candidates))
        self._send(held, self._matches(key, held, limit))
        for candidate in held.candidates:
            if not candidate.is_done and candidate.event.event_time + self.rule.forbids_for < limit:
                candidate.is_done = self.has_acted = True

    def _decide_before_leaving(self, key, held, gone):
        """A candidate so far ahead that the watermark never came to it, or to its deadline, is decided as it leaves."""
        self.has_acted = True
        undecided = [candidate.event.event_time for candidate in gone if not candidate.is_done]
        if not self.policy.undecided_are_decided and max(c.event.event_time for c in gone) < self._watermark(held):
            return
        if undecided and not self.rule.is_eager:
            self._decide(key, held, max(undecided) + 2 * self.rule.maxspan + 1)
        if self.policy.leaving_takes_its_matches_along and not (self.rule.is_eager or self.rule.has_absence):
            for candidate in gone:
                open_matches = [match for match in self._matches(key, held, FOREVER) if not self._final(held, match).is_done]
                self._send(held, open_matches, shown_by=candidate.event)

    def _final(self, held, match):
        return held.find(match.events[-1].identity)

    def _send(self, held, matches, shown_by=None, known=None):
        """Sends matches whose final event has sent none: all that have not been decided, or what an event has shown.

        That is what contains it. An event may also take a sequence that another hit had, and so free that hit for the
        order tolerance: then a match is new that does not contain it.
        """
        for match in matches:
            last = self._final(held, match)
            is_shown = shown_by is not None and shown_by.identity in match.identities
            is_freed = known is not None and match.identities not in known
            is_wanted = not last.is_done if shown_by is None else is_shown or is_freed
            if not is_wanted or last.is_sent:
                continue
            if self._is_undecidable(held, held.find(match.events[0].identity)):
                self.undecidable += 1
                continue
            last.is_sent = True
            self._emit([match])

    def _emit(self, matches):
        self.has_acted = self.has_acted or bool(matches)
        self.outputs.extend(Output(match, self.position) for match in matches)

    def _send_samples(self, key, held, event, now):
        """Sends one sample for each window, and none more for as long as samples of it go on to be complete."""
        found = samples_with(self.rule, key, held.candidates, event)
        for match in found if self.policy.samples_fill_both_windows else found[:1]:
            is_known = match.window in held.windows
            if not is_known:
                self._emit([match])
            if not is_known or self.policy.samples_renew_window:
                held.windows[match.window] = now

    # --- what is not known, and what has to leave

    def _begins(self, note_before):
        """Tells whether the rule sees this record; notes since when it has seen the partition."""
        if self.seen_from_position is None or self.position < self.seen_from_position:
            return self.seen_from_position is None
        if self.seen_from is None and self.policy.knows_unseen:
            self.seen_from = self.clock.note() if note_before is None else note_before
        return True

    def _is_undecidable(self, held, first):
        """What forbids a match may have come before the rule saw the partition, or may have been driven out."""
        if not self.rule.has_absence:
            return False
        if not self.rule.has_leading_absence and not self.policy.unseen_covers_every_absence:
            return False
        unseen = [note for note in (self.seen_from, held.seen_from) if note is not None]
        return any(self.clock.gained(note, first.arrival) <= self.rule.unseen_for(first.behind) for note in unseen)

    def _forget(self, key, memory):
        for entry in [entry for entry, note in memory.items() if self._age(note) > self.hold]:
            del memory[entry]
            self.has_acted = True
            if memory is self.keys[key].delivered:
                self.quota.forget(key, entry)

    def _make_room(self, key, held, newest):
        for victim in self.quota.over_of_key(key, held.delivered):
            self._evict(*victim, whose=held)
        for victim in self.quota.over(newest):
            self._evict(*victim, whose=self)

    def _evict(self, key, identity, whose):
        """Lets one go because of a limit; absences of the key, or of the rule, that it may have forbidden are undecidable."""
        held = self.keys[key]
        candidate = held.find(identity)
        if candidate:
            self.evicted += 1
            if not self.rule.has_absence:
                self._decide_before_leaving(key, held, [candidate])
            elif self.policy.knows_unseen and self.rule.missing_tags & candidate.event.tags:
                whose.seen_from = max(candidate.arrival, candidate.arrival if whose.seen_from is None else whose.seen_from)
            held.drop([candidate])
        del held.delivered[identity]
        self.quota.forget(key, identity)
