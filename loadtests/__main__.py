"""`python -m loadtests`: the load tests' command line."""

import sys
from typing import Annotated

import typer

from actors.errors import SetupError

app = typer.Typer(name="loadtests", no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def loadtests() -> None:
    """What the platform reaches on this machine."""


@app.command()
def bench(
    log: Annotated[str, typer.Option(help="embedded, kafka or both: the log that the calls are measured on.")] = "both",
    json: Annotated[bool, typer.Option(help="One JSON object on one line, last on stdout.")] = False,
    quick: Annotated[bool, typer.Option(help="One short round of each: to see that it works, not how fast.")] = False,
) -> None:
    """Measure every figure that the platform must reach, in at most ten minutes."""
    from loadtests.bench import command

    if log not in command.LOGS:
        raise typer.BadParameter(f"{log!r} is no log; say embedded, kafka or both", param_hint="--log")
    command.run(log, as_json=json, quick=quick)


if __name__ == "__main__":
    try:
        app()
    except SetupError as error:
        sys.exit(str(error))
