"""A developer's account: who publishes programs, and the team that works for it. One admin is always there."""

import re
from typing import Annotated, Literal, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.entity import FILLED, Context, Decision, Entity, Reject, Stage, accept, after

LIFE = {
    "none": Stage({"open": "open"}),
    "open": Stage({"use": "open", "suspend": "suspended", "close": "closed"}),
    "suspended": Stage({"suspend": "suspended", "resume": "open", "close": "closed"}),
    "closed": Stage({"close": "closed"}, terminal=True),
}
MEMBER_LIFE = {
    "out": Stage({"invite": "invited", "open": "member"}),
    "invited": Stage({"invite": "invited", "accept": "member", "remove": "out"}),
    "member": Stage({"accept": "member", "grant": "member", "remove": "out"}),
}
"""Who opens an account is its first member."""

ID = re.compile("[a-z][a-z0-9-]{0,62}")
"""What an account or a program may be called."""

Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]
MemberId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
Role: TypeAlias = Literal["admin", "developer", "operator", "tester"]


class Open(Struct, frozen=True, tag="developer.account.open"):
    name: Name
    admin: MemberId


class Invite(Struct, frozen=True, tag="developer.account.invite", rename={"filled": FILLED}):
    member: MemberId
    role: Role
    members_max: Annotated[int, Meta(ge=1, le=1_000)] = 100
    filled: tuple[str, ...] = ("members_max",)


class Accept(Struct, frozen=True, tag="developer.account.accept"):
    member: MemberId


class Grant(Struct, frozen=True, tag="developer.account.grant"):
    member: MemberId
    role: Role


class Remove(Struct, frozen=True, tag="developer.account.remove"):
    member: MemberId


class AddProgram(Struct, frozen=True, tag="developer.account.add-program"):
    """What a program that registers asks, in the same record."""

    program: str
    programs_max: int


class Suspend(Struct, frozen=True, tag="developer.account.suspend"):
    reason: Annotated[str, Meta(max_length=500)] = ""


class Resume(Struct, frozen=True, tag="developer.account.resume"):
    pass


class Close(Struct, frozen=True, tag="developer.account.close"):
    pass


class Opened(Struct, frozen=True, tag="developer.account.opened"):
    name: str
    admin: str
    at_ms: int


class Invited(Struct, frozen=True, tag="developer.account.invited"):
    member: str
    role: Role
    by: str


class Accepted(Struct, frozen=True, tag="developer.account.accepted"):
    member: str


class Granted(Struct, frozen=True, tag="developer.account.granted"):
    member: str
    role: Role
    by: str


class Removed(Struct, frozen=True, tag="developer.account.removed"):
    member: str
    by: str


class ProgramAdded(Struct, frozen=True, tag="developer.account.program-added"):
    program: str


class Suspended(Struct, frozen=True, tag="developer.account.suspended"):
    reason: str


class Resumed(Struct, frozen=True, tag="developer.account.resumed"):
    pass


class Closed(Struct, frozen=True, tag="developer.account.closed"):
    pass


Team: TypeAlias = Invite | Accept | Grant | Remove
Moderating: TypeAlias = Open | Suspend | Resume | Close
"""What whoever runs the platform asks."""
Command: TypeAlias = Team | AddProgram | Moderating
Event: TypeAlias = Opened | Invited | Accepted | Granted | Removed | ProgramAdded | Suspended | Resumed | Closed


class Member(Struct, frozen=True):
    state: str
    role: Role


class Account(Struct, frozen=True):
    state: str = "none"
    name: str = ""
    members: dict[str, Member] = {}
    programs: tuple[str, ...] = ()


def decide(account: Account, command: Command, ctx: Context) -> Decision[Event]:
    match command:
        case Open(name, admin):
            after(LIFE, account.state, "open")
            check_id(ctx.entity_id)
            return accept(Opened(name, admin, ctx.now_ms))
        case Invite() | Accept() | Grant() | Remove():
            after(LIFE, account.state, "use")
            return _changed(account, command, ctx.caller)
        case AddProgram(program, programs_max):
            ctx.only_from("catalog.program", f"{ctx.entity_id}/{program}")
            after(LIFE, account.state, "use")
            if program in account.programs:
                return accept()
            if len(account.programs) >= programs_max:
                raise Reject("too_many_programs", programs_max=str(programs_max))
            return accept(ProgramAdded(program))
        case Suspend(reason):
            return _moved(account, "suspend", Suspended(reason))
        case Resume():
            return _moved(account, "resume", Resumed())
        case Close():
            return _moved(account, "close", Closed())
        case _:
            assert_never(command)


def check_id(text: str) -> None:
    """Rejects what no account or program may be called."""
    if not ID.fullmatch(text):
        raise Reject("bad_id", allowed=ID.pattern)


def _moved(account: Account, move: str, event: Event) -> Decision[Event]:
    return accept() if after(LIFE, account.state, move) == account.state else accept(event)


def _changed(account: Account, command: Team, by: str) -> Decision[Event]:
    """A change of the team. What is so already is no error, and no second event."""
    name = command.member
    member = account.members.get(name, Member("out", "tester"))
    move = type(command).__name__.lower()
    state = after(MEMBER_LIFE, member.state, move)
    match command:
        case Invite(_, role, members_max):
            if name not in account.members and len(account.members) >= members_max:
                raise Reject("too_many_members", members_max=str(members_max))
            return accept() if member == Member(state, role) else accept(Invited(name, role, by))
        case Accept():
            return accept() if member.state == state else accept(Accepted(name))
        case Grant(_, role):
            _check_admin_stays(account, name, role)
            return accept() if member.role == role else accept(Granted(name, role, by))
        case Remove():
            _check_admin_stays(account, name, "tester")
            return accept(Removed(name, by))
        case _:
            assert_never(command)


def _check_admin_stays(account: Account, name: str, role: Role) -> None:
    admins = [one for one, member in account.members.items() if member == Member("member", "admin")]
    if admins == [name] and role != "admin":
        raise Reject("last_admin", member=name)


def evolve(account: Account, event: Event) -> Account:
    match event:
        case Opened(name, admin):
            return replace(account, state="open", name=name, members={admin: Member("member", "admin")})
        case Invited(member, role):
            return _with(account, member, Member("invited", role))
        case Accepted(member):
            return _with(account, member, Member("member", account.members[member].role))
        case Granted(member, role):
            return _with(account, member, Member(account.members[member].state, role))
        case Removed(member):
            return replace(account, members={name: one for name, one in account.members.items() if name != member})
        case ProgramAdded(program):
            return replace(account, programs=(*account.programs, program))
        case Suspended():
            return replace(account, state="suspended")
        case Resumed():
            return replace(account, state="open")
        case Closed():
            return replace(account, state="closed")
        case _:
            assert_never(event)


def _with(account: Account, name: str, member: Member) -> Account:
    return replace(account, members=account.members | {name: member})


def view_account(account: Account, _: object) -> object:
    """All there is to know of an account."""
    return account


ACCOUNT = Entity(
    "developer.account",
    Account(),
    Command,
    Event,
    decide,
    evolve,
    views={"account": view_account},
    life={"account": LIFE, "member": MEMBER_LIFE},
    takes_from=("catalog",),
)
