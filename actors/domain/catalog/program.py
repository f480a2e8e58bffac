"""A program of an account: its versions from upload to retirement, its review, and what each person is shown."""

import zlib
from typing import Annotated, Literal, TypeAlias, assert_never

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.domain.catalog import versions
from actors.domain.catalog.review import LANES, Enter, Leave, Taken
from actors.domain.catalog.uploads import UPLOADS, Take
from actors.domain.catalog.versions import UNDER_REVIEW, Person, Rule, Version, check_wider, shows
from actors.domain.counting import DAY_MS, MONTH_MS, Count, counted, is_full
from actors.domain.developer import ACCOUNT, AddProgram, check_id
from actors.entity import FILLED, Action, Context, Decision, Entity, Ref, Reject, Send, Stage, accept, after

LIFE = {
    "none": Stage({"register": "registered"}),
    "registered": Stage({"register": "registered"}, terminal=True),
}
VERSIONS_MAX = 20
FORMER_MAX = 10
NEEDED_MAX = FORMER_MAX + 3
"""So many versions are kept at least: what is and was shown to all, what is shown to a part, what is under review."""
"""Days and months of the log's time, from 1970 on: a month has 30 days, wherever it begins."""

Title: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
Code: TypeAlias = Annotated[int, Meta(ge=1, lt=1 << 31)]
Bound: TypeAlias = Annotated[int, Meta(ge=1, le=10_000)]
Reason: TypeAlias = Annotated[str, Meta(max_length=500)]


class Register(Struct, frozen=True, tag="catalog.program.register", rename={"filled": FILLED}):
    title: Title
    category: Title
    programs_max: Annotated[int, Meta(ge=1, le=1_000)] = 50
    filled: tuple[str, ...] = ("programs_max",)


class Upload(Struct, frozen=True, tag="catalog.program.upload", rename={"filled": FILLED}):
    """`hash` is the SHA-256 of the package, in hex; `code` grows from version to version.

    The package has so many `bytes`, and on a day the account may upload so many; where that is 0 they are not counted.
    Of the program's versions `versions_max` are kept: the oldest that nobody needs go.
    """

    code: Code
    name: Title
    hash: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    bytes: Annotated[int, Meta(ge=0)] = 0
    day_bytes_max: Annotated[int, Meta(ge=0)] = 0
    versions_max: Annotated[int, Meta(gt=NEEDED_MAX, le=100)] = VERSIONS_MAX
    filled: tuple[str, ...] = ("day_bytes_max", "versions_max")


class Submit(Struct, frozen=True, tag="catalog.program.submit", rename={"filled": FILLED}):
    code: Code
    month_max: Bound = 20
    filled: tuple[str, ...] = ("month_max",)


class Withdraw(Struct, frozen=True, tag="catalog.program.withdraw", rename={"filled": FILLED}):
    code: Code
    day_max: Bound = 1
    month_max: Bound = 10
    filled: tuple[str, ...] = ("day_max", "month_max")


class NotQueued(Struct, frozen=True, tag="catalog.program.not-queued"):
    """The lane had no room."""

    code: int
    n: int


class Judge(Struct, frozen=True, tag="catalog.program.judge"):
    code: Code
    verdict: Literal["approve", "reject", "defer"]
    reason: Reason = ""


class SetGray(Struct, frozen=True, tag="catalog.program.set-gray"):
    code: Code
    rule: Rule


class Release(Struct, frozen=True, tag="catalog.program.release"):
    code: Code


class Rollback(Struct, frozen=True, tag="catalog.program.rollback", rename={"filled": FILLED}):
    code: Code
    last_max: Annotated[int, Meta(ge=1, le=10)] = 5
    filled: tuple[str, ...] = ("last_max",)


class Registered(Struct, frozen=True, tag="catalog.program.registered"):
    program: str
    title: str
    category: str


class Uploaded(Struct, frozen=True, tag="catalog.program.uploaded", omit_defaults=True):
    code: int
    name: str
    hash: str
    versions_max: int = VERSIONS_MAX


class Submitted(Struct, frozen=True, tag="catalog.program.submitted"):
    code: int
    at_ms: int


class Withdrawn(Struct, frozen=True, tag="catalog.program.withdrawn"):
    """By its developer, or, with a reason, by the queue."""

    code: int
    reason: str
    at_ms: int


class ReviewBegun(Struct, frozen=True, tag="catalog.program.review-begun"):
    code: int


class Judged(Struct, frozen=True, tag="catalog.program.judged"):
    code: int
    state: str
    reason: str
    by: str


class GraySet(Struct, frozen=True, tag="catalog.program.gray-set"):
    code: int
    rule: Rule


class Released(Struct, frozen=True, tag="catalog.program.released"):
    """Also what a rollback is: `code` is what everybody is shown from now on."""

    code: int
    hash: str
    title: str
    category: str


