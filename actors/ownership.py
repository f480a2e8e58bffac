"""One partition in one host's hands, from Fencing to its end: pure; `host.py` feeds it, and it answers with work.

Recovery has four phases. Fencing: our `Epoch` is being appended. Restoring: the store is being opened. Replaying: the
log is read from the store's watermark up to our own epoch. Serving: we have read our epoch back, and no later one.
"""

from collections.abc import Callable, Iterable, Mapping, MutableSequence, Sequence
from enum import Enum
from typing import NamedTuple, TypeAlias

from actors.barring import other_rules
from actors.errors import Corrupt
from actors.foresight import Foresight
from actors.intake import Arrived, Intake
from actors.kernel import layout
from actors.kernel.action import Action, NeedPackage, NeedState
from actors.kernel.barrier import Crossing, crossing
from actors.kernel.inbox import Changes
from actors.kernel.partition import CHECK_EVERY, Partition
from actors.kernel.record import Check, Empty, Epoch, Position, Programs, Record, Slice, encode_frame, encode_record
from actors.kernel.rules import Rules
from actors.link import Ask
from actors.opening import unusable
from actors.outbox import AppliedFrame, Outbox
from actors.passivation import passivate
from actors.ports import Batch, Fetched
from actors.questions import Questions
from actors.said import Said
from actors.settings import ClusterSettings, ProcessSettings
from actors.timing import Timing
from actors.verdicts import Verdict
from actors.work import Append, Checkpoint, Close, Halted, Load, LoadPackage, Open, Work, Write

RETRY_MS = 200
RAISE_MS = 2_000
"""After so long the frame that raises the release is said again, if it was not read back."""


class Phase(Enum):
    """Where a partition stands in this host's hands."""

    FENCING = "Fencing"
    RESTORING = "Restoring"
    REPLAYING = "Replaying"
    SERVING = "Serving"
    HALTED = "Halted"
    STOPPED = "Stopped"


FENCING, RESTORING, REPLAYING, SERVING, HALTED, STOPPED = Phase  # to look one up in its class takes Python long


class Fence(NamedTuple):
    """A frame is our epoch under this assignment; we may have another one by the time it is acknowledged."""

    assignment: tuple[int, int]


Purpose: TypeAlias = Slice | Fence | None
"""What a frame was for: an outbox lane, our epoch, or timers and checks, of which others come if they are lost."""

APPLYING, ANSWERING = 1, 2


class Home(NamedTuple):
    """What every partition of a host shares. `name` is unique to this life of the host.

    `progress` is [partition, offset, index, what is done], for a watchdog to look at. While a record is applied that is
    `APPLYING`; while questions are answered it is `ANSWERING`, and `index` is a number below 0, another one each time.
    """

    name: str
    cluster: ClusterSettings
    process: ProcessSettings
    rules: Rules
    route: Callable[[str], int]
    emit: Callable[[Work], None]
    ticket: Callable[["Ownership", "Purpose"], int]
    progress: MutableSequence[int] | memoryview


