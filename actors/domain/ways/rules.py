"""The rules of a host's ordinary links: what a path begins with, and the page that it leads to; the longest wins."""

from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.domain.counting import MONTH_MS, Count, counted, is_full
from actors.entity import FILLED, Context, Decision, Entity, Reject, Stage, accept, after
from actors.principal import Role

LIFE = {
    "none": Stage({"add": "kept"}),
    "kept": Stage({"add": "kept", "publish": "kept"}, terminal=True),
}
RULES_MAX = 100
STATE_BYTES_MAX = 256 * 1024


class Add(Struct, frozen=True, tag="ways.rules.add", rename={"filled": FILLED}):
    """`prefix` leads to `page` once it is published; one that has a page gets another."""

    program: str
    prefix: Annotated[str, Meta(pattern=r"^/[A-Za-z0-9._~/%-]{0,255}$")]
    page: Annotated[str, Meta(min_length=1, max_length=256)]
    rules_max: Annotated[int, Meta(ge=1, le=RULES_MAX)] = 100
    filled: tuple[str, ...] = ("rules_max",)


class Publish(Struct, frozen=True, tag="ways.rules.publish", rename={"filled": FILLED}):
    """From now on all that were added lead where they say."""

    program: str
    publishes_month_max: Annotated[int, Meta(ge=1, le=10_000)] = 100
    filled: tuple[str, ...] = ("publishes_month_max",)


class Added(Struct, frozen=True, tag="ways.rules.added"):
    program: str
    prefix: str
    page: str


class Published(Struct, frozen=True, tag="ways.rules.published"):
    at_ms: int


Command: TypeAlias = Add | Publish
Event: TypeAlias = Added | Published


class Rules(Struct, frozen=True):
    """`month` is the number of the 30 days in which there were `publishes`."""

    state: str = "none"
    program: str = ""
    added: dict[str, str] = {}
    live: dict[str, str] = {}
    month: int = 0
    publishes: int = 0


class Match(Struct, frozen=True):
    """What the view `match` shows; an empty page is none."""

    program: str = ""
    prefix: str = ""
    page: str = ""


def decide(rules: Rules, command: Command, ctx: Context) -> Decision[Event]:
    match command:
        case Add(program, prefix, page, rules_max):
            after(LIFE, rules.state, "add")
            _check_whose(rules, program, ctx)
            if rules.added.get(prefix) == page:
                return accept()
            if prefix not in rules.added and len(rules.added) >= rules_max:
                raise Reject("too_many_rules", rules_max=str(rules_max))
            return accept(Added(program, prefix, page))
        case Publish(program, publishes_month_max):
            after(LIFE, rules.state, "publish")
            _check_whose(rules, program, ctx)
            if rules.live == rules.added:
                return accept()
            if is_full(Count(rules.month, rules.publishes), MONTH_MS, ctx.now_ms, publishes_month_max):
                left_ms = MONTH_MS - ctx.now_ms % MONTH_MS
                raise Reject("too_often", publishes_month_max=str(publishes_month_max), resets_ms=str(left_ms))
            return accept(Published(ctx.now_ms))
        case _:
            assert_never(command)


def _check_whose(rules: Rules, program: str, ctx: Context) -> None:
    """Nobody proves to us that a host is theirs: who runs the platform gives it to a program, by its first rule."""
    principal = ctx.principal
    if rules.state == "none" and principal is not None and principal.role is not Role.OPERATOR:
        raise Reject("host_not_given")
    if rules.state != "none" and rules.program != program:
        raise Reject("host_of_another")


def evolve(rules: Rules, event: Event) -> Rules:
    match event:
        case Added(program, prefix, page):
            return replace(rules, state="kept", program=program, added={**rules.added, prefix: page})
        case Published(at_ms):
            count = counted(Count(rules.month, rules.publishes), MONTH_MS, at_ms)
            return replace(rules, live=rules.added, month=count.period, publishes=count.times)
        case _:
            assert_never(event)


def view_match(rules: Rules, args: dict[str, object]) -> object:
    """Where a path leads: by the longest of the published prefixes that it begins with, letter for letter."""
    path = str(args.get("path", ""))
    prefix = max((prefix for prefix in rules.live if path.startswith(prefix)), key=len, default="")
    return Match(rules.program, prefix, rules.live[prefix]) if prefix else Match()


RULES = Entity(
    "ways.rules",
    Rules(),
    Command,
    Event,
    decide,
    evolve,
    views={"match": view_match},
    collection="link-rules",
    life={"rules": LIFE},
    state_bytes_max=STATE_BYTES_MAX,
    timers_max=0,
)
