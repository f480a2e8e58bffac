"""What clients saw: every call with the time it began and ended, and what its answer said."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

FOREVER = (1 << 63) - 1


class Op(Struct, frozen=True, kw_only=True):
    """One call on one counter, from its first send to its last answer.

    An `add` adds one and is answered with the new total; a `read` is answered with the total. An add without an
    answer may have happened at any time since it began, or never: it ends at `FOREVER`, and its total means nothing.
    A read without an answer says nothing, and is in no history.
    """

    entity: str
    kind: Literal["add", "read"]
    client: int
    began_ns: int
    ended_ns: int = FOREVER
    total: int = 0

    @property
    def answered(self) -> bool:
        """Whether it is known what became of it."""
        return self.ended_ns < FOREVER

    def __str__(self) -> str:
        """It in a few words, as findings tell it."""
        what = f"{self.kind} by client {self.client}, begun at {self.began_ns} ns, "
        return what + (f"answered {self.total} at {self.ended_ns} ns" if self.answered else "never answered")


def by_entity(ops: Iterable[Op]) -> Mapping[str, Sequence[Op]]:
    """The history of each entity."""
    found: dict[str, list[Op]] = {}
    for op in ops:
        found.setdefault(op.entity, []).append(op)
    return found


def as_lines(ops: Iterable[Op]) -> bytes:
    """A history as lines of JSON."""
    return msgspec.json.Encoder().encode_lines(ops)


def write(path: Path, ops: Iterable[Op]) -> None:
    """Keep a history in a file."""
    path.write_bytes(as_lines(ops))
