"""Grants: what a person lets a program send, template by template. One grant is one send, and they add up.

A grant that is used and the message in the box are one record. Nothing there refuses a message, so that no grant is
used for nothing.
"""

from typing import Annotated, Literal, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.domain.erasable import LIFE, Erasable, check_kept
from actors.domain.notify.box import BOX, UNHEARD_MS, Put
from actors.domain.notify.message import Message, TemplateName, digest_of, was_sent, with_sent
from actors.entity import FILLED, Context, Decision, Entity, Reject, Send, accept

TEMPLATES_MAX = 256

Said: TypeAlias = Literal["accept", "reject", "ban", "filter"]


class Given(Struct, frozen=True):
    """What came of one template in a prompt. `lasting` when the template's one grant is for all sends."""

    said: Said
    lasting: bool = False


class Answer(Struct, frozen=True, tag="notify.grants.answer"):
    """What came of one prompt."""

    answers: Annotated[dict[TemplateName, Given], Meta(min_length=1, max_length=TEMPLATES_MAX)]


class Use(Struct, frozen=True, tag="notify.grants.use", rename={"filled": FILLED}):
    """Send this. The same message id again is the same send."""

    message: Message
    unheard_ms: Annotated[int, Meta(ge=0)] = UNHEARD_MS
    filled: tuple[str, ...] = ("unheard_ms",)


class Erase(Struct, frozen=True, tag="notify.grants.erase"):
    """The person is erased: forget what they allowed, and let nothing be sent any more."""


class Answered(Struct, frozen=True, tag="notify.grants.answered"):
    answers: dict[str, Given]
    at_ms: int


class Used(Struct, frozen=True, tag="notify.grants.used"):
    template: str
    message_id: str
    digest: str
    at_ms: int


class Forgotten(Struct, frozen=True, tag="notify.grants.forgotten"):
    pass


Command: TypeAlias = Answer | Use | Erase
Event: TypeAlias = Answered | Used | Forgotten


class Grant(Struct, frozen=True):
    """Of one template: how many sends are left, whether all are allowed, and what was said last."""

    left: int = 0
    lasting: bool = False
    used: int = 0
    said: str = ""


class Grants(Erasable, Struct, frozen=True):
    templates: dict[str, Grant] = {}
    messages: dict[str, str] = {}
    """The last messages by their ids, oldest first, each with the digest of what it says."""


def decide(grants: Grants, command: Command, ctx: Context) -> Decision[Event]:
    match command:
        case Erase():
            ctx.only_from("identity.link", ctx.entity_id)
            return accept() if grants.erased else accept(Forgotten())
        case Answer(answers):
            check_kept(grants)
            if len(grants.templates.keys() | answers.keys()) > TEMPLATES_MAX:
                raise Reject("too_many_templates", templates_max=str(TEMPLATES_MAX))
            return accept(Answered(answers, ctx.now_ms))
        case Use():
            check_kept(grants)
            return _use(grants, command, ctx)
        case _:
            assert_never(command)


def _use(grants: Grants, use: Use, ctx: Context) -> Decision[Event]:
    message, digest = use.message, digest_of(use.message)
    grant = grants.templates.get(message.template, Grant())
    if was_sent(grants.messages, message, digest):
        return accept(reply=_left(grant, again=True))
    if grant.said == "ban":
        raise Reject("notify_banned", template=message.template)
    if not grant.lasting and not grant.left:
        is_used_up = grant.used > 0 and grant.said != "reject"
        raise Reject("notify_used_up" if is_used_up else "notify_refused", template=message.template)
    used = Used(message.template, message.message_id, digest, ctx.now_ms)
    put = Send(BOX.at(ctx.entity_id), Put(message, use.unheard_ms))
    return accept(used, reply=_left(_less(grant), again=False), actions=(put,))


def _left(grant: Grant, *, again: bool) -> object:
    return {"left": grant.left, "lasting": grant.lasting, "again": again}


def _less(grant: Grant) -> Grant:
    """After one more send: a grant for all sends is used before those for one."""
    return replace(grant, left=grant.left - (not grant.lasting), used=grant.used + 1)


def evolve(grants: Grants, event: Event) -> Grants:
    match event:
        case Answered(answers):
            after = {name: _after(grants.templates.get(name, Grant()), given) for name, given in answers.items()}
            return replace(grants, templates={**grants.templates, **after})
        case Used(template, message_id, digest):
            templates = {**grants.templates, template: _less(grants.templates[template])}
            return Grants(templates, with_sent(grants.messages, message_id, digest))
        case Forgotten():
            return Grants(erased=True)
        case _:
            assert_never(event)


def _after(grant: Grant, given: Given) -> Grant:
    """One that was filtered was never shown: nothing was said. A rejection takes no grant back but the lasting one."""
    match given.said:
        case "accept":
            return replace(
                grant,
                said="accept",
                left=grant.left + (not given.lasting),
                lasting=grant.lasting or given.lasting,
            )
        case "reject":
            return replace(grant, said="reject", lasting=False)
        case "ban":
            return replace(grant, said="ban")
        case "filter":
            return grant
        case _:
            assert_never(given.said)


def view_grants(grants: Grants, _: object) -> object:
    """Of each template: how many sends are left, whether all are allowed, and what was said last."""
    return grants.templates


GRANTS = Entity(
    "notify.grants",
    Grants(),
    Command,
    Event,
    decide,
    evolve,
    views={"grants": view_grants},
    life={"grants": LIFE},
    collection="grants",
    takes_from=("identity",),
    timers_max=0,
)
