"""usage: python3 tests/model/dump_cases.py [--cases N] [--seed S] [--judge]

Prints cases as JSON lines, with what the references say of them; with --judge reads cases from standard input instead.
So the references and generators that judge the program can be held against these. Times are in eighths of the unit.
"""

import argparse
import json
import random
import sys

from batch import batch_matches, batch_samples
from event import Event, Record, distinct_events
from laws import random_rule, random_shape, random_stamps
from laws_of_samples import sample_rule, terms_of
from pace import PartitionClock
from references import is_in_order, is_on_time, is_pulled, keys_of, sorted_answer
from rule import Rule
from streams import MAX_SKEW, stream

SHAPES = ["copies", "scrambled", None, None]


def made_up(generator):
    """Returns a rule, who stamps, and the records of a stream."""
    rule = sample_rule(generator) if generator.random() < 0.2 else random_rule(generator)
    stamps = random_stamps(generator)
    shape = generator.choice(SHAPES) or random_shape(generator)
    return rule, stamps, stream(generator, rule.allowed_lateness, stamps, shape, rule.hold)


def read(line):
    case = json.loads(line)
    stages = tuple((stage[-1], stage[0] == "!") for stage in case["stages"].split())
    times = {name: case[name] / 8 for name in ("maxspan", "order_tolerance", "allowed_lateness", "hold")}
    rule = Rule(stages, until=case["until"], is_sample=case["is_sample"], **times)
    records = []
    for serial, (host, number, event_time, tags, keys, stamp, arrived) in enumerate(case["deliveries"]):
        event = Event(event_time / 8, number, tags, [(key,) for key in keys])
        records.append(Record(host, host, event, stamp / 8, arrived / 8, serial))
    return rule, case["stamps"], records


def written(rule, stamps, records):
    eighths = lambda time: int(time * 8)
    rows = []
    for record in records:
        event = record.event
        keys = "".join(part for key in event.keys for part in key)
        tags = "".join(sorted(event.tags))
        row = [record.host, event.identity, eighths(event.event_time), tags, keys, eighths(record.stamp), eighths(record.arrived)]
        rows.append(row)
    return {
        "stages": " ".join("!" * is_missing + tag for tag, is_missing in rule.stages),
        "maxspan": eighths(rule.maxspan),
        "until": rule.until,
        "order_tolerance": eighths(rule.order_tolerance),
        "allowed_lateness": eighths(rule.allowed_lateness),
        "hold": eighths(rule.hold),
        "is_sample": rule.is_sample,
        "stamps": stamps,
        "deliveries": rows,
    }


def answers(rule, stamps, records):
    events = distinct_events(records)
    keys = keys_of(events)
    listed = lambda matches: sorted([match.key[0], list(match.identities)] for match in matches)
    batch = [] if rule.is_sample else batch_matches(events, rule.stages, rule.maxspan, rule.until)
    one_slot = [] if rule.is_sample else sorted_answer(rule, events, keys)
    samples = batch_samples(events, terms_of(rule), rule.maxspan) if rule.is_sample else []
    return {
        "batch": listed(batch),
        "one_slot": listed(one_slot),
        "samples": sorted([key[0], int(number)] for key, number in samples),
        "on_time": {key[0]: is_on_time(records, key, rule.allowed_lateness, rule.hold) for key in keys},
        "in_order": {key[0]: is_in_order(records, key) for key in keys},
        "pulled": is_pulled(records, PartitionClock(stamps, MAX_SKEW)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--judge", action="store_true", help="read cases from standard input")
    options = parser.parse_args()
    if options.judge:
        cases = (read(line) for line in sys.stdin)
    else:
        cases = (made_up(random.Random(f"{options.seed}/{number}")) for number in range(options.cases))
    for case in cases:
        print(json.dumps({"case": written(*case), "answers": answers(*case)}))


if __name__ == "__main__":
    main()
