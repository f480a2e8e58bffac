"""The power is cut at a random write or sync of the log's own writer; what was acknowledged is there afterwards."""

import itertools
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from unittest.mock import patch

import apsw

from actors.adapters.embedded import engine
from actors.adapters.embedded.local import LocalLog
from actors.adapters.embedded.marks import MARKS_NAME
from actors.errors import PlatformError
from actors.ports import Slice, Topic
from tests.disk.power import PowerDisk
from tests.disk.truth import SLICES, TOPICS, Truth, append, compare, ends_of, read_to
from tests.proof.counts import Counts

CUTS_PER_LOG = 10
KEYS = 6
TRIM = 0.03
_KEYED = Slice("k", 0)
_TOPICS = (*TOPICS, Topic("k", 1, compacted=True))
APPENDS_MAX = 60
WAL_PAGES_MAX = 60
"""Small, so that cuts fall into checkpoints too."""
_names = itertools.count()


class Plug:
    """Cuts the power after so many steps of the disk, and remembers the marks that were written until then."""

    def __init__(self, steps: int, folder: Path) -> None:
        self.steps = steps
        self.is_cut = False
        self.at = ""
        self.marks: list[bytes] = [b""]
        self._path = folder / MARKS_NAME

    def __call__(self, what: str) -> None:
        if not self.is_cut:
            self.steps -= 1
            if self.steps <= 0 or what == "sync":
                self._remember()
            if self.steps > 0:
                return
            self.is_cut = True
            self.at = what
        raise apsw.IOError("there is no power")

    def _remember(self) -> None:
        if self._path.exists():
            self.marks.append(self._path.read_bytes())


@contextmanager
def plugged(plug: Plug) -> Generator[PowerDisk]:
    """A disk whose power this plug gives."""
    disk = PowerDisk(f"power-{next(_names)}", plug)
    try:
        yield disk
    finally:
        disk.unregister()


def cut_power(folder: Path, seed: int, cuts: int) -> Counts:
    """Cut the power so often; each log lives through some cuts, each time on what the last one left."""
    counts = Counts("power cuts", seed)
    with patch.object(engine, "WAL_PAGES_MAX", WAL_PAGES_MAX):
        for n in range(0, cuts, CUTS_PER_LOG):
            _cut_one_log(folder / f"log-{n}", seed + n, min(CUTS_PER_LOG, cuts - n), counts)
            if not counts.is_clean:
                break
    return counts


def _cut_one_log(folder: Path, seed: int, cuts: int, counts: Counts) -> None:
    chance, truth, newest = Random(seed), Truth(), dict[bytes, int]()
    (folder / "0").mkdir(parents=True)
    for n in range(cuts):
        here, there = folder / f"{n}", folder / f"{n + 1}"
        plug = Plug(chance.randrange(1, chance.choice((20, 150, 700))), here)
        with plugged(plug) as disk:
            _live(here, disk.name, chance, truth, newest, counts)
            if not plug.is_cut:
                counts.find(f"log {seed}, life {n}: the log ended with the power on")
                return
            _leave(disk, plug, there, chance)
        counts.fault("power cut", f"cut before a {plug.at}")
        _check(there, counts, truth, newest)
        if not counts.is_clean:
            counts.find(f"that was log {seed}, life {n}, cut before a {plug.at}; its files are in {there}")
            return
    truth.count(counts)


def _live(folder: Path, vfs: str, chance: Random, truth: Truth, newest: dict[bytes, int], counts: Counts) -> None:
    """Open, append and trim until the power goes, at the latest while the log is closed."""
    try:
        log = LocalLog(folder, vfs=vfs)
    except PlatformError:
        counts.effect("cut while the log was opened")
        return
    try:
        log.create(_TOPICS)
        for _ in range(APPENDS_MAX):
            futures = [append(log, truth, chance.choice(SLICES)) for _ in range(chance.randrange(1, 12))]
            _put(log, chance, newest)
            if any(future.exception() is not None for future in futures):
                return
            if chance.random() < TRIM:
                slice = chance.choice(SLICES)
                truth.trimmed[slice] = max(truth.trimmed[slice], len(truth.acked[slice]) // 2)
                log.trim(slice, truth.trimmed[slice])
    except PlatformError:
        counts.effect("cut while topics were made, or a slice trimmed")
    finally:
        log.close()


def _put(log: LocalLog, chance: Random, newest: dict[bytes, int]) -> None:
    """Append a newer frame of some key, and note where it stands once that was acknowledged."""
    key = b"key %d" % chance.randrange(KEYS)
    future = log.append(_KEYED, b"of " + key, key)
    if future.exception() is None:
        newest[key] = future.result().offset


def _leave(disk: PowerDisk, plug: Plug, folder: Path, chance: Random) -> None:
    """Write what the cut left into a fresh folder."""
    folder.mkdir()
    for name, content in disk.files.items():
        left = content.after_cut(chance)
        if left is not None:
            (folder / name).write_bytes(left)
    older, newer = sorted(chance.choices(range(len(plug.marks)), k=2))
    torn = chance.randrange(len(plug.marks[newer]) + 1)
    (folder / MARKS_NAME).write_bytes(plug.marks[newer][:torn] + plug.marks[older][torn:])


def _check(folder: Path, counts: Counts, truth: Truth, newest: dict[bytes, int]) -> None:
    truth.wait(lambda: truth.open == 0)
    began = time.monotonic()
    try:
        log = LocalLog(folder)
    except PlatformError as error:
        counts.find(f"the log cannot be opened after a cut: {error}")
        return
    counts.recovery_ms.append((time.monotonic() - began) * 1_000)
    try:
        # A log that was cut before its topics were on the disk has none.
        log.create(_TOPICS)
        begins = {slice: span.start for slice, span in log.spans(SLICES).items()}
        if any(begin > truth.trimmed[slice] for slice, begin in begins.items()):
            counts.find(f"the slices begin at {begins}, they were trimmed below {truth.trimmed}")
        compare(counts, truth, read_to(log, begins, ends_of(log)), begins)
        _check_keys(log, counts, newest)
    except PlatformError as error:
        counts.find(f"what was written cannot be read after a cut: {error}")
    finally:
        log.close()


def _check_keys(log: LocalLog, counts: Counts, newest: dict[bytes, int]) -> None:
    """Of each key the newest acknowledged frame is there, or one that is newer still."""
    end = log.spans([_KEYED])[_KEYED].end
    frames = read_to(log, {_KEYED: 0}, {_KEYED: end})[_KEYED]
    found = {frame.key: frame.offset for frame in frames if frame.key and frame.frame == b"of " + frame.key}
    gone = [key for key, offset in newest.items() if found.get(key, -1) < offset]
    if gone or len(found) != len(frames):
        counts.lost += len(gone)
        counts.find(f"the newest frames of {gone} are gone; {len(frames)} frames have {len(found)} keys")
