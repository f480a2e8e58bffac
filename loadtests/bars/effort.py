"""How much is measured for the bars."""

from typing import NamedTuple


class Effort(NamedTuple):
    """The whole of it stays under fifteen minutes beside the bench's ten."""

    rounds: int = 3
    seconds: float = 4.0
    records: int = 200_000
    created: int = 600_000
    activated: int = 2_000


QUICK = Effort(rounds=1, seconds=1.0, records=20_000, created=40_000, activated=200)
