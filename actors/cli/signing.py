"""The sub-commands of `hutong keys`. What they run is imported when they run: `hutong --help` stays quick."""

from typing import Annotated

import typer

from actors.cli import running
from actors.cli.options import Folder, Json

keys = typer.Typer(help="The keys that tokens, names and secrets follow from, and tokens.", no_args_is_help=True)


@keys.command("list")
def list_keys(folder: Folder = None, json: Json = False) -> None:
    """List every key: what it is for, and since when."""
    from actors.cli.keys import list_keys

    list_keys(running.folder_of(folder), json)


@keys.command("rotate")
def rotate_keys(
    root: Annotated[bool, typer.Option("--root", help="The root key, which names and secrets follow from.")] = False,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Sign with the next key from now on; what followed from the former stays good."""
    from actors.cli.keys import rotate_keys

    rotate_keys(running.folder_of(folder), root, json)


@keys.command("retire")
def retire_key(
    kid: Annotated[str, typer.Argument(metavar="KEY", help="The key's id; see `hutong keys list`.")],
    now: Annotated[bool, typer.Option("--now", help="A signing key: also while its tokens may be good.")] = False,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Destroy a key that signs no more; a root key once nothing lives under it, which a running platform's log says."""
    from actors.cli.keys import retire_key

    retire_key(running.folder_of(folder), kid, now, json)


@keys.command("issue")
def issue_token(
    principal: Annotated[str, typer.Argument(metavar="PRINCIPAL", help="Such as person/bike/ann or operator/me.")],
    seconds: Annotated[
        int | None, typer.Option(metavar="NUMBER", min=1, max=43_200, help="How long it is good; by default its most.")
    ] = None,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Print a token, to be sent as metadata `authorization: Bearer TOKEN`.

    Whoever may read the folder may sign: keep it to yourself.
    """
    from actors.cli.keys import issue_token

    issue_token(running.folder_of(folder), principal, seconds, json)
