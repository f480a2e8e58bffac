"""State machines as tables: what may follow what, readable, checkable, and the same for every reader."""

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct

from actors.entity import Reject


class Stage(Struct, frozen=True):
    """One state: where each move leads from it. A `terminal` state is never left."""

    moves: Mapping[str, str]
    terminal: bool = False


Table: TypeAlias = Mapping[str, Stage]


def after(table: Table, state: str, move: str) -> str:
    """The state that the move leads to; the same one where it has been made already. Rejects what is not possible."""
    following = table[state].moves.get(move)
    if following is None:
        raise Reject("wrong_state", state=state, move=move)
    return following
