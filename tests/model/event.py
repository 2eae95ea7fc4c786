"""Events and records: what a stream consists of. Neither knows a rule of time."""


class Event:
    """An event as the data states it.

    `tags` stand for the stages that it satisfies, `keys` for its join keys (several where a key field is a list).
    Two deliveries with the same `identity` are the same event.
    """

    __slots__ = ("event_time", "identity", "tags", "keys", "ordinal")

    def __init__(self, event_time, identity, tags, keys=(("k",),), tiebreaker=None):
        self.event_time = event_time
        self.identity = identity
        self.tags = frozenset(tags)
        self.keys = tuple(keys)
        missing_last = (1, 0) if tiebreaker is None else (0, tiebreaker)
        self.ordinal = (event_time, missing_last, identity)

    def moved_to(self, event_time):
        """Returns the same event at another time."""
        return Event(event_time, self.identity, self.tags, self.keys)

    def __deepcopy__(self, memo):
        return self  # it never changes

    def __repr__(self):
        keys = "+".join("/".join(map(str, key)) for key in self.keys)
        return f"#{self.identity} {''.join(sorted(self.tags)) or '-'} key {keys} at {self.event_time:g}"


class Record:
    """One delivery of an event to a partition.

    `stamp` is what moves the partition's clock. `arrived` is the true time: references look at it, no rule may.
    `idle_before` lists for how long the partition was seen idle before this record came, ascending.
    `serial` is its place in the stream, kept when other records are taken out of a case.
    """

    __slots__ = ("host", "channel", "event", "stamp", "arrived", "serial", "idle_before", "shuffle", "size", "forwarded")

    def __init__(self, host, channel, event, stamp, arrived, serial=0):
        self.host = host
        self.channel = channel
        self.event = event
        self.stamp = stamp
        self.arrived = arrived
        self.serial = serial
        self.idle_before = ()
        self.shuffle = 0.0
        self.size = 1
        self.forwarded = None

    def with_event(self, event):
        """Returns the same delivery with another event in it."""
        other = Record(self.host, self.channel, event, self.stamp, self.arrived, self.serial)
        other.idle_before, other.shuffle, other.size, other.forwarded = self.idle_before, self.shuffle, self.size, self.forwarded
        return other

    def __repr__(self):
        idle = f" idle before {list(self.idle_before)}" if self.idle_before else ""
        hop = f" {self.forwarded}" if self.forwarded else ""
        return f"{self.serial:4} arrived {self.arrived:<9g} stamp {self.stamp:<9g} {self.channel:4} {self.event}{hop}{idle}"


def first_arrivals(records):
    """Returns the true time at which each event came first, by identity."""
    first = {}
    for record in records:
        first.setdefault(record.event.identity, record.arrived)
    return first


def distinct_events(records):
    """Returns each event that satisfies anything, once."""
    return list({r.event.identity: r.event for r in records if r.event.tags}.values())
