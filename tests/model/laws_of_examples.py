"""Streams that were met in the field, with the product's own numbers: what the former rules missed there."""

from batch import batch_matches, finals
from event import Event, Record, distinct_events
from laws import Case, Design, law, matches_of, run
from pace import PartitionClock
from rule import Rule

HOUR = 3600
MAX_SKEW = 120
PAIR = (("A", False), ("B", False))
ALONE = (("A", False), ("C", True))


def after_a_silence(maxspan, *lines):
    """Lines are (host, seconds, tags) in order of arrival."""
    return PAIR, maxspan, [(host, host, time, tags, time) for host, time, tags in lines]


def channels_of_a_backlog():
    """Cut off from 9 to 12 o'clock: one channel is sent first, the other follows 200 s later."""
    first = [("h1", "h1/security", 9 * HOUR + 30 * n, "A", 12 * HOUR + n) for n in range(60)]
    second = [("h1", "h1/sysmon", 9 * HOUR + 30 * n + 1, "B", 12 * HOUR + 200 + n) for n in range(60)]
    return PAIR, 20, [("h1", "h1/security", 12 * HOUR, "", 12 * HOUR)] + sorted(first + second, key=lambda line: line[4])


def a_backlog_of_two():
    """Two events of a host, nearly six minutes apart, come at once; then it is silent, and others are not."""
    others = [("h2", "h2", HOUR + 100 * n, "", HOUR + 100 * n) for n in range(12)]
    two = [("h1", "h1", HOUR + time, "A", HOUR + 1) for time in (-350, 0)]
    return ALONE, 60, others[:1] + two + others[1:]


EXAMPLES = {
    "three minutes of silence": after_a_silence(20, ("h2", 420, ""), ("h1", 600, "A"), ("h2", 600.5, ""), ("h1", 601, "B")),
    "two and a half": after_a_silence(20, ("h2", 450, ""), ("h1", 600, "A"), ("h2", 600.5, ""), ("h1", 601, "B")),
    "nothing confirms": after_a_silence(20, ("h2", 420, ""), ("h1", 600, "A"), ("h1", 601, "B")),
    "one host alone": after_a_silence(1200, ("h1", 9 * HOUR, ""), ("h1", 10 * HOUR, "A"), ("h1", 10 * HOUR + 600, "B")),
    "channels of a backlog": channels_of_a_backlog(),
    "backlog of two": a_backlog_of_two(),
}


def example(random):
    """A case from the field: stamped by the broker or by producers."""
    name = random.choice(sorted(EXAMPLES))
    stages, maxspan, lines = EXAMPLES[name]
    stamps = random.choice(["append", "create"])
    rule = Rule(stages, maxspan, allowed_lateness=30, hold=300, ahead=300)
    records = []
    for serial, (host, channel, time, tags, arrived) in enumerate(lines):
        event = Event(time, serial, tags, ((host,),))
        records.append(Record(host, channel, event, arrived if stamps == "append" else time, arrived, serial))
    return Case(rule, stamps, records, more={"example": name})


class WithFieldSkew(Design):
    """The same rules with the product's `max_skew`."""

    def clock(self, stamps):
        return PartitionClock(stamps, MAX_SKEW, self.slack_in_skews, self.confirmed_step)


@law("field", "streams from the field: eager and exact find what batch finds", example)
def field_is_batch(case, design, counts):
    skewed = WithFieldSkew(**design.__dict__)
    want = finals(batch_matches(distinct_events(case.records), case.rule.stages, case.rule.maxspan))
    for emit in ("eager", "exact"):
        partition = run(skewed.new(case.rule.emitting(emit), case.stamps), case.records)
        partition.finish()
        counts["matches"] += len(want)
        got = finals(matches_of(partition))
        if got != want:
            yield f"{emit}: {len(want)} matches, found {len(got)}"
