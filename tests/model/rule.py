"""A rule as the rules of time see it: its query's shape and its settings."""

from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Rule:
    """`stages` are pairs (tag, whether the event must be missing); of a sample all are present and have no order."""

    stages: tuple
    maxspan: float
    until: str = None
    order_tolerance: float = 0
    allowed_lateness: float = 5
    emit: str = "eager"  # eager, exact, or bounded: a recording that is decided at its end
    hold: float = 40
    ahead: float = 50  # a single event further ahead than this does not move the watermark
    is_sample: bool = False
    quota: float = None  # what the candidates of a partition may take, by their sizes
    quota_of_key: int = None  # how many candidates one key may have

    has_absence: bool = field(init=False)
    has_leading_absence: bool = field(init=False)

    def __post_init__(self):
        object.__setattr__(self, "has_absence", any(is_missing for _, is_missing in self.stages))
        object.__setattr__(self, "has_leading_absence", self.stages[0][1])

    def emitting(self, emit):
        return replace(self, emit=emit)

    @property
    def missing_tags(self):
        return {tag for tag, is_missing in self.stages if is_missing}

    @property
    def is_bounded(self):
        return self.emit == "bounded"

    @property
    def is_eager(self):
        """A sample is eager whatever was asked for: order plays no part in it."""
        return not self.is_bounded and not self.has_absence and (self.emit == "eager" or self.is_sample)

    @property
    def floor(self):
        """Returns the least that `hold` may be: what a decision looks back on, and how long it may wait.

        An absence looks back one maxspan further, and so does the order tolerance: whether a hit extended nothing.
        """
        reach = self.order_tolerance * len(self.stages)
        looks_further = self.has_absence or self.order_tolerance > 0
        return self.maxspan * (2 if looks_further else 1) + 2 * self.allowed_lateness + reach

    @property
    def forbids_for(self):
        """Returns for how long after a final event its match may still be taken back."""
        return self.maxspan if self.stages[-1][1] else self.order_tolerance * len(self.stages)

    def unseen_for(self, behind=0):
        """Returns for how long past the point from which it has seen the partition an absence is undecidable.

        `behind` is by how much the first event was behind its key's now when it came.
        """
        return max(self.allowed_lateness, behind) + (self.maxspan if self.has_leading_absence else 0)

    def __str__(self):
        stages = " ".join(f"{'!' if is_missing else ''}[{tag}]" for tag, is_missing in self.stages)
        kind = "sample" if self.is_sample else "sequence"
        until = f" until [{self.until}]" if self.until else ""
        quota = f" quota {self.quota}, of a key {self.quota_of_key}" if self.quota or self.quota_of_key else ""
        return (
            f"{kind} with maxspan={self.maxspan:g} {stages}{until}, order tolerance {self.order_tolerance:g}, "
            f"allowed lateness {self.allowed_lateness:g}, hold {self.hold:g}{quota}"
        )
