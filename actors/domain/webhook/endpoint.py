"""An endpoint: the address of a developer's server, and which of its program's events it is told of."""

from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.domain.webhook.roster import ENDPOINTS_MAX, ROSTER, Enter, Leave
from actors.entity import FILLED, Action, Context, Decision, Entity, Send, Stage, accept, after

_ENDS = {"remove": "removed"}
LIFE = {
    "none": Stage({"set": "active"}),
    "active": Stage({"set": "active", "rotate": "active", "pause": "paused", "resume": "active"} | _ENDS),
    "paused": Stage({"set": "paused", "rotate": "paused", "pause": "paused", "resume": "active"} | _ENDS),
    "removed": Stage(_ENDS, terminal=True),
}
URL_CHARS_MAX = 2_048
EVENTS_MAX = 32
OVERLAP_MS_DEFAULT = 24 * 60 * 60 * 1_000
OWED = "owed"
"""Stands for every event of the program that states a debt."""

EventName: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9.-]{0,127}$")]


class Set(Struct, frozen=True, tag="webhook.endpoint.set", rename={"filled": FILLED}):
    """Tell this address of these events from now on: tags such as `bike.ride-ended`, or `owed`."""

    url: Annotated[str, Meta(min_length=1, max_length=URL_CHARS_MAX)]
    events: Annotated[tuple[EventName, ...], Meta(min_length=1, max_length=EVENTS_MAX)]
    endpoints_max: Annotated[int, Meta(ge=1, le=ENDPOINTS_MAX)] = ENDPOINTS_MAX
    filled: tuple[str, ...] = ("endpoints_max",)


class Rotate(Struct, frozen=True, tag="webhook.endpoint.rotate", rename={"filled": FILLED}):
    """Sign with the next secret, and with this one, too, as long as the two overlap."""

    overlap_ms: Annotated[int, Meta(ge=0, le=7 * OVERLAP_MS_DEFAULT)] = OVERLAP_MS_DEFAULT
    filled: tuple[str, ...] = ("overlap_ms",)


class Pause(Struct, frozen=True, tag="webhook.endpoint.pause"):
    """Tell nothing of what happens until it is resumed."""


class Resume(Struct, frozen=True, tag="webhook.endpoint.resume"):
    pass


class Remove(Struct, frozen=True, tag="webhook.endpoint.remove"):
    pass


Command: TypeAlias = Set | Rotate | Pause | Resume | Remove


class Endpoint(Struct, frozen=True):
    """`version` names the secret that signs; the one before it signs, too, before `both_until_ms`.

    What happened before `since_ms` is not told.
    """

    state: str = "none"
    url: str = ""
    events: tuple[str, ...] = ()
    version: int = 1
    both_until_ms: int = 0
    since_ms: int = 0


class Changed(Struct, frozen=True, tag="webhook.endpoint.changed"):
    """The endpoint as it is from now on: whoever sends need not know what was before."""

    endpoint: Endpoint


def decide(endpoint: Endpoint, command: Command, ctx: Context) -> Decision[Changed]:
    state = after(LIFE, endpoint.state, type(command).__name__.lower())
    program, _, name = ctx.entity_id.partition("/")
    told: tuple[Action, ...] = ()
    match command:
        case Set(url, events, endpoints_max):
            since_ms = endpoint.since_ms
            if endpoint.state == "none":
                since_ms, told = ctx.now_ms, (Send(ROSTER.at(program), Enter(name, endpoints_max)),)
            changed = replace(endpoint, state=state, url=url, events=events, since_ms=since_ms)
        case Rotate(overlap_ms):
            changed = replace(endpoint, version=endpoint.version + 1, both_until_ms=ctx.now_ms + overlap_ms)
        case Resume() if endpoint.state == "paused":
            changed = replace(endpoint, state=state, since_ms=ctx.now_ms)
        case Remove():
            changed, told = replace(endpoint, state=state), (Send(ROSTER.at(program), Leave(name)),)
        case Pause() | Resume():
            changed = replace(endpoint, state=state)
        case _:
            assert_never(command)
    reply = {"version": changed.version}
    return accept(reply=reply) if changed == endpoint else accept(Changed(changed), reply=reply, actions=told)


def evolve(_: Endpoint, event: Changed) -> Endpoint:
    return event.endpoint


def view_endpoint(endpoint: Endpoint, _: object) -> object:
    """All of it; its secrets are not here."""
    return endpoint


def program_of(entity_id: str) -> str:
    """A program's endpoints are together."""
    return entity_id.partition("/")[0]


ENDPOINT = Entity(
    "webhook.endpoint",
    Endpoint(),
    Command,
    Changed,
    decide,
    evolve,
    views={"endpoint": view_endpoint},
    routing=program_of,
    life={"endpoint": LIFE},
    timers_max=0,
)
