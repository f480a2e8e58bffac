"""What services ask of a person's account before anything is done, or kept, for the person."""

from actors.domain.identity import person as people
from actors.domain.identity.person import PERSON
from actors.errors import NotFound, Reject
from gateway.steps import Steps


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


async def use(steps: Steps, person: str, link: str, n: int) -> None:
    """The person is to be known to have this link, before anything is kept under it: so it can be erased.

    The call's n-th step is kept for it. Raises what `good_person` raises.
    """
    if link not in (await good_person(steps, person)).links:
        await steps.ask(PERSON.at(person), people.Use(link), n)
