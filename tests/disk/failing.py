"""Syncs that fail, a disk that is full for a while, calls that are interrupted, cut short or slow."""

import itertools
import resource
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random

import apsw

from actors.adapters.embedded.local import LocalLog
from actors.adapters.embedded.server import EXIT_DISK
from actors.errors import PlatformError
from tests.disk.owner import NO_STRACE, Owner, has_strace, injecting
from tests.disk.power import PowerDisk
from tests.disk.truth import SLICES, TOPICS, WAIT_S, Truth, append, compare, ends_of, pump, read_to
from tests.proof.counts import Counts

FULL_EVERY = 50
SYNC = "fsync,fdatasync"
_names = itertools.count()


class _Nth:
    """Fails the nth step of a kind, once, and counts the later ones."""

    def __init__(self, kind: str, n: int, error: Callable[[], BaseException]) -> None:
        self.kind = kind
        self.left = n
        self.error = error

    def __call__(self, what: str) -> None:
        if what == self.kind:
            self.left -= 1
            if self.left == 0:
                raise self.error()


def fail_syncs(folder: Path, seed: int, syncs: range) -> Counts:
    """Fail the nth sync, for each n, and lose what it was about, as Linux does: the log ends and does not try again."""
    counts = Counts("a failed sync ends the log", seed)
    for n in syncs:
        _fail_sync(folder / f"sync-{n}", seed + n, n, counts)
    return counts


def _fail_sync(folder: Path, seed: int, n: int, counts: Counts) -> None:
    (folder / "before").mkdir(parents=True)
    chance, truth = Random(seed), Truth()
    fault = _Nth("sync", n, lambda: apsw.IOError("the sync failed"))
    disk = PowerDisk(f"failing-{next(_names)}", fault)
    try:
        effect = _append_until_it_ends(folder / "before", disk.name, fault, chance, truth, counts)
    finally:
        disk.unregister()
    counts.fault("EIO at a sync", effect)
    if fault.left < 0 and truth.asked:
        counts.find(f"after sync {n} failed, {-fault.left} more syncs were tried")
    after = folder / "after"
    after.mkdir()
    for name, content in disk.files.items():
        left = content.after_cut(chance)
        if left is not None:
            (after / name).write_bytes(left)
    (after / "log.marks").write_bytes((folder / "before" / "log.marks").read_bytes())
    _compare_all(after, counts, truth)
    truth.count(counts)


def _append_until_it_ends(folder: Path, vfs: str, fault: _Nth, chance: Random, truth: Truth, counts: Counts) -> str:
    try:
        log = LocalLog(folder, vfs=vfs)
    except PlatformError:
        return "the log was not opened"
    try:
        log.create(TOPICS)
        while fault.left > 0:
            append(log, truth, chance.choice(SLICES)).exception(WAIT_S)
        truth.wait(lambda: truth.open == 0)
        last = append(log, truth, SLICES[0]).exception(WAIT_S)
        if not isinstance(last, PlatformError) or last.reason != "NOT_APPENDED":
            counts.find(f"after a failed sync the log went on: {last}")
        if not truth.unknown:
            counts.find("an append whose sync failed was not told that nobody knows")
    except PlatformError:
        return "the topics were not made"
    finally:
        log.close()
    return "the log ended, the append's outcome unknown"


def _compare_all(folder: Path, counts: Counts, truth: Truth) -> None:
    try:
        log = LocalLog(folder)
    except PlatformError as error:
        counts.find(f"the log cannot be opened: {error}")
        return
    try:
        log.create(TOPICS)
        compare(counts, truth, read_to(log, dict.fromkeys(SLICES, 0), ends_of(log)))
    except PlatformError as error:
        counts.find(f"what was written cannot be read: {error}")
    finally:
        log.close()


class _Full:
    """No space for some writes, again and again."""

    def __init__(self) -> None:
        self.writes = 0
        self.failed = 0

    def __call__(self, what: str) -> None:
        if what == "write":
            self.writes += 1
            if self.writes % FULL_EVERY == 0 or self.writes // FULL_EVERY % 10 == 9:
                self.failed += 1
                raise apsw.FullError("no space left")


def fill_the_disk(folder: Path, seed: int, appends: int) -> Counts:
    """Have no space every now and then: those appends are refused for certain, the others go on."""
    counts, chance, truth, full = Counts("a disk that is full", seed), Random(seed), Truth(), _Full()
    LocalLog(folder).close()
    disk = PowerDisk(f"full-{next(_names)}", full)
    try:
        log = LocalLog(folder, vfs=disk.name)
        while True:
            try:
                log.create(TOPICS)
                break
            except PlatformError as error:
                counts.effect(f"topics: {error.reason}")
        while truth.asked < appends:
            for future in [append(log, truth, chance.choice(SLICES)) for _ in range(chance.randrange(1, 6))]:
                future.exception(WAIT_S)
        truth.wait(lambda: truth.open == 0)
        log.close()
    finally:
        disk.unregister()
    for reason in truth.refused.values():
        counts.fault("ENOSPC", "NOT_APPENDED" if "free some space" in reason else "refused without the next step")
    if truth.unknown or truth.acked_count < appends // 10 or not truth.refused:
        counts.find(f"{len(truth.unknown)} unknown, {len(truth.refused)} refused, {truth.acked_count} acknowledged")
    _compare_all(folder, counts, truth)
    truth.count(counts)
    return counts


