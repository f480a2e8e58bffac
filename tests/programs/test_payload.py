"""Payloads: what fits becomes the author's command, what does not is refused with the field's path, before the log."""

# One of these tests counts what is remembered.
# pyright: reportPrivateUsage=false

from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from actors import Context, Decision, Entity, accept, payload
from actors.domain import ENTITIES as PLATFORM
from actors.errors import InvalidCommand, NotFound
from actors.payload import DEPTH_MAX, KNOWN_BYTES_MAX, Payloads, describe
from actors.programs.bike.program import ENTITIES as BIKE
from actors.programs.shop.program import ENTITIES as SHOP


class Size(Struct, frozen=True):
    width: int
    height: int = 1


class Photo(Struct, frozen=True, tag="photo"):
    size: Size


class Text(Struct, frozen=True, tag="text"):
    words: str


class Node(Struct, frozen=True):
    name: str
    children: "tuple[Node, ...]" = ()


class Flat(Struct, frozen=True, tag="card.flat", rename="camel"):
    how_many: Annotated[int, Meta(ge=0)]
    big: int = 0
    name: str = ""
    ratio: float = 0.0


class Deep(Struct, frozen=True, tag="card.deep"):
    size: Size | None = None
    parts: list[Photo | Text] = []
    by_name: dict[str, Size] = {}
    pair: tuple[str, Size] | None = None
    tree: Node | None = None
    more: Any = None


class Picky(Struct, frozen=True, tag="card.picky"):
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


class Done(Struct, frozen=True, tag="card.done"):
    pass


class Card(Struct, frozen=True):
    pass


def decide(_: Card, command: Flat | Deep | Picky, ctx: Context) -> Decision[Done]:
    del command, ctx
    return accept(Done())


def see(card: Card, _: object) -> object:
    return card


CARD = Entity("card", Card(), Flat | Deep | Picky, Done, decide, lambda card, _: card, views={"b": see, "a": see})
PAYLOADS = Payloads(CARD)
COMMAND = msgspec.msgpack.Decoder[Flat | Deep | Picky](Flat | Deep | Picky)


def refused(command: str, payload: bytes) -> InvalidCommand:
    with pytest.raises(InvalidCommand) as error:
        PAYLOADS.decode(command, payload)
    return error.value


def test_the_bytes_are_those_of_the_authors_own_struct() -> None:
    made = PAYLOADS.decode("card.flat", b'{"howMany": 3, "name": "x"}')
    assert made == msgspec.msgpack.encode(Flat(3, name="x"))
    nested = PAYLOADS.decode(
        "card.deep",
        b'{"parts":[{"type":"photo","size":{"width":2}},{"type":"text","words":"w"}],"by_name":{}}',
    )
    assert COMMAND.decode(nested) == Deep(parts=[Photo(Size(2)), Text("w")])


def test_an_empty_payload_is_a_command_without_fields() -> None:
    assert COMMAND.decode(PAYLOADS.decode("card.deep", b"")) == Deep()
    assert refused("card.flat", b"").field == "$.howMany"


def test_a_payload_may_repeat_the_tag_but_not_contradict_it() -> None:
    assert COMMAND.decode(PAYLOADS.decode("card.flat", b'{"type":"card.flat","howMany":1}')) == Flat(1)
    assert refused("card.flat", b'{"type":"card.deep","howMany":1}').field == "$.type"


