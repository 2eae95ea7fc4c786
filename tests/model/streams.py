"""Random streams: what hosts, channels, clocks and brokers do, and what nobody thought of.

True time runs. Hosts have clocks, channels that drain at different pace, and are cut off for a while; producers deliver
twice, or again and again; partitions fall silent for any time. What arrives is in the order of arrival.
"""

from event import Event, Record

MAX_SKEW, AHEAD, HOLD = 20, 50, 40
TAGS = "ABCDU"
SECOND_DELIVERIES = 100_000


def eighth(time):
    """Returns the time in eighths: exact in floating point."""
    return round(time * 8) / 8


class World:
    """What stays the same while a stream runs: its hosts, their clocks, keys and channels."""

    def __init__(self, random, lateness):
        self.random, self.lateness = random, lateness
        self.hosts = random.choice(["x", "xy", "xyz", "xyz"])
        self.clocks = {host: self._clock() for host in self.hosts}
        shared = random.random() < 0.2
        self.keys = {host: "u" if shared else random.choice([host, host, host, "u"]) for host in self.hosts}
        self.channels = {tag: random.choice("12") for tag in TAGS}
        self.silences = random.choice([0.05, 0.15, 0.15, 0.4])
        self.density = random.choice([0.3, 0.45])

    def _clock(self):
        if self.random.random() < 0.25:
            return self.random.choice([-400, -45, 45, 700])
        return self.random.choice([0, 0, self.random.uniform(-MAX_SKEW / 2, MAX_SKEW / 2)])

    def add_host(self, host, key):
        self.clocks.setdefault(host, 0)
        self.keys.setdefault(host, key)

    def keys_of(self, host):
        """Mostly one; sometimes a list, as of a key field with several values."""
        key = (self.keys[host],)
        return (key, ("u",)) if self.random.random() < 0.04 and key != ("u",) else (key,)


def stream(random, lateness, stamps, shape="usual", hold=HOLD):
    """Returns the records of a stream. Shapes: usual, long, flood, copies (deliveries again and again), pulled, scrambled."""
    if shape == "scrambled":
        return in_order_of_arrival(_scrambled(random, hold), stamps, random)
    world = World(random, lateness)
    happened, end = _background(world, shape)
    outage = _outage(world, happened)
    if shape == "pulled":
        outage = _backlog_beyond_the_clock(world, happened, end)
    if shape == "flood":
        _flood(world, happened)
    return in_order_of_arrival(_deliveries(world, happened, outage, shape, hold), stamps, random)


def _background(world, shape):
    """Events as they happen: (true time, host, tags)."""
    random, time, happened = world.random, 1000.0, []
    silences, density, count = world.silences, world.density, random.randint(4, 26)
    if shape in ("long", "copies"):
        silences, density, count = 0.03, random.choice([0.1, 0.2, 0.3, 0.45]), random.randint(25, 60)
    for _ in range(count):
        is_silent = random.random() < silences
        time += random.choice([10, 22, 30, 45, 90, 300, 3000] if is_silent else [0, 0.1, 0.3, 0.5, 1, 1, 2, 3])
        likely = lambda tag: density if tag != "U" else 0.1
        tags = [tag for tag in TAGS if random.random() < likely(tag)] if random.random() < 0.8 else []
        happened.append((time, random.choice(world.hosts), tags))
    return happened, time


def _outage(world, happened):
    """One or several hosts are cut off from the first time to the second, then their channels drain at different pace."""
    random = world.random
    if random.random() < 0.5:
        return None
    begin, end = sorted(random.choice(happened)[0] + random.uniform(-1, 1) for _ in "12")
    pace = {channel: random.choice([0, 0.01, 0.05, 0.3]) for channel in "12"}
    return random.choice(["x", world.hosts[-1], world.hosts]), begin, end + random.choice([0, 5, 60, 500]), pace


def _backlog_beyond_the_clock(world, happened, end):
    """A partition that slept, then a backlog of one host that reaches beyond its clock while another host is at work."""
    random = world.random
    end += random.choice([100, 600, 3000])
    world.add_host("z", random.choice("zu"))
    world.add_host("x", "x")
    time = max(end - random.choice([50, 90, 500]), happened[-1][0])
    while time < end:
        happened.append((time, "z", [tag for tag in "ABCD" if random.random() < 0.3]))
        time += random.choice([1, 8, 15, 19, 30])
    for _ in range(6):
        happened.append((end, "x", [tag for tag in "ABCD" if random.random() < 0.5]))
        end += random.choice([0.1, 0.3, 1])
    return "z", 0, end, {"1": 0.01, "2": 0.01}


