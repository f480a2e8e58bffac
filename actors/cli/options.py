"""Options that several commands share, described once."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Folder: TypeAlias = Annotated[
    Path | None,
    typer.Option("--dir", metavar="FOLDER", help="The data folder; by default $HUTONG_DIR, or .hutong here."),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON object on the last line of stdout.")]
Port: TypeAlias = Annotated[
    int, typer.Option("--port", metavar="PORT", min=0, max=65_535, help="The gateway's port; 0 takes any free one.")
]
Programs: TypeAlias = Annotated[
    list[Path],
    typer.Option("--programs", metavar="FOLDER", help="A program's folder, or a folder of programs; may be repeated."),
]
EntityName: TypeAlias = Annotated[
    str, typer.Argument(metavar="ENTITY", help="A resource name, such as programs/bike/stations/42.")
]
PORT_DEFAULT = 7400