Command: TypeAlias = Register | Upload | Submit | Withdraw | NotQueued | Taken | Judge | SetGray | Release | Rollback
Event: TypeAlias = Registered | Uploaded | Submitted | Withdrawn | ReviewBegun | Judged | GraySet | Released


class Program(Struct, frozen=True):
    """`live` and `gray` are codes, 0 for none; `former` are those that were live, the latest last."""

    state: str = "none"
    program: str = ""
    title: str = ""
    category: str = ""
    versions: tuple[Version, ...] = ()
    newest: int = 0
    live: int = 0
    gray: int = 0
    former: tuple[int, ...] = ()
    submits_month: Count = Count()
    withdrawals_day: Count = Count()
    withdrawals_month: Count = Count()


def decide(program: Program, command: Command, ctx: Context) -> Decision[Event]:
    if isinstance(command, Register):
        return _registered(program, command, ctx)
    if program.state == "none":
        raise Reject("not_registered")
    match command:
        case Upload():
            return _uploaded(program, command, ctx)
        case Submit() | Withdraw() | NotQueued() | Taken() | Judge():
            return _reviewed(program, command, ctx)
        case SetGray(code, rule):
            version = _to_publish(program, code, "gray")
            if program.gray not in (0, code):
                raise Reject("gray_busy", code=str(program.gray))
            check_wider(version.rule, rule)
            same = version.state == "gray" and version.rule == rule
            return accept() if same else accept(GraySet(code, rule))
        case Release(code):
            version = _to_publish(program, code, "release")
            return accept() if code == program.live else accept(_release(program, version))
        case Rollback(code, last_max):
            if code == program.live:
                return accept()
            if code not in program.former[-last_max:]:
                raise Reject("not_among_the_last", last=" ".join(map(str, program.former[-last_max:])))
            return accept(_release(program, _version(program, code)))
        case _:
            assert_never(command)


def _registered(program: Program, command: Register, ctx: Context) -> Decision[Event]:
    account, _, name = ctx.entity_id.partition("/")
    check_id(name)
    if after(LIFE, program.state, "register") == program.state:
        return accept()
    counted = Send(ACCOUNT.at(account), AddProgram(name, command.programs_max))
    return accept(Registered(name, command.title, command.category), actions=(counted,))


def _uploaded(program: Program, upload: Upload, ctx: Context) -> Decision[Event]:
    event = Uploaded(upload.code, upload.name, upload.hash, upload.versions_max)
    known = next((one for one in program.versions if one.code == event.code), None)
    if known is not None and (known.name, known.hash) == (event.name, event.hash):
        return accept()
    if event.code <= program.newest:
        raise Reject("version_not_growing", newest=str(program.newest))
    if not upload.day_bytes_max:
        return accept(event)
    account = _account_of(ctx.entity_id)
    return accept(event, actions=(Send(UPLOADS.at(account), Take(upload.bytes, upload.day_bytes_max)),))


def _reviewed(
    program: Program, command: Submit | Withdraw | NotQueued | Taken | Judge, ctx: Context
) -> Decision[Event]:
    version, lane = _version(program, command.code), lane_of(ctx.entity_id)
    match command:
        case Submit(code, month_max):
            after(versions.LIFE, version.state, "submit")
            _check_count(program.submits_month, MONTH_MS, ctx, "submits_month_max", month_max)
            busy = [one.code for one in program.versions if one.state in UNDER_REVIEW and one.code != code]
            if busy:
                raise Reject("review_busy", code=str(busy[0]))
            n = version.n + 1
            entering: Action = Send(lane, Enter(ctx.entity_id, code, n), NotQueued(code, n))
            return accept(Submitted(code, ctx.now_ms), actions=(entering,))
        case Withdraw(code, day_max, month_max):
            after(versions.LIFE, version.state, "withdraw")
            _check_count(program.withdrawals_day, DAY_MS, ctx, "withdrawals_day_max", day_max)
            _check_count(program.withdrawals_month, MONTH_MS, ctx, "withdrawals_month_max", month_max)
            return accept(Withdrawn(code, "", ctx.now_ms), actions=(Send(lane, Leave(ctx.entity_id, version.n)),))
        case NotQueued(code, n) | Taken(code, n) if ctx.sender != str(lane):
            raise Reject("not_for_clients", code=str(code), n=str(n))
        case NotQueued(code, n):
            is_waiting = version.state == "waiting" and version.n == n
            return accept(Withdrawn(code, "review_full", ctx.now_ms)) if is_waiting else accept()
        case Taken(code, n):
            # What was withdrawn meanwhile is not taken; the lane forgot it by taking it.
            return accept(ReviewBegun(code)) if version.state == "waiting" and version.n == n else accept()
        case Judge(code, verdict, reason):
            state = after(versions.LIFE, version.state, verdict)
            if verdict != "approve" and not reason:
                raise Reject("reason_missing")
            return accept(Judged(code, state, reason, ctx.caller))
        case _:
            assert_never(command)


