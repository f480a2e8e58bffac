"""Bugs to be planted into the product, one at a time: a simulation that does not find them proves nothing.

Each takes a `MonkeyPatch` and breaks one promise, as a change that looks harmless might.
"""

import time
import zlib
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from actors import entity, snapshots
from actors.due import DueTimers
from actors.intake import Intake
from actors.kernel import layout, rules
from actors.kernel.action import Code, NeedPackage, NeedState, Reply
from actors.kernel.cascade import Cascade, Refused, Task
from actors.kernel.inbox import Changes, Sources, Window
from actors.kernel.partition import Partition
from actors.kernel.record import Slice
from actors.link import Answer
from actors.outbox import Outbox
from actors.ownership import Ownership
from actors.ports import Fetched
from gateway.pending import Expired, PendingTable
from tests.simulation.faults import Faults
from tests.simulation.gateway import SimGateway
from tests.simulation.host import SimHost
from tests.simulation.log import SimLog
from tests.simulation.workload import RULES


def _never(*_: object) -> bool:
    return False


def _always(*_: object) -> bool:
    return True


def _nothing(*_: object) -> None:
    return None


def _before_all(*_: object) -> int:
    return -1


def _inside(owner: type, name: str) -> Any:
    """What a class keeps to itself: bugs are planted there, too."""
    return getattr(owner, name)


Plant = Callable[[pytest.MonkeyPatch], None]


def the_window_is_off(patch: pytest.MonkeyPatch) -> None:
    """Repeats run again."""
    patch.setattr(Window, "recent", _nothing)
    patch.setattr(Window, "must_load", _never)


def the_window_forgets_what_only_the_store_has(patch: pytest.MonkeyPatch) -> None:
    """After a recovery, repeats run again."""
    patch.setattr(Window, "must_load", _never)


def the_floor_is_ignored(patch: pytest.MonkeyPatch) -> None:
    """What left the window runs again."""
    patch.setattr(Window, "too_old", _never)


def sends_are_applied_as_often_as_they_come(patch: pytest.MonkeyPatch) -> None:
    """No memory of what was received."""
    patch.setattr(Sources, "is_new", _always)


def only_the_greatest_seq_is_remembered(patch: pytest.MonkeyPatch) -> None:
    """What was overtaken is taken for a repeat."""

    def is_new(sources: Sources, source: int, _: int, seq: int) -> bool:
        return seq >= sources.by_partition.get(source, (0, 0, []))[1]

    def note(sources: Sources, source: int, incarnation: int, seq: int) -> None:
        sources.by_partition[source] = (incarnation, seq + 1, [])

    patch.setattr(Sources, "is_new", is_new)
    patch.setattr(Sources, "note", note)


def what_is_not_committed_is_read(patch: pytest.MonkeyPatch) -> None:
    """A host applies and answers what the log may still lose."""
    committed = SimLog.committed

    def and_the_tail(log: SimLog, slice_: Slice) -> list[Fetched]:
        frames = list(committed(log, slice_))
        stamp_ms = frames[-1].stamp_ms if frames else 0
        tail = enumerate(log.tail(slice_), len(frames))
        return frames + [Fetched(slice_, offset, stamp_ms, frame) for offset, frame in tail]

    patch.setattr(SimLog, "committed", and_the_tail)


def an_older_snapshot_wins(patch: pytest.MonkeyPatch) -> None:
    """A recovery begins further back than it must."""
    newest = snapshots.newest

    def oldest(*args: Any, **named: Any) -> list[snapshots.Manifest]:
        return newest(*args, **named)[::-1]

    patch.setattr(snapshots, "newest", oldest)


def answers_to_queries_are_not_fenced(patch: pytest.MonkeyPatch) -> None:
    """A gateway takes the answer of a host that it knows to be replaced, and the host does not notice that it is."""
    answered = _inside(SimGateway, "_answered")

    def whoever_answers(gateway: Any, host: str, answer: Answer) -> None:
        heard, gateway._epochs = gateway._epochs, {}
        answered(gateway, host, answer)
        gateway._epochs = heard

    patch.setattr(SimGateway, "_answered", whoever_answers)


