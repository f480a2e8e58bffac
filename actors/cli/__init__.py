"""The command line `hutong`, and the wiring of all parts: nothing below knows which log or which stores are used."""

import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from actors.cli.output import fail, refuse, say
from actors.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130


def main(arguments: "Sequence[str] | None" = None) -> None:
    """The console script. Ends with 0, with 1 when the platform says no, with 2 when it is not understood.

    Every error is one message on stderr, with --json one JSON object on stdout besides; a traceback only with --debug.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug, as_json = "--debug" in given, "--json" in given
    try:
        _run([argument for argument in given if argument != "--debug"], as_json)
    except BrokenPipeError:
        # Who read our output has seen enough; what is left in the buffer must not raise once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except PlatformError as error:
        if debug:
            raise
        refuse(error, as_json)
    except OSError as error:
        if debug:
            raise
        named = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        fail("SystemError", "SYSTEM", named, as_json)
    except Exception as error:
        if debug:
            raise
        message = f"an error of ours, {type(error).__name__}: {error}. With --debug you see where; please report it."
        fail("InternalError", "INTERNAL", message, as_json)


def _run(arguments: list[str], as_json: bool) -> None:
    # Typer has its own copy of click, whose errors it names by these two only.
    import typer

    from actors.cli.app import app

    usage_error: type[Exception] = typer.BadParameter.__bases__[0]
    try:
        status: Any = app(arguments, prog_name="hutong", standalone_mode=False)
    except usage_error as error:
        _misunderstood(error, as_json)
    except (typer.Abort, KeyboardInterrupt):
        status = INTERRUPTED
    if status == INTERRUPTED:
        say("ended")
    if status:
        raise SystemExit(status)


def _misunderstood(error: Any, as_json: bool) -> NoReturn:
    """Say what is wrong with the command line, how it is used, and where help is."""
    error.show(sys.stderr)
    fail("UsageError", "USAGE", error.format_message(), as_json, status=2, told=True)


__all__ = ["main"]
