"""A new version of a program reads all that a former one wrote, or is refused with the path of what it would not."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.compatible import check_compatible
from actors.entity import AnyEntity
from actors.errors import InvalidCommand
from actors.packages import pack, read_package
from actors.registry import load_package, load_programs, shipped_programs

MANIFEST = (Path(__file__).parent / "voucher" / "manifest.json").read_bytes()
SHAPES = """
from enum import Enum
from typing import Annotated, Literal
from msgspec import Meta, Struct
from actors import Entity, accept

class Size(Enum):
    SMALL = "s"
    LARGE = "l"

class Seat(Struct, frozen=True, tag="seat"):
    row: int
    note: str = ""

class Place(Struct, frozen=True, tag="place"):
    door: str

class Book(Struct, frozen=True, tag="voucher.book"):
    count: Annotated[int, Meta(ge=1, le=10)]
    name: Annotated[str, Meta(max_length=20)] = ""
    size: Size = Size.SMALL
    kind: Literal["a", "b"] = "a"
    seats: tuple[Seat, ...] = ()
    where: Seat | Place | None = None
    weights: dict[str, float] = {}

class Drop(Struct, frozen=True, tag="voucher.drop"):
    pass

class Booked(Struct, frozen=True, tag="voucher.booked"):
    count: int

class State(Struct, frozen=True, array_like=True):
    count: int = 0
    pair: tuple[int, str] = (0, "")

class Lean(Struct, frozen=True, omit_defaults=True):
    left: int = 5

def decide(state, command, ctx):
    return accept(Booked(1))

def evolve(state, event):
    return state

