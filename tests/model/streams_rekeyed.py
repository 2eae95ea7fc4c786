"""Random streams of a topic of re-keyed events: several senders that lag, stop, drain and send again."""

from event import Record
from pace import PartitionClock
from rekey import IDLE_TIMEOUT, LONGEST_GAP, Forwarded
from streams import MAX_SKEW, SECOND_DELIVERIES, eighth, stream


def rekeyed_stream(random, lateness, stamps, hold, shape=None):
    """Returns (the records of the input, the records of the topic)."""
    shape = shape or random.choice(["usual", "usual", "usual", "long", "flood"])
    inputs = stream(random, lateness, stamps, shape, hold)
    count = random.choice([2, 2, 3])
    by_host = random.random() < 0.5
    source_of = lambda record: ord(record.host) % count if by_host else random.randrange(count)
    partitions = [[] for _ in range(count)]
    for record in inputs:
        partitions[source_of(record)].append(record)
    words = [word for source, records in enumerate(partitions) for word in _sender(random, source, records, stamps)]
    words.sort(key=lambda word: word[:3])
    topic = []
    for serial, (time, _, _, record, told) in enumerate(words):
        forwarded = Record(record.host, record.channel, record.event, eighth(time), record.arrived, serial)
        forwarded.forwarded, forwarded.shuffle = told, record.shuffle
        topic.append(forwarded)
    return inputs, topic


def _sender(random, source, records, stamps):
    """Yields (time, source, place, record, what is told) of one partition of the input, read with its own lag.

    A record that satisfies nothing is forwarded as a beat.
    """
    clock = PartitionClock(stamps, MAX_SKEW)
    stops = _stops(random, records)
    cost = random.choice([0, 0, 0.125, 0.5, 2])
    free, sent = 0, []
    for place, record in enumerate(records):
        clock.take(record)
        free = max([record.arrived, free + cost] + [end for begin, end in stops if begin <= record.arrived <= end])
        word = (record, Forwarded(source, clock.shows, clock.pace))
        sent.append(word)
        yield (free, source, place, *word)
        if random.random() < 0.02:  # a crash before the commit: the last few are sent again
            for again, old in enumerate(sent[-3:]):
                yield (free + 1, source, SECOND_DELIVERIES + 10 * place + again, *old)


def _stops(random, records):
    """The sender is down for a while; sometimes it is long, and nobody waits for it."""
    if not records or random.random() < 0.5:
        return []
    begin = random.choice(records).arrived - random.choice([0, 0, 5, 20])
    return [(begin, begin + random.choice([5, 15, 25, 25, 28, 60]))]


def is_waited_for(topic):
    """Tells whether no sender was silent for longer than the timeout while it had something to bring."""
    alive, newest, last_word = 0, None, {}
    for record in topic:
        gap = 0 if newest is None else record.stamp - newest
        newest, alive = record.stamp, alive + min(gap, LONGEST_GAP)
        source = record.forwarded.source
        lags = record.stamp > record.arrived
        was = last_word.get(source)
        if lags and (alive > IDLE_TIMEOUT if was is None else alive - was > IDLE_TIMEOUT):
            return False
        last_word[source] = alive
    return True
