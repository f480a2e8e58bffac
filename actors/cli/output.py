"""What commands print: one JSON object on the last line with --json, tables otherwise, errors in one clear message."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from actors.errors import PlatformError


def say(text: str) -> None:
    """A line for a person, on stderr: stdout is for results."""
    print(text, file=sys.stderr, flush=True)


def result(value: Mapping[str, Any], as_json: bool, text: str = "") -> None:
    """A command's result: JSON on one line, or the text for a person."""
    if as_json:
        print(json.dumps(value, separators=(",", ":"), default=str), flush=True)
    elif text:
        print(text, flush=True)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on stdout."""
    from rich.console import Console
    from rich.table import Table

    made = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        made.add_column(column)
    for row in rows:
        made.add_row(*(str(cell) for cell in row))
    Console().print(made)


def fail(error: PlatformError, as_json: bool) -> NoReturn:
    """Print an error and end with status 1."""
    if as_json:
        facts = {"error": {"type": type(error).__name__, "reason": error.reason, "message": str(error)}}
        print(json.dumps(facts, separators=(",", ":")), flush=True)
    say(f"hutong: {error}")
    raise SystemExit(1)
