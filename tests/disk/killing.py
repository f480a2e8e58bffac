"""The log's owner is killed, at random moments and at each of its first syncs, while real clients append."""

import signal
import threading
import time
from pathlib import Path
from random import Random

from actors.adapters.embedded.client import RemoteLog
from actors.adapters.embedded.local import LocalLog
from actors.errors import PlatformError
from actors.ports import Slice
from tests.disk.owner import NO_STRACE, Owner, has_strace, injecting
from tests.disk.truth import SLICES, TOPICS, WAIT_S, Truth, compare, ends_of, pump, read_to
from tests.proof.counts import Counts, summed

CLIENTS = 2
WINDOW = 24
KILLS_PER_LOG = 50
EARLY = 0.2
"""The part of lives that are killed while they begin."""
EARLY_S_MAX = 0.15
ACKS_MAX = 500
WHOLE_EVERY = 10
SYNCS = "fsync,fdatasync"


def kill_at_random(folder: Path, seed: int, kills: int) -> Counts:
    """Kill the owner so often, on one log after the other; after each kill all that was acknowledged is there."""
    began = time.monotonic()
    parts: list[Counts] = []
    for n, first in enumerate(range(0, kills, KILLS_PER_LOG)):
        parts.append(_kill_one_log(folder / f"log-{n}", seed + n, min(KILLS_PER_LOG, kills - first)))
    total = summed("kill -9 of the log's owner", parts)
    total.seed, total.seconds = seed, time.monotonic() - began
    return total


def _kill_one_log(folder: Path, seed: int, kills: int) -> Counts:
    counts, chance, truth, over = Counts("kill -9 of the log's owner", seed), Random(seed), Truth(), threading.Event()
    owner = Owner(folder)
    if not owner.ready():
        counts.find(f"the owner did not begin: {owner.said!r} {owner.reap()}")
        return counts
    logs = [owner.client() for _ in range(CLIENTS)]
    logs[0].create(TOPICS)
    pumps = [pump(log, truth, Random(chance.random()), WINDOW, over) for log in logs]
    checked = dict.fromkeys(SLICES, 0)
    try:
        for n in range(kills):
            owner = _kill(owner, folder, counts, chance, truth)
            if not counts.is_clean:
                break
            _check(logs[0], counts, truth, checked, whole=n % WHOLE_EVERY == 0)
    finally:
        over.set()
        for thread in pumps:
            thread.join()
        truth.wait(lambda: truth.open == 0)
        for log in logs:
            log.close()
        owner.end()
    _check_closed(folder, counts, truth)
    truth.count(counts)
    return counts


def _kill(owner: Owner, folder: Path, counts: Counts, chance: Random, truth: Truth) -> Owner:
    """Kill this life under appends, perhaps some more that only begin, and return the next that serves."""
    target = truth.acked_count + chance.randrange(ACKS_MAX)
    if not truth.wait(lambda: truth.acked_count >= target):
        counts.find(f"no append was acknowledged within {WAIT_S} s")
    _count_kill(owner.kill(), counts, "killed under appends" if truth.open else "killed idle")
    while True:
        began = time.monotonic()
        owner = Owner(folder)
        if chance.random() < EARLY:
            early = not owner.ready(chance.uniform(0, EARLY_S_MAX))
            _count_kill(owner.kill(), counts, "killed while it began" if early else "killed at once")
            continue
        if not owner.ready():
            counts.find(f"the owner did not come back: {owner.said!r} {owner.reap()}")
        counts.recovery_ms.append((time.monotonic() - began) * 1_000)
        return owner


def _count_kill(code: int, counts: Counts, effect: str) -> None:
    if code == -signal.SIGKILL:
        counts.kills += 1
        counts.fault("SIGKILL", effect)
    else:
        counts.find(f"the owner ended by itself: {code}")


def _check(log: RemoteLog, counts: Counts, truth: Truth, checked: dict[Slice, int], *, whole: bool) -> None:
    """Read back what came since the last look, or everything, through a real reader of the life that began."""
    acked = truth.acked_count
    if not truth.wait(lambda: truth.acked_count > acked):
        counts.find(f"no append was acknowledged within {WAIT_S} s of the restart")
        return
    try:
        ends = ends_of(log)
        begins = dict.fromkeys(SLICES, 0) if whole else dict(checked)
        found = read_to(log, begins, ends)
    except PlatformError as error:
        counts.find(f"what was written cannot be read: {error}")
        return
    with truth.changed:
        # What was acknowledged while we read is beyond the ends that we know.
        known = Truth()
        known.refused = truth.refused
        known.acked = {s: {o: n for o, n in truth.acked[s].items() if o < ends[s]} for s in SLICES}
    compare(counts, known, found, begins)
    checked.update(ends)


def _check_closed(folder: Path, counts: Counts, truth: Truth) -> None:
    try:
        log = LocalLog(folder)
        try:
            ends = ends_of(log)
            compare(counts, truth, read_to(log, dict.fromkeys(SLICES, 0), ends))
        finally:
            log.close()
    except PlatformError as error:
        if truth.acked_count:
            counts.find(f"the log cannot be read: {error}")


def kill_at_syncs(folder: Path, seed: int, syncs: range) -> Counts:
    """Kill the owner as it enters its nth sync, for each n; each time on a new log, from its first moment on."""
    counts = Counts("kill -9 at each sync", seed)
    if not has_strace():
        counts.skipped.append(NO_STRACE)
        return counts
    for n in syncs:
        _kill_at_sync(folder / f"sync-{n}", seed, n, counts)
    return counts


def _kill_at_sync(folder: Path, seed: int, n: int, counts: Counts) -> None:
    folder.mkdir(parents=True)
    trace, truth, over = folder / "trace", Truth(), threading.Event()
    owner = Owner(folder, injecting(trace, f"{SYNCS}:signal=KILL:when={n}"))
    if owner.ready():
        log = owner.client(append_deadline_ms=300)
        try:
            log.create(TOPICS)
            thread = pump(log, truth, Random(seed + n), 4, over, once=True)
            owner.reap()
            over.set()
            thread.join()
        except PlatformError:
            over.set()  # it was killed while it made the topics
        log.close()
        truth.wait(lambda: truth.open == 0)
    code, said = owner.reap()
    if code == -signal.SIGKILL:
        counts.kills += 1
        counts.fault("SIGKILL at a sync", "killed under appends" if truth.asked else "killed while it began")
    else:
        counts.find(f"the owner was not killed at sync {n}: {code} {owner.said!r} {said}")
    _check_closed(folder, counts, truth)
    truth.count(counts)
