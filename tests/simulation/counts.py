"""What is counted: what was made to go wrong, and what of it had an effect. Only the latter is a fault."""

from msgspec import Struct


class Counts(Struct):
    """Of one world, or of many added up."""

    worlds: int = 0
    asked: int = 0
    """Calls that clients made, each under its own id."""
    accepted: int = 0
    """Calls that are on the log."""
    acked: int = 0
    """Calls whose client knows the answer."""
    succeeded: int = 0
    """Calls that were answered with OK."""
    unknown_settled: int = 0
    """Calls whose client had given up, and learnt in the end what became of them."""
    not_appended: int = 0
    """Calls of which a gateway said, every time, that it has not appended them."""
    lost: int = 0
    applied_twice: int = 0
    bad_inputs: int = 0
    queries: int = 0
    injected: dict[str, int] = {}
    felt: dict[str, int] = {}

    def strike(self, kind: str) -> None:
        """Something was made to go wrong."""
        self.injected[kind] = self.injected.get(kind, 0) + 1

    def feel(self, kind: str) -> None:
        """What was made to go wrong had its effect: somebody was refused, delayed, ended, or told twice.

        One cause may have many effects; it counts once.
        """
        self.felt[kind] = min(self.felt.get(kind, 0) + 1, self.injected.get(kind, 0))

    @property
    def faults(self) -> int:
        """All that had an effect."""
        return sum(self.felt.values())

    def add(self, other: "Counts") -> None:
        """Add another world's."""
        for name in self.__struct_fields__:
            if name not in ("injected", "felt"):
                setattr(self, name, getattr(self, name) + getattr(other, name))
        for mine, theirs in ((self.injected, other.injected), (self.felt, other.felt)):
            for kind, times in theirs.items():
                mine[kind] = mine.get(kind, 0) + times
