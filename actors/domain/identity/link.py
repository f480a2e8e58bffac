"""One person in one program: login codes, and the one session key that is valid.

Neither code nor key is here, but their numbers alone: a gateway derives both from a root key of its keyring.
"""

from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.domain import visit
from actors.domain.counting import DAY_MS, MINUTE_MS
from actors.domain.notify import box, grants, inbox, window
from actors.entity import (
    FILLED,
    Action,
    CancelTimer,
    Context,
    Decision,
    Entity,
    Reject,
    Send,
    SetTimer,
    Stage,
    accept,
    after,
)

CODE = {
    "none": Stage({"issue": "issued"}),
    "issued": Stage({"redeem": "used", "expire": "expired"}),
    "used": Stage({}, terminal=True),
    "expired": Stage({}, terminal=True),
}
"""One login code. It expires by the log's time alone, without an event."""
SESSION = {
    "none": Stage({"open": "active"}),
    "active": Stage(
        {"touch": "active", "supersede": "superseded", "expire": "expired", "revoke": "revoked"},
    ),
    "superseded": Stage({}, terminal=True),
    "expired": Stage({}, terminal=True),
    "revoked": Stage({"revoke": "revoked"}, terminal=True),
}
"""One version of the session key."""
KEPT_MAX = 128
"""So many codes are remembered, the ended ones that came last."""
OPEN_MAX = 16
PER_MINUTE_MAX = 100
EXPIRE = "expire"


class IssueCode(Struct, frozen=True, tag="identity.link.issue-code", rename={"filled": FILLED}):
    ttl_ms: Annotated[int, Meta(ge=1, le=DAY_MS)]
    minute_max: Annotated[int, Meta(ge=1, le=PER_MINUTE_MAX)]
    open_max: Annotated[int, Meta(ge=1, le=OPEN_MAX)]
    filled: tuple[str, ...] = ("ttl_ms", "minute_max", "open_max")


class Redeem(Struct, frozen=True, tag="identity.link.redeem", rename={"filled": FILLED}):
    n: Annotated[int, Meta(ge=1)]
    kid: str
    ttl_ms: Annotated[int, Meta(ge=1)]
    filled: tuple[str, ...] = ("ttl_ms",)


class Touch(Struct, frozen=True, tag="identity.link.touch", rename={"filled": FILLED}):
    version: Annotated[int, Meta(ge=1)]
    ttl_ms: Annotated[int, Meta(ge=1)]
    filled: tuple[str, ...] = ("ttl_ms",)


class Revoke(Struct, frozen=True, tag="identity.link.revoke"):
    pass


class Expire(Struct, frozen=True, tag="identity.link.expire"):
    version: int


class Erase(Struct, frozen=True, tag="identity.link.erase"):
    """The person's: forget me in this program, and let everything of mine under this name forget."""


class CodeIssued(Struct, frozen=True, tag="identity.link.code-issued"):
    n: int
    at_ms: int
    until_ms: int


class CodeRedeemed(Struct, frozen=True, tag="identity.link.code-redeemed"):
    n: int
    at_ms: int


class SessionOpened(Struct, frozen=True, tag="identity.link.session-opened"):
    version: int
    kid: str
    until_ms: int


class SessionSuperseded(Struct, frozen=True, tag="identity.link.session-superseded"):
    version: int
    by: int


class SessionTouched(Struct, frozen=True, tag="identity.link.session-touched"):
    version: int
    until_ms: int


class SessionRevoked(Struct, frozen=True, tag="identity.link.session-revoked"):
    version: int
    by: str
    at_ms: int


class SessionExpired(Struct, frozen=True, tag="identity.link.session-expired"):
    version: int
    at_ms: int


class LinkErased(Struct, frozen=True, tag="identity.link.erased"):
    at_ms: int


Command: TypeAlias = IssueCode | Redeem | Touch | Revoke | Expire | Erase
Event: TypeAlias = (
    CodeIssued
    | CodeRedeemed
    | SessionOpened
    | SessionSuperseded
    | SessionTouched
    | SessionRevoked
    | SessionExpired
    | LinkErased
)


class Code(Struct, frozen=True):
    n: int
    at_ms: int
    until_ms: int
    state: str = "issued"


class Link(Struct, frozen=True):
    """`state` is that of the newest version of the session key; every former one has ended."""

    state: str = "none"
    version: int = 0
    kid: str = ""
    until_ms: int = 0
    issued: int = 0
    codes: tuple[Code, ...] = ()
    erased: bool = False