def _from_anybody(patch: pytest.MonkeyPatch, name: str) -> None:
    """Take a record for the owner's, whoever said it."""
    as_owner = _inside(Partition, name)

    def by_anybody(partition: Any, *args: Any) -> Any:
        owner = partition.meta.owner
        partition.meta.owner = replace(owner, host=partition._frame.producer)
        try:
            return as_owner(partition, *args)
        finally:
            partition.meta.owner = owner

    patch.setattr(Partition, name, by_anybody)


def anybody_fires_timers(patch: pytest.MonkeyPatch) -> None:
    """The fence of `Fire` is gone."""
    _from_anybody(patch, "_fire")


def anybody_checks(patch: pytest.MonkeyPatch) -> None:
    """The fence of `Check` is gone."""
    _from_anybody(patch, "_check")


def a_former_owner_sweeps_snapshots(patch: pytest.MonkeyPatch) -> None:
    """The fence of snapshots is gone: the files of a later owner go while it uploads."""
    patch.setattr(snapshots, "_epoch_of_file", _before_all)


def a_snapshot_does_not_wait_for_its_owners_epoch(patch: pytest.MonkeyPatch) -> None:
    """It is stored under the former owner's, who may sweep it. The engine did so until a world found it."""
    wrote = Ownership.wrote

    def at_once(ownership: Any, offset: int) -> None:
        owner = ownership.partition.meta.owner
        ownership.partition.meta.owner = replace(owner, epoch=-1)
        wrote(ownership, offset)
        ownership.partition.meta.owner = owner

    patch.setattr(Ownership, "wrote", at_once)


def a_frame_is_applied_in_half(patch: pytest.MonkeyPatch) -> None:
    """What comes after a load is left out."""
    apply_frame = _inside(Ownership, "_apply_frame")

    def in_half(ownership: Any, waiting: Any) -> Any:
        need = apply_frame(ownership, waiting)
        if need is None or ownership._index == 0 or ownership.partition is None:
            return need
        ownership._begun = False
        ownership._finish(waiting.offset, ownership.partition.end(waiting.crc))
        return None

    patch.setattr(Ownership, "_apply_frame", in_half)


def reading_begins_at_the_latest_offset(patch: pytest.MonkeyPatch) -> None:
    """What came while nobody read is skipped, and nobody says so."""
    take = Intake.take

    def at_the_end(host: SimHost, number: int, offset: int) -> int:
        return max(offset, host.log_end(number))

    def whatever_comes(intake: Any, fetched: Fetched, stamp_ms_max: int) -> None:
        intake._expected = None
        intake.next_offset = max(intake.next_offset, fetched.offset)
        take(intake, fetched, stamp_ms_max)

    patch.setattr(SimHost, "begins_at", at_the_end)
    patch.setattr(Intake, "take", whatever_comes)


def poison_is_tried_again(patch: pytest.MonkeyPatch) -> None:
    """As if what a program raises were a passing trouble."""
    run = Cascade.run

    def until_it_works(cascade: Cascade, task: Task) -> Any:
        outcome = run(cascade, task)
        if isinstance(outcome, Refused) and outcome.code == Code.POISONED:
            return NeedState((layout.entity_key(task[0]),))
        return outcome

    patch.setattr(Cascade, "run", until_it_works)


def a_failed_append_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """The outbox takes a failure for an acknowledgement."""
    patch.setattr(Outbox, "failed", Outbox.acknowledged)


def states_are_written_before_they_are_stable(patch: pytest.MonkeyPatch) -> None:
    """A crash then loses sends and events whose states are in the store."""
    stable = Outbox.stable

    def at_once(outbox: Outbox) -> tuple[int, Changes] | None:
        for frame in outbox.applied:
            frame.left = 0
        return stable(outbox)

    patch.setattr(Outbox, "stable", at_once)


def the_watermark_lags_behind_the_states(patch: pytest.MonkeyPatch) -> None:
    """A snapshot without its offset: records are applied to states that have them."""
    end = Partition.end

    def without_meta(partition: Partition, frame_crc: int) -> Changes:
        changes = end(partition, frame_crc)
        if partition.meta.watermark % 3:
            del changes.puts[layout.META]
        return changes

    patch.setattr(Partition, "end", without_meta)


