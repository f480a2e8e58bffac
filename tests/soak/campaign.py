"""Minutes or hours of even load while partitions move: whatever a platform holds on to must stop growing."""

import asyncio
import os
import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from actors.cli import running
from actors.kernel.inbox import WINDOW_MS
from tests.cluster.stage import Platform
from tests.killing.steady import Steady
from tests.proof.counts import Counts

RATE_PER_S = 500
HOSTS = 2
SAMPLE_S = 5.0
MOVE_EVERY_S = 20.0
SNAPSHOT_RECORDS = "1000"
"""So many records of a partition between snapshots: one each half minute, and the log is trimmed behind it."""
GROWTH_SHARE_MAX = 0.15
"""What may be added between the middle of a run and its end; a leak adds more."""
JUDGED_MINUTES_MIN = 3.0
"""Until then stores, caches and files are still on the way to their size: growth says nothing."""


TOLD = ("host", "gateway", "log", "states", "snapshots")
"""Whose sizes stand in the report, grown or not."""
BY_DESIGN = (("disk", "log"),)
"""The log's folder has the events topics, too, which nobody trims; what is trimmed of commands is counted in frames."""
FILL_FOR_S = {("disk", "states"): WINDOW_MS / 1_000, ("disk", "snapshots"): WINDOW_MS / 1_000}
"""Stores remember every call for so long: until then they grow by design (`tests/hosting/test_growth.py`)."""


class Sample(NamedTuple):
    """What a platform held at a time: bytes and descriptors by role, bytes on the disk by part, frames of commands."""

    at_s: float
    rss: Mapping[str, int]
    descriptors: Mapping[str, int]
    disk: Mapping[str, int]
    frames: int


def soak(folder: Path, seed: int, minutes: float) -> Counts:
    """Run for so many minutes; what grew, and by how much, is in the figures."""
    counts = Counts("soak", seed)
    with Platform(folder, "--hosts", str(HOSTS), HUTONG_SNAPSHOT_RECORDS=SNAPSHOT_RECORDS) as platform:
        samples = asyncio.run(_play(platform, counts, minutes))
    _compare(counts, samples, judged=minutes >= JUDGED_MINUTES_MIN)
    return counts


async def _play(platform: Platform, counts: Counts, minutes: float) -> list[Sample]:
    began = time.monotonic()
    chance = random.Random(counts.seed)
    samples: list[Sample] = []
    async with Steady(platform.gateway, counts.seed, RATE_PER_S) as steady:
        moved_s = began
        while (now_s := time.monotonic()) < began + 60 * minutes:
            samples.append(await asyncio.to_thread(_look, platform, now_s - began))
            if now_s - moved_s >= MOVE_EVERY_S:
                moved_s = now_s
                order = await asyncio.to_thread(platform.some_move, chance)
                done = await asyncio.to_thread(platform.operate, "move", *order)
                if "error" in done:
                    counts.find(f"not moved: {done}")
                else:
                    counts.fault("partition moved")
            await asyncio.sleep(SAMPLE_S)
        counts.figures["soak_calls_not_offered"] = steady.skipped
        await steady.check(counts)
        counts.unavailable_ms_max = 1_000 * steady.slowest_s(0)
    return samples


def _look(platform: Platform, at_s: float) -> Sample:
    rss: dict[str, int] = {}
    descriptors: dict[str, int] = {}
    for process in platform.run().processes:
        role = process.role.partition("-")[0]
        if running.alive(process):
            status = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
            rss[role] = rss.get(role, 0) + (int(status["VmRSS"].split()[0]) << 10)
            descriptors[role] = descriptors.get(role, 0) + len(os.listdir(f"/proc/{process.pid}/fd"))  # noqa: PTH208
    disk = {name: _bytes(platform.folder / name) for name in ("log", "states", "snapshots")}
    return Sample(at_s, rss, descriptors, disk, platform.operate("status")["log"]["frames"])


def _bytes(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*"):
        try:
            size += path.stat().st_size
        except FileNotFoundError:
            continue  # it went meanwhile
    return size


def _compare(counts: Counts, samples: list[Sample], *, judged: bool) -> None:
    """The last quarter of the run beside the second: by then everything has its size."""
    quarter = max(len(samples) // 4, 1)
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    for kind in ("rss", "descriptors", "disk"):
        for name in getattr(samples[-1], kind):
            before, after = (_middle([getattr(one, kind).get(name, 0) for one in some]) for some in (early, late))
            if name in TOLD:
                counts.figures[f"{name}_{kind}"] = after
            grown = after / before - 1 if before else 0.0
            is_filling = (kind, name) in BY_DESIGN or early[0].at_s < FILL_FOR_S.get((kind, name), 0.0)
            if judged and grown > GROWTH_SHARE_MAX and not is_filling:
                counts.short.append(f"{kind} of {name} grew by {grown:.0%}, from {before:,} to {after:,}")
    counts.figures |= {"log_frames_most": max(one.frames for one in samples), "log_frames_last": samples[-1].frames}


def _middle(values: list[int]) -> int:
    return sorted(values)[len(values) // 2]
