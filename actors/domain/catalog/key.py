"""The key by which an account signs its packages: its public half. Who holds the other may upload for the account."""

from typing import Annotated

from msgspec import Meta, Struct

from actors.entity import Context, Decision, Entity, Stage, accept, after

LIFE = {
    "none": Stage({"set": "set"}),
    "set": Stage({"set": "set"}, terminal=True),
}


class SetKey(Struct, frozen=True, tag="catalog.key.set"):
    """`key` is an Ed25519 public key. What was signed by a former one, and taken then, stays as it is."""

    key: Annotated[bytes, Meta(min_length=32, max_length=32)]


class KeySet(Struct, frozen=True, tag="catalog.key.key-set"):
    key: bytes
    by: str
    at_ms: int


class Key(Struct, frozen=True):
    state: str = "none"
    key: bytes = b""
    by: str = ""
    at_ms: int = 0


def decide(key: Key, command: SetKey, ctx: Context) -> Decision[KeySet]:
    after(LIFE, key.state, "set")
    return accept() if key.key == command.key else accept(KeySet(command.key, ctx.caller, ctx.now_ms))


def evolve(_: Key, event: KeySet) -> Key:
    return Key("set", event.key, event.by, event.at_ms)


def view_key(key: Key, _: object) -> object:
    """The public half, and who set it."""
    return key


KEY = Entity(
    "catalog.key",
    Key(),
    SetKey,
    KeySet,
    decide,
    evolve,
    views={"key": view_key},
    collection="package-keys",
    life={"key": LIFE},
)
