"""The host's core: every partition that a host owns, fed with what happened, answering with work. No I/O, no clock.

A thin shell (`adapters/hosting`) polls, carries the work out and feeds the results back; the simulator does the
same under a seed. Call any of the inputs, then carry out what `work()` returns.
"""

from collections.abc import Mapping, MutableSequence, Sequence
from functools import partial

from msgspec import Struct

from actors.entity import AnyEntity
from actors.errors import Corrupt
from actors.kernel.action import Push
from actors.kernel.layout import Meta
from actors.kernel.record import Programs
from actors.kernel.routing import partition_of
from actors.kernel.rules import Rules
from actors.link import Ask, Attach, Detach, FromGateway, FromHost, Lost, Owned, Pending, Pushes, Replies
from actors.ownership import HALTED, SERVING, STOPPED, Home, Ownership, Purpose
from actors.ports import Fetched
from actors.settings import ClusterSettings, ProcessSettings
from actors.verdicts import Verdict
from actors.work import FindEnd, Read, Tell, Work

PASSIVATE_EVERY_MS = 250
"""With many timers ticks come by the hundred a second; residents are looked at seldom enough to cost nothing."""


class PartitionStatus(Struct, frozen=True):
    """How one partition stands in this host; `chain` sums all that was said and changed up to the watermark."""

    partition: int
    phase: str
    epoch: int
    watermark: int
    chain: int
    written: int
    now_ms: int
    resident: int
    outbox: int
    applied_records: int
    halted: str


