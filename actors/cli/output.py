"""What commands print: one JSON object on the last line with --json, tables otherwise, errors in one clear message."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from actors.errors import PlatformError, Reject

WIDTH_UNBOUND = 240
NOTHING: Mapping[str, object] = {}
_FACTS = ("details", "field", "position", "retry_after_ms")


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
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(title=title, title_justify="left", header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(Text(str(cell)) for cell in row))
    # What is written to a file or a pipe is as wide as it needs to be.
    Console(width=None if sys.stdout.isatty() else WIDTH_UNBOUND).print(made)


def fail(
    type_: str,
    reason: str,
    message: str,
    as_json: bool,
    *,
    status: int = 1,
    told: bool = False,
    facts: Mapping[str, object] = NOTHING,
) -> NoReturn:
    """Print an error and end; `told` says that stderr has it already, `facts` are for the JSON besides."""
    if as_json:
        result({"error": {"type": type_, "reason": reason, "message": message, **facts}}, as_json=True)
    if not told:
        say(f"hutong: {message}")
    raise SystemExit(status)


def refuse(error: PlatformError, as_json: bool, **facts: object) -> NoReturn:
    """Print an error that tells who must act, with all it knows, and end with 1."""
    known = {name: value for name in _FACTS if (value := getattr(error, name, None))}
    message = str(error)
    field = str(known.get("field", ""))
    if field.startswith("$."):
        message += f" at {field}"
    if isinstance(error, Reject):
        details = ", ".join(f"{name} {value}" for name, value in error.details.items())
        message = f"rejected: {error.reason}" + (f" ({details})" if details else "")
    fail(type(error).__name__, error.reason, message, as_json, facts={**known, **facts})
