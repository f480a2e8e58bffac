"""A person on the platform itself, named by nothing that says who it is."""

from typing import TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from actors.entity import Context, Decision, Entity, Reject, Stage, accept, after

LIFE = {
    "none": Stage({"register": "active"}),
    "active": Stage({"register": "active", "block": "blocked", "unblock": "active"}),
    "blocked": Stage({"block": "blocked", "unblock": "active"}),
}


class Register(Struct, frozen=True, tag="identity.person.register"):
    pass


class Block(Struct, frozen=True, tag="identity.person.block"):
    pass


class Unblock(Struct, frozen=True, tag="identity.person.unblock"):
    pass


class Registered(Struct, frozen=True, tag="identity.person.registered"):
    at_ms: int


class Blocked(Struct, frozen=True, tag="identity.person.blocked"):
    by: str
    at_ms: int


class Unblocked(Struct, frozen=True, tag="identity.person.unblocked"):
    by: str
    at_ms: int


Command: TypeAlias = Register | Block | Unblock
Event: TypeAlias = Registered | Blocked | Unblocked


class Person(Struct, frozen=True):
    state: str = "none"
    registered_ms: int = 0


def decide(person: Person, command: Command, ctx: Context) -> Decision[Event]:
    match command:
        case Register():
            if person.state == "blocked":
                raise Reject("PERSON_BLOCKED")
            return accept() if person.state == "active" else accept(Registered(ctx.now_ms))
        case Block():
            after(LIFE, person.state, "block")
            return accept() if person.state == "blocked" else accept(Blocked(ctx.caller, ctx.now_ms))
        case Unblock():
            after(LIFE, person.state, "unblock")
            return accept() if person.state == "active" else accept(Unblocked(ctx.caller, ctx.now_ms))
        case _:
            assert_never(command)


def evolve(person: Person, event: Event) -> Person:
    match event:
        case Registered(at_ms):
            return Person("active", at_ms)
        case Blocked():
            return replace(person, state="blocked")
        case Unblocked():
            return replace(person, state="active")
        case _:
            assert_never(event)


def view_person(person: Person, _: object) -> object:
    """Whether it may sign in, and since when it is known."""
    return person


PERSON = Entity(
    "identity.person",
    Person(),
    Command,
    Event,
    decide,
    evolve,
    views={"person": view_person},
    life={"person": LIFE},
    timers_max=0,
)