def decide(link: Link, command: Command, ctx: Context) -> Decision[Event]:
    match command:
        case IssueCode() | Redeem() if link.erased:
            raise Reject("person_erased")
        case Erase():
            return _erase(link, ctx)
        case IssueCode():
            return _issue(link, command, ctx.now_ms)
        case Redeem():
            return _redeem(link, command, ctx.now_ms)
        case Touch(version, ttl_ms):
            if not _is_good(link, version, ctx.now_ms):
                return accept(reply={"until_ms": link.until_ms})
            until_ms = max(link.until_ms, ctx.now_ms + ttl_ms)
            reply = {"until_ms": until_ms}
            return accept(SessionTouched(version, until_ms), reply=reply, actions=(_timer(version, until_ms),))
        case Revoke():
            after(SESSION, link.state, "revoke")
            if link.state == "revoked":
                return accept()
            return accept(SessionRevoked(link.version, ctx.caller, ctx.now_ms), actions=(CancelTimer(EXPIRE),))
        case Expire(version):
            if (link.state, link.version) != ("active", version) or _is_good(link, version, ctx.now_ms):
                return accept()
            return accept(SessionExpired(version, ctx.now_ms))
        case _:
            assert_never(command)


def _erase(link: Link, ctx: Context) -> Decision[Event]:
    """All that is under the same name forgets in this record. None of it refuses."""
    ctx.only_from("identity.person")
    if link.erased:
        return accept()
    revoked = (SessionRevoked(link.version, ctx.caller, ctx.now_ms),) if link.state == "active" else ()
    name = ctx.entity_id
    forget: tuple[Action, ...] = (
        Send(visit.VISIT.at(name), visit.Erase()),
        Send(grants.GRANTS.at(name), grants.Erase()),
        Send(window.WINDOW.at(name), window.Erase()),
        Send(box.BOX.at(name), box.Erase()),
        Send(inbox.INBOX.at(name), inbox.Erase()),
    )
    return accept(*revoked, LinkErased(ctx.now_ms), actions=(CancelTimer(EXPIRE), *forget))


def _issue(link: Link, command: IssueCode, now_ms: int) -> Decision[Event]:
    lately = sum(code.at_ms > now_ms - MINUTE_MS for code in link.codes)
    outstanding = sum(_is_open(code, now_ms) for code in link.codes)
    if lately >= command.minute_max or outstanding >= command.open_max:
        raise Reject("too_many_codes", last_minute=str(lately), outstanding=str(outstanding))
    issued = CodeIssued(link.issued + 1, now_ms, now_ms + command.ttl_ms)
    return accept(issued, reply={"n": issued.n, "until_ms": issued.until_ms})


def _redeem(link: Link, command: Redeem, now_ms: int) -> Decision[Event]:
    if command.n > link.issued:
        raise Reject("code_not_issued")
    code = next((code for code in link.codes if code.n == command.n), None)
    if code is not None and code.state == "used":
        raise Reject("code_used")
    if code is None or now_ms >= code.until_ms:  # what is no more remembered has ended long ago
        raise Reject("code_expired")
    version, until_ms = link.version + 1, now_ms + command.ttl_ms
    superseded = (SessionSuperseded(link.version, version),) if link.state == "active" else ()
    return accept(
        CodeRedeemed(code.n, now_ms),
        *superseded,
        SessionOpened(version, command.kid, until_ms),
        reply={"version": version, "until_ms": until_ms},
        actions=(_timer(version, until_ms),),
    )


def _timer(version: int, until_ms: int) -> SetTimer:
    return SetTimer(EXPIRE, until_ms, Expire(version))


def _is_open(code: Code, now_ms: int) -> bool:
    return code.state == "issued" and now_ms < code.until_ms


def _is_good(link: Link, version: int, now_ms: int) -> bool:
    return (link.state, link.version) == ("active", version) and now_ms < link.until_ms


def evolve(link: Link, event: Event) -> Link:
    match event:
        case CodeIssued(n, at_ms, until_ms):
            return replace(link, issued=n, codes=(*_remembered(link.codes, at_ms), Code(n, at_ms, until_ms)))
        case CodeRedeemed(n):
            codes = tuple(replace(code, state="used") if code.n == n else code for code in link.codes)
            return replace(link, codes=codes)
        case SessionOpened(version, kid, until_ms):
            return replace(link, state="active", version=version, kid=kid, until_ms=until_ms)
        case SessionSuperseded():
            return replace(link, state="superseded")
        case SessionTouched(_, until_ms):
            return replace(link, until_ms=until_ms)
        case SessionRevoked():
            return replace(link, state="revoked")
        case SessionExpired():
            return replace(link, state="expired")
        case LinkErased():
            return replace(link, codes=(), erased=True)
        case _:
            assert_never(event)


def _remembered(codes: tuple[Code, ...], now_ms: int) -> tuple[Code, ...]:
    """Room for one more: the first that has ended goes. So many are never open at once."""
    if len(codes) < KEPT_MAX:
        return codes
    ended = next(place for place, code in enumerate(codes) if not _is_open(code, now_ms))
    return codes[:ended] + codes[ended + 1 :]


class Shown(Struct, frozen=True):
    """What of it may be known: how its session stands, and nothing of its codes."""

    state: str
    version: int
    kid: str
    until_ms: int


def view_session(link: Link, _: object) -> object:
    """How the newest session stands."""
    return Shown(link.state, link.version, link.kid, link.until_ms)


IDENTITY = Entity(
    "identity.link",
    Link(),
    Command,
    Event,
    decide,
    evolve,
    views={"session": view_session},
    life={"session": SESSION, "code": CODE},
    collection="identities",
    timers_max=1,
)