class Ownership:
    """A partition that this host was told to own, under the assignment (term, n)."""

    def __init__(self, number: int, assignment: tuple[int, int], home: Home, now_ms: int) -> None:
        self.number = number
        self.assignment = assignment
        self.phase = FENCING
        self.epoch = -1
        self.partition: Partition | None = None
        self._home = home
        self._slice = Slice(home.cluster.commands_topic, number)
        self.timing = Timing(number)
        self.intake = Intake(self._slice)
        self.said = Said(number, home.cluster, self.timing.timers)
        self.outbox = Outbox()
        self.questions = Questions()
        self.halted = ""
        self.applied_records = 0
        self.written = -1
        self.stop_at: Verdict | None = None
        self._begun = False
        self._index = 0
        self._actions: list[Action] = []
        self._loading = False
        self._foresight = Foresight(self._mark)
        self.lacks = NeedPackage("", ())
        self._snapshot_at = 0
        self._is_barred = False
        self._raise_at_ms = 0
        self._has_raised = False
        self._retry_at_ms: int | None = None
        self._must_fence = False
        self._may_say_more = False
        self._now_ms = now_ms
        self._fence()
        home.emit(Open(number))

    # -- taking over ----------------------------------------------------------------------------------------------

    def _fence(self) -> None:
        self.epoch = -1
        record = encode_record(Epoch(*self.assignment, self._home.name))
        self._append(self._slice, [record], Fence(self.assignment))

    def refence(self, assignment: tuple[int, int]) -> None:
        """The controller numbered our assignment anew: say so on the log; what we own we go on owning."""
        self.assignment = assignment
        self._fence()

    def fenced(self, offset: int) -> None:
        """Our Epoch record is on the log."""
        self.epoch = offset
        if self.phase is FENCING:
            self.phase = RESTORING if self.partition is None else REPLAYING
        self._look_around()

    def opened(
        self,
        meta: layout.Meta | None,
        buckets: Mapping[int, tuple[int, int]],
        programs: Mapping[str, Programs],
        topic_id: str,
        skips: Sequence[tuple[int, int]],
        stop_at: Verdict | None,
    ) -> None:
        """The store is open and holds this. `skips` and `stop_at` are what operators and watchdogs said."""
        meta = meta or layout.Meta(topic_id=topic_id)
        if why := unusable(meta, topic_id, self._home.rules.release):
            self.halt(f"{self.number}/{meta.watermark}", why)
            return
        meta.skips = sorted({*meta.skips, *skips})
        self.stop_at = stop_at
        self.partition = Partition(self.number, self._home.rules, self._home.route, meta, buckets, programs)
        self.written = meta.watermark
        self.intake.begin(meta.watermark, meta.frame_crc)
        if self.epoch >= 0:
            self.phase = REPLAYING
        self._load_packages(self.partition.missing())

    def _look_around(self) -> None:
        """After each frame and at the fence: are we the owner, or is somebody else?"""
        if self.partition is None or self.ended:
            return
        owner = self.partition.meta.owner
        mine = (owner.term, owner.n) == self.assignment and owner.host == self._home.name
        if mine and self.phase is not SERVING:
            self.epoch = owner.epoch
            self.phase = SERVING
        elif not mine and ((owner.term, owner.n) > self.assignment or 0 <= self.epoch <= self.partition.meta.watermark):
            self.stop()

    # -- applying -------------------------------------------------------------------------------------------------

    def fetched(self, frames: Sequence[Fetched], now_ms: int) -> None:
        """Frames of this partition were read back, in order; `now_ms` is the host's clock."""
        self._now_ms = max(self._now_ms, now_ms)
        if self.partition is None or self.ended:
            return
        try:
            stamp_ms_max = self._now_ms + self._home.process.stamp_ahead_ms_max
            for fetched in frames:
                self.intake.take(fetched, stamp_ms_max)
        except Corrupt as error:
            self.halt(error.position, str(error))
            return
        self.advance()

    def _fetch(self, need: NeedState | NeedPackage) -> None:
        """Something must be loaded: load with a state what all waiting records are likely to need."""
        partition = self.partition
        assert partition is not None
        if isinstance(need, NeedPackage):
            self._load_packages(need)
            return
        before = None if self.stop_at is None else self.stop_at.position.offset
        self._load({*need.keys, *self._foresight.keys(partition, self.intake.frames, before)})

    def _load_packages(self, need: NeedPackage | None) -> None:
        """Nothing is applied or answered until these packages are loaded."""
        if need is not None:
            self.lacks = need
            for package in need.hashes:
                self._home.emit(LoadPackage(need.program, package))

    def package_loaded(self) -> None:
        """A package was loaded, perhaps the last of those that lack."""
        if not self.lacks.hashes or self.partition is None or self.ended:
            return
        if self._home.rules.packages.keys() >= set(self.lacks.hashes):
            self.lacks = NeedPackage("", ())
            self._load_packages(self.partition.missing())
            self.advance()

    def package_failed(self, package: str, why: str) -> None:
        """A package cannot be loaded: if it lacks here, the partition goes no further."""
        if package in self.lacks.hashes and self.partition is not None and not self.ended:
            frames, where = self.intake.frames, f"{self.number}/{self.partition.meta.watermark}"
            where = f"{self.number}/{frames[0].offset}/{self._index}" if self._begun and frames else where
            self.halt(where, f"the package {package} of {self.lacks.program} cannot be loaded: {why}")

    def _load(self, keys: Iterable[bytes]) -> None:
        self._loading = True
        self._home.emit(Load(self.number, sorted(keys)))

    def _mark(self, offset: int, index: int) -> None:
        """The author of this record's entity is asked: a watchdog looks whether it comes back."""
        progress = self._home.progress
        progress[0], progress[1], progress[2], progress[3] = self.number, offset, index, APPLYING

    def loaded(self, values: Mapping[bytes, bytes | None]) -> None:
        """The store answered. Raises Corrupt when this is not what was written there."""
        self._loading = False
        if self.partition is not None and not self.ended:
            self.partition.admit(values)
            keys = self._foresight.reached(self.partition)
            self._home.progress[3] = 0
            if keys:
                self._load(keys)
            else:
                self.advance()

    def advance(self) -> None:
        """Apply what is waiting, as far as it goes without a load; then say and ask what follows."""
        if self._loading or self.lacks.hashes or self.partition is None:
            return
        progress, frames = self._home.progress, self.intake.frames
        try:
            while frames and not self._is_barred:
                need = self._apply_frame(frames[0])
                if need is not None:
                    self._fetch(need)
                    return
                if self.phase is STOPPED:
                    return
                if not self._is_barred:
                    frames.popleft()
        except Corrupt as error:
            self.halt(error.position, str(error))
        except Exception as error:  # noqa: BLE001 - it is our mistake, and every later host would make it again here
            where = f"{self.number}/{frames[0].offset}/{self._index}"
            self.halt(where, f"a mistake of ours, not the program's: {error!r}")
        else:
            # A view without end is no fault of the record before it: that one must not be given up for it.
            progress[0], progress[2], progress[3] = self.number, min(progress[2], 0) - 1, ANSWERING
            need = self.questions.answer(self.partition, self.serving, self._home.emit)
            if need is not None:
                self._load(need.keys)
        finally:
            progress[3] = 0
        self.say()
        self._leave()

    def ask(self, gateway: str, ask: Ask) -> bool:
        """Take a query in; True when the log's end must be found, since it asks for a later watermark than ours."""
        self.questions.ask(gateway, ask)
        self.advance()
        return self.partition is None or ask.at_least > self.partition.meta.watermark

    def end_found(self, ticket: int, end: int) -> None:
        """The log's end, which a pending list or a query waits to know."""
        self.questions.end_found(ticket, end)
        if self.partition is not None:
            self.questions.refuse_beyond(end, self.partition, self._home.emit)
            self.advance()

    @property
    def serving(self) -> bool:
        """Whether this host may answer queries of this partition."""
        return self.phase is SERVING

    @property
    def ended(self) -> bool:
        """Whether nothing more is applied here: halted, or somebody else's."""
        return self.phase in (HALTED, STOPPED)

    def _apply_frame(self, waiting: Arrived) -> NeedState | NeedPackage | None:
        partition, offset, frame = self.partition, waiting.offset, waiting.frame
        assert partition is not None
        if not self._begun:
            meta, rules = partition.meta, self._home.rules
            self._is_barred = crossing(frame, meta.release, rules.release) is Crossing.STOP
            if self._is_barred:
                return None
            if why := other_rules(frame, meta, rules):
                raise Corrupt(why, position=f"{self.number}/{offset}")
            self._has_raised = self._has_raised or 0 < meta.release < frame.release
            partition.begin(offset, waiting.stamp_ms, frame)
            self._begun, self._index, self._actions = True, 0, []
        records: list[Record] = frame.records
        actions, progress, number, stop_at = self._actions, self._home.progress, self.number, self.stop_at
        self._mark(offset, self._index)
        for index in range(self._index, len(records)):
            position = Position(number, offset, index)
            if stop_at is not None and position == stop_at.position:
                raise Corrupt(stop_at.why, position=str(position))
            progress[2] = index
            result = partition.apply(position, records[index])
            if not isinstance(result, list):
                self._index = index
                return result
            actions += result
        self._begun = False
        self.applied_records += len(records)
        self._finish(offset, partition.end(waiting.crc))
        return None

    def _finish(self, offset: int, changes: Changes) -> None:
        """A frame was applied whole: what it said waits for its acknowledgements."""
        records = self.said.sort(self._actions)
        partition = self.partition
        assert partition is not None
        meta = partition.meta
        self.outbox.add(AppliedFrame(offset, changes, meta.release, meta.digest), records)
        self._look_around()
        if offset % CHECK_EVERY == 0 and self.serving:
            self._append(self._slice, [encode_record(Check(offset, meta.sums[offset]))], None)

    # -- what must get onto the log -------------------------------------------------------------------------------

    @property
    def reads_from(self) -> int | None:
        """The offset to read from next, or None while there is nothing to do with what would come."""
        if self.partition is None or self.ended:
            return None
        return self.intake.reads_from(self.outbox.records, self._home.process.outbox_max)

    def say(self) -> None:
        """Append what the outbox has, and write what became stable."""
        if self.phase is STOPPED:
            return
        if self._retry_at_ms is None:
            for slice_, records, release, digest in self.outbox.take():
                self._append(slice_, records, slice_, release, digest)
        stable = self.outbox.stable()
        if stable is not None:
            self._write(*stable)

    def _append(
        self, slice_: Slice, records: list[bytes], purpose: Purpose, release: int = 0, digest: str = ""
    ) -> None:
        frame = encode_frame(*slice_, self._home.name, release, digest, records)
        self._home.emit(Append(self._home.ticket(self, purpose), slice_, frame, len(records)))

    def appended(self, purpose: Purpose, offset: int) -> None:
        """A frame of ours is on the log."""
        if isinstance(purpose, Slice):
            self.outbox.acknowledged(purpose)
            self._may_say_more = True
        elif purpose == Fence(self.assignment):
            self.fenced(offset)

    def say_on(self) -> None:
        """Frames of ours are on the log, as many as came at once: what waited for them follows."""
        if self._may_say_more:
            self._may_say_more = False
            self.say()

    def append_failed(self, purpose: Purpose, now_ms: int) -> None:
        """A frame of ours may or may not be on the log: say it again, a little later."""
        if isinstance(purpose, Slice):
            self.outbox.failed(purpose)
        self._must_fence = self._must_fence or purpose == Fence(self.assignment)
        self._retry_at_ms = now_ms + RETRY_MS

    def _write(self, offset: int, changes: Changes) -> None:
        changes.prune()
        batch = Batch(changes.puts, list(changes.deletes), changes.delete_ranges)
        self._home.emit(Write(self.number, offset, batch, changes.swept_seconds))

    def wrote(self, offset: int) -> None:
        """The store is at this watermark."""
        self.written = offset
        partition = self.partition
        if partition is None:
            return
        partition.wrote(offset)
        if not self.outbox.applied and not self.intake.frames and not self._loading:
            partition.settled()
        # A snapshot is stored under the epoch that its states carry: it waits until that is ours, not a former owner's.
        ours = self.serving and offset >= partition.meta.owner.epoch
        due = self.applied_records - self._snapshot_at >= self._home.process.snapshot_records
        # Nobody recovers over a barrier: the first states of a new release are held fast at once.
        if ours and (due or self._has_raised):
            self._snapshot_at, self._has_raised = self.applied_records, False
            self._home.emit(Checkpoint(self.number, offset))
        self._leave()

    def _leave(self) -> None:
        """Before the first frame of a release that we have not: once all is written, a snapshot, and the end here."""
        partition = self.partition
        if partition is None or not self._is_barred or self.ended or self.outbox.applied:
            return
        meta = partition.meta
        if self.written == meta.watermark:
            if self.serving and self.written >= meta.owner.epoch:
                self._home.emit(Checkpoint(self.number, self.written))
            self.stop()

    # -- time -----------------------------------------------------------------------------------------------------

    def tick(self, now_ms: int, *, fires: bool = True) -> None:
        """The host's clock moved on: what failed is tried again, timers are looked ahead for and, if so, fired."""
        self._now_ms = now_ms
        if self._retry_at_ms is not None and now_ms >= self._retry_at_ms:
            self._retry_at_ms = None
            if self._must_fence:
                self._must_fence = False
                self._fence()
            self.say()
        partition, rules = self.partition, self._home.rules
        if self.phase is not SERVING or partition is None:
            return
        if 0 < partition.meta.release < rules.release and not self._is_barred:
            # Nothing of ours is decided under the former release: its first frame of the new one is the barrier.
            if now_ms >= self._raise_at_ms:
                self._raise_at_ms = now_ms + RAISE_MS
                self._append(self._slice, [encode_record(Empty())], None, rules.release, rules.digest)
            return
        scan = self.timing.look_ahead(now_ms)
        if scan is not None:
            self._home.emit(scan)
        due = self.timing.timers.due(now_ms) if fires else []
        if due:
            meta = partition.meta
            self._append(self._slice, [encode_record(fire) for fire in due], None, meta.release, meta.digest)

    def scanned(self, pairs: Sequence[tuple[bytes, bytes]]) -> None:
        """The store's timers of the next minute, as frames not written yet have changed them. Raises Corrupt."""
        self.timing.scanned(pairs, self.outbox.applied)

    def next_due_ms(self) -> int | None:
        """When the next timer wants to be fired, of those in memory."""
        return self.timing.timers.next_due_ms() if self.serving else None

    def passivate(self, excess: int) -> int:
        """Drop residents that may go; see `passivation.py`."""
        if self.partition is None or self._loading or self.intake.frames:
            return 0
        now_ms = max(self.partition.meta.now_ms, self._now_ms)
        return passivate(self.partition.residents, excess, now_ms, self.written)

    # -- the end --------------------------------------------------------------------------------------------------

    def left(self, end: int) -> str:
        """What would be decided again by whoever opens these states after us, for an operator; "" when nothing is.

        `end` is that of the log. What is halted stays as it is.
        """
        if self.ended:
            return ""
        if self.partition is None:
            return f"partition {self.number} is still being opened"
        meta, unsaid = self.partition.meta, self.outbox.records
        unapplied, unwritten = end - 1 - meta.watermark, meta.watermark - self.written
        if not (unapplied or unsaid or unwritten):
            return ""
        return (
            f"partition {self.number}: {unapplied} frames are not applied, {unwritten} not written, "
            f"{unsaid} sends and events not acknowledged"
        )

    def stop(self) -> None:
        """The partition is somebody else's, or a release's that this host has not."""
        self.phase = STOPPED
        self.intake.frames.clear()
        self._home.emit(Close(self.number))

    def halt(self, position: str, why: str) -> None:
        """The partition stops where it is, until an operator acts."""
        self.phase = HALTED
        self.halted = f"halted at {position}: {why}"
        self.intake.frames.clear()
        self._home.emit(Halted(self.number, position, why))
