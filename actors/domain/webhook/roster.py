"""A program's endpoints by name, so that it has no more than it may. They tell it themselves, in their own record."""

from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta, Struct

from actors.entity import Context, Decision, Entity, Reject, accept

ENDPOINTS_MAX = 256
"""More is never allowed."""


class Enter(Struct, frozen=True, tag="webhook.roster.enter"):
    endpoint: str
    endpoints_max: Annotated[int, Meta(ge=1, le=ENDPOINTS_MAX)]


class Leave(Struct, frozen=True, tag="webhook.roster.leave"):
    endpoint: str


class Entered(Struct, frozen=True, tag="webhook.roster.entered"):
    endpoint: str


class Left(Struct, frozen=True, tag="webhook.roster.left"):
    endpoint: str


Command: TypeAlias = Enter | Leave
Event: TypeAlias = Entered | Left


class Roster(Struct, frozen=True):
    """Those that were set and not removed, in the order in which they came."""

    endpoints: tuple[str, ...] = ()


def decide(roster: Roster, command: Command, ctx: Context) -> Decision[Event]:
    ctx.only_from("webhook.endpoint")
    match command:
        case Enter(endpoint, endpoints_max):
            if endpoint in roster.endpoints:
                return accept()
            if len(roster.endpoints) >= endpoints_max:
                raise Reject("too_many_endpoints", endpoints_max=str(endpoints_max))
            return accept(Entered(endpoint))
        case Leave(endpoint):
            return accept(Left(endpoint)) if endpoint in roster.endpoints else accept()
        case _:
            assert_never(command)


def evolve(roster: Roster, event: Event) -> Roster:
    match event:
        case Entered(endpoint):
            return Roster((*roster.endpoints, endpoint))
        case Left(endpoint):
            return Roster(tuple(one for one in roster.endpoints if one != endpoint))
        case _:
            assert_never(event)


ROSTER = Entity("webhook.roster", Roster(), Command, Event, decide, evolve, timers_max=0)
