"""The sub-commands of `hutong codes`. What they run is imported when they run: `hutong --help` stays quick."""

from pathlib import Path
from typing import Annotated

import typer

from actors.cli import running
from actors.cli.options import Folder, Json

codes = typer.Typer(help="Codes that are scanned: mint them, draw them, revoke them.", no_args_is_help=True)

Program = Annotated[str, typer.Argument(metavar="PROGRAM", help="The program's name, such as bike.")]
Code = Annotated[str, typer.Argument(metavar="CODE", help="Its 12 letters and digits.")]


@codes.command()
def mint(
    program: Program,
    page: Annotated[str, typer.Argument(metavar="PAGE", help="A page in the manifest, such as pages/map/index.")],
    scene: Annotated[str, typer.Option(metavar="TEXT", help="What the program finds there; 64 KiB at most.")] = "",
    env: Annotated[str, typer.Option(metavar="ENV", help="develop, trial or release.")] = "release",
    svg: Annotated[Path | None, typer.Option(metavar="PATH", help="Write the picture here, as SVG.")] = None,
    png: Annotated[Path | None, typer.Option(metavar="PATH", help="Write the picture here, as PNG.")] = None,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Mint the code of a page, and draw it in the terminal.

    The same page and scene have the same code, however often this is asked.
    """
    from actors.cli.minting import mint_code

    files = {form: path for form, path in (("svg", svg), ("png", png)) if path is not None}
    mint_code(running.folder_of(folder), program, page, scene, env, files, json)


@codes.command()
def revoke(program: Program, code: Code, folder: Folder = None, json: Json = False) -> None:
    """Make a code stand for nothing, for ever."""
    from actors.cli.minting import revoke_code

    revoke_code(running.folder_of(folder), program, code, json)
