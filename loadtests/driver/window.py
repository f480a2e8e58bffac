"""How many calls of a stream may be on their way at a time. Pure.

A platform that turns calls away gets fewer at a time, and ever more again once it takes them all: what TCP does about a
crowded network (RFC 5681), and what whoever relays the calls of very many persons has to do. Else each that is turned
away comes again, and a platform that is a little late does nothing any more but turn away.
"""

from msgspec import Struct

LEAST, FIRST, MOST = 100, 1_000, 4_000
SHRINKS, GROWS = 0.7, 0.05
"""To what part it shrinks; and by what part of the calls that are answered it grows."""
APART_S = 0.2
"""It shrinks once in so long: what was on its way when it did is no sign of being still too much."""


class Window(Struct):
    """The calls that may be on their way, of one stream."""

    size: float = FIRST
    _shrank_s: float = -APART_S

    def answered(self, served: int, turned_away: int, now_s: float) -> None:
        """A message came: so many of its answers say that the platform had too much to do."""
        if not turned_away:
            self.size = min(self.size + served * GROWS, MOST)
        elif now_s - self._shrank_s >= APART_S:
            self.size, self._shrank_s = max(self.size * SHRINKS, LEAST), now_s
