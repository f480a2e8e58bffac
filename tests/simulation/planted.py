"""Bugs to be planted into the product, one at a time: a simulation that does not find them proves nothing.

Each takes a `MonkeyPatch` and breaks one promise, as a change that looks harmless might.
"""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from actors import entity
from actors.kernel import layout
from actors.kernel.cascade import Cascade
from actors.kernel.inbox import Changes, Sources, Window
from actors.kernel.outbox import Outbox
from actors.kernel.partition import Partition
from actors.kernel.timers import DueTimers
from actors.ownership import Ownership
from tests.simulation.workload import RULES


def _never(*_: object) -> bool:
    return False


def _always(*_: object) -> bool:
    return True


def _nothing(*_: object) -> None:
    return None


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
        for name, staged in cascade.staged.items():
            cascade.store(name, staged)
        return None

    patch.setattr(Cascade, "run", in_half)


def a_timer_that_fired_stays(patch: pytest.MonkeyPatch) -> None:
    """It fires again."""
    patch.setattr(Cascade, "cancel", _nothing)


def a_handler_asks_for_chance(patch: pytest.MonkeyPatch) -> None:
    """Replays differ."""
    chance = Random(1)
    kind = RULES.kinds["purse"]
    decide = kind.decide

    def by_chance(purse: Any, command: Any, ctx: entity.Context) -> Any:
        decision = decide(purse, command, ctx)
        return entity.accept(*decision.events, reply={"luck": chance.random()}, actions=decision.actions)

    patch.setattr(kind, "decide", by_chance)


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


PLANTED: tuple[Plant, ...] = (
    the_window_is_off,
    the_window_forgets_what_only_the_store_has,
    the_floor_is_ignored,
    sends_are_applied_as_often_as_they_come,
    a_failed_append_is_forgotten,
    states_are_written_before_they_are_stable,
    the_watermark_lags_behind_the_states,
    deletions_are_lost_when_writes_are_gathered,
    a_refused_cascade_is_kept_in_half,
    a_timer_that_fired_stays,
    a_handler_asks_for_chance,
    a_timer_fires_once_and_is_not_asked_again,
    a_new_owner_scans_no_timers,
)
