"""Timers: they fire by a record, by the log's time, once per generation, and only when the owner says so."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from actors import CancelTimer as Cancel
from actors import Context, Decision, FireTimer, Send
from actors import SetTimer as Set
from actors.kernel import layout
from actors.kernel.action import Action, CancelTimer, Code, Event, SetTimer
from actors.kernel.partition import DEAD_LETTER
from actors.kernel.record import Epoch, Fire
from actors.kernel.rules import Rules
from tests.kernel import box
from tests.kernel.box import Arming, Do, Done, Sending
from tests.kernel.folding import START_MS, Fold, call, decode_event, id_on, only, replied

BOX = f"box/{id_on(0)}"
DUE_MS = START_MS + 1_000
LATE_MS = START_MS + 5_000


ADD = Do(add=1)


def armed(command: Do = ADD, due_ms: int = DUE_MS) -> Fold:
    """A partition of host `h1` with the timer `t`."""
    fold = Fold()
    fold.frame(Epoch(1, 1, "h1"), producer="h1")
    fold.frame(call(BOX, Do(arm=(Arming("t", due_ms, command),)), 1))
    return fold


def fire(fold: Fold, generation: int = 1, producer: str = "h1", at_ms: int = DUE_MS) -> list[Action]:
    """The owner says that the timer is due."""
    return fold.frame(Fire(BOX, "t", generation, DUE_MS), producer=producer, at_ms=at_ms)


def scheduled(fold: Fold) -> Mapping[bytes, bytes]:
    """The timers in the store, by due time."""
    start, end = layout.timer_range(0, 1 << 60)
    return dict(fold.store.scan(start, end, 100))


def test_a_timer_gives_its_entity_the_command_once() -> None:
    fold = armed()
    actions = fire(fold)
    assert only(CancelTimer, actions).generation == 1
    assert fold.box(BOX).total == 1
    assert fold.timers(BOX) == {}
    assert scheduled(fold) == {}
    assert fire(fold) == []
    assert fold.box(BOX).total == 1


def test_a_timer_survives_a_restart_of_its_partition() -> None:
    fold = armed()
    fold.reopen()
    assert list(scheduled(fold)) == [layout.timer_key(DUE_MS, BOX, "t")]
    fire(fold)
    assert fold.box(BOX).total == 1


def test_a_timer_does_not_fire_before_the_logs_time_reaches_it() -> None:
    fold = armed()
    assert fire(fold, at_ms=DUE_MS - 1) == []
    assert fold.box(BOX).total == 0
    fire(fold)
    assert fold.box(BOX).total == 1


def test_only_the_owners_fire_counts() -> None:
    fold = armed()
    assert fire(fold, producer="h0") == []
    fold.frame(Epoch(1, 2, "h2"), producer="h2")
    assert fire(fold, producer="h1") == [], "h1 was replaced"
    fire(fold, producer="h2")
    assert fold.box(BOX).total == 1


def test_a_replaced_timer_fires_at_its_new_generation_only() -> None:
    fold = armed()
    actions = fold.frame(call(BOX, Do(arm=(Arming("t", LATE_MS, Do(add=10)),)), 2))
    assert (only(CancelTimer, actions).generation, only(SetTimer, actions).generation) == (1, 2)
    assert fire(fold) == []
    assert fire(fold, generation=2, at_ms=LATE_MS - 1) == []
    fire(fold, generation=2, at_ms=LATE_MS)
    assert fold.box(BOX).total == 10
    assert scheduled(fold) == {}


@pytest.mark.parametrize("due_ms", [DUE_MS - 500, DUE_MS])
def test_a_late_fire_of_a_former_arming_does_not_fire_the_present_one(due_ms: int) -> None:
    fold = armed()
    fold.frame(call(BOX, Do(arm=(Arming("t", due_ms, Do(add=10)),)), 2))
    assert fire(fold) == []
    assert fold.box(BOX).total == 0
    assert list(scheduled(fold)) == [layout.timer_key(due_ms, BOX, "t")]
    fire(fold, generation=2)
    assert fold.box(BOX).total == 10


def test_a_cancelled_timer_does_not_fire() -> None:
    fold = armed()
    assert only(CancelTimer, fold.frame(call(BOX, Do(cancel=("t", "none")), 2))).generation == 1
    assert fire(fold) == []
    assert scheduled(fold) == {}


def test_a_timer_may_set_itself_again_while_it_fires() -> None:
    fold = armed(Do(add=1, arm=(Arming("t", LATE_MS, Do(add=10)),)))
    actions = fire(fold)
    assert [type(a) for a in actions if isinstance(a, CancelTimer | SetTimer)] == [CancelTimer, SetTimer]
    fire(fold, generation=2, at_ms=LATE_MS)
    assert fold.box(BOX).total == 11


def test_a_timer_that_its_entity_fires_gives_the_command_within_that_record() -> None:
    fold = armed()
    actions = fold.frame(call(BOX, Do(add=10, fire=("t", "none")), 2))
    assert only(CancelTimer, actions).generation == 1
    assert [decode_event(action).payload for action in actions if isinstance(action, Event)] == [
        box.encode(Done(10, "", "ann")),
        box.encode(Done(1, "", BOX)),
    ]
    assert (fold.box(BOX).total, fold.timers(BOX), scheduled(fold)) == (11, {}, {})
    assert fire(fold) == []


def test_a_timer_that_its_entity_fires_may_set_itself_again_and_is_one_that_was_set_just_then() -> None:
    fold = armed(Do(add=1, arm=(Arming("t", LATE_MS, Do(add=10)),)))
    actions = fold.frame(call(BOX, Do(fire=("t",)), 2))
    assert [type(a) for a in actions if isinstance(a, CancelTimer | SetTimer)] == [CancelTimer, SetTimer]
    assert list(scheduled(fold)) == [layout.timer_key(LATE_MS, BOX, "t")]
    assert fire(fold, at_ms=LATE_MS) == []
    fold.frame(call(BOX, Do(arm=(Arming("t", LATE_MS, Do(add=100)),), fire=("t", "t")), 3))
    assert (fold.box(BOX).total, fold.timers(BOX), scheduled(fold)) == (101, {}, {})


@pytest.mark.parametrize("fail", ["reject", "poison"])
def test_a_timer_that_its_entity_fires_takes_the_record_along_where_it_is_refused(fail: str) -> None:
    fold = armed(Do(add=1, fail=fail))
    before = fold.stored()
    actions = fold.frame(call(BOX, Do(add=10, fire=("t",)), 2))
    assert replied(actions).code != Code.OK
    assert not [action for action in actions if isinstance(action, CancelTimer)]
    assert (fold.box(BOX).total, list(fold.timers(BOX))) == (0, ["t"])
    assert fold.stored()[layout.entity_key(BOX)] == before[layout.entity_key(BOX)]
    assert list(scheduled(fold)) == [layout.timer_key(DUE_MS, BOX, "t")]


def test_a_timer_whose_command_is_refused_is_gone_and_dead_lettered() -> None:
    for fail in ("reject", "poison"):
        fold = armed(Do(add=1, arm=(Arming("u", LATE_MS, Do()),), fail=fail))
        actions = fire(fold)
        assert only(CancelTimer, actions).timer == "t"
        assert only(Event, actions).kind == DEAD_LETTER
        assert (fold.box(BOX).total, fold.timers(BOX), scheduled(fold)) == (0, {}, {})
        assert fire(fold) == []


def test_setting_and_cancelling_within_one_record_leaves_nothing() -> None:
    fold = Fold()
    fold.frame(call(BOX, Do(arm=(Arming("t", DUE_MS, Do()), Arming("t", LATE_MS, Do())), cancel=("t",)), 1))
    assert (fold.timers(BOX), scheduled(fold)) == ({}, {})


def test_a_fire_for_an_unknown_kind_or_timer_is_ignored() -> None:
    fold = armed()
    assert fold.frame(Fire("nothing/1", "t", 1, 0), Fire(BOX, "u", 1, 0), producer="h1") == []


class Later(Set, frozen=True):
    """An author's own word for a timer."""


