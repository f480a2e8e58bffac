"""The sub-commands of `hutong catalog`. What they run is imported when they run: `hutong --help` stays quick."""

from pathlib import Path
from typing import Annotated

import typer

from actors.cli import running
from actors.cli.options import Folder, Json

catalog = typer.Typer(help="Publish programs: register, review, release, roll back.", no_args_is_help=True)

Program = Annotated[str, typer.Argument(metavar="PROGRAM", help="The program's name, such as bike.")]
Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The developer's account.")]
Member = Annotated[str, typer.Argument(metavar="MEMBER", help="Who, as their token names them.")]
Role = Annotated[str, typer.Argument(metavar="ROLE", help="admin, developer, operator or tester.")]
Code = Annotated[int, typer.Argument(metavar="CODE", help="The version's code.")]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="What the developer is told.")]
Category = Annotated[str, typer.Option(metavar="TEXT", help="Such as food.")]
Names = Annotated[list[str], typer.Option(metavar="NAME", help="May be repeated.")]


@catalog.command("open-account")
def open_account(account: Account, name: str, admin: str, folder: Folder = None, json: Json = False) -> None:
    """Open a developer's account; ADMIN may do everything in it."""
    from actors.cli.publishing import change
    from gateway.v1 import catalog_pb2 as pb

    change(
        running.folder_of(folder), "OpenAccount", pb.OpenAccountRequest(account=account, name=name, admin=admin), json
    )


def _account(method: str, account: str, reason: str, folder: Folder, json: bool) -> None:
    from actors.cli.publishing import change
    from gateway.v1 import catalog_pb2 as pb

    change(running.folder_of(folder), method, pb.AccountRequest(account=account, reason=reason), json)


