"""The thread that reads the log for a host: what it is told to read, it reads, in that order; how it is taken in."""

import asyncio
import threading
from collections.abc import Mapping, Sequence

import pytest

from actors.adapters.polling import BITE_BYTES_MAX, BITE_BYTES_MIN, BITE_S, TURNS, Poller
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


class Work:
    """What a poll of so many frames is to the loop that takes it in: each frame is `frame_s` of work."""

    def __init__(self, frames: int, frame_s: float) -> None:
        self.done_s = 0.0
        self.bites: list[int] = []
        self.turns: list[int] = []
        """How often the loop had turned when a bite began, since the one before."""
        self._frames = [Fetched(A, offset, 0, bytes(BITE_BYTES_MIN)) for offset in range(frames)]
        self._left = frames
        self._frame_s = frame_s
        self._all: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turned = 0
        self._woken = threading.Event()

    def assign(self, positions: Mapping[Slice, int]) -> None:
        """See `Reader`."""

    def poll(self, timeout_ms: int) -> Sequence[Fetched]:
        """All of it at once, then nothing more."""
        if not self._frames:
            self._woken.wait(timeout_ms / 1_000)
        frames, self._frames = self._frames, []
        return frames

    def wake(self) -> None:
        """See `Reader`."""
        self._woken.set()

    def close(self) -> None:
        """See `Reader`."""

    def take(self, frames: Sequence[Fetched]) -> None:
        """Work for as long as they are worth."""
        self.bites.append(len(frames))
        self.turns.append(self._turned)
        self._turned = 0
        self.done_s += len(frames) * self._frame_s
        self._left -= len(frames)
        if not self._left:
            self._all.set_result(None)
        asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._turned += 1
        if self._turned < 2 * TURNS:
            asyncio.get_running_loop().call_soon(self._turn)

    async def taken(self) -> "Work":
        """Have a poller bring it; returns when all was taken."""
        poller = Poller(self, asyncio.get_running_loop(), self.take, lambda _: None, lambda: self.done_s)
        poller.start()
        try:
            await self._all
        finally:
            poller.stop()
        return self


async def worked(frames: int, frame_s: float) -> Work:
    """A poll of so many frames, taken in."""
    return await Work(frames, frame_s).taken()


def test_between_two_bites_the_loop_turns_often_enough_for_a_question_to_be_answered() -> None:
    work = asyncio.run(worked(1_000, BITE_S))
    assert len(work.turns) > 100
    assert min(work.turns[1:]) >= TURNS - 1


def test_a_bite_is_as_long_as_the_work_in_it_allows_and_no_frame_is_left_out() -> None:
    slow, quick = asyncio.run(worked(1_000, 2 * BITE_S)), asyncio.run(worked(1_000, BITE_S / 1_000_000))
    assert slow.bites[-1] == 1
    assert quick.bites[-2] == BITE_BYTES_MAX // BITE_BYTES_MIN
    assert sum(slow.bites) == sum(quick.bites) == 1_000
