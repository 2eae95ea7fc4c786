"""Rejected rules, kept so that the checks can be seen to fail."""

from laws import Design
from pace import ELAPSED, NOTHING
from partition import Partition, Policy
from quota import FIRST_IN


class HalvingHold(Partition):
    """A rule over its quota halves its hold, and keeps that: what is held depends on all overflows there ever were."""

    def _make_room(self, key, held, newest):
        if self.quota.total is not None and self.quota.used > self.quota.total:
            self.hold = max(self.rule.floor, self.hold / 2)
        super()._make_room(key, held, newest)


DESIGNS = {design.name: design for design in (
    Design(),
    Design("two-spans", replay_spans=2),
    Design("four-spans", replay_spans=4),
    Design("copies-forgotten", policy=Policy(copies_renew_memory=False)),
    Design("windows-not-renewed", policy=Policy(samples_renew_window=False)),
    Design("one-window-an-arrival", policy=Policy(samples_fill_both_windows=False)),
    Design("few-windows-committed", switches=frozenset({"few windows committed"})),
    Design("windows-rebuilt", switches=frozenset({"windows rebuilt by replay"})),
    Design("first-in-leaves", policy=Policy(eviction=FIRST_IN)),
    Design("hold-halves", partition=HalvingHold),
    Design("unseen-forgotten", policy=Policy(knows_unseen=False)),
    Design("unseen-by-leading-only", policy=Policy(unseen_covers_every_absence=False)),
    Design("bare-minimum", policy=Policy(hold_covers_slack=False)),
    Design("half-slack", slack_in_skews=1),
    Design("step-elapsed", confirmed_step=ELAPSED),
    Design("step-nothing", confirmed_step=NOTHING),
)}
