"""Personal fields as an author writes them and a caller fills them in: sealed, bounded, found when they are loaded."""

import json
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta, Struct

from actors import Context, Decision, Entity, Of, Personal, accept
from actors.errors import InvalidCommand, SetupError
from actors.payload import Payloads, describe
from actors.registry import load_programs
from actors.sealing import SHOWN, Sealed, fields_of, read, veiled
from actors.shape import check_entity
from actors.testing import Scenario
from tests.programs.test_registry import MANIFEST, PROGRAM

SECRET = "12 Nowhere Street"


class Address(Struct, frozen=True):
    street: Annotated[str, Meta(max_length=40)]
    number: int = 1


class Move(Struct, frozen=True, tag="home.move"):
    to: Personal[Address]
    host: str = ""
    phone: Annotated[Personal[Annotated[str, Meta(max_length=9)]] | None, Of("host")] = None
    rooms: int = 2


class Moved(Struct, frozen=True, tag="home.moved"):
    to: Personal[Address]


class Home(Struct, frozen=True):
    at: Personal[Address] | None = None


def decide(_: Home, command: Move, ctx: Context) -> Decision[Moved]:
    del ctx
    return accept(Moved(command.to), reply={"to": command.to})


def evolve(_: Home, event: Moved) -> Home:
    return Home(event.to)


HOME = Entity("home", Home(), Move, Moved, decide, evolve, views={"home": lambda home, _: home})


def sealed(payload: str) -> tuple[Move, list[tuple[str, str, object]]]:
    """The command as the log has it, and what was given to be sealed: the field, whom it is about, what it says."""
    given: list[tuple[str, str, object]] = []

    def seal(field: str, whom: str, packed: bytes) -> bytes:
        given.append((field, whom, msgspec.msgpack.decode(packed)))
        return f"sealed {field}".encode()

    packed = Payloads(HOME).decode("home.move", payload.encode(), seal)
    return msgspec.msgpack.decode(packed, type=Move), given


def test_a_caller_writes_what_it_is_and_the_author_has_bytes() -> None:
    command, given = sealed(json.dumps({"to": {"street": SECRET}, "phone": "555", "host": "bob"}))
    assert command == Move(Personal(b"sealed to"), "bob", Personal(b"sealed phone"))
    assert given == [("to", "", {"street": SECRET, "number": 1}), ("phone", "bob", "555")]
    command, given = sealed(json.dumps({"to": {"street": SECRET}, "phone": None, "rooms": 3}))
    assert (command.phone, command.rooms, len(given)) == (None, 3, 1)


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        ({}, "$.to"),
        ({"to": SECRET}, "$.to"),
        ({"to": {"street": SECRET * 3}}, "$.to.street"),
        ({"to": {"street": SECRET, "floor": 1}}, "$.to.floor"),
        ({"to": {"street": SECRET}, "phone": SECRET}, "$.phone"),
        ({"to": {"$sealed": "eA=="}}, "$.to.street"),
        ({"to": {"street": SECRET, "number": 1 << 70}}, "$.to.number"),
    ],
)
def test_what_does_not_fit_is_refused_before_it_is_sealed_and_not_repeated(payload: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidCommand) as refused:
        sealed(json.dumps(payload))
    assert refused.value.field in (path, "$.to")
    assert SECRET not in str(refused.value)


def test_the_description_shows_what_a_caller_writes() -> None:
    fields: Any = describe(HOME)
    move = fields["types"]["Move"]["properties"]
    assert move["phone"]["anyOf"][0] == {"type": "string", "maxLength": 9}
    assert "$sealed" not in json.dumps(fields["commands"])


def test_an_entity_keeps_it_hands_it_on_and_shows_it_sealed() -> None:
    to = Personal[Address](b"sealed")
    scenario = Scenario(HOME)
    assert scenario.when(Move(to)).reply == {"to": to}
    assert scenario.state == Home(to)
    assert scenario.view("home") == {"at": {"$sealed": "c2VhbGVk"}}


def test_what_is_shown_to_anybody_says_that_something_is_sealed_and_no_byte_of_it() -> None:
    value = {"a": [{"$sealed": "eA=="}, {"b": {"$sealed": b"x"}}], "c": {"$sealed": 1, "d": 2}, "e": "$sealed"}
    assert veiled(value) == {"a": [SHOWN, {"b": SHOWN}], "c": {"$sealed": 1, "d": 2}, "e": "$sealed"}


@pytest.mark.parametrize("bytes_", [b"", b"x", b"\x94\xa1a", msgspec.msgpack.encode(["s", "p", "c"]), b"\xff" * 99])
def test_bytes_that_nobody_sealed_say_nothing(bytes_: bytes) -> None:
    assert read(bytes_) is None
    whole = Sealed("s", "p", b"c", b"t")
    assert read(msgspec.msgpack.encode(whole)) == whole


def test_only_the_fields_of_a_command_that_are_personal_are_sealed() -> None:
    assert [(field.name, field.of) for field in fields_of(Move)] == [("to", ""), ("phone", "host")]
    assert fields_of(Address) == ()


def with_command(tmp_path: Path, field: str) -> Path:
    """The voucher program, with one more field in its command."""
    program = PROGRAM.replace("from actors import ", "from typing import Annotated\nfrom actors import Of, Personal, ")
    program = program.replace("    user_id: str\n", f"    user_id: str\n    {field}\n", 1)
    (tmp_path / "program.py").write_text(program)
    (tmp_path / "manifest.json").write_text(MANIFEST)
    return tmp_path


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("names: tuple[Personal[str], ...] = ()", "around all that the field holds"),
        ("names: dict[str, Personal[str]] = {}", "around all that the field holds"),
        ("name: Personal[str] | int = 1", "around all that the field holds"),
        ('name: Annotated[Personal[str] | None, Of("nobody")] = None', "names no field"),
        ('name: Annotated[Personal[str] | None, Of("name")] = None', "names no field"),
    ],
)
def test_what_a_gateway_would_not_find_or_not_know_whose_is_refused_when_it_is_loaded(
    tmp_path: Path, field: str, told: str
) -> None:
    with pytest.raises(SetupError, match=told):
        load_programs([with_command(tmp_path, field)])


@pytest.mark.parametrize(
    "field", ["name: Personal[str] | None = None", "a: Annotated[Personal[int] | None, Of('user_id')] = None"]
)
def test_what_can_be_sealed_is_loaded(tmp_path: Path, field: str) -> None:
    assert "voucher" in load_programs([with_command(tmp_path, field)]).entities


def tag(_: Home, command: "Tags", ctx: Context) -> Decision[Moved]:
    del command, ctx
    return accept()


class Tags(Struct, frozen=True, tag="home.tags"):
    tags: Personal[set[str]]


def test_what_is_sealed_has_one_form_too() -> None:
    entity = Entity("home", Home(), Tags, Moved, tag, evolve)
    with pytest.raises(SetupError, match="holds a set"):
        check_entity(entity)