# --- the real process, by strace ---


def fail_calls(folder: Path, seed: int, *, full: bool) -> Counts:
    """Make the real process's system calls fail, be interrupted, cut short or slow."""
    counts = Counts("failing system calls of the real process", seed)
    if not has_strace():
        counts.skipped.append(NO_STRACE)
        return counts
    step = 15 if full else 150
    for n in range(8, 200, step):
        _ends(folder / f"eio-{n}", seed + n, f"{SYNC}:error=EIO:when={n}", "EIO at a sync", counts)
    for n in range(60, 400, 2 * step):
        _ends(folder / f"write-{n}", seed + n, f"pwrite64:error=EIO:when={n}", "EIO at a write", counts)
    for n in range(1, 6 if full else 2):
        _cut_short(folder / f"short-{n}", seed + n, counts)
    appends = 400 if full else 100
    _goes_on(folder / "full", seed, "pwrite64:error=ENOSPC:when=80+20", "ENOSPC", appends, counts)
    _goes_on(folder / "eintr", seed, "pwrite64,pread64:error=EINTR:when=9+7", "EINTR", appends, counts)
    _goes_on(folder / "2ms", seed, f"{SYNC}:delay_enter=2000", "sync slowed by 2 ms", appends, counts)
    _goes_on(folder / "200ms", seed, f"{SYNC}:delay_enter=200000:when=12+", "sync slowed by 200 ms", 20, counts)
    return counts


def _serve(folder: Path, seed: int, fault: str, appends: int, truth: Truth, *, once: bool) -> tuple[Owner, str]:
    """Append to an owner with faults until so many are acknowledged, with `once` until it ends; what strace saw."""
    folder.mkdir(parents=True)
    over, trace = threading.Event(), folder / "trace"
    owner = Owner(folder, injecting(trace, fault))
    if owner.ready():
        log = owner.client(append_deadline_ms=2_000)
        try:
            log.create(TOPICS)
            thread = pump(log, truth, Random(seed), 8, over, once=once)
            truth.wait(lambda: truth.acked_count >= appends or bool(truth.unknown))
            over.set()
            thread.join()
        except PlatformError:
            over.set()
        log.close()
        truth.wait(lambda: truth.open == 0)
    return owner, trace.read_text()


def _ends(folder: Path, seed: int, fault: str, kind: str, counts: Counts) -> None:
    """The owner ends with the exit code of a failed disk; all that was acknowledged is there."""
    truth = Truth()
    owner, trace = _serve(folder, seed, fault, 10_000, truth, once=True)
    code, said = owner.reap()
    if "(INJECTED)" not in trace:
        counts.unseen += 1
    elif code == EXIT_DISK and "the disk failed" in said:
        counts.fault(kind, f"exit {EXIT_DISK}, the cause named")
    elif not owner.said or b'"ready": false' in owner.said:
        counts.fault(kind, "not begun, the cause named")
    else:
        counts.find(f"{fault}: the owner ended with {code}, {owner.said!r} {said}")
    _compare_all(folder, counts, truth)
    truth.count(counts)


def _goes_on(folder: Path, seed: int, fault: str, kind: str, appends: int, counts: Counts) -> None:
    """The owner goes on, and all that was acknowledged is there; what was refused was refused for certain."""
    truth = Truth()
    owner, trace = _serve(folder, seed, fault, appends, truth, once=False)
    code = owner.end()
    seen = trace.count("(INJECTED)") + trace.count("(DELAYED)")
    for _ in range(seen):
        counts.fault(kind)
    if code != 0 or not seen or truth.unknown or truth.acked_count < appends:
        counts.find(f"{kind}: exit {code}, {seen} faults, {truth.unknown} unknown, {truth.acked_count} acknowledged")
    if truth.refused and kind != "ENOSPC":
        counts.find(f"{kind}: refused {list(truth.refused.values())[:3]}")
    _compare_all(folder, counts, truth)
    truth.count(counts)


def _cut_short(folder: Path, seed: int, counts: Counts) -> None:
    """A write is cut short in its middle, as at a quota: the rest fails, and the owner ends."""
    truth, over, chance = Truth(), threading.Event(), Random(seed)
    folder.mkdir(parents=True)
    owner = Owner(folder)
    assert owner.ready(), owner.said
    log = owner.client(append_deadline_ms=2_000)
    log.create(TOPICS)
    thread = pump(log, truth, chance, 8, over, once=True)
    truth.wait(lambda: truth.acked_count > 20)
    limit = (folder / "log.db-wal").stat().st_size + chance.randrange(100_000)
    resource.prlimit(owner.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
    code, said = owner.reap()
    over.set()
    thread.join()
    log.close()
    truth.wait(lambda: truth.open == 0)
    if code == EXIT_DISK and "the disk failed" in said and (folder / "log.db-wal").stat().st_size == limit:
        counts.fault("write cut short", f"exit {EXIT_DISK}, the cause named")
    else:
        counts.find(f"a write that was cut short at {limit}: exit {code}, {said}")
    _compare_all(folder, counts, truth)
    truth.count(counts)
