"""What services ask of a person's account before anything is done, or kept, for the person."""

from msgspec import Struct

from actors.domain.identity import person as people
from actors.domain.identity.person import PERSON
from actors.errors import NotFound, Reject
from gateway.deriving import Derived
from gateway.steps import Steps


class _Used(Struct):
    link: str


async def good_person(steps: Steps, person: str) -> people.Person:
    """Raises Reject for a person who is blocked or erased, NotFound for one who never signed in."""
    found = await steps.look(PERSON.at(person), "person", people.Person)
    if found.state in ("erasing", "erased"):
        raise Reject("person_erased")
    if found.state == "blocked":
        raise Reject("person_blocked")
    if found.state == "none":
        raise NotFound("there is no such person; sign in first", reason="NO_SUCH_PERSON")
    return found


def openid_in(account: people.Person, derived: Derived, program: str, person: str) -> str:
    """By which name the program knows the person of this account: as `openid_of`."""
    return people.link_of(account, program).partition("/")[2] or derived.openid(program, person)


async def openid_of(steps: Steps, derived: Derived, program: str, person: str) -> str:
    """By which name the program knows the person: the one that it was given, or the one that it would be given now."""
    link = await steps.look(PERSON.at(person), "link", str, program=program)
    return link.partition("/")[2] or derived.openid(program, person)


async def use(steps: Steps, derived: Derived, program: str, person: str, n: int) -> str:
    """The person is to be known to be known to this program, before anything is kept there: so it can be erased.

    Returns by which name. The call's n-th step is kept for it. Raises what `good_person` raises.
    """
    link = people.link_of(await good_person(steps, person), program)
    if not link:
        wanted = people.Use(f"{program}/{derived.openid(program, person)}")
        link = (await steps.ask(PERSON.at(person), wanted, n)).reply(_Used).link
    return link.partition("/")[2]