class HostCore:
    """All partitions of one host."""

    def __init__(
        self,
        name: str,
        cluster: ClusterSettings,
        process: ProcessSettings,
        rules: Rules,
        progress: MutableSequence[int] | memoryview | None = None,
    ) -> None:
        self.name = name
        self.owned: dict[int, Ownership] = {}
        self.now_ms = 0
        self.draining = False
        self._resident_max = process.resident_max
        self._passivated_ms = -PASSIVATE_EVERY_MS
        self._work: list[Work] = []
        self._tickets: dict[int, tuple[Ownership, Purpose]] = {}
        self._ticket = 0
        self._gateways: dict[str, None] = {}
        self._attached: dict[str, dict[str, None]] = {}
        self._reading: dict[int, None] = {}
        self._told: dict[int, FromHost] = {}
        self._touched: dict[int, None] = {}
        self._home = Home(
            name=name,
            cluster=cluster,
            process=process,
            rules=rules,
            route=partial(partition_of, partitions=cluster.partitions, groups=cluster.groups),
            emit=self._work.append,
            ticket=self._new_ticket,
            progress=[0, 0, 0, 0] if progress is None else progress,
        )

    def _new_ticket(self, ownership: Ownership, purpose: Purpose) -> int:
        self._ticket += 1
        self._tickets[self._ticket] = (ownership, purpose)
        return self._ticket

    def _of(self, number: int) -> Ownership | None:
        """The partition if it is ours and goes on; it is looked at again by the next `work()`."""
        ownership = self.owned.get(number)
        if ownership is not None:
            self._touched[number] = None
        return ownership

    # -- from the controller --------------------------------------------------------------------------------------

    def assign(self, wanted: Mapping[int, tuple[int, int]]) -> None:
        """The whole set of partitions that this host should own, each with its assignment (term, n)."""
        for number in [number for number in self.owned if number not in wanted]:
            self._let_go(number)
        for number, assignment in wanted.items():
            ownership = self._of(number)
            if ownership is None:
                self.owned[number] = Ownership(number, assignment, self._home, self.now_ms)
            elif ownership.assignment < assignment:
                if ownership.ended:
                    self._let_go(number)
                    self.owned[number] = Ownership(number, assignment, self._home, self.now_ms)
                else:
                    ownership.refence(assignment)
            self._touched[number] = None

    def _let_go(self, number: int) -> None:
        ownership = self.owned.pop(number)
        if ownership.phase is not STOPPED:
            ownership.stop()
        self._touched[number] = None

    def restart(self, number: int) -> None:
        """Begin with this partition anew, under the assignment it has: an operator answered for its halt."""
        ownership = self.owned.get(number)
        if ownership is not None:
            self._let_go(number)
            self.owned[number] = Ownership(number, ownership.assignment, self._home, self.now_ms)

    # -- results of work ------------------------------------------------------------------------------------------

    def fetched(self, frames: Sequence[Fetched], now_ms: int = 0) -> None:
        """Frames of the commands topic were read back, in order within each partition.

        `now_ms` is the host's clock: a machine may have slept since the last tick, and stamps are compared with it.
        """
        by_partition: dict[int, list[Fetched]] = {}
        for frame in frames:
            by_partition.setdefault(frame.slice.partition, []).append(frame)
        for number, some in by_partition.items():
            ownership = self._of(number)
            if ownership is not None:
                ownership.fetched(some, now_ms)

    def appended(self, ticket: int, offset: int) -> None:
        """The frame of this ticket is on the log at `offset`."""
        ownership, purpose = self._tickets.pop(ticket)
        if self._of(ownership.number) is ownership:
            ownership.appended(purpose, offset)

    def append_failed(self, ticket: int) -> None:
        """The frame of this ticket may or may not be on the log."""
        ownership, purpose = self._tickets.pop(ticket)
        if self._of(ownership.number) is ownership:
            ownership.append_failed(purpose, self.now_ms)

    def opened(
        self,
        number: int,
        meta: Meta | None,
        buckets: Mapping[int, tuple[int, int]],
        programs: Mapping[str, Programs],
        topic_id: str,
        skips: Sequence[tuple[int, int]] = (),
        stop_at: Verdict | None = None,
    ) -> None:
        """The partition's store is open and holds this."""
        ownership = self._of(number)
        if ownership is not None:
            ownership.opened(meta, buckets, programs, topic_id, skips, stop_at)

    def halt(self, number: int, position: str, why: str) -> None:
        """The shell found that this partition cannot go on: its log or its store is not what it was."""
        ownership = self._of(number)
        if ownership is not None and not ownership.ended:
            ownership.halt(position, why)

    def loaded(self, number: int, values: Mapping[bytes, bytes | None]) -> None:
        """The store holds this under the keys that were asked for."""
        ownership = self._of(number)
        if ownership is not None:
            try:
                ownership.loaded(values)
            except Corrupt as error:
                self.halt(number, error.position, str(error))

    def lacks(self, package: str) -> bool:
        """Whether a partition of ours still waits for this package."""
        return any(package in ownership.lacks.hashes and not ownership.ended for ownership in self.owned.values())

    def package_loaded(self, package: str, entities: Sequence[AnyEntity]) -> None:
        """The package with this content hash is loaded; these are its entities."""
        self._home.rules.add(package, entities)
        for number, ownership in self.owned.items():
            self._touched[number] = None
            ownership.package_loaded()

    def package_failed(self, package: str, why: str) -> None:
        """The package with this content hash cannot be loaded."""
        for number, ownership in self.owned.items():
            self._touched[number] = None
            ownership.package_failed(package, why)

    def scanned(self, number: int, pairs: Sequence[tuple[bytes, bytes]]) -> None:
        """The store holds these timers."""
        ownership = self._of(number)
        if ownership is not None:
            try:
                ownership.scanned(pairs)
            except Corrupt as error:
                self.halt(number, error.position, str(error))

    def wrote(self, number: int, offset: int) -> None:
        """The store is at this watermark."""
        ownership = self._of(number)
        if ownership is not None:
            ownership.wrote(offset)

    def end_found(self, number: int, ticket: int, end: int) -> None:
        """The end of this partition's log when it was asked for."""
        ownership = self._of(number)
        if ownership is not None:
            ownership.end_found(ticket, end)

    # -- from gateways --------------------------------------------------------------------------------------------

    def linked(self, gateway: str) -> None:
        """A gateway's stream begins: it is told what is served here."""
        self._gateways[gateway] = None
        for message in self._told.values():
            self._work.append(Tell(gateway, message))

    def unlinked(self, gateway: str) -> None:
        """A gateway's stream ended."""
        self._gateways.pop(gateway, None)
        for entity in [entity for entity, gateways in self._attached.items() if gateway in gateways]:
            self._detach(gateway, entity)

    def told(self, gateway: str, messages: Sequence[FromGateway]) -> None:
        """A gateway says these, in this order."""
        for message in messages:
            match message:
                case Attach(_, entity):
                    self._attached.setdefault(entity, {})[gateway] = None
                case Detach(_, entity):
                    self._detach(gateway, entity)
                case Pending() | Ask():
                    self._asked(gateway, message)

    def _asked(self, gateway: str, message: Pending | Ask) -> None:
        number = message.partition
        ownership = self._of(number)
        if ownership is None or ownership.ended:
            self._work.append(Tell(gateway, Lost(number, ownership.halted if ownership else "")))
            return
        self._ticket += 1
        if isinstance(message, Pending):
            ownership.questions.recall(gateway, message.calls, self._ticket)
        elif not ownership.ask(gateway, message):
            return
        self._work.append(FindEnd(number, self._ticket))

    def _detach(self, gateway: str, entity: str) -> None:
        gateways = self._attached.get(entity, {})
        gateways.pop(gateway, None)
        if not gateways:
            self._attached.pop(entity, None)

    # -- time -----------------------------------------------------------------------------------------------------

    def tick(self, now_ms: int) -> None:
        """The host's clock is at `now_ms`; to be called a few times a second, and when a timer is due."""
        self.now_ms = now_ms
        for number, ownership in self.owned.items():
            ownership.tick(now_ms, fires=not self.draining)
            self._touched[number] = None
        if not 0 <= now_ms - self._passivated_ms < PASSIVATE_EVERY_MS:
            self._passivated_ms = now_ms
            self._passivate()

    def _passivate(self) -> None:
        excess = sum(len(o.partition.residents) for o in self.owned.values() if o.partition) - self._resident_max
        for ownership in self.owned.values():
            excess -= ownership.passivate(max(excess, 0))

    def left(self, ends: Mapping[int, int]) -> list[str]:
        """What a host that ends now leaves undone, if each partition's log ends there; empty when nothing is."""
        left = [said for number, o in sorted(self.owned.items()) if (said := o.left(ends[number]))]
        flying = len(self._tickets)
        return left or ([f"{flying} frames are not acknowledged"] if flying else [])

    def next_due_ms(self) -> int | None:
        """When the next timer wants to be fired."""
        if self.draining:
            return None
        due = [due_ms for ownership in self.owned.values() if (due_ms := ownership.next_due_ms()) is not None]
        return min(due, default=None)

    # -- outputs --------------------------------------------------------------------------------------------------

    def work(self) -> list[Work]:
        """What is to be carried out now, in this order."""
        if self._touched:
            reading, changed = self._reading, False
            for number in self._touched:
                ownership = self.owned.get(number)
                if ownership is not None:
                    ownership.say_on()
                self._say(number)
                wants = ownership is not None and ownership.reads_from is not None
                changed = changed or wants is not (number in reading)
            self._touched.clear()
            if changed:
                self._read()
        work = self._work[:]
        self._work.clear()
        return work

    def _say(self, number: int) -> None:
        ownership = self.owned.get(number)
        if ownership is not None and ownership.phase is HALTED:
            self._say_said(number, ownership)  # first: the halt gives up all that waits for an answer
        message = _standing(number, ownership)
        if self._told.get(number) != message:
            if message is None:
                message = Lost(number, "")
                del self._told[number]
            else:
                self._told[number] = message
            self._work += [Tell(gateway, message) for gateway in self._gateways]
        if ownership is not None:
            self._say_said(number, ownership)

    def _say_said(self, number: int, ownership: Ownership) -> None:
        said = ownership.said
        if said.replies:
            told = ((gateway, some) for gateway, some in said.replies.items() if gateway in self._gateways)
            self._work += [Tell(gateway, Replies(number, some)) for gateway, some in told]
            said.replies.clear()
        if said.pushes:
            self._say_pushes(number, said.pushes)
            said.pushes.clear()

    def _say_pushes(self, number: int, pushes: list[Push]) -> None:
        by_gateway: dict[str, list[Push]] = {}
        for push in pushes:
            for gateway in self._attached.get(push.entity, ()):
                by_gateway.setdefault(gateway, []).append(push)
        self._work += [Tell(gateway, Pushes(number, some)) for gateway, some in by_gateway.items()]

    def _read(self) -> None:
        positions = {
            number: offset for number, ownership in self.owned.items() if (offset := ownership.reads_from) is not None
        }
        self._reading = dict.fromkeys(positions)
        self._work.append(Read(positions))

    def status(self) -> list[PartitionStatus]:
        """How every partition of this host stands."""
        return [_status(ownership) for _, ownership in sorted(self.owned.items())]


def _standing(number: int, ownership: Ownership | None) -> FromHost | None:
    if ownership is None:
        return None
    if ownership.phase is SERVING and ownership.partition is not None:
        return Owned(number, ownership.partition.meta.owner.epoch)
    return Lost(number, ownership.halted) if ownership.phase is HALTED else None


def _status(ownership: Ownership) -> PartitionStatus:
    partition = ownership.partition
    return PartitionStatus(
        partition=ownership.number,
        phase=ownership.phase.value,
        epoch=partition.meta.owner.epoch if partition else -1,
        watermark=partition.meta.watermark if partition else -1,
        chain=partition.meta.chain if partition else 0,
        written=ownership.written,
        now_ms=partition.meta.now_ms if partition else 0,
        resident=len(partition.residents) if partition else 0,
        outbox=ownership.outbox.records,
        applied_records=ownership.applied_records,
        halted=ownership.halted,
    )