def deletions_are_lost_when_writes_are_gathered(patch: pytest.MonkeyPatch) -> None:
    """What was deleted stays in the store."""
    merge = Changes.merge

    def without_deletes(changes: Changes, later: Changes) -> None:
        merge(changes, Changes(later.puts, set(), later.delete_ranges, later.swept_seconds))

    patch.setattr(Changes, "merge", without_deletes)


def a_refused_cascade_is_kept_in_half(patch: pytest.MonkeyPatch) -> None:
    """A rejection deep in a cascade leaves what was decided before it."""
    run = Cascade.run

    def in_half(cascade: Cascade, task: Any) -> Any:
        outcome = run(cascade, task)
        if outcome is None or not hasattr(outcome, "code") or len(cascade.staged) < 2:
            return outcome
        cascade.store()
        return None

    patch.setattr(Cascade, "run", in_half)


def a_timer_that_fired_stays(patch: pytest.MonkeyPatch) -> None:
    """It fires again."""
    patch.setattr(Cascade, "cancel", _nothing)


def _replying(patch: pytest.MonkeyPatch, says: Callable[[], object]) -> None:
    kind = RULES.kinds["purse"]
    decide = kind.decide

    def saying(purse: Any, command: Any, ctx: entity.Context) -> Any:
        decision = decide(purse, command, ctx)
        return entity.accept(*decision.events, reply={"says": says()}, actions=decision.actions)

    patch.setattr(kind, "decide", saying)


def a_handler_asks_for_chance(patch: pytest.MonkeyPatch) -> None:
    """Replays differ."""
    _replying(patch, Random(1).random)


def a_handler_looks_at_the_wall_clock(patch: pytest.MonkeyPatch) -> None:
    """Replays differ."""
    _replying(patch, time.time_ns)


def a_handler_iterates_over_a_set(patch: pytest.MonkeyPatch) -> None:
    """Another process decides otherwise."""
    _replying(patch, lambda: list({"mug", "lamp", "cup", "bowl", "plate", "spoon"}))


def a_timer_fires_once_and_is_not_asked_again(patch: pytest.MonkeyPatch) -> None:
    """A lost Fire is a timer that never comes."""
    due = DueTimers.due

    def once(timers: DueTimers, now_ms: int) -> Any:
        fires = due(timers, now_ms)
        for fire in fires:
            timers.remove(fire.entity, fire.timer, fire.generation)
        return fires

    patch.setattr(DueTimers, "due", once)


def a_new_owner_scans_no_timers(patch: pytest.MonkeyPatch) -> None:
    """What was armed before a crash does not fire after it."""
    scanned = Ownership.scanned

    def none(ownership: Ownership, _: object) -> None:
        scanned(ownership, ())

    patch.setattr(Ownership, "scanned", none)


def answers_are_swapped(patch: pytest.MonkeyPatch) -> None:
    """Of two answers that come together, each goes to the other's caller."""
    replied = PendingTable.replied

    def swapped(table: PendingTable, partition: int, replies: Iterable[Reply]) -> Any:
        settled = replied(table, partition, replies)
        others = settled[1:] + settled[:1]
        return [(call, reply) for (call, _), (_, reply) in zip(settled, others, strict=True)]

    patch.setattr(PendingTable, "replied", swapped)


def a_failed_append_is_taken_for_certain(patch: pytest.MonkeyPatch) -> None:
    """A frame that may be on the log counts as if it were not."""
    append_failed = PendingTable.append_failed

    def certainly(table: PendingTable, partition: int, now_ms: int, _: object) -> None:
        append_failed(table, partition, now_ms, "NOT_APPENDED")

    patch.setattr(PendingTable, "append_failed", certainly)


def what_is_unknown_is_said_to_be_not_appended(patch: pytest.MonkeyPatch) -> None:
    """A call whose time is over is given up for certain."""
    expire = PendingTable.expire

    def certainly(table: PendingTable, now_ms: int) -> list[Expired]:
        return [expired._replace(outcome="NOT_APPENDED") for expired in expire(table, now_ms)]

    patch.setattr(PendingTable, "expire", certainly)


def residents_keep_their_package(patch: pytest.MonkeyPatch) -> None:
    """What is in memory goes on under the rules that it was loaded by; a new owner decides it by the others."""
    switch = _inside(Partition, "_switch")

    def and_stay(partition: Any, *args: Any) -> Any:
        residents = dict(partition.residents)
        outcome = switch(partition, *args)
        partition.residents.update(residents)
        return outcome

    patch.setattr(Partition, "_switch", and_stay)


