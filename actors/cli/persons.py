"""The sub-commands of `hutong friends` and `hutong mine`: a person's own. What they run is imported when they run."""

from collections.abc import Callable
from typing import Annotated

import typer

from actors.cli import running
from actors.cli.options import Folder, Json

friends = typer.Typer(help="Friends: ask, accept, refuse, remove, block; their board in a game.", no_args_is_help=True)
mine = typer.Typer(help="A person's own programs: used lately, and kept at hand.", no_args_is_help=True)

Person = Annotated[str, typer.Argument(metavar="PERSON", help="Who, by their name on the platform.")]
Program = Annotated[str, typer.Argument(metavar="PROGRAM", help="The program's name, such as bike.")]
Caller = Annotated[str, typer.Option(help="Who does it, where callers need no token.")]


def _change(method: str, help_: str) -> Callable[..., None]:
    def change(person: Person, caller: Caller = "hutong-cli", folder: Folder = None, json: Json = False) -> None:
        from actors.cli.befriending import change_tie

        change_tie(running.folder_of(folder), method, person, caller, json)

    change.__doc__ = help_
    return change


for name, method, help_ in (
    ("request", "RequestFriend", "Ask somebody to be friends, or accept who asks already."),
    ("accept", "AcceptFriend", "Be friends with somebody who asks."),
    ("refuse", "RefuseFriend", "Say no to somebody who asks."),
    ("remove", "RemoveFriend", "End a friendship, or take back what was asked."),
    ("block", "BlockFriend", "End what there is, and hear nothing of this person any more."),
    ("unblock", "UnblockFriend", "Let them ask again."),
):
    friends.command(name)(_change(method, help_))


@friends.command("list")
def list_friends(caller: Caller = "hutong-cli", folder: Folder = None, json: Json = False) -> None:
    """Friends, who asks, who was asked, who is blocked."""
    from actors.cli.befriending import show_ties

    show_ties(running.folder_of(folder), caller, json)


@friends.command("board")
def board(
    season: Annotated[str, typer.Argument(metavar="BOARD", help="The board's name, such as 2026w47-1024.")],
    caller: Caller = "hutong-cli",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """The best scores of oneself and one's friends in Jump."""
    from actors.cli.befriending import show_board

    show_board(running.folder_of(folder), season, caller, json)


@mine.command("recent")
def recent(caller: Caller = "hutong-cli", folder: Folder = None, json: Json = False) -> None:
    """The programs that were opened last."""
    from actors.cli.befriending import show_programs

    show_programs(running.folder_of(folder), "ListRecent", caller, json)


@mine.command("favourites")
def favourites(caller: Caller = "hutong-cli", folder: Folder = None, json: Json = False) -> None:
    """The programs that are kept at hand."""
    from actors.cli.befriending import show_programs

    show_programs(running.folder_of(folder), "ListFavourites", caller, json)


@mine.command("favour")
def favour(program: Program, caller: Caller = "hutong-cli", folder: Folder = None, json: Json = False) -> None:
    """Keep a program at hand."""
    from actors.cli.befriending import change_favourite

    change_favourite(running.folder_of(folder), "Favour", program, caller, json)


@mine.command("unfavour")
def unfavour(program: Program, caller: Caller = "hutong-cli", folder: Folder = None, json: Json = False) -> None:
    """Keep it no more."""
    from actors.cli.befriending import change_favourite

    change_favourite(running.folder_of(folder), "Unfavour", program, caller, json)
