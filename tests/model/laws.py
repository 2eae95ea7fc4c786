"""What a law is, and what it is tried on: cases, and the rules of time that are put to the test."""

from collections import Counter
from dataclasses import dataclass, field, replace

from pace import CAPPED, PartitionClock
from partition import Partition, Policy
from rekey import BY_CLOCKS
from rule import Rule
from streams import AHEAD, HOLD, MAX_SKEW, stream, with_true_idle_time


@dataclass
class Design:
    """The rules of time on trial; the defaults are the ones that hold."""

    name: str = "proposed"
    slack_in_skews: int = 2
    confirmed_step: str = CAPPED
    replay_spans: int = 3  # a replay starts this many times hold + slack before what was committed
    spans_of_refusal: int = 1  # and so many more for a rule that may refuse an event
    policy: Policy = field(default_factory=Policy)
    bounded_input: bool = True  # a recording is decided at its end, without a clock
    partition: type = Partition
    rekeyed: str = BY_CLOCKS
    switches: frozenset = frozenset()  # of rejected rules that only one law knows

    def spans(self, rule):
        """Returns how many times hold + slack a replay goes back."""
        return self.replay_spans + (self.spans_of_refusal if rule.has_absence else 0)

    def clock(self, stamps):
        return PartitionClock(stamps, MAX_SKEW, self.slack_in_skews, self.confirmed_step)

    def new(self, rule, stamps, **more):
        return self.partition(rule, self.clock(stamps), self.policy, **more)


@dataclass
class Case:
    """A stream and what happens on it. Positions are serials of records, so that records can be taken out."""

    rule: Rule
    stamps: str
    records: list
    cut: int = None  # a restart happens before this record
    cut_idles: int = 0  # and after this many of the idle advances there
    earlier: float = 0.0  # by which share of what lies before it the replay starts earlier than it has to
    more: dict = field(default_factory=dict)

    def place(self, serial):
        """Returns the index of the first record at or after a position."""
        return next((at for at, record in enumerate(self.records) if record.serial >= serial), len(self.records))

    def describe(self):
        lines = [str(self.rule), f"stamps: {self.stamps}" + (f", cut before {self.cut}" if self.cut is not None else "")]
        lines += [f"{name}: {value}" for name, value in self.more.items()]
        return "\n".join(lines + [f"  {record}" for record in self.records])


@dataclass(frozen=True)
class Law:
    """`check(case, design, counts)` yields what is wrong, in words. `make(random)` makes a case."""

    name: str
    title: str
    make: object
    check: object


LAWS = {}


def law(name, title, make):
    """Registers a law."""

    def register(check):
        LAWS[name] = Law(name, title, make, check)
        return check

    return register


def first_failure(law_on_trial, case, design, counts=None):
    """Returns the first thing that is wrong, or nothing."""
    return next(iter(law_on_trial.check(case, design, Counter() if counts is None else counts)), None)


def run(partition, records):
    for record in records:
        for elapsed in record.idle_before:
            partition.idle(elapsed)
        partition.record(record)
    return partition


def matches_of(partition):
    return [output.match for output in partition.outputs]


# --- cases


def random_stages(random, absences):
    while True:
        count = random.choice([2, 2, 3, 3, 4])
        stages = tuple((random.choice("ABCD"), random.random() < absences) for _ in range(count))
        if any(not is_missing for _, is_missing in stages):
            return stages


def random_rule(random, absences=None, tolerances=(0, 0, 1, 2), emit="eager", **settings):
    absences = random.choice([0, 0, 0.3]) if absences is None else absences
    stages = random_stages(random, absences)
    lateness = random.choice([0, 2, 5])
    has_absence = any(is_missing for _, is_missing in stages)
    tolerance = 0 if has_absence or not lateness else random.choice(tolerances)
    until = random.choice([None, None, "U", "A"])
    rule = Rule(stages, random.choice([1, 2, 3, 5, 8]), until, tolerance, lateness, emit, HOLD, AHEAD, **settings)
    return replace(rule, hold=random.choice([rule.floor, rule.floor + 1, HOLD, HOLD]))


def random_stamps(random):
    return random.choice(["append", "append", "create", "create", "none"])


def random_shape(random):
    chance = random.random()
    return "pulled" if chance < 0.03 else "long" if chance < 0.06 else "flood" if chance < 0.12 else "usual"


def usual_case(random, shape=None, stamps=None, **rule_settings):
    """A case with idle time that is true."""
    rule = random_rule(random, **rule_settings)
    stamps = stamps or random_stamps(random)
    records = stream(random, rule.allowed_lateness, stamps, shape or random_shape(random))
    with_true_idle_time(random, records)
    return Case(rule, stamps, records)
