"""An entity for the gateway's tests: a jar that counts what is put in, refuses, and breaks, as the command says."""

from typing import Annotated, Any, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors import Context, Decision, Entity, Reject, accept


class Inner(Struct, frozen=True):
    """Something that lies deeper."""

    count: int = 0


class Put(Struct, frozen=True, tag="jar.put"):
    """Put in."""

    amount: Annotated[int, Meta(ge=0)] = 1
    note: str = ""
    deep: Inner | None = None
    anything: Any = None


class Refuse(Struct, frozen=True, tag="jar.refuse"):
    """Always refused."""

    why: str = ""


class Crash(Struct, frozen=True, tag="jar.crash"):
    """The author's mistake."""


class Shout(Struct, frozen=True, tag="jar.shout"):
    """Answers at length."""

    chars: int


Command: TypeAlias = Put | Refuse | Crash | Shout


class Added(Struct, frozen=True, tag="jar.added"):
    """It was put in."""

    amount: int


class Jar(Struct, frozen=True):
    """What is in."""

    total: int = 0


def decide(jar: Jar, command: Command, ctx: Context) -> Decision[Added]:
    """Do as told."""
    match command:
        case Put(amount):
            return accept(Added(amount), reply={"total": jar.total + amount, "caller": ctx.caller})
        case Refuse(why):
            raise Reject("full", why=why, total=str(jar.total))
        case Crash():
            raise KeyError("the author forgot")
        case Shout(chars):
            return accept(reply="a" * chars)
        case _:
            assert_never(command)


def evolve(jar: Jar, event: Added) -> Jar:
    """Count it."""
    return replace(jar, total=jar.total + event.amount)


def look(jar: Jar, _: Any) -> object:
    """How much is in."""
    return {"total": jar.total}


JAR = Entity("jar", Jar(), Command, Added, decide, evolve, views={"look": look})
