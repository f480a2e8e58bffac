"""State machines as tables: what may follow what, readable, checkable, and the same for every reader."""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from msgspec import Struct

from actors.errors import Reject


class Stage(Struct, frozen=True):
    """One state: where each move leads from it. A `terminal` state is never left."""

    moves: Mapping[str, str]
    terminal: bool = False


Table: TypeAlias = Mapping[str, Stage]
"""Every state with what may follow; the first one is where it begins."""


def after(table: Table, state: str, move: str) -> str:
    """The state that the move leads to; the same one where it has been made already. Rejects what is not possible."""
    following = table[state].moves.get(move)
    if following is None:
        raise Reject("wrong_state", state=state, move=move)
    return following


def flaws(table: Table) -> Iterator[str]:
    """What is wrong with a table: moves into nowhere, states that nothing leads to, an end that is none."""
    reached = list(table)[:1]
    for state in reached:  # it grows meanwhile
        reached += dict.fromkeys(to for to in table[state].moves.values() if to in table and to not in reached)
    for state, stage in table.items():
        yield from (f"{move} leads from {state} to {to}, which is no state" for move, to in _lost(table, stage))
        if state not in reached:
            yield f"nothing leads to {state}"
        if stage.terminal != all(to == state for to in stage.moves.values()):
            yield f"{state} is {'marked as an end and is left' if stage.terminal else 'an end without the mark'}"


def _lost(table: Table, stage: Stage) -> list[tuple[str, str]]:
    return [(move, to) for move, to in stage.moves.items() if to not in table]