def what_the_store_has_not_is_forgotten_at_a_switch(patch: pytest.MonkeyPatch) -> None:
    """States that were decided and are not written yet are decoded from what the store had before."""
    switch = _inside(Partition, "_switch")

    def and_forget(partition: Any, *args: Any) -> Any:
        outcome = switch(partition, *args)
        partition._withdrawn.clear()
        return outcome

    patch.setattr(Partition, "_switch", and_forget)


def the_choice_of_packages_is_not_stored(patch: pytest.MonkeyPatch) -> None:
    """A new owner decides by the platform's own rules again."""
    put = Changes.put

    def but_no_choice(changes: Changes, key: bytes, value: bytes) -> None:
        if not key.startswith(layout.PROGRAMS[0]):
            put(changes, key, value)

    patch.setattr(Changes, "put", but_no_choice)


def packages_are_chosen_by_another_sum(patch: pytest.MonkeyPatch) -> None:
    """Not by the one that tells which version a person is shown."""

    def bucket_of(_: str, code: int, key: str) -> int:
        return zlib.crc32(f"{key}{code}".encode()) % 10_000

    patch.setattr(rules, "bucket_of", bucket_of)


def records_after_a_switch_do_not_wait_for_its_package(patch: pytest.MonkeyPatch) -> None:
    """What is not loaded decides nothing: the platform's own rules go on, on this host."""
    switch = _inside(Partition, "_switch")

    def or_not(partition: Any, *args: Any) -> Any:
        outcome = switch(partition, *args)
        return [] if isinstance(outcome, NeedPackage) else outcome

    patch.setattr(Partition, "_switch", or_not)


PLANTED: dict[str, tuple[Plant, ...]] = {
    "dedupe off": (
        the_window_is_off,
        the_window_forgets_what_only_the_store_has,
        sends_are_applied_as_often_as_they_come,
    ),
    "a bare maximum instead of the set above next": (only_the_greatest_seq_is_remembered,),
    "reply before the append is read back": (what_is_not_committed_is_read,),
    "snapshot without its offset": (the_watermark_lags_behind_the_states,),
    "an older snapshot wins": (an_older_snapshot_wins,),
    "a zombie's query, Fire, Check or snapshot accepted": (
        answers_to_queries_are_not_fenced,
        anybody_fires_timers,
        anybody_checks,
        a_former_owner_sweeps_snapshots,
    ),
    "wall clock in a handler": (a_handler_looks_at_the_wall_clock, a_handler_asks_for_chance),
    "a local cascade kept in half": (a_refused_cascade_is_kept_in_half,),
    "outbox not restored": (states_are_written_before_they_are_stable, a_failed_append_is_forgotten),
    "a frame applied in half": (a_frame_is_applied_in_half,),
    "offset reset to latest": (reading_begins_at_the_latest_offset,),
    "a poison command retried for ever": (poison_is_tried_again,),
}
"""What worlds must find, by the promise that is broken."""

ALSO_PLANTED: tuple[Plant, ...] = (
    residents_keep_their_package,
    what_the_store_has_not_is_forgotten_at_a_switch,
    the_choice_of_packages_is_not_stored,
    packages_are_chosen_by_another_sum,
    records_after_a_switch_do_not_wait_for_its_package,
    a_snapshot_does_not_wait_for_its_owners_epoch,
    the_floor_is_ignored,
    deletions_are_lost_when_writes_are_gathered,
    a_timer_that_fired_stays,
    a_timer_fires_once_and_is_not_asked_again,
    a_new_owner_scans_no_timers,
    answers_are_swapped,
    a_failed_append_is_taken_for_certain,
    what_is_unknown_is_said_to_be_not_appended,
)
"""More of them, beyond the fifteen."""

MIXTURES: dict[Plant, Faults] = {
    a_failed_append_is_taken_for_certain: Faults(
        append_unknown=0.15, message_lost=0.01, link_drops=5, log_away=2, host_crashes=4
    ),
}
"""What brings a bug out that worlds of any mixture show too seldom."""
