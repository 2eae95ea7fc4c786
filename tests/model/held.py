"""What is held of one join key: its candidates and the memory of second deliveries (rule 3)."""


class Candidate:
    """An event that is held, the clock's note at its arrival, and what has become of it."""

    __slots__ = ("event", "arrival", "behind", "is_sent", "is_done", "is_refused")

    def __init__(self, event, arrival):
        self.event = event
        self.arrival = arrival
        self.behind = 0  # by how much it was behind the key's now when it came
        self.is_sent = False  # a match that ends with it has left
        self.is_done = False  # it has been decided
        self.is_refused = False  # it matches nothing, as what forbids it may be gone


class HeldKey:
    """Candidates by ordinal, what was delivered when, and for samples the windows that are complete.

    INVARIANT: what this holds depends only on what was delivered within the last three times hold + slack, four with any
    absence. So a second delivery renews the memory of its identity, never the candidate; were neither renewed, whether a
    delivery counts would depend on the whole chain of copies before it.
    """

    def __init__(self):
        self.candidates = []
        self.delivered = {}  # identity -> note at its last delivery
        self.windows = {}  # number -> note when a sample of it was last complete
        self.seen_from = None  # note of the newest event of an absence that the limit of the key has driven out

    def add(self, event, arrival):
        candidate = Candidate(event, arrival)
        self.candidates.append(candidate)
        self.candidates.sort(key=lambda held: held.event.ordinal)
        return candidate

    def find(self, identity):
        return next((held for held in self.candidates if held.event.identity == identity), None)

    def drop(self, gone):
        """Lets candidates go. Their identities are remembered for as long as copies of them come."""
        self.candidates = [held for held in self.candidates if held not in gone]

    @property
    def is_empty(self):
        return not self.candidates and not self.delivered and not self.windows
