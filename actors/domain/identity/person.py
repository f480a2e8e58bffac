"""A person on the platform itself, named by nothing that says who it is.

It is erased in two steps: everything that is kept of it is told to forget, and the follower destroys the keys that its
personal data is sealed by. What stands on the log then can be folded as ever, and read by nobody.
"""

from typing import Annotated, Any, TypeAlias, assert_never, cast

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.domain import friends
from actors.domain.catalog import recent
from actors.domain.identity import link as links
from actors.entity import Action, Context, Decision, Entity, Reject, Send, Stage, accept, after

LIFE = {
    "none": Stage({"register": "active"}),
    "active": Stage({"register": "active", "block": "blocked", "unblock": "active", "erase": "erasing"}),
    "blocked": Stage({"block": "blocked", "unblock": "active", "erase": "erasing"}),
    "erasing": Stage({"erase": "erasing", "shredded": "erased"}),
    "erased": Stage({"erase": "erased", "shredded": "erased"}, terminal=True),
}
LINKS_MAX = 1_000
TOLD_MAX = 1_000
"""Of a record's sends so many tell of the erasure, to programs and to friends; the links alone may need all."""
FOLLOWER = "platform/follower"
"""Who destroys keys."""


class Register(Struct, frozen=True, tag="identity.person.register"):
    pass


class Block(Struct, frozen=True, tag="identity.person.block"):
    pass


class Unblock(Struct, frozen=True, tag="identity.person.unblock"):
    pass


class Use(Struct, frozen=True, tag="identity.person.use"):
    """A program knows the person by this link, `program/openid`, from now on; unless it does by another already."""

    link: Annotated[str, Meta(min_length=1, max_length=160)]


class Erase(Struct, frozen=True, tag="identity.person.erase"):
    """Forget the person, for ever."""


class Shredded(Struct, frozen=True, tag="identity.person.shredded"):
    """The follower's: the keys are destroyed."""


class Registered(Struct, frozen=True, tag="identity.person.registered"):
    at_ms: int


class Blocked(Struct, frozen=True, tag="identity.person.blocked"):
    by: str
    at_ms: int


class Unblocked(Struct, frozen=True, tag="identity.person.unblocked"):
    by: str
    at_ms: int


class ProgramUsed(Struct, frozen=True, tag="identity.person.program-used"):
    link: str


class ErasureAsked(Struct, frozen=True, tag="identity.person.erasure-asked"):
    """The tombstone: what is sealed for the person, and for them in these programs, is to be opened no more."""

    links: tuple[str, ...]
    by: str
    at_ms: int


class Erased(Struct, frozen=True, tag="identity.person.erased"):
    at_ms: int


Command: TypeAlias = Register | Block | Unblock | Use | Erase | Shredded
Event: TypeAlias = Registered | Blocked | Unblocked | ProgramUsed | ErasureAsked | Erased


class Person(Struct, frozen=True):
    state: str = "none"
    registered_ms: int = 0
    links: tuple[str, ...] = ()


def decide(person: Person, command: Command, ctx: Context) -> Decision[Event]:
    match command:
        case Register():
            _check_good(person)
            return accept() if person.state == "active" else accept(Registered(ctx.now_ms))
        case Block():
            after(LIFE, person.state, "block")
            return accept() if person.state == "blocked" else accept(Blocked(ctx.caller, ctx.now_ms))
        case Unblock():
            after(LIFE, person.state, "unblock")
            return accept() if person.state == "active" else accept(Unblocked(ctx.caller, ctx.now_ms))
        case Use(link):
            _check_good(person)
            if known := link_of(person, link.partition("/")[0]):
                return accept(reply={"link": known})
            if person.state == "none" or len(person.links) >= LINKS_MAX:
                raise Reject("too_many_programs", programs_max=str(LINKS_MAX))
            return accept(ProgramUsed(link), reply={"link": link})
        case Erase():
            reply = {"state": after(LIFE, person.state, "erase")}
            if person.state in ("erasing", "erased"):
                return accept(reply=reply)
            asked = ErasureAsked(person.links, ctx.caller, ctx.now_ms)
            return accept(asked, reply=reply, actions=_forget(person, ctx.entity_id))
        case Shredded():
            if ctx.caller != FOLLOWER:
                raise Reject("not_for_clients")
            after(LIFE, person.state, "shredded")
            return accept() if person.state == "erased" else accept(Erased(ctx.now_ms))
        case _:
            assert_never(command)


def link_of(person: Person, program: str) -> str:
    """The link by which this program knows the person; "" when it does not."""
    return next((link for link in person.links if link.partition("/")[0] == program), "")


def _check_good(person: Person) -> None:
    if person.state in ("erasing", "erased"):
        raise Reject("person_erased")
    if person.state == "blocked":
        raise Reject("person_blocked")


def _forget(person: Person, name: str) -> tuple[Action, ...]:
    """Tell all that is kept of the person. None of these refuses, and together they fit one record."""
    ends_max = min(TOLD_MAX - len(person.links), friends.ENDED_MAX)
    return (
        *(Send(links.IDENTITY.at(link), links.Erase()) for link in person.links),
        Send(friends.FRIENDS.at(name), friends.Erase(ends_max)),
        Send(recent.RECENT.at(name), recent.Erase()),
    )


def evolve(person: Person, event: Event) -> Person:
    match event:
        case Registered(at_ms):
            return Person("active", at_ms)
        case Blocked():
            return replace(person, state="blocked")
        case Unblocked():
            return replace(person, state="active")
        case ProgramUsed(link):
            return replace(person, links=(*person.links, link))
        case ErasureAsked():
            return replace(person, state="erasing")
        case Erased():
            return Person("erased", person.registered_ms)
        case _:
            assert_never(event)


def view_person(person: Person, _: object) -> object:
    """Whether it may sign in, and since when it is known."""
    return person


def view_link(person: Person, args: object) -> object:
    """The link by which a program knows the person; "" when it does not."""
    return link_of(person, str(cast("dict[str, Any]", args).get("program")))


PERSON = Entity(
    "identity.person",
    Person(),
    Command,
    Event,
    decide,
    evolve,
    views={"person": view_person, "link": view_link},
    life={"person": LIFE},
    timers_max=0,
)