class Never(Cancel, frozen=True):
    """The same for its end."""


class Now(FireTimer, frozen=True):
    """The same for what is not waited for."""


class Told(Send[Do], frozen=True):
    """The same for a send."""


OWN: Mapping[type, Any] = {Set: Later, Cancel: Never, FireTimer: Now, Send: Told}


def in_own_words(state: box.Box, command: Do, ctx: Context) -> Decision[Done]:
    """What a box decides, said by classes that an author derived from ours."""
    decision = box.decide(state, command, ctx)
    own = tuple(OWN[type(action)](*msgspec.structs.astuple(action)) for action in decision.actions)
    return msgspec.structs.replace(decision, actions=own)


def test_an_authors_own_classes_of_actions_do_what_ours_do() -> None:
    there = Sending(f"box/{id_on(1)}", ADD)
    arm = tuple(Arming(name, DUE_MS, ADD) for name in "tuv")
    asked = call(BOX, Do(sends=(there,), arm=arm, cancel=("u",), fire=("v",)), 1)
    ours, theirs = Fold(), Fold(rules=Rules([replace(box.BOX, decide=in_own_words)]))
    said = ours.frame(asked)
    assert len(said) == 9
    assert theirs.frame(asked) == said
    assert theirs.timers(BOX) == ours.timers(BOX) != {}
