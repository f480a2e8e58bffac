"""The runs by which the planner is judged: four that it is fitted on, fixed beforehand, and those it must predict."""

from msgspec import Struct

PERSONS_S = 80
"""So many persons in a second are some thousand calls."""
RUN_S = 16


class Case(Struct, frozen=True, kw_only=True):
    """One short run on a platform of its own, as busy in every minute as in the next."""

    name: str
    thousands_s: float
    """Calls a second, about."""
    partitions: int = 8
    hosts: int = 1
    day: str = "workday"
    asks: float = 0.0
    seed: int = 1

    @property
    def users(self) -> int:
        """How many persons are played."""
        return round(PERSONS_S * RUN_S * self.thousands_s)


FITTED = (
    Case(name="slow", thousands_s=1),
    Case(name="fast", thousands_s=4),
    Case(name="many partitions", thousands_s=2, partitions=64),
    Case(name="two hosts, six times", thousands_s=6, hosts=2),
)
"""One that rounds are most of, one that calls are, one with thin frames, and one with several hosts that is nearly
full: what is fitted can be told apart in these."""
PREDICTED = (
    Case(name="half as slow", thousands_s=0.5),
    Case(name="twice", thousands_s=2),
    Case(name="eight times", thousands_s=8),
    Case(name="few partitions", thousands_s=4, partitions=4),
    Case(name="more partitions, slow", thousands_s=1, partitions=16),
    Case(name="more partitions", thousands_s=4, partitions=16),
    Case(name="two hosts, twice", thousands_s=2, hosts=2),
    Case(name="two hosts, 32 partitions", thousands_s=3, partitions=32, hosts=2),
    Case(name="two hosts, everybody plays", thousands_s=4, hosts=2, day="viral-game"),
    Case(name="three hosts", thousands_s=3, partitions=16, hosts=3),
    Case(name="everybody plays", thousands_s=3, day="viral-game"),
    Case(name="a weekend", thousands_s=5, day="weekend", seed=7),
    Case(name="half ask for the way", thousands_s=1, asks=0.5),
)
