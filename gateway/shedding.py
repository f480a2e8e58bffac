"""A caller that keeps away while it would be turned away anyway. Pure: no clock, no I/O; for `client.py`."""

HOLD_MS = 1_000
PROBE_EVERY = 20
"""One call of so many goes out all the same, to hear whether the level has changed."""


class Shedding:
    """What a gateway said last of its level and of the caller's own."""

    def __init__(self) -> None:
        self._until_ms = 0
        self._held = 0

    def learn(self, level: int, own: int, now_ms: int) -> None:
        """A gateway lets in what is at `level` or above, and the caller's calls are at `own`."""
        self._until_ms = now_ms + HOLD_MS if own < level else 0

    @property
    def is_holding(self) -> bool:
        """Whether calls were kept back when a gateway was last heard."""
        return self._until_ms > 0

    def admits(self, now_ms: int) -> bool:
        """Whether a call may go out now."""
        if now_ms >= self._until_ms:
            return True
        self._held += 1
        return self._held % PROBE_EVERY == 0


def level_text(level: int, own: int) -> str:
    """Both levels as metadata says them."""
    return f"{level}/{own}"


def levels_from(text: str) -> tuple[int, int]:
    """The level and the caller's own; what is not understood stands for no level."""
    level, _, own = text.partition("/")
    return (int(level), int(own)) if level.isdecimal() and own.isdecimal() else (0, 0)
