"""Rejected rules: each must fail the law that it is known to break, or the checks prove nothing."""

from collections import namedtuple

from former_rules import FormerPartition
from laws import Design
from pace import ELAPSED, NOTHING
from partition import Partition, Policy
from quota import FIRST_IN
from rekey import AT_ARRIVAL, LEAST_PACE


class HalvingHold(Partition):
    """A rule over its quota halves its hold, and keeps that: what is held depends on all overflows there ever were."""

    def _make_room(self, key, held, newest):
        if self.quota.total is not None and self.quota.used > self.quota.total:
            self.hold = max(self.rule.floor, self.hold / 2)
        super()._make_room(key, held, newest)


class ShortHold(Partition):
    """Holds for maxspan, twice with a leading absence only, and twice the lateness; an order tolerance adds nothing."""

    def __init__(self, rule, clock, policy=None, **more):
        super().__init__(rule, clock, policy, **more)
        self.hold = rule.maxspan * (2 if rule.has_leading_absence else 1) + 2 * rule.allowed_lateness + clock.slack


class ToleratesWithinOneSpan(Partition):
    """With an order tolerance holds for one maxspan: what had taken a hit may be gone when that is looked at."""

    def __init__(self, rule, clock, policy=None, **more):
        super().__init__(rule, clock, policy, **more)
        if rule.order_tolerance and self.hold == rule.floor + clock.slack:
            self.hold -= rule.maxspan


REJECTED = [
    Design("former", slack_in_skews=1, confirmed_step=ELAPSED, partition=FormerPartition, bounded_input=False),
    Design("step-elapsed", confirmed_step=ELAPSED),
    Design("step-nothing", confirmed_step=NOTHING),
    Design("half-slack", slack_in_skews=1),
    Design("short-hold", partition=ShortHold),
    Design("tolerates-within-one-span", partition=ToleratesWithinOneSpan),
    Design("bare-minimum", policy=Policy(hold_covers_slack=False)),
    Design("undecided-dropped", policy=Policy(undecided_are_decided=False)),
    Design("matches-left-behind", policy=Policy(leaving_takes_its_matches_along=False)),
    Design("leaps", policy=Policy(leaps_are_steps=False)),
    Design("freed-unseen", policy=Policy(arrivals_show_what_they_free=False)),
    Design("two-spans", replay_spans=2, spans_of_refusal=0),
    Design("three-spans", spans_of_refusal=0),
    Design("copies-forgotten", policy=Policy(copies_renew_memory=False)),
    Design("windows-not-renewed", policy=Policy(samples_renew_window=False)),
    Design("one-window-an-arrival", policy=Policy(samples_fill_both_windows=False)),
    Design("few-windows-committed", switches=frozenset({"few windows committed"})),
    Design("windows-rebuilt", switches=frozenset({"windows rebuilt by replay"})),
    Design("first-in-leaves", policy=Policy(eviction=FIRST_IN)),
    Design("hold-halves", partition=HalvingHold),
    Design("unseen-forgotten", policy=Policy(knows_unseen=False)),
    Design("unseen-by-leading-only", policy=Policy(unseen_covers_every_absence=False)),
    Design("start-forgotten", switches=frozenset({"start forgotten"})),
    Design("rekeyed-least-pace", rekeyed=LEAST_PACE),
    Design("rekeyed-at-arrival", rekeyed=AT_ARRIVAL),
]
DESIGNS = {design.name: design for design in [Design(), *REJECTED]}

# A rejected rule, a law that it breaks, and a case of a seed in which it does.
Control = namedtuple("Control", "design law seed case")

CONTROLS = [
    Control("former", "field", 1, 0),
    Control("former", "field", 1, 2),
    Control("former", "field", 1, 35),
    Control("former", "1", 3, 40),
    Control("former", "2", 3, 369),
    Control("former", "7", 3, 75),
    Control("former", "8", 1, 4),
    Control("step-elapsed", "7", 1, 281),
    Control("step-nothing", "end", 1, 0),
    Control("half-slack", "1", 3, 1610),
    Control("short-hold", "1", 1, 391),
    Control("short-hold", "2", 2, 271),
    Control("tolerates-within-one-span", "1", 2026, 11905),
    Control("bare-minimum", "1", 3, 4418),
    Control("undecided-dropped", "field", 1, 18),
    Control("matches-left-behind", "7", 4, 41133),
    Control("leaps", "6", 4, 23023),
    Control("freed-unseen", "2", 5, 35172),
    Control("two-spans", "5 scrambled", 1, 459),
    Control("three-spans", "5 scrambled", 1, 66979),
    Control("copies-forgotten", "5 scrambled", 1, 1294),
    Control("windows-not-renewed", "sample 5", 1, 796),
    Control("one-window-an-arrival", "sample 7", 1, 100),
    Control("few-windows-committed", "suppression 5", 1, 113),
    Control("windows-rebuilt", "suppression 5", 1, 75),
    Control("first-in-leaves", "overflow 5", 1, 16175),
    Control("hold-halves", "overflow 5", 1, 325),
    Control("unseen-forgotten", "overflow !", 1, 22),
    Control("unseen-forgotten", "reload", 1, 259),
    Control("unseen-by-leading-only", "reload", 2, 1245),
    Control("start-forgotten", "reload 5", 1, 4),
    Control("rekeyed-least-pace", "rekey 1", 1, 201),
    Control("rekeyed-least-pace", "rekey 7", 1, 50),
    Control("rekeyed-least-pace", "rekey end", 1, 28),
    Control("rekeyed-at-arrival", "rekey 1", 1, 201),
    Control("rekeyed-at-arrival", "rekey 7", 1, 50),
]
