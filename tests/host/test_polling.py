"""The thread that reads the log for a host: what it is told to read, it reads, in that order."""

import asyncio
import threading
from collections.abc import Mapping, Sequence

import pytest

from actors.adapters.polling import Poller
from actors.errors import Corrupt, Unavailable
from actors.ports import Fetched, Slice

A, B = Slice("t", 0), Slice("t", 1)


class Script:
    """A reader that says what it is asked, and fails as it is told."""

    def __init__(self, *failures: Exception) -> None:
        self.assigned: list[Mapping[Slice, int]] = []
        self.polls = 0
        self._failures = list(failures)
        self._woken = threading.Event()

    def assign(self, positions: Mapping[Slice, int]) -> None:
        """Keep it, or fail."""
        if self._failures:
            raise self._failures.pop(0)
        self.assigned.append(positions)

    def poll(self, timeout_ms: int) -> Sequence[Fetched]:
        """A frame at once when something is assigned, else wait."""
        self.polls += 1
        if not self.assigned or not self.assigned[-1]:
            self._woken.wait(timeout_ms / 1_000)
            self._woken.clear()
            return ()
        return [Fetched(slice_, offset, 0, b"frame") for slice_, offset in self.assigned[-1].items()]

    def wake(self) -> None:
        """Return from `poll`."""
        self._woken.set()

    def close(self) -> None:
        """Nothing to free."""


async def first(script: Script, *assigned: Mapping[Slice, int]) -> "Sequence[Fetched] | Corrupt":
    """What a poller delivers first, or what it fails with, when it was told all this before it began."""
    loop = asyncio.get_running_loop()
    said: asyncio.Future[Sequence[Fetched] | Corrupt] = loop.create_future()

    def say(what: Sequence[Fetched] | Corrupt) -> None:
        if not said.done():
            said.set_result(what)

    poller = Poller(script, loop, say, say)
    for positions in assigned:
        poller.assign(positions)
    poller.start()
    try:
        return await said
    finally:
        poller.stop()


def test_a_slice_that_was_left_out_in_between_begins_anew() -> None:
    script = Script()
    asyncio.run(first(script, {A: 5, B: 1}, {B: 1}, {A: 3, B: 1}))
    assert script.assigned == [{A: 5, B: 1}, {B: 1}, {A: 3, B: 1}]


def test_what_cannot_be_assigned_while_the_log_is_away_is_assigned_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.adapters.polling.RETRY_S", 0.001)
    script = Script(Unavailable("away", outcome="NOT_APPENDED"), Unavailable("away", outcome="NOT_APPENDED"))
    frames = asyncio.run(first(script, {A: 5}))
    assert not isinstance(frames, Corrupt)
    assert [frame.offset for frame in frames] == [5]
    assert script.assigned == [{A: 5}]


def test_what_is_not_in_the_log_any_more_is_said_and_not_asked_for_again() -> None:
    script = Script(Corrupt("cut", position="0/5"))
    failed = asyncio.run(first(script, {A: 5}))
    assert isinstance(failed, Corrupt)
    assert script.assigned == []