BOOK = Entity("voucher.book", State(), Book | Drop, Booked, decide, evolve, views={"all": lambda s, _: s})
LEAN = Entity("voucher.lean", Lean(), Drop, Booked, decide, evolve)
ENTITIES = (BOOK,)
"""


def entities(source: str) -> Sequence[AnyEntity]:
    return load_package(read_package(pack({"manifest.json": MANIFEST, "program.py": source.encode()}))).entities


def changed(old: str, new: str) -> Sequence[AnyEntity]:
    assert old in SHAPES
    return entities(SHAPES.replace(old, new))


ADDITIONS = [
    ("x", "x"),
    ("count: int\n\nclass State", "count: int\n    at_ms: int = 0\n\nclass State"),
    ('pair: tuple[int, str] = (0, "")', 'pair: tuple[int, str] = (0, "")\n    more: int = 0'),
    ("ge=1, le=10", "ge=0, le=11"),
    ("max_length=20", "max_length=21"),
    ("Annotated[str, Meta(max_length=20)]", "str"),
    ('LARGE = "l"', 'LARGE = "l"\n    HUGE = "h"'),
    ('SMALL = "s"', 'TINY = "s"\n    SMALL = "m"'),
    ('Literal["a", "b"]', 'Literal["b", "a", "c"]'),
    ('Literal["a", "b"]', "str"),
    ("Seat | Place | None", "Seat | Place | int | None"),
    ("tuple[Seat, ...] = ()", "list[Seat] = []"),
    ("weights: dict[str, float]", "weights: dict[str, float | str]"),
    ("count: int\n\nclass State", "count: float\n\nclass State"),
    ("Book | Drop", "Book | Drop | Extra"),
    ('views={"all": lambda s, _: s}', "views={}"),
    ("count: int = 0\n", "count: int = 7\n"),
]


@pytest.mark.parametrize(("old", "new"), ADDITIONS)
def test_what_is_added_with_defaults_or_allowed_beside_is_taken(old: str, new: str) -> None:
    source = SHAPES.replace(
        "class Drop", 'class Extra(Struct, frozen=True, tag="voucher.extra"):\n    n: int\n\nclass Drop'
    )
    assert old in source
    check_compatible(entities(SHAPES), entities(source.replace(old, new)))


LOSSES = [
    ('    kind: Literal["a", "b"] = "a"\n', "", "voucher.book.command.voucher.book.kind", "the field is gone"),
    (
        "count: int\n\nclass State",
        "count: int\n    by: str\n\nclass State",
        "voucher.book.event.voucher.booked.by",
        "default",
    ),
    (
        'name: Annotated[str, Meta(max_length=20)] = ""',
        "name: str",
        "voucher.book.command.voucher.book.name",
        "had a default",
    ),
    ("ge=1, le=10", "ge=2, le=10", "voucher.book.command.voucher.book.count", "its ge was 1 and is 2"),
    ("ge=1, le=10", "ge=1, le=9", "voucher.book.command.voucher.book.count", "its le was 10 and is 9"),
    ("max_length=20", "max_length=20, pattern='a'", "voucher.book.command.voucher.book.name", "its pattern"),
    ('    LARGE = "l"\n', "", "voucher.book.command.voucher.book.size", "'l', which is gone"),
    ('Literal["a", "b"]', 'Literal["a"]', "voucher.book.command.voucher.book.kind", "'b', which is gone"),
    ("row: int", "row: str", "voucher.book.command.voucher.book.seats[].row", "it was Int and is Str"),
    ("Seat | Place | None", "Seat | None", "voucher.book.command.voucher.book.where", "Place, which is gone"),
    (
        "Seat | Place | None = None",
        "Seat | Place | int = 0",
        "voucher.book.command.voucher.book.where",
        "it was None and is Int",
    ),
    ('tag="place"', 'tag="spot"', "voucher.book.command.voucher.book.where", "Place, which is gone"),
    ("dict[str, float]", "dict[str, int]", "voucher.book.command.voucher.book.weights{}", "it was Float and is Int"),
    ("Book | Drop", "Book", "voucher.book.command", "'voucher.drop' is gone"),
    ('tag="voucher.booked"', 'tag="voucher.held"', "voucher.book.event", "'voucher.booked' is gone"),
    ("count: int = 0\n    pair", "pair", "voucher.book.state", "at its end alone"),
    ("count: int = 0\n", "first: int = 0\n    count: int = 0\n", "voucher.book.state", "at its end alone"),
    ('tuple[int, str] = (0, "")', 'tuple[int, str, int] = (0, "", 0)', "voucher.book.state.pair", "2 parts and has 3"),
    ('tuple[int, str] = (0, "")', "tuple[int, int] = (0, 0)", "voucher.book.state.pair[1]", "it was Str and is Int"),
    (", array_like=True", "", "voucher.book.state", "array_like"),
    ('Entity("voucher.book",', 'Entity("voucher.cook",', "voucher.book", "the kind is gone"),
    ("views=", 'collection="else", views=', "voucher.book.collection", "it was 'books'"),
    ("views=", 'routing=lambda key: key.partition("/")[0], views=', "voucher.book.routing", "another partition"),
    ("views=", 'routing=lambda key: key.split("/")[3], views=', "voucher.book.routing", "another partition"),
]


@pytest.mark.parametrize(("old", "new", "path", "why"), LOSSES, ids=[f"{loss[2]} {loss[3]}" for loss in LOSSES])
def test_what_would_not_be_read_or_would_be_lost_is_refused_with_its_path(
    old: str, new: str, path: str, why: str
) -> None:
    with pytest.raises(InvalidCommand, match=why) as error:
        check_compatible(entities(SHAPES), changed(old, new))
    assert (error.value.reason, error.value.field) == ("INCOMPATIBLE", path)


def test_a_default_that_is_not_written_stays_what_it_was() -> None:
    lean = SHAPES.replace("ENTITIES = (BOOK,)", "ENTITIES = (LEAN,)")
    with pytest.raises(InvalidCommand, match="its default is not written") as error:
        check_compatible(entities(lean), entities(lean.replace("left: int = 5", "left: int = 6")))
    assert error.value.field == "voucher.lean.state.left"
    check_compatible(entities(lean), entities(lean.replace("left: int = 5", "left: int = 5\n    more: int = 1")))


def test_every_program_that_ships_is_compatible_with_itself() -> None:
    for program in load_programs(shipped_programs()).programs.values():
        check_compatible(program.entities, program.entities)


@settings(max_examples=30)
@given(st.lists(st.sampled_from([*ADDITIONS[1:], *((old, new) for old, new, _, _ in LOSSES)]), min_size=1, max_size=3))
def test_what_is_compatible_reads_what_was_written(changes: list[tuple[str, str]]) -> None:
    source = SHAPES.replace(
        "class Drop", 'class Extra(Struct, frozen=True, tag="voucher.extra"):\n    n: int\n\nclass Drop'
    )
    for old, new in changes:
        source = source.replace(old, new)
    before = entities(SHAPES)[0]
    try:
        after = entities(source)[0]
        check_compatible([before], [after])
    except Exception:  # noqa: BLE001 - two changes of one place may make no program at all
        return
    written = {
        "type": "voucher.book",
        "count": 10,
        "name": "n" * 20,
        "size": "l",
        "kind": "b",
        "seats": [{"type": "seat", "row": 1, "note": "x"}],
        "where": {"type": "place", "door": "d"},
        "weights": {"a": 0.5},
    }
    read = msgspec.msgpack.decode(msgspec.msgpack.encode(written), type=after.command)
    again = msgspec.json.decode(msgspec.json.encode(read))
    assert {name: again[name] for name in written} == written
    initial: object = after.initial
    state = msgspec.msgpack.decode(msgspec.msgpack.encode([3, [4, "x"]]), type=type(initial))
    assert msgspec.to_builtins(state)[:2] in ([3, (4, "x")], [3, [4, "x"]], (3, (4, "x")))