def _check_count(count: Count, period_ms: int, ctx: Context, bound: str, times_max: int) -> None:
    if is_full(count, period_ms, ctx.now_ms, times_max):
        raise Reject("too_often", **{bound: str(times_max), "resets_ms": str(period_ms - ctx.now_ms % period_ms)})


def _to_publish(program: Program, code: int, move: str) -> Version:
    version = _version(program, code)
    after(versions.LIFE, version.state, move)
    if code < program.live:
        raise Reject("older_than_live", live=str(program.live))
    return version


def _release(program: Program, version: Version) -> Released:
    return Released(version.code, version.hash, program.title, program.category)


def _version(program: Program, code: int) -> Version:
    for version in program.versions:
        if version.code == code:
            return version
    raise Reject("no_such_version", code=str(code))


def lane_of(program: str) -> Ref[Enter | Leave]:
    """The lane that a program's versions wait in."""
    return Ref("catalog.review", str(zlib.crc32(program.encode()) % LANES))


def evolve(program: Program, event: Event) -> Program:
    match event:
        case Registered(name, title, category):
            return replace(program, state="registered", program=name, title=title, category=category)
        case Uploaded(code, name, hash, versions_max):
            kept = (*_room(program, versions_max), Version(code, name, hash))
            return replace(program, versions=kept, newest=code)
        case Submitted(code, at_ms):
            n = _version(program, code).n + 1
            made = _with(program, code, state="waiting", n=n, submitted_ms=at_ms, reason="")
            return replace(made, submits_month=counted(made.submits_month, MONTH_MS, at_ms))
        case Withdrawn(code, reason, at_ms):
            made = _with(program, code, state="withdrawn", reason=reason)
            if reason:
                return made
            return replace(
                made,
                withdrawals_day=counted(made.withdrawals_day, DAY_MS, at_ms),
                withdrawals_month=counted(made.withdrawals_month, MONTH_MS, at_ms),
            )
        case ReviewBegun(code):
            return _with(program, code, state="in_review")
        case Judged(code, state, reason):
            return _with(program, code, state=state, reason=reason)
        case GraySet(code, rule):
            return replace(_with(program, code, state="gray", rule=rule), gray=code)
        case Released(code):
            return _published(program, code)
        case _:
            assert_never(event)


def _published(program: Program, code: int) -> Program:
    """What was shown to all or to a part retires, and what was shown to all can be gone back to."""
    made = program
    for old in (program.live, program.gray):
        if old not in (0, code):
            made = _with(made, old, state="retired", rule=Rule())
    former = tuple(one for one in program.former if one != code)
    if program.live:
        former = (*former, program.live)[-FORMER_MAX:]
    return replace(_with(made, code, state="released", rule=Rule()), live=code, gray=0, former=former)


def _room(program: Program, versions_max: int) -> tuple[Version, ...]:
    """The versions without the oldest of those that nobody needs, so that there is room for one more."""
    needed = (program.live, program.gray, *program.former)
    spare = [one.code for one in program.versions if one.code not in needed and one.state not in UNDER_REVIEW]
    gone = spare[: max(len(program.versions) + 1 - versions_max, 0)]
    return tuple(one for one in program.versions if one.code not in gone)


def _with(program: Program, code: int, **changes: object) -> Program:
    made = tuple(replace(one, **changes) if one.code == code else one for one in program.versions)
    return replace(program, versions=made)


def view_program(program: Program, _: object) -> object:
    """All there is to know of a program."""
    return program


def view_shown(program: Program, args: object) -> object:
    """The version that this person is shown; code 0 when there is none."""
    version = shown_to(program, msgspec.convert(args, Person))
    if version is None:
        return {"code": 0, "name": "", "hash": ""}
    return {"code": version.code, "name": version.name, "hash": version.hash}


def shown_to(program: Program, person: Person) -> Version | None:
    """The version that this person is shown, if there is one."""
    for code in (program.gray, program.live):
        version = next((one for one in program.versions if one.code == code), None)
        if version is not None and (code == program.live or shows(program.program, version, person)):
            return version
    return None


def to_read(program: Program, code: int, last_max: int) -> tuple[str, ...]:
    """The hash of a version, and those of the last ones that were shown to anybody: what they wrote, it must read.

    Rejects a version that is not there.
    """
    shown = (*program.former[-last_max:], program.live, program.gray)
    former = [one.hash for one in program.versions if one.code in shown and one.code != code]
    return (_version(program, code).hash, *former)


def _account_of(entity_id: str) -> str:
    return entity_id.partition("/")[0]


PROGRAM = Entity(
    "catalog.program",
    Program(),
    Command,
    Event,
    decide,
    evolve,
    views={"program": view_program, "shown": view_shown},
    routing=_account_of,
    collection="catalog",
    life={"program": LIFE, "version": versions.LIFE},
)
