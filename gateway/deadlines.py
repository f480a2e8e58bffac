"""Until when a call may take; times are milliseconds of a clock that never goes back."""

from collections.abc import Iterable
from typing import Any

from actors.clocks import steady_ms
from actors.errors import DeadlineExceeded, InvalidCommand
from actors.settings import ProcessSettings

DEADLINE = "hutong-deadline-ms"
"""Metadata of an InvokeStream: how long each of its calls may take."""

EARLY_MS = 100
"""So much before the client gives up it is answered, of a short wait a quarter: else it would never learn why."""


def deadline_ms(left_s: float | None, process: ProcessSettings) -> int:
    """When a call must be answered whose client waits for so long; without a wait of its own, the default.

    Raises DeadlineExceeded when there is too little time to begin.
    """
    if left_s is None:
        return steady_ms() + process.deadline_ms_default
    wait_ms = int(left_s * 1_000)
    left_ms = min(wait_ms - min(EARLY_MS, wait_ms // 4), process.deadline_ms_max)
    if left_ms < process.deadline_left_ms_min:
        message = f"{max(wait_ms, 0)} ms are too few to begin; the call was not appended"
        raise DeadlineExceeded(message, outcome="NOT_APPENDED")
    return steady_ms() + left_ms


def each_call_ms(metadata: Iterable[tuple[str, Any]] | None, process: ProcessSettings) -> int:
    """How long each call of a stream may take. Raises InvalidCommand when the metadata says it wrongly."""
    for key, value in metadata or ():
        if key == DEADLINE:
            text = str(value)
            if not text.isascii() or not text.isdecimal() or not int(text[:10]):
                message = f"{DEADLINE} is a number of milliseconds above 0, not {text[:20]!r}"
                raise InvalidCommand(message, field=DEADLINE, reason="INVALID_METADATA")
            return min(int(text[:10]), process.deadline_ms_max)
    return process.deadline_ms_default
