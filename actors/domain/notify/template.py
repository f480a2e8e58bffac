"""A template: what a program's notifications look like. It is drafted, approved by who runs the platform, disabled."""

from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.domain.notify.fields import FIELDS_MAX, flaw_of_template
from actors.entity import Context, Decision, Entity, Reject, Stage, accept, after

LIFE = {
    "none": Stage({"draft": "draft"}),
    "draft": Stage({"draft": "draft", "approve": "approved", "disable": "disabled"}),
    "approved": Stage({"approve": "approved", "disable": "disabled"}),
    "disabled": Stage({"disable": "disabled"}, terminal=True),
}
LASTING_CATEGORIES = ("education", "finance", "government", "medical", "transport")
"""The categories whose programs may ask once for all sends of a template."""


class Draft(Struct, frozen=True, tag="notify.template.draft"):
    """`category` is the program's; `lasting` when one grant is for all sends."""

    title: Annotated[str, Meta(min_length=1, max_length=64)]
    fields: Annotated[tuple[Annotated[str, Meta(max_length=2_048)], ...], Meta(min_length=1, max_length=FIELDS_MAX)]
    lasting: bool = False
    category: Annotated[str, Meta(max_length=64)] = ""


class Approve(Struct, frozen=True, tag="notify.template.approve"):
    pass


class Disable(Struct, frozen=True, tag="notify.template.disable"):
    pass


class Drafted(Struct, frozen=True, tag="notify.template.drafted"):
    title: str
    fields: tuple[str, ...]
    lasting: bool
    at_ms: int


class Approved(Struct, frozen=True, tag="notify.template.approved"):
    by: str
    at_ms: int


class Disabled(Struct, frozen=True, tag="notify.template.disabled"):
    by: str
    at_ms: int


Command: TypeAlias = Draft | Approve | Disable
Event: TypeAlias = Drafted | Approved | Disabled


class Template(Struct, frozen=True):
    state: str = "none"
    title: str = ""
    fields: tuple[str, ...] = ()
    lasting: bool = False
    changed_ms: int = 0


def decide(template: Template, command: Command, ctx: Context) -> Decision[Event]:
    match command:
        case Draft(title, fields, lasting, category):
            after(LIFE, template.state, "draft")
            if lasting and category not in LASTING_CATEGORIES:
                raise Reject("not_for_this_category", category=category)
            flaw = flaw_of_template(fields)
            if flaw is not None:
                raise Reject("bad_field", field=flaw.field, said=flaw.message)
            drafted = Drafted(title, fields, lasting, ctx.now_ms)
            is_same = (template.title, template.fields, template.lasting) == (title, fields, lasting)
            return accept() if is_same else accept(drafted)
        case Approve():
            state = after(LIFE, template.state, "approve")
            return accept() if state == template.state else accept(Approved(ctx.caller, ctx.now_ms))
        case Disable():
            state = after(LIFE, template.state, "disable")
            return accept() if state == template.state else accept(Disabled(ctx.caller, ctx.now_ms))
        case _:
            assert_never(command)


def evolve(template: Template, event: Event) -> Template:
    match event:
        case Drafted(title, fields, lasting, at_ms):
            return Template("draft", title, fields, lasting, at_ms)
        case Approved(_, at_ms):
            return replace(template, state="approved", changed_ms=at_ms)
        case Disabled(_, at_ms):
            return replace(template, state="disabled", changed_ms=at_ms)
        case _:
            assert_never(event)


def view_template(template: Template, _: object) -> object:
    """All of it."""
    return template


def program_of(entity_id: str) -> str:
    """The program whose template this is: all of a program's are in one partition."""
    return entity_id.partition("/")[0]


TEMPLATE = Entity(
    "notify.template",
    Template(),
    Command,
    Event,
    decide,
    evolve,
    views={"template": view_template},
    routing=program_of,
    life={"template": LIFE},
    timers_max=0,
)
