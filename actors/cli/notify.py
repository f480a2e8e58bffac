"""The sub-commands of `hutong notify`. What they run is imported when they run: `hutong --help` stays quick."""

from typing import Annotated

import typer

from actors.cli import running
from actors.cli.options import Folder, Json

notify = typer.Typer(help="Notifications: templates, grants, what is sent, the inbox.", no_args_is_help=True)

Program = Annotated[str, typer.Argument(metavar="PROGRAM", help="The program's name, such as bike.")]
Openid = Annotated[str, typer.Argument(metavar="OPENID", help="The person, as the program knows it.")]
Template = Annotated[str, typer.Argument(metavar="TEMPLATE", help="The template's name, of the program's choice.")]
MessageName = Annotated[str, typer.Argument(metavar="MESSAGE", help="The message's id: the same again is one send.")]


@notify.command()
def draft(
    program: Program,
    template: Template,
    title: Annotated[str, typer.Argument(metavar="TITLE")],
    fields: Annotated[list[str], typer.Argument(metavar="FIELD...", help="Such as thing1, or enum2=cash|card.")],
    lasting: Annotated[bool, typer.Option("--lasting", help="One grant is for all sends.")] = False,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Draft a template, or change one that is not approved yet."""
    from actors.cli.notifying import draft_template

    draft_template(running.folder_of(folder), program, template, title, fields, lasting, json)


@notify.command()
def approve(program: Program, template: Template, folder: Folder = None, json: Json = False) -> None:
    """Let a template be asked for and sent."""
    from actors.cli.notifying import move_template

    move_template(running.folder_of(folder), "ApproveTemplate", program, template, json)


@notify.command()
def disable(program: Program, template: Template, folder: Folder = None, json: Json = False) -> None:
    """Let nothing be sent by a template any more, for ever."""
    from actors.cli.notifying import move_template

    move_template(running.folder_of(folder), "DisableTemplate", program, template, json)


@notify.command()
def answer(
    program: Program,
    openid: Openid,
    template: Template,
    said: Annotated[str, typer.Argument(metavar="ANSWER", help="accept, reject, ban or filter.")] = "accept",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Answer a prompt for a template, as the person."""
    from actors.cli.notifying import answer_prompt

    answer_prompt(running.folder_of(folder), program, openid, template, said, json)


@notify.command()
def grants(program: Program, openid: Openid, folder: Folder = None, json: Json = False) -> None:
    """Show what is left of a person's grants."""
    from actors.cli.notifying import show_grants

    show_grants(running.folder_of(folder), program, openid, json)


@notify.command()
def send(
    program: Program,
    openid: Openid,
    template: Template,
    message: MessageName,
    fields: Annotated[str, typer.Argument(metavar="FIELDS", help="A JSON object: what each field says.")],
    page: Annotated[str, typer.Option(metavar="PAGE", help="The page that it opens.")] = "",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Send a message for one grant."""
    from actors.cli.notifying import send_message

    send_message(running.folder_of(folder), program, openid, template, message, fields, page, json)


@notify.command()
def inbox(
    program: Program,
    openid: Openid,
    after: Annotated[int, typer.Option(metavar="CURSOR", help="Only what came after this one.")] = 0,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Show what a person was not there to hear."""
    from actors.cli.notifying import show_inbox

    show_inbox(running.folder_of(folder), program, openid, after, json)
