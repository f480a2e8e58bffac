"""What a running platform left behind, opened to be read: its log, its rules, its snapshots. Appends nothing itself."""

import contextlib
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from actors import snapshots
from actors.adapters.hosting import stores
from actors.adapters.logs import open_log
from actors.adapters.rocksdb import RocksStates
from actors.adapters.shelf import packages_on, program_on
from actors.cli import output, running, wiring
from actors.cli.running import Run
from actors.errors import Corrupt, NotFound, SetupError
from actors.history import PlacementNow, placement_now, read_slice
from actors.kernel import layout
from actors.kernel.record import Position, Programs
from actors.kernel.routing import partition_of
from actors.kernel.rules import Rules
from actors.ports import Fetched, Log, Slice, Span
from actors.registry import Program, Registry
from actors.replaying import Base, Replay, Step
from actors.verdicts import Verdict, decode_verdicts, standing

SNAPSHOT_SAVES_FRAMES_MIN = 20_000
"""To restore a snapshot costs about as much as to replay so many frames."""
PROGRESS_S = 0.5


class Archive(NamedTuple):
    """The log of a platform that runs, and the rules it decides by: `own`, and with those of packages, `registry`."""

    run: Run
    log: Log
    own: Registry
    registry: Registry

    def commands(self, partition: int) -> Slice:
        """The slice of the log that this partition is folded from."""
        return Slice(self.run.cluster.commands_topic, partition)

    def spans(self) -> dict[Slice, Span]:
        """What the log holds of every partition."""
        return self.log.spans([self.commands(number) for number in range(self.run.cluster.partitions)])

    def route(self, key: str) -> int:
        """The partition of a routing key."""
        return partition_of(key, self.run.cluster.partitions, self.run.cluster.groups)

    def replay(self, partition: int, skips: Sequence[tuple[int, int]], begin: "Begin") -> Replay:
        """A replay of a partition from here, by the rules that are loaded now and the packages that it names."""
        rules = Rules(self.own.entities.values(), 1, self.own.digest)
        packages = packages_on(wiring.objects_of(Path(self.run.folder)))
        topic = self.run.cluster.commands_topic
        return Replay(topic, partition, rules, self.route, skips, *begin, packages)

    def placement(self) -> PlacementNow:
        """What the placement topic says as of now."""
        return placement_now(self.log, self.run.cluster.placement_topic)

    def verdicts(self) -> dict[Position, Verdict]:
        """What was decided about single records: the last verdict of each position."""
        control = Slice(self.run.cluster.control_topic, 0)
        return {
            verdict.position: verdict
            for fetched in read_slice(self.log, control)
            for verdict in decode_verdicts(control.topic, fetched.offset, fetched.frame)
        }


@contextmanager
def open_archive(folder: Path) -> Generator[Archive]:
    """The archive of the platform that runs in this folder. Raises SetupError when none does."""
    run = running.running(folder)
    log = open_log(run.log_url, wiring.process_settings(), wiring.token_of(Path(run.folder)))
    try:
        own = wiring.registry_of(run.programs)
        yield Archive(run, log, own, own.with_packages(_packaged(run, log)))
    finally:
        log.close()


def _packaged(run: Run, log: Log) -> dict[str, tuple[Program, Program]]:
    """The programs that packages decide, as the placement topic says, each the newest and the one that is for all."""
    objects = wiring.objects_of(Path(run.folder))
    return {
        program: (program_on(objects, word.shares[0].hash), program_on(objects, word.shares[-1].hash))
        for program, word in placement_now(log, run.cluster.placement_topic).packaged.items()
        if word.shares
    }


class Begin(NamedTuple):
    """What a replay begins from; nothing for the log's start."""

    meta: layout.Meta | None = None
    buckets: Mapping[int, tuple[int, int]] | None = None
    programs: Mapping[str, Programs] | None = None
    base: Base | None = None


@contextmanager
def replaying(
    archive: Archive, partition: int, wanted: int | None = None, end: int | None = None
) -> Generator[tuple[Replay, Iterator[Step]]]:
    """A replay, and its steps: every record surely from the frame at `wanted` on, up to `end` (excluded).

    Begins at the log's start (without `wanted`: or as far back as a snapshot reaches), or from the newest snapshot
    below `wanted` when that saves much. Raises SetupError when what is wanted was trimmed away; the steps raise Corrupt
    where a host would halt.
    """
    slice_ = archive.commands(partition)
    span = archive.log.spans([slice_])[slice_]
    skips, halted = standing(archive.verdicts().values(), partition)
    stop_at = halted.position if halted is not None else None
    with contextlib.ExitStack() as stack:
        begin = _begin(archive, partition, wanted, span, stack)
        replayed = archive.replay(partition, skips, begin)
        last = span.end if end is None else min(end, span.end)
        frames = read_slice(archive.log, slice_, replayed.next_offset, last)
        yield (
            replayed,
            replayed.steps(progress(frames, f"replaying partition {partition}", last), stop_at),
        )


def _begin(archive: Archive, partition: int, wanted: int | None, span: Span, stack: contextlib.ExitStack) -> Begin:
    """The nearest state below the wanted frame, or the oldest. What is restored is removed as the stack is closed."""
    if span.start == 0 and (wanted or 0) < SNAPSHOT_SAVES_FRAMES_MIN:
        return Begin()
    topic_id = archive.log.topic_id(archive.run.cluster.commands_topic)
    objects = wiring.objects_of(Path(archive.run.folder))
    found = snapshots.newest(objects, partition, below=wanted, unreadable=lambda _: None)
    for manifest in found if wanted is not None else reversed(found):
        if manifest.info.topic_id != topic_id or manifest.info.watermark < span.start - 1:
            continue
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hutong-replay-"))) / "store"
        try:
            snapshots.restore(objects, manifest, folder)
        except (Corrupt, NotFound):
            continue
        store = RocksStates().open(folder)
        stack.callback(store.close)
        meta, buckets, programs = stores.held(store, partition)
        assert meta is not None, "a snapshot is taken of a store that was written"
        return Begin(meta, buckets, programs, store.get)
    if span.start > 0:
        raise SetupError(
            f"the log of partition {partition} begins at offset {span.start}, and no snapshot lies between there and "
            f"{'its end' if wanted is None else f'offset {wanted}'}: what is asked for was trimmed away.",
            reason="HISTORY_TRIMMED",
        )
    return Begin()


def progress(frames: Iterator[Fetched], what: str, end: int) -> Iterator[Fetched]:
    """The same frames; on a terminal, how far it has come is told twice a second."""
    told_at = time.monotonic()
    for fetched in frames:
        yield fetched
        if sys.stderr.isatty() and time.monotonic() - told_at > PROGRESS_S:
            told_at = time.monotonic()
            output.say(f"  … {what}: {fetched.offset:,} of {end:,} frames")
