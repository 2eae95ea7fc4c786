"""The limits of what a rule holds in a partition, and who leaves where they are reached.

The one whose last delivery is the longest ago leaves, candidate and memory alike. So what is held is the longest run of
the last deliveries that fits, whatever came before, and a replay of the usual depth comes to the same.
"""

LEAST_RECENT = "least recent"
# Rejected: a copy does not renew its place, and what is held depends on everything that ever came.
FIRST_IN = "first in"


class Quota:
    """A copy counts with its own size, as the size of the first may have come before a replay starts.

    Use: `touch` each delivery, `forget` what leaves by itself, then let go of what `over` and `over_of_key` name.
    """

    def __init__(self, rule, eviction=LEAST_RECENT):
        self.total, self.of_key, self.eviction = rule.quota, rule.quota_of_key, eviction
        self.sizes = {}  # (key, identity) -> size, by last delivery
        self.used = 0

    def touch(self, key, identity, size):
        known = self.sizes.get((key, identity))
        if known is not None and self.eviction == FIRST_IN:
            return
        if known is not None:
            self.used -= self.sizes.pop((key, identity))
        self.sizes[(key, identity)] = size
        self.used += size

    def forget(self, key, identity):
        self.used -= self.sizes.pop((key, identity), 0)

    def over(self, newest):
        """Yields those that have to leave so that the rule is within its quota. The newest event never leaves."""
        while self.total is not None and self.used > self.total and next(iter(self.sizes))[1] != newest:
            yield next(iter(self.sizes))

    def over_of_key(self, key, delivered):
        """Yields those of one key that have to leave; `delivered` is in the order of the last deliveries."""
        while self.of_key is not None and len(delivered) > self.of_key:
            yield (key, next(iter(delivered)))
