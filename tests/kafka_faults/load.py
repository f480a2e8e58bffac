"""Frames that are appended all the time and read all the time, and what became of each: the truth of a campaign."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from random import Random

from msgspec import Struct, field

from actors.errors import Corrupt, PlatformError, Unavailable
from actors.kernel.record import Invoke, decode_frame, encode_frame, encode_record
from actors.ports import Appended, Fetched, Log, Slice

RATE_PER_S = 250
STEP_S = 0.02
RECORDS = (1, 2, 4, 16)
RECORD_BYTES = (100, 200, 600)
FLYING_MAX = 256
WAIT_S = 60.0


def frame_of(slice_: Slice, number: int) -> bytes:
    """The frame that has this number, as a gateway would append it: some calls, all of this id."""
    chance = Random(number)
    size_bytes = chance.choice(RECORD_BYTES)
    record = encode_record(Invoke("load/a", chance.randbytes(size_bytes), number.to_bytes(16), "load"))
    return encode_frame(*slice_, "load", 1, "", [record] * chance.choice(RECORDS))


def commands_in(numbers: Iterable[int]) -> int:
    """How many calls these frames hold."""
    total = 0
    for number in numbers:
        chance = Random(number)
        chance.randbytes(chance.choice(RECORD_BYTES))
        total += chance.choice(RECORDS)
    return total


def number_of(fetched: Fetched) -> int:
    """The number of a frame. Raises Corrupt if it is damaged, or was not meant for this slice."""
    record = decode_frame(*fetched.slice, fetched.offset, fetched.frame).records[0]
    assert isinstance(record, Invoke)
    return int.from_bytes(record.request_id)


class Truth(Struct):
    """Every append by its number: where it was acknowledged, or that nobody knows, or that it is surely not there."""

    asked: int = 0
    acked: dict[int, tuple[Slice, int]] = field(default_factory=dict[int, tuple[Slice, int]])
    unknown: set[int] = field(default_factory=set[int])
    refused: set[int] = field(default_factory=set[int])

    @property
    def settled(self) -> int:
        """How many appends have ended."""
        return len(self.acked) + len(self.unknown) + len(self.refused)


class Load:
    """Appends at a steady rate from a thread. A failed append is not repeated: each number is appended once."""

    def __init__(self, log: Log, slices: Sequence[Slice], seed: int) -> None:
        self.truth = Truth()
        self.silence_s_max = 0.0
        """The longest time between two acknowledgements of one slice since `measure`."""
        self._log = log
        self._slices = slices
        self._chance = Random(seed)
        self._acks = dict.fromkeys(slices, 0)
        self._changed = threading.Condition()
        self._over = threading.Event()
        self._acked_at = dict.fromkeys(slices, time.monotonic())
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        began, sent = time.monotonic(), 0
        while not self._over.wait(STEP_S):
            due = int((time.monotonic() - began) * RATE_PER_S)
            for _ in range(min(due - sent, RATE_PER_S // 10)):
                if self.truth.asked - self.truth.settled < FLYING_MAX:
                    self.append(self._chance.choice(self._slices))
            sent = due  # what could not be sent in time is not made up for

    def append(self, slice_: Slice) -> "Future[Appended]":
        """Append the next frame; its end is noted."""
        with self._changed:
            self.truth.asked += 1
            number = self.truth.asked
        future = self._log.append(slice_, frame_of(slice_, number))
        future.add_done_callback(lambda done: self._settled(slice_, number, done))
        return future

    def _settled(self, slice_: Slice, number: int, future: "Future[Appended]") -> None:
        error = future.exception()
        with self._changed:
            if error is None:
                now = time.monotonic()
                self.silence_s_max = max(self.silence_s_max, now - self._acked_at[slice_])
                self._acked_at[slice_] = now
                self._acks[slice_] += 1
                self.truth.acked[number] = (slice_, future.result().offset)
            elif isinstance(error, PlatformError) and error.reason == "NOT_APPENDED":
                self.truth.refused.add(number)
            else:
                self.truth.unknown.add(number)
            self._changed.notify_all()

    def wait(self, fact: Callable[[], bool], seconds: float = WAIT_S) -> bool:
        """Wait until this is so; whether it is."""
        with self._changed:
            return self._changed.wait_for(fact, seconds)

    def flows(self, count: int = 20) -> bool:
        """Wait until so many more appends of each slice are acknowledged; whether they are."""
        wanted = {slice_: acks + count for slice_, acks in self._acks.items()}
        return self.wait(lambda: all(self._acks[slice_] >= acks for slice_, acks in wanted.items()))

    def measure(self) -> None:
        """Measure silences from here on."""
        with self._changed:
            self.silence_s_max = 0.0
            self._acked_at = dict.fromkeys(self._slices, time.monotonic())

    def stop(self) -> bool:
        """Append no more; whether every append ended."""
        self._over.set()
        self._thread.join()
        return self.wait(lambda: self.truth.settled == self.truth.asked)


class Follower:
    """Reads all the time, as a host does, from a thread."""

    def __init__(self, log: Log, slices: Sequence[Slice]) -> None:
        self.found: dict[Slice, list[Fetched]] = {slice_: [] for slice_ in slices}
        self.away = 0
        """How often the log was away for a poll."""
        self.corrupt: list[Corrupt] = []
        self._reader = log.reader()
        self._reader.assign(dict.fromkeys(slices, 0))
        self._changed = threading.Condition()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                frames = self._reader.poll(500)
            except Unavailable:
                self.away += 1
                self._over.wait(0.1)
                continue
            except Corrupt as error:
                with self._changed:
                    self.corrupt.append(error)
                    self._changed.notify_all()
                return
            with self._changed:
                for fetched in frames:
                    self.found[fetched.slice].append(fetched)
                self._changed.notify_all()

    def reached(self, ends: dict[Slice, int]) -> bool:
        """Wait until everything below these ends is read; whether it is."""
        with self._changed:
            return self._changed.wait_for(
                lambda: bool(self.corrupt) or all(len(self.found[slice_]) >= end for slice_, end in ends.items()),
                WAIT_S,
            )

    def stop(self) -> None:
        """Read no more."""
        self._over.set()
        self._reader.wake()
        self._thread.join()
        self._reader.close()