@catalog.command("suspend-account")
def suspend_account(
    account: Account,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; the log keeps it.")] = "",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Keep an account's team from doing anything; what is shown stays shown."""
    _account("SuspendAccount", account, reason, folder, json)


@catalog.command("resume-account")
def resume_account(account: Account, folder: Folder = None, json: Json = False) -> None:
    """Let the team of a suspended account go on."""
    _account("ResumeAccount", account, "", folder, json)


@catalog.command("close-account")
def close_account(account: Account, folder: Folder = None, json: Json = False) -> None:
    """End an account, for ever; what is shown stays shown."""
    _account("CloseAccount", account, "", folder, json)


def _team(method: str, account: str, member: str, role: str, folder: Folder, json: bool) -> None:
    from actors.cli.publishing import change
    from gateway.v1 import catalog_pb2 as pb

    change(running.folder_of(folder), method, pb.MemberRequest(account=account, member=member, role=role), json)


@catalog.command()
def invite(account: Account, member: Member, role: Role, folder: Folder = None, json: Json = False) -> None:
    """Ask somebody into the account's team."""
    _team("InviteMember", account, member, role, folder, json)


@catalog.command()
def join(account: Account, member: Member, folder: Folder = None, json: Json = False) -> None:
    """Join the team that one was asked into."""
    _team("JoinTeam", account, member, "", folder, json)


@catalog.command()
def grant(account: Account, member: Member, role: Role, folder: Folder = None, json: Json = False) -> None:
    """Give a member another role."""
    _team("GrantRole", account, member, role, folder, json)


@catalog.command()
def remove(account: Account, member: Member, folder: Folder = None, json: Json = False) -> None:
    """End a membership, or an invitation."""
    _team("RemoveMember", account, member, "", folder, json)


@catalog.command("account")
def show_account(account: Account, folder: Folder = None, json: Json = False) -> None:
    """Tell an account's team and programs."""
    from actors.cli.publishing import show_account

    show_account(running.folder_of(folder), account, json)


@catalog.command()
def register(
    account: Account,
    program: Program,
    title: Annotated[str, typer.Option(metavar="TEXT", help="What persons read; the name by default.")] = "",
    category: Category = "other",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Take a name, and register a program under it."""
    from actors.cli.publishing import change
    from gateway.v1 import catalog_pb2 as pb

    request = pb.RegisterProgramRequest(account=account, program=program, title=title or program, category=category)
    change(running.folder_of(folder), "RegisterProgram", request, json)


@catalog.command()
def describe(
    program: Program,
    alias: Annotated[list[str], typer.Option(metavar="NAME", help="Another name; may be repeated.")] = [],  # noqa: B006
    city: Annotated[str, typer.Option(metavar="CITY", help="Where it is used.")] = "",
    at: Annotated[str, typer.Option(metavar="LATITUDE,LONGITUDE", help="Where it stands.")] = "",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Say how a program is found beside its title and category; what is left out is no more."""
    from actors.cli.publishing import change
    from actors.cli.searching import location_of
    from gateway.v1 import catalog_pb2 as pb

    place = location_of(at) if at else None
    request = pb.DescribeProgramRequest(program=program, aliases=alias, city=city, location=place)
    change(running.folder_of(folder), "DescribeProgram", request, json)


@catalog.command("set-key")
def set_key(account: Account, folder: Folder = None, json: Json = False) -> None:
    """Make the key that an account signs its packages with, if need be, and tell the platform its public half."""
    from actors.cli.packing import set_key

    set_key(running.folder_of(folder), account, json)


@catalog.command()
def upload(
    program: Annotated[Path, typer.Argument(metavar="FOLDER", help="The program's folder.")],
    account: Annotated[str, typer.Option(metavar="ACCOUNT", help="Whose key signs it.")] = "hutong",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Pack a folder, sign it, and add it as the version that its manifest says."""
    from actors.cli.packing import upload

    upload(running.folder_of(folder), program, account, json)


def _version(method: str, program: str, code: int, folder: Folder, json: bool) -> None:
    from actors.cli.publishing import change
    from gateway.v1 import catalog_pb2 as pb

    change(running.folder_of(folder), method, pb.VersionRequest(program=program, code=code), json)


@catalog.command()
def submit(program: Program, code: Code, folder: Folder = None, json: Json = False) -> None:
    """Put a version into the review queue; `show` tells where it stands."""
    _version("SubmitVersion", program, code, folder, json)


@catalog.command()
def withdraw(program: Program, code: Code, folder: Folder = None, json: Json = False) -> None:
    """Take a version out of the queue, or of its review."""
    _version("WithdrawVersion", program, code, folder, json)


@catalog.command()
def take(
    lane: Annotated[int, typer.Argument(metavar="LANE", help="0 to 15; `show` tells a program's.")],
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Begin the review of what has waited longest in a lane."""
    from actors.cli.publishing import change
    from gateway.v1 import catalog_pb2 as pb

    change(running.folder_of(folder), "TakeReview", pb.TakeReviewRequest(lane=lane), json)


@catalog.command()
def judge(
    program: Program,
    code: Code,
    verdict: Annotated[str, typer.Argument(metavar="VERDICT", help="approve, reject or defer.")],
    reason: Reason = "",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """End a review; only an approval needs no reason."""
    from actors.cli.publishing import change
    from gateway.v1 import catalog_pb2 as pb

    request = pb.JudgeVersionRequest(program=program, code=code, verdict=verdict, reason=reason)
    change(running.folder_of(folder), "JudgeVersion", request, json)


@catalog.command()
def gray(
    program: Program,
    code: Code,
    percent: Annotated[float, typer.Option(metavar="NUMBER", min=0, max=100, help="A share of all persons.")] = 0,
    person: Names = [],  # noqa: B006 - typer copies it
    city: Names = [],  # noqa: B006
    cohort: Names = [],  # noqa: B006
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Show an approved version to a part of all persons; the part only grows."""
    from actors.cli.publishing import change
    from gateway.v1 import catalog_pb2 as pb

    rule = pb.Gray(share=round(percent * 100), persons=person, cities=city, cohorts=cohort)
    change(running.folder_of(folder), "SetGray", pb.SetGrayRequest(program=program, code=code, gray=rule), json)


@catalog.command()
def release(program: Program, code: Code, folder: Folder = None, json: Json = False) -> None:
    """Show a version to everybody."""
    _version("ReleaseVersion", program, code, folder, json)


@catalog.command()
def rollback(program: Program, code: Code, folder: Folder = None, json: Json = False) -> None:
    """Show everybody one of the last five versions again."""
    _version("RollBack", program, code, folder, json)


@catalog.command()
def publish(
    programs: Annotated[
        list[Path],
        typer.Argument(metavar="FOLDER", help="A program's folder, or a folder of programs; by default what ships."),
    ] = [],  # noqa: B006 - typer copies it
    account: Annotated[str, typer.Option(metavar="ACCOUNT", help="Whose they are; opened if need be.")] = "hutong",
    category: Category = "other",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Bring programs to everybody: register, submit, review, release, each as far as it is not done yet."""
    from actors.cli.releasing import publish

    publish(running.folder_of(folder), programs, account, category, json)


@catalog.command("show")
def show_program(program: Program, folder: Folder = None, json: Json = False) -> None:
    """Tell a program's versions, and where it stands in the review queue."""
    from actors.cli.publishing import show

    show(running.folder_of(folder), program, json)


@catalog.command("shown")
def shown_version(
    program: Program,
    openid: Annotated[str, typer.Argument(metavar="PERSON", help="The person's openid.")],
    city: Annotated[str, typer.Option(metavar="NAME", help="Where the person is.")] = "",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Tell which version a person is shown."""
    from actors.cli.publishing import shown

    shown(running.folder_of(folder), program, openid, city, json)
