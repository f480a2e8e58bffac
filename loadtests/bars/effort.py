"""How much is measured for the bars."""

from typing import NamedTuple


class Effort(NamedTuple):
    """The whole of it stays under fifteen minutes beside the bench's ten."""

    rounds: int = 3
    """Of which each figure is the median."""
    seconds: float = 4.0
    """So long calls are made in a round's turn."""
    records: int = 200_000
    """On the log that is drained."""
    created: int = 600_000
    """Entities that come while memory is capped."""
    activated: int = 2_000
    """Calls to those of them that are passive."""


QUICK = Effort(rounds=1, seconds=1.0, records=20_000, created=40_000, activated=200)
