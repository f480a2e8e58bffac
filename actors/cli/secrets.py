"""The sub-commands of `hutong credentials`. What they run is imported when they run: `hutong --help` stays quick."""

from typing import Annotated

import typer

from actors.cli import running
from actors.cli.options import Folder, Json

credentials = typer.Typer(help="By what programs' servers and merchants get their tokens.", no_args_is_help=True)

Credential = Annotated[str, typer.Argument(metavar="CREDENTIAL", help="server/PROGRAM or merchant/ID.")]


@credentials.command()
def renew(credential: Credential, folder: Folder = None, json: Json = False) -> None:
    """Print a new secret; the former is good for five minutes more."""
    from actors.cli.issuing import renew_secret

    renew_secret(running.folder_of(folder), credential, json)


@credentials.command()
def token(
    forced: Annotated[bool, typer.Option("--force", help="A new one at once: 20 a day, 30 s apart.")] = False,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Print the token of the credential whose secret $HUTONG_SECRET is.

    It is the same for everybody who asks, until five minutes before it expires.
    """
    from actors.cli.issuing import issue_token

    issue_token(running.folder_of(folder), forced, json)


@credentials.command()
def quota(credential: Credential, folder: Folder = None, json: Json = False) -> None:
    """Tell how a credential stands: what is left of a day's forced refreshes."""
    from actors.cli.issuing import show_quota

    show_quota(running.folder_of(folder), credential, json)


@credentials.command()
def disable(credential: Credential, folder: Folder = None, json: Json = False) -> None:
    """End every secret and token of a credential, until its secret is renewed."""
    from actors.cli.issuing import disable_credential

    disable_credential(running.folder_of(folder), credential, json)