@pytest.mark.parametrize(
    ("command", "payload", "field"),
    [
        ("card.flat", b'{"howMany":1,"nmae":"x"}', "$.nmae"),
        ("card.flat", b'{"how_many":1}', "$.how_many"),
        ("card.flat", b'{"howMany":"1"}', "$.howMany"),
        ("card.flat", b'{"howMany":-1}', "$.howMany"),
        ("card.flat", b'{"howMany":1,"big":99999999999999999999999}', "$.big"),
        ("card.flat", b'{"howMany":1,"big":' + b"9" * 5_000 + b"}", "$.big"),
        ("card.flat", b'{"howMany":1,"ratio":1e999}', "$.ratio"),
        ("card.flat", b'{"howMany":1,"ratio":NaN}', "$"),
        ("card.flat", b'{"howMany":1', "$"),
        ("card.flat", b'{"howMany":1}x', "$"),
        ("card.flat", b"[1]", "$"),
        ("card.flat", b'{"howMany":1,"name":"\xff"}', "$"),
        ("card.flat", b'{"howMany":1,"name":"\\ud800"}', "$"),
        ("card.deep", b'{"size":{"width":1,"depth":2}}', "$.size.depth"),
        ("card.deep", b'{"size":{"height":1}}', "$.size.width"),
        ("card.deep", b'{"parts":[{"type":"text","words":"w","x":1}]}', "$.parts[0].x"),
        ("card.deep", b'{"parts":[{"type":"photo","size":{"width":1,"x":1}}]}', "$.parts[0].size.x"),
        ("card.deep", b'{"parts":[{"type":"song"}]}', "$.parts[0].type"),
        ("card.deep", b'{"by_name":{"a":{"width":1,"x":1}}}', "$.by_name.a.x"),
        ("card.deep", b'{"pair":["a",{"width":1,"x":1}]}', "$.pair[1].x"),
        ("card.deep", b'{"tree":{"name":"a","children":[{"name":"b","x":1}]}}', "$.tree.children[0].x"),
        ("card.deep", b'{"more":{"a":[1,99999999999999999999999]}}', "$.more.a[1]"),
        ("card.deep", b'{"more":' + b"[" * 100_000, "$"),
        ("card.picky", b'{"low":2,"high":1}', "$"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_fields_path(command: str, payload: bytes, field: str) -> None:
    error = refused(command, payload)
    assert error.field == field
    assert 0 < len(str(error)) < 300


def test_what_is_nested_deeper_than_any_decoder_bears_is_refused() -> None:
    def nested(levels: int) -> bytes:
        return b'{"more":' + b"[" * levels + b"]" * levels + b"}"

    def tree(levels: int) -> bytes:
        return b'{"tree":' + b'{"name":"a","children":[' * levels + b"]}" * levels + b"}"

    assert PAYLOADS.decode("card.deep", nested(DEPTH_MAX))
    assert "levels deep" in str(refused("card.deep", nested(DEPTH_MAX + 1)))
    assert "levels deep" in str(refused("card.deep", tree(DEPTH_MAX)))


def test_a_payload_over_the_bound_is_refused_before_it_is_read() -> None:
    with pytest.raises(InvalidCommand, match="at most 10 are taken") as error:
        Payloads(CARD, bytes_max=10).decode("card.flat", b"not JSON at all")
    assert error.value.reason == "PAYLOAD_TOO_BIG"


def test_what_is_said_again_comes_to_the_same_bytes_and_is_refused_again() -> None:
    payloads = Payloads(CARD)
    for _ in range(2):
        assert payloads.decode("card.flat", b'{"howMany": 3}') == msgspec.msgpack.encode(Flat(3))
        with pytest.raises(InvalidCommand):
            payloads.decode("card.flat", b'{"howMany": "3"}')
        with pytest.raises(InvalidCommand):
            payloads.decode("card.deep", b'{"howMany": 3}')


def test_no_more_payloads_are_known_than_may_be_and_no_long_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payload, "KNOWN_MAX", 3)
    payloads = Payloads(CARD)
    long = b'{"howMany":7,"name":"%b"}' % (b"x" * KNOWN_BYTES_MAX)
    for said in (long, *(b'{"howMany":%d}' % n for n in range(10))):
        payloads.decode("card.flat", said)
        assert len(payloads._known) <= 3
        assert ("card.flat", long) not in payloads._known
    assert ("card.flat", b'{"howMany":9}') in payloads._known


def test_an_unknown_command_names_the_known_ones() -> None:
    with pytest.raises(NotFound, match=r"no command 'card\.flta'; it has card\.deep, card\.flat, card\.picky") as error:
        PAYLOADS.decode("card.flta", b"{}")
    assert error.value.reason == "NO_SUCH_COMMAND"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NAMES = ["howMany", "big", "name", "size", "parts", "by_name", "pair", "tree", "more", "low", "high", "type"]


@given(st.sampled_from(["card.flat", "card.deep", "card.picky"]), st.dictionaries(st.sampled_from(NAMES), JSON))
def test_whatever_is_let_through_decodes_and_says_the_same(command: str, fields: dict[str, object]) -> None:
    payload = msgspec.json.encode(fields)
    try:
        made = PAYLOADS.decode(command, payload)
    except InvalidCommand as error:
        assert error.field.startswith("$")  # noqa: PT017 - either outcome is right; this is what holds of this one
        return
    again = msgspec.to_builtins(COMMAND.decode(made))
    assert set(fields) <= set(again)
    assert again["type"] == command


@given(st.sampled_from(["card.flat", "card.deep"]), st.binary(max_size=60))
def test_any_bytes_are_taken_or_refused_and_never_more(command: str, payload: bytes) -> None:
    try:
        made = PAYLOADS.decode(command, payload)
    except InvalidCommand as error:
        assert str(error)  # noqa: PT017 - either outcome is right; this is what holds of this one
        return
    assert COMMAND.decode(made)


def test_a_description_has_the_schema_of_every_command_and_event_and_the_views() -> None:
    description: dict[str, Any] = describe(CARD)
    assert list(description["commands"]) == ["card.flat", "card.deep", "card.picky"]
    assert description["views"] == ["a", "b"]
    flat = description["types"]["Flat"]
    assert flat["required"] == ["howMany"]
    assert "type" not in flat["properties"]
    assert flat["additionalProperties"] is False
    assert "type" in description["types"]["Done"]["properties"]


def test_every_entity_that_ships_can_be_described_as_json() -> None:
    for entity in (*PLATFORM, *BIKE, *SHOP):
        description = msgspec.json.decode(msgspec.json.encode(describe(entity)))
        names = {schema["$ref"] for schema in [*description["commands"].values(), *description["events"].values()]}
        assert names <= {f"#/types/{name}" for name in description["types"]}


def test_what_is_no_json_and_what_has_another_field_is_told_what_the_command_takes() -> None:
    no_json = refused("card.flat", b"ann")
    assert str(no_json).startswith("the payload is no JSON object: ")
    assert str(no_json).endswith("; the command takes howMany, big, name, ratio")
    unknown = refused("card.flat", b'{"howMany":1,"nmae":"ann"}')
    assert (unknown.field, "takes howMany, big, name, ratio" in str(unknown)) == ("$.nmae", True)
    below = refused("card.deep", b'{"size":{"width":1,"wdith":2}}')
    assert (below.field, "takes" in str(below)) == ("$.size.wdith", False)
