"""The sub-commands of `hutong links` and `hutong shares`. What they run is imported when they run."""

from typing import Annotated

import typer

from actors.cli import running
from actors.cli.options import Folder, Json

links = typer.Typer(help="Short links: mint them, open them; rules for ordinary links.", no_args_is_help=True)
shares = typer.Typer(help="Cards that are shared: share a page, look at a card, withdraw it.", no_args_is_help=True)

Program = Annotated[str, typer.Argument(metavar="PROGRAM", help="The program's name, such as bike.")]
Page = Annotated[str, typer.Argument(metavar="PAGE", help="A page in the manifest, such as pages/map/index.")]
Scene = Annotated[str, typer.Option(metavar="TEXT", help="What the program finds there; 8 KiB at most.")]
Card = Annotated[str, typer.Argument(metavar="SHARE", help="The address of a card, or PROGRAM/SHARE.")]
Caller = Annotated[str, typer.Option(help="Who does it: a name, or person/PROGRAM/OPENID.")]


@links.command("mint")
def mint(
    program: Program,
    page: Page,
    scene: Scene = "",
    ttl_ms: Annotated[
        int, typer.Option(metavar="NUMBER", min=0, help="How long it lives; as long as the platform grants when 0.")
    ] = 0,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Mint a short link to a page."""
    from actors.cli.linking import mint_link

    mint_link(running.folder_of(folder), program, page, scene, ttl_ms, json)


@links.command("open")
def open_it(
    link: Annotated[str, typer.Argument(metavar="LINK", help="The address of a link, or PROGRAM/LINK.")],
    caller: Caller = "hutong-cli",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Open a link, and tell where it leads. It is the caller's from then on."""
    from actors.cli.linking import open_link

    open_link(running.folder_of(folder), link, caller, json)


Host = Annotated[str, typer.Argument(metavar="HOST", help="A host, such as shop.example.")]


@links.command("rule")
def rule(
    host: Host,
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", help="What the path begins with, such as /map.")],
    program: Program,
    page: Page,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Add a rule for ordinary links: they lead to a page once the host's rules are published."""
    from actors.cli.linking import add_rule

    add_rule(running.folder_of(folder), host, prefix, program, page, json)


@links.command("publish")
def publish(host: Host, program: Program, folder: Folder = None, json: Json = False) -> None:
    """Publish a host's rules: from then on its links lead where they say."""
    from actors.cli.linking import publish_rules

    publish_rules(running.folder_of(folder), host, program, json)


@shares.command("add")
def add(
    program: Program,
    page: Page,
    scene: Scene = "",
    parent: Annotated[str, typer.Option(metavar="SHARE", help="The card that is handed on, as `add` prints it.")] = "",
    caller: Caller = "hutong-cli",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Share a page, or hand a card on."""
    from actors.cli.linking import share_page

    share_page(running.folder_of(folder), program, page, scene, parent, caller, json)


@shares.command("show")
def show(share: Card, folder: Folder = None, json: Json = False) -> None:
    """Tell where a card leads, and over whom it came."""
    from actors.cli.linking import show_share

    show_share(running.folder_of(folder), share, json)


@shares.command("withdraw")
def withdraw(
    program: Program,
    share: Annotated[str, typer.Argument(metavar="SHARE", help="Its address, PROGRAM/SHARE, or its 16 letters.")],
    caller: Caller = "hutong-cli",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Make a card lead nowhere; those below it still lead where they did."""
    from actors.cli.linking import withdraw_share

    withdraw_share(running.folder_of(folder), program, share, caller, json)
