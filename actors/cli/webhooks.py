"""The sub-commands of `hutong webhooks`. What they run is imported when they run: `hutong --help` stays quick."""

from typing import Annotated

import typer

from actors.cli import running
from actors.cli.options import Folder, Json

webhooks = typer.Typer(help="Developers' servers: what they are told of, and what became of it.", no_args_is_help=True)

Endpoint = Annotated[str, typer.Argument(metavar="PROGRAM/ENDPOINT", help="An endpoint, such as bike/main.")]


@webhooks.command("set")
def set_endpoint(
    endpoint: Endpoint,
    url: Annotated[str, typer.Argument(metavar="URL", help="https, on port 443 or 8443 of a public name.")],
    events: Annotated[list[str], typer.Argument(metavar="EVENT...", help="Tags such as bike.ride-ended; or owed.")],
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Tell an address of a program's events; prints the secret that its requests are signed with."""
    from actors.cli.hooking import set_webhook

    set_webhook(running.folder_of(folder), endpoint, url, events, json)


@webhooks.command()
def log(
    endpoint: Endpoint,
    state: Annotated[str, typer.Option(metavar="STATE", help="Only what is trying, waiting, delivered or dead.")] = "",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """List an endpoint's deliveries and what became of the latest try of each."""
    from actors.cli.hooking import show_log

    show_log(running.folder_of(folder), endpoint, state, json)


@webhooks.command()
def replay(
    delivery: Annotated[str, typer.Argument(metavar="PROGRAM/DELIVERY", help="A dead delivery, as the log names it.")],
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Try a dead delivery again, by the whole schedule."""
    from actors.cli.hooking import replay_delivery

    replay_delivery(running.folder_of(folder), delivery, json)
