"""What a campaign counted, and the one list of what was found wrong."""

from collections import Counter
from collections.abc import Iterable
from typing import get_type_hints

from msgspec import Struct, field

FINDINGS_MAX = 20
"""A campaign that found this much wrong has said enough."""


class Counts(Struct):
    """A fault is counted under its kind only when its effect was seen; `effects` says what became of it."""

    scenario: str
    seed: int = 0
    kills: int = 0
    acked: int = 0
    unknown: int = 0
    refused: int = 0
    lost: int = 0
    twice: int = 0
    wrong: int = 0
    bad_inputs: int = 0
    crashes: int = 0
    """Bad inputs that ended a process, or got no clear answer."""
    planted: int = 0
    found: int = 0
    """Bugs that were planted, and those of them that were found."""
    unseen: int = 0
    """Faults that were put in and had no effect, such as a flipped bit in a place that is free."""
    faults: dict[str, int] = field(default_factory=dict[str, int])
    effects: dict[str, int] = field(default_factory=dict[str, int])
    findings: list[str] = field(default_factory=list[str])
    skipped: list[str] = field(default_factory=list[str])
    seconds: float = 0.0
    recovery_ms: list[float] = field(default_factory=list[float])
    unavailable_ms_max: float = 0.0
    """The longest that an offered call waited for its answer."""
    figures: dict[str, float] = field(default_factory=dict[str, float])
    short: list[str] = field(default_factory=list[str])
    """Figures that fell short of their bar, each with its cause as far as it is known."""

    def fault(self, kind: str, effect: str = "") -> None:
        """A fault of this kind was seen to happen; `effect` names what came of it."""
        self.faults[kind] = self.faults.get(kind, 0) + 1
        if effect:
            self.effect(effect)

    def effect(self, effect: str) -> None:
        """Something was seen that a fault brought about."""
        self.effects[effect] = self.effects.get(effect, 0) + 1

    def find(self, what: str) -> None:
        """Something is wrong."""
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(f"{self.scenario}, seed {self.seed}: {what}")

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.twice or self.wrong or self.crashes or self.findings or self.found < self.planted)


def summed(scenario: str, parts: Iterable[Counts]) -> Counts:
    """All of them as one."""
    parts = list(parts)
    total = Counts(scenario)
    for name, kind in get_type_hints(Counts).items():
        if kind is int and name != "seed":
            setattr(total, name, sum(getattr(part, name) for part in parts))
    total.faults = dict(sum((Counter(part.faults) for part in parts), Counter[str]()))
    total.effects = dict(sum((Counter(part.effects) for part in parts), Counter[str]()))
    total.findings = [finding for part in parts for finding in part.findings]
    total.skipped = [skipped for part in parts for skipped in part.skipped]
    total.seconds = sum(part.seconds for part in parts)
    total.recovery_ms = sorted(one for part in parts for one in part.recovery_ms)
    total.unavailable_ms_max = max((part.unavailable_ms_max for part in parts), default=0.0)
    total.figures = {name: value for part in parts for name, value in part.figures.items()}
    total.short = [short for part in parts for short in part.short]
    return total
