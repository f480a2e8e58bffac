"""What clients asked of a log and were told, and the comparison with what the log holds: lost, twice, wrong."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from random import Random

from actors.errors import PlatformError, Unavailable
from actors.ports import Appended, Fetched, Log, Slice, Topic
from tests.proof.counts import Counts

TOPIC = "t"
PARTITIONS = 4
TOPICS = (Topic(TOPIC, PARTITIONS),)
SLICES = tuple(Slice(TOPIC, partition) for partition in range(PARTITIONS))
WAIT_S = 30.0
LARGE_BYTES = 20_000


def frame_of(number: int) -> bytes:
    """The one frame that has this number: it says which, and the rest follows from it."""
    chance = Random(number)
    size = LARGE_BYTES if chance.random() < 0.03 else chance.randrange(400)
    return b"%012d" % number + chance.randbytes(size)


def number_of(frame: bytes) -> int:
    """The number that a frame says it has; -1 if it says none."""
    head = frame[:12]
    return int(head) if len(head) == 12 and head.isdigit() else -1


class Truth:
    """Every append by its number: where it was acknowledged, or that nobody knows, or that it is surely not there."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.asked = 0
        self.open = 0
        self.acked: dict[Slice, dict[int, int]] = {slice: {} for slice in SLICES}
        self.acked_count = 0
        self.unknown: set[int] = set()
        self.refused: dict[int, str] = {}
        self.trimmed: dict[Slice, int] = dict.fromkeys(SLICES, 0)
        """Below which offset a slice may be cut."""

    def begin(self) -> int:
        """The number of a new append."""
        with self.changed:
            self.asked += 1
            self.open += 1
            return self.asked

    def settled(self, slice: Slice, number: int, future: "Future[Appended]") -> None:
        """An append ended."""
        error = future.exception()
        with self.changed:
            self.open -= 1
            if error is None:
                self.acked[slice][future.result().offset] = number
                self.acked_count += 1
            elif isinstance(error, PlatformError) and error.reason == "NOT_APPENDED":
                self.refused[number] = str(error)
            else:
                self.unknown.add(number)
            self.changed.notify_all()

    def wait(self, fact: Callable[[], bool], seconds: float = WAIT_S) -> bool:
        """Wait until this is so; whether it is."""
        with self.changed:
            return self.changed.wait_for(fact, seconds)

    def count(self, counts: Counts) -> None:
        """Add how appends ended."""
        counts.acked += self.acked_count
        counts.unknown += len(self.unknown)
        counts.refused += len(self.refused)


def append(log: Log, truth: Truth, slice: Slice) -> "Future[Appended]":
    """Append the next frame; its end is noted."""
    number = truth.begin()
    future = log.append(slice, frame_of(number))
    future.add_done_callback(lambda done: truth.settled(slice, number, done))
    return future


def pump(
    log: Log, truth: Truth, chance: Random, window: int, over: threading.Event, *, once: bool = False
) -> threading.Thread:
    """Append to random slices, at most `window` in flight, until it is over; with `once`, until one fails."""
    slots = threading.Semaphore(window)

    def ended(future: "Future[Appended]") -> None:
        if once and future.exception() is not None:
            over.set()
        slots.release()

    def run() -> None:
        while not over.is_set():
            if slots.acquire(timeout=0.05) and not over.is_set():
                append(log, truth, chance.choice(SLICES)).add_done_callback(ended)

    thread = threading.Thread(target=run, name="pump", daemon=True)
    thread.start()
    return thread


def ends_of(log: Log) -> dict[Slice, int]:
    """Where the slices end. A question that was asked of a life which ended is asked again of the next."""
    until = time.monotonic() + WAIT_S
    while True:
        try:
            return {slice: span.end for slice, span in log.spans(SLICES).items()}
        except Unavailable:
            if time.monotonic() > until:
                raise


def read_to(log: Log, positions: dict[Slice, int], ends: dict[Slice, int]) -> dict[Slice, list[Fetched]]:
    """What the log holds from these positions to these ends. Raises Corrupt, Unavailable."""
    found: dict[Slice, list[Fetched]] = {slice: [] for slice in positions}
    left = {slice for slice in positions if positions[slice] < ends[slice]}
    reader = log.reader()
    try:
        reader.assign({slice: positions[slice] for slice in left})
        while left:
            frames = reader.poll(int(WAIT_S * 1_000))
            assert frames, f"no frame came for {WAIT_S} s of {sorted(left)}"
            for fetched in frames:
                found[fetched.slice].append(fetched)
                if fetched.offset + 1 >= ends[fetched.slice]:
                    left.discard(fetched.slice)
    finally:
        reader.close()
    return found


def compare(
    counts: Counts, truth: Truth, found: dict[Slice, list[Fetched]], begins: dict[Slice, int] | None = None
) -> None:
    """Count what is lost, twice or wrong in what was found from `begins` on to each slice's end."""
    seen: set[int] = set()
    with truth.changed:
        for slice, frames in found.items():
            begin = (begins or {}).get(slice, 0)
            _compare_slice(counts, truth, slice, frames, begin, seen)


def _compare_slice(
    counts: Counts, truth: Truth, slice: Slice, frames: Sequence[Fetched], begin: int, seen: set[int]
) -> None:
    acked = truth.acked[slice]
    for at, fetched in enumerate(frames, begin):
        number = number_of(fetched.frame)
        if fetched.offset != at or fetched.slice != slice or frame_of(number) != fetched.frame:
            counts.wrong += 1
            counts.find(f"{slice} holds what was never written: {fetched.offset} at {at}: {fetched.frame[:20]!r}")
        elif number in seen:
            counts.twice += 1
            counts.find(f"{number} is there twice, again at {slice}/{at}")
        elif number in truth.refused:
            counts.wrong += 1
            counts.find(f"{number} was refused ({truth.refused[number]}) and is at {slice}/{at}")
        elif acked.get(at, number) != number:
            counts.wrong += 1
            counts.find(f"{slice}/{at} was acknowledged as {acked[at]} and holds {number}")
        seen.add(number)
    end = begin + len(frames)
    gone = [offset for offset in acked if offset >= end]
    if gone:
        counts.lost += len(gone)
        counts.find(f"{len(gone)} acknowledged frames of {slice} are gone, from {min(gone)} on; it ends at {end}")