def _flood(world, happened):
    """Many events of one stage within a short time, of one host or of all."""
    random = world.random
    begin, tag = random.choice(happened)[0], random.choice("ABCD")
    hosts = random.choice([world.hosts, world.hosts[0]])
    for _ in range(random.randint(8, 40)):
        begin += random.choice([0, 0.1, 0.1, 0.5, 1])
        happened.append((begin, random.choice(hosts), [tag] + ([random.choice("ABCDU")] if random.random() < 0.2 else [])))
    happened.sort(key=lambda entry: entry[0])


def _deliveries(world, happened, outage, shape, hold):
    """Yields (true time of arrival, tie, host, channel, event)."""
    random = world.random
    for number, (time, host, tags) in enumerate(happened, start=1):
        channel = world.channels[tags[0]] if tags else "1"
        arrives = time + (random.uniform(0, world.lateness) if world.lateness else 0)
        if outage and host in outage[0] and outage[1] <= time <= outage[2]:
            arrives = outage[2] + (time - outage[1]) * outage[3][channel]
        event = Event(eighth(time + world.clocks[host]), number, tags, world.keys_of(host))
        yield arrives, number, host, host + channel, event
        for copy in _copies(random, shape, hold):
            arrives += copy
            yield arrives, number + SECOND_DELIVERIES, host, host + channel, event


def _scrambled(random, hold):
    """Events of one moment that come over several times `hold`, in any order and with copies, and others in between."""
    spread = random.choice([2, 4, 8])
    for number in range(1, random.randint(6, 18)):
        event = Event(eighth(5000 + random.uniform(0, spread)), number, random.choice(["A", "B", "B", "AB", "C"]))
        arrives = 6000 + random.uniform(0, 5 * hold)
        yield arrives, number, "x", "x1", event
        while random.random() < 0.5:
            arrives += hold * random.choice([0.3, 0.6, 0.9, 0.95, 1])
            yield arrives, number + SECOND_DELIVERIES, "x", "x1", event
    for number in range(SECOND_DELIVERIES, SECOND_DELIVERIES + random.choice([0, 4, 12])):
        arrives = 6000 + random.uniform(0, 6 * hold)
        yield arrives, number, "y", "y1", Event(eighth(arrives), number, "")


def _copies(random, shape, hold):
    """Yields after how long an event is delivered once more."""
    likely = 0.25 if shape == "copies" else 0.08
    if random.random() >= likely:
        return
    if shape == "copies" or random.random() < 0.2:
        every = hold * random.choice([0.4, 0.6, 0.9, 0.95])
        for _ in range(random.randint(1, 8)):
            yield every + random.choice([0, 0, 0, 1, 3])
    else:
        yield random.choice([0, 1, 30, 60, 100])


def in_order_of_arrival(deliveries, stamps, random):
    """Returns records: stamped by the broker (append), by producers (create), or not at all (none)."""
    sends_event_time = random.random() < 0.6
    records = []
    for serial, (arrives, _, host, channel, event) in enumerate(sorted(deliveries, key=lambda entry: entry[:2])):
        arrived = eighth(arrives)
        stamp = arrived if stamps == "append" else event.event_time
        if stamps == "create" and not sends_event_time:
            stamp = eighth(arrived + random.choice([0, 0, -MAX_SKEW / 4, MAX_SKEW / 4]))
        record = Record(host, channel, event, stamp, arrived, serial)
        record.shuffle = random.random()
        record.size = random.choice([1, 1, 1, 2, 5])
        records.append(record)
    return records


def with_true_idle_time(random, records):
    """The partition is seen idle between records, never for longer than it was."""
    for before, record in zip(records, records[1:]):
        gap = record.arrived - before.arrived
        if gap > 2 and random.random() < 0.6:
            record.idle_before = tuple(sorted(eighth(random.uniform(0, gap)) for _ in range(random.choice([1, 2]))))


def with_any_idle_time(random, records):
    """The partition is seen idle for any time, whatever the stamps say: recovery must not mind."""
    for _ in range(random.choice([0, 0, 1, 2, 5])):
        record = random.choice(records)
        record.idle_before = tuple(sorted({*record.idle_before, random.choice([3, 8, 30, 50, 70, 200])}))
