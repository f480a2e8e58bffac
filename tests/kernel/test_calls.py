"""Client calls: the window of request ids, and that a record is all or nothing."""

import dataclasses
import re
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from actors import Context, Decision, accept
from actors.entity import AnyEntity
from actors.errors import Corrupt
from actors.kernel import layout
from actors.kernel.action import Action, Code, Event, Push, Reply, SetTimer
from actors.kernel.inbox import REPLY_BYTES_MAX, WINDOW_MS
from actors.kernel.layout import MS
from actors.kernel.partition import DEAD_LETTER, DeadLetter
from actors.kernel.record import body_sum
from actors.kernel.rules import Rules
from tests.kernel.box import BOX as OF_BOXES
from tests.kernel.box import Arming, Do, Done, Sending
from tests.kernel.folding import START_MS, Fold, call, decode_event, id_on, only, reason, replied, sends, uuid4, uuid7

BOX = f"box/{id_on(0)}"
SHELF = id_on(0, "s")
SLOT, OTHER_SLOT, SMALL = f"box.slot/{SHELF}:1", f"box.slot/{SHELF}:2", f"box.small/{SHELF}:1"
FAR = f"box/{id_on(1)}"


def answers(actions: list[Action]) -> list[tuple[int, bytes, int, int]]:
    """What callers were told, without whether it was a duplicate."""
    return [(a.code, a.payload, a.offset, a.index) for a in actions if isinstance(a, Reply)]


# -- repeats ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fail", ["", "reject", "poison"])
@pytest.mark.parametrize("cold", [False, True])
def test_a_repeat_gets_the_same_answer_and_changes_nothing(fail: str, cold: bool) -> None:
    fold = Fold()
    first = fold.frame(call(BOX, Do(add=5, answer="a", fail=fail), 1))
    before, state = fold.box(BOX), fold.partition.meta.chain
    if cold:
        fold.reopen()
    again = fold.frame(call(BOX, Do(add=5, answer="a", fail=fail), 1))
    assert answers(again) == answers(first)
    assert replied(again).duplicate
    assert not replied(first).duplicate
    assert (fold.box(BOX), fold.partition.meta.chain) == (before, state)
    assert len(again) == 1


def test_a_repeat_in_the_same_frame_gets_the_same_answer() -> None:
    fold = Fold()
    one = call(BOX, Do(add=5, answer="a"), 1)
    first, second = answers(fold.frame(one, one))
    assert first == second
    assert fold.box(BOX).count == 1


def test_each_copy_is_answered_to_the_gateway_that_appended_it() -> None:
    fold = Fold()
    one = call(BOX, Do(add=5), 1)
    assert replied(fold.frame(one, producer="g1")).producer == "g1"
    assert replied(fold.frame(one, producer="g2")).producer == "g2"


@pytest.mark.parametrize("other", [call(BOX, Do(add=6), 1), call(FAR.replace(id_on(1), id_on(0, "c")), Do(add=5), 1)])
def test_the_same_id_with_another_body_is_refused(other: object) -> None:
    fold = Fold()
    fold.frame(call(BOX, Do(add=5), 1))
    refused = replied(fold.frame(other))  # type: ignore[arg-type]
    assert (refused.code, reason(refused)) == (Code.REQUEST_ID_REUSED, "REQUEST_ID_REUSED")
    assert fold.box(BOX).total == 5


def test_a_refused_reuse_does_not_spoil_the_first_answer() -> None:
    fold = Fold()
    first = fold.frame(call(BOX, Do(add=5, answer="a"), 1))
    fold.frame(call(BOX, Do(add=6), 1))
    assert answers(fold.frame(call(BOX, Do(add=5, answer="a"), 1))) == answers(first)


def test_callers_do_not_share_request_ids() -> None:
    fold = Fold()
    fold.frame(call(BOX, Do(add=5), 1, caller="ann"), call(BOX, Do(add=6), 1, caller="bob"))
    assert fold.box(BOX).total == 11


# -- the window's end -------------------------------------------------------------------------------------------------


def test_an_id_that_left_the_window_is_too_old() -> None:
    fold = Fold()
    one = call(BOX, Do(add=5), 1)
    fold.frame(one)
    fold.frame(call(BOX, Do(), 2, START_MS + WINDOW_MS + MS), after_ms=WINDOW_MS + MS)
    refused = replied(fold.frame(one))
    assert (refused.code, reason(refused)) == (Code.REQUEST_ID_TOO_OLD, "REQUEST_ID_TOO_OLD")
    assert fold.box(BOX).total == 5


def test_an_id_that_left_the_window_was_removed_from_the_store() -> None:
    fold = Fold()
    fold.frame(call(BOX, Do(), 1), call(BOX, Do(), 2))
    before = len(fold.stored())
    fold.frame(after_ms=WINDOW_MS + MS)
    assert len(fold.stored()) == before - 3, "two entries and the count of their second"


def test_within_the_window_nothing_is_forgotten() -> None:
    fold = Fold()
    first = fold.frame(call(BOX, Do(add=5, answer="a"), 1))
    fold.frame(call(BOX, Do(), 2, START_MS + WINDOW_MS - MS), after_ms=WINDOW_MS - MS)
    assert answers(fold.frame(call(BOX, Do(add=5, answer="a"), 1))) == answers(first)


def test_an_answer_is_kept_for_ten_minutes_of_the_logs_time_and_until_its_second_is_over() -> None:
    fold = Fold()
    one = call(BOX, Do(add=5), 1)
    fold.frame(one)
    fold.frame(at_ms=START_MS + 600_999)
    assert replied(fold.frame(one)).duplicate
    fold.frame(at_ms=START_MS + 601_000)
    assert replied(fold.frame(one)).code == Code.REQUEST_ID_TOO_OLD


def test_an_id_made_at_the_last_moment_that_left_the_window_is_too_old_and_the_next_one_is_not() -> None:
    fold = Fold()
    fold.frame(call(BOX, Do(), 1))
    fold.frame(after_ms=WINDOW_MS + MS)
    floor_ms = fold.partition.window.floor_ms
    assert replied(fold.frame(call(BOX, Do(add=5), 2, floor_ms))).code == Code.REQUEST_ID_TOO_OLD
    assert replied(fold.frame(call(BOX, Do(add=5), 2, floor_ms + 1))).code == Code.OK
    assert fold.box(BOX).total == 5


@pytest.mark.parametrize("into_ms", [0, 1, 500, MS - 2])
def test_the_whole_second_that_left_the_window_is_too_old(into_ms: int) -> None:
    fold = Fold()
    one = call(BOX, Do(add=5), 1, START_MS + into_ms)
    fold.frame(one)
    fold.frame(after_ms=WINDOW_MS + MS)
    assert replied(fold.frame(one)).code == Code.REQUEST_ID_TOO_OLD
    assert fold.box(BOX).total == 5


def test_an_id_without_a_time_that_left_the_window_runs_again_though_the_store_holds_it_still() -> None:
    fold = Fold()
    one = msgspec.structs.replace(call(BOX, Do(add=5), 1), request_id=uuid4(1))
    fold.frame(one)
    fold.reopen()
    fold.frame(call(BOX, Do(), 2, START_MS + WINDOW_MS + MS), after_ms=WINDOW_MS + MS, write=False)
    assert layout.window_key(one.request_id, one.caller) in fold.stored()
    assert not replied(fold.frame(one)).duplicate
    assert fold.box(BOX).total == 10


def test_the_window_lets_its_oldest_seconds_go_when_it_holds_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.kernel.inbox.ENTRIES_MAX", 3)
    fold = Fold()
    for n in range(5):
        fold.frame(call(BOX, Do(add=1), n, START_MS + n * MS), after_ms=MS)
    assert fold.partition.window.count == 3
    assert replied(fold.frame(call(BOX, Do(add=1), 1, START_MS + MS))).code == Code.REQUEST_ID_TOO_OLD
    assert replied(fold.frame(call(BOX, Do(add=1), 2, START_MS + 2 * MS))).duplicate


def test_the_window_lets_its_oldest_seconds_go_when_it_holds_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.kernel.inbox.BYTES_MAX", 500)
    fold = Fold()
    for n in range(20):
        fold.frame(call(BOX, Do(answer="x" * 50), n, START_MS + n * MS), after_ms=MS)
    assert fold.partition.window.size_bytes <= 500
    assert replied(fold.frame(call(BOX, Do(answer="x" * 50), 0))).code == Code.REQUEST_ID_TOO_OLD


def test_ids_without_a_time_are_known_within_the_window_only() -> None:
    fold = Fold()
    one = msgspec.structs.replace(call(BOX, Do(add=5), 1), request_id=uuid4(1))
    fold.frame(one)
    assert replied(fold.frame(one, after_ms=WINDOW_MS // 2)).duplicate
    fold.frame(after_ms=WINDOW_MS)
    assert not replied(fold.frame(one)).duplicate
    assert fold.box(BOX).total == 10
    assert replied(fold.frame(one)).duplicate


@pytest.mark.parametrize("written_at_once", [False, True])
def test_ids_without_a_time_leave_nothing_behind(written_at_once: bool) -> None:
    fold = Fold()
    for n in range(5):
        one = msgspec.structs.replace(call(BOX, Do(add=5), 1), request_id=uuid4(n))
        fold.frame(one, after_ms=WINDOW_MS // 3, write=not written_at_once)
    fold.frame(after_ms=2 * WINDOW_MS, write=not written_at_once)
    fold.write()
    assert {key[:1] for key in fold.stored()} == {b"m", b"e"}


def test_an_id_used_again_after_it_left_the_window_is_known_though_both_were_written_at_once() -> None:
    fold = Fold()
    one = msgspec.structs.replace(call(BOX, Do(add=5), 1), request_id=uuid4(1))
    fold.frame(one)
    fold.frame(after_ms=WINDOW_MS + MS, write=False)
    fold.frame(one, after_ms=MS)
    fold.reopen()
    assert replied(fold.frame(one)).duplicate


def test_an_old_id_that_was_never_here_runs_while_nothing_was_forgotten() -> None:
    fold = Fold()
    assert replied(fold.frame(call(BOX, Do(add=5), 1, START_MS - 2 * WINDOW_MS))).code == Code.OK
    assert replied(fold.frame(call(BOX, Do(add=5), 1, START_MS - 2 * WINDOW_MS))).code == Code.REQUEST_ID_TOO_OLD
    assert fold.box(BOX).count == 1


# -- what is in memory of the window ----------------------------------------------------------------------------------


@pytest.mark.parametrize("into_ms", [0, MS - 1])
@pytest.mark.parametrize("reopened", [False, True])
def test_a_call_of_a_second_that_left_memory_is_found_in_the_store(
    into_ms: int, reopened: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.kernel.inbox.RECENT_MAX", 1)
    fold = Fold()
    one = call(BOX, Do(add=5), 1, START_MS + into_ms)
    fold.frame(one)
    if reopened:
        fold.reopen()
    else:
        fold.frame(call(BOX, Do(), 2, START_MS + MS), after_ms=MS)
    assert fold.partition.keys(one)[:1] == [layout.window_key(one.request_id, one.caller)]
    assert replied(fold.frame(one)).duplicate
    assert fold.box(BOX).total == 5


@pytest.mark.parametrize("timeless", [False, True])
def test_a_call_that_is_not_written_yet_stays_in_memory(timeless: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.kernel.inbox.RECENT_MAX", 1)
    fold = Fold()
    fold.frame(call(BOX, Do(), 1))
    request_id = uuid4(1) if timeless else uuid7(2, START_MS + MS)
    one = msgspec.structs.replace(call(BOX, Do(add=5), 2), request_id=request_id)
    fold.frame(one, after_ms=MS, write=False)
    fold.frame(call(BOX, Do(), 3, START_MS + 2 * MS), after_ms=MS, write=False)
    fold.partition.wrote(0)
    assert replied(fold.frame(one, write=False)).duplicate
    assert fold.box(BOX).total == 5


# -- what is recalled for a new owner's gateways -----------------------------------------------------------------------


def test_a_call_is_recalled_as_it_was_answered() -> None:
    fold = Fold()
    first = replied(fold.frame(call(BOX, Do(add=5, answer="a"), 1)))
    fold.reopen()
    key, body = first.request_id, body_sum(call(BOX, Do(add=5, answer="a"), 1))
    assert not isinstance(fold.partition.recall("g2", "ann", key, body), Reply), "it is in the store only"
    fold.load(fold.partition.keys(call(BOX, Do(), 1)))
    found = fold.partition.recall("g2", "ann", key, body)
    assert found == msgspec.structs.replace(first, producer="g2")
    assert not isinstance(fold.partition.recall("g2", "bob", key, body), Reply)


def test_a_call_with_another_body_is_not_recalled_with_the_first_ones_answer() -> None:
    fold = Fold()
    first = replied(fold.frame(call(BOX, Do(add=5, answer="a"), 1)))
    for other in (call(BOX, Do(add=6, answer="a"), 1), call(FAR, Do(add=5, answer="a"), 1)):
        found = fold.partition.recall("g2", "ann", first.request_id, body_sum(other))
        assert isinstance(found, Reply)
        assert (found.code, found.producer) == (Code.REQUEST_ID_REUSED, "g2")


def test_a_call_that_is_not_in_the_log_is_absent_or_too_old() -> None:
    fold = Fold()
    fold.frame(call(BOX, Do(), 1))
    fold.frame(after_ms=2 * WINDOW_MS)
    fresh = call(BOX, Do(), 2, START_MS + 2 * WINDOW_MS).request_id
    assert fold.partition.recall("g1", "ann", fresh, 0) is None
    old = fold.partition.recall("g1", "ann", call(BOX, Do(), 3).request_id, 0)
    assert isinstance(old, Reply)
    assert old.code == Code.REQUEST_ID_TOO_OLD


# -- all or nothing ---------------------------------------------------------------------------------------------------


def deep(fail: str) -> Do:
    """A cascade that changes two slots, sends away, sets a timer and pushes, and may fail at its end."""
    last = Do(add=1, fail=fail)
    middle = Do(add=1, push=1, sends=(Sending(SLOT, last),), arm=(Arming("t", START_MS, Do()),))
    return Do(add=1, answer="a", sends=(Sending(FAR, Do(add=1)), Sending(OTHER_SLOT, middle)))


def test_a_local_cascade_happens_in_one_record() -> None:
    fold = Fold()
    actions = fold.frame(call(SLOT, deep(""), 1))
    assert (fold.box(SLOT).total, fold.box(OTHER_SLOT).total) == (2, 1)
    assert len(sends(actions)) == len([a for a in actions if isinstance(a, Push)]) == 1
    assert [decode_event(a).n for a in actions if isinstance(a, Event)] == [0, 1, 2]
    assert only(SetTimer, actions).entity == OTHER_SLOT
    assert msgspec.json.decode(replied(actions).payload) == {"total": 1, "answer": "a"}


REFUSALS = {
    "reject": (Code.REJECTED, "told_to"),
    "poison": (Code.POISONED, "POISONED"),
    "assertion": (Code.POISONED, "POISONED"),
    "exit": (Code.POISONED, "POISONED"),
    "odd reject": (Code.POISONED, "POISONED"),
    "unencodable reply": (Code.POISONED, "POISONED"),
    "wrong state": (Code.POISONED, "POISONED"),
    "wrong decision": (Code.POISONED, "POISONED"),
    "unspeakable": (Code.POISONED, "POISONED"),
    "number reject": (Code.POISONED, "POISONED"),
    "number in reject": (Code.POISONED, "POISONED"),
    "odd timer": (Code.POISONED, "POISONED"),
    "odd action": (Code.POISONED, "POISONED"),
    "many events": (Code.BOUND_PASSED, "TOO_MANY_EVENTS"),
}


@pytest.mark.parametrize("fail", REFUSALS)
def test_a_refusal_deep_in_a_cascade_undoes_all_of_it(fail: str) -> None:
    fold = Fold()
    fold.frame(call(SLOT, Do(add=10), 1), call(OTHER_SLOT, Do(add=10), 2))
    generation = fold.partition.meta.generation
    actions = fold.frame(call(SLOT, deep(fail), 3))
    reply = replied(actions)
    assert (reply.code, reason(reply)) == REFUSALS[fail]
    assert (fold.box(SLOT).total, fold.box(OTHER_SLOT).total) == (10, 10)
    assert fold.timers(OTHER_SLOT) == {}
    assert fold.partition.meta.next_seq == {}
    assert fold.partition.meta.generation == generation
    assert {a.kind for a in actions if isinstance(a, Event)} <= {DEAD_LETTER}
    assert {type(a) for a in actions} <= {Reply, Event}
    again = Fold(store=fold.store)
    assert (again.box(SLOT).total, again.box(OTHER_SLOT).total) == (10, 10)


def test_poison_is_recorded_without_its_text_and_the_partition_goes_on() -> None:
    fold = Fold()
    actions = fold.frame(call(BOX, Do(add=1, fail="poison"), 1), call(BOX, Do(add=1), 2))
    letter = only(Event, [a for a in actions if isinstance(a, Event) and a.kind == DEAD_LETTER])
    found = msgspec.msgpack.decode(decode_event(letter).payload, type=DeadLetter)
    assert (found.entity, found.caller, found.reason) == (BOX, "ann", "POISONED")
    assert "ValueError" in found.detail
    assert "another number" not in str(actions)
    [(position, note)] = fold.partition.poisons
    assert (position.index, note.startswith("ValueError: at ")) == (0, True)
    assert fold.box(BOX).total == 1


NOTES = {
    "poison": r"ValueError: at \d+, which.*; box\.py:\d+ in _fail",
    "odd reject": r"a Reject says .*, which is not all text",
    "unspeakable": r"Unspeakable; box\.py:\d+ in _fail",
    "wrong decision": r"decide of box returned int, not a Decision",
    "wrong state": r"evolve of box returned NoneType, not Box",
    "unencodable reply": r"TypeError: .*Odd.*",
}


@pytest.mark.parametrize("fail", NOTES)
def test_a_host_is_told_what_was_raised_at_which_line_of_the_authors_file(fail: str) -> None:
    fold = Fold()
    fold.frame(call(BOX, Do(fail=fail), 1))
    [(_, note)] = fold.partition.poisons
    assert re.fullmatch(NOTES[fail], note), note


def test_a_rejection_is_no_dead_letter_when_the_caller_was_told() -> None:
    assert [type(a) for a in Fold().frame(call(BOX, Do(fail="reject"), 1))] == [Reply]


def test_an_unknown_kind_is_refused_and_recorded() -> None:
    actions = Fold().frame(call("nothing/1", Do(), 1))
    assert reason(replied(actions)) == "NO_SUCH_KIND"
    assert only(Event, actions).kind == DEAD_LETTER


def test_a_command_that_does_not_decode_is_poison() -> None:
    fold = Fold()
    bad = msgspec.structs.replace(call(BOX, Do(), 1), command=b"\x81\xa4type\xa7box.fly")
    assert replied(fold.frame(bad)).code == Code.POISONED


@pytest.mark.parametrize("fail", ["recursion", "memory", "interrupt"])
def test_what_depends_on_the_machine_stops_the_partition(fail: str) -> None:
    fold = Fold()
    fold.frame(call(BOX, Do(add=1), 1))
    with pytest.raises(Corrupt) as caught:
        fold.frame(call(BOX, Do(), 2), call(BOX, Do(fail=fail), 3))
    assert caught.value.position == "0/1/1"


# -- bounds -----------------------------------------------------------------------------------------------------------


def test_a_reply_over_its_bound_is_refused_and_undone() -> None:
    fold = Fold()
    reply = replied(fold.frame(call(BOX, Do(add=1, answer="x" * REPLY_BYTES_MAX), 1)))
    assert (reply.code, reason(reply)) == (Code.BOUND_PASSED, "REPLY_TOO_LONG")
    assert fold.box(BOX).total == 0


def test_a_rejection_over_the_reply_bound_is_cut_to_a_refusal() -> None:
    reply = replied(Fold().frame(call(BOX, Do(fail="long reject"), 1)))
    assert (reply.code, reason(reply)) == (Code.BOUND_PASSED, "REPLY_TOO_LONG")


def test_a_cascade_over_its_bound_is_refused_and_undone() -> None:
    fold = Fold()
    wide = Do(add=1, sends=tuple(Sending(OTHER_SLOT, Do(add=1)) for _ in range(300)))
    reply = replied(fold.frame(call(SLOT, wide, 1)))
    assert (reply.code, reason(reply)) == (Code.BOUND_PASSED, "CASCADE_TOO_LONG")
    assert (fold.box(SLOT).total, fold.box(OTHER_SLOT).total) == (0, 0)


def test_a_state_over_its_bound_is_refused_and_undone() -> None:
    fold = Fold()
    fold.frame(call(SMALL, Do(add=1, pad="x" * 100), 1))
    reply = replied(fold.frame(call(SMALL, Do(add=1, pad="x" * 300), 2)))
    assert reply.code == Code.POISONED
    assert fold.box(SMALL).total == 1


class Purse(msgspec.Struct, frozen=True):
    """What is left, which by its own type is never less than nothing; and what it was spent on."""

    left: Annotated[int, Meta(ge=0)] = 3
    last: str = ""


def _spent(purse: Purse, event: Done) -> Purse:
    """Nobody looks whether there is so much, and what it was spent on may be nothing at all."""
    return Purse(purse.left - event.add, event.pad or None)  # type: ignore[arg-type]


def _spend(purse: Purse, do: Do, ctx: Context) -> Decision[Done]:
    del purse, ctx
    return accept(Done(do.add, do.pad, ""))


_BOXES: AnyEntity = OF_BOXES
PURSE = dataclasses.replace(_BOXES, initial=Purse(), decide=_spend, evolve=_spent)


@pytest.mark.parametrize("do", [Do(add=5, pad="tea"), Do(add=1)])
def test_a_state_that_its_own_type_does_not_take_is_poison_since_nobody_could_load_it(do: Do) -> None:
    fold = Fold(rules=Rules([PURSE]))
    good = replied(fold.frame(call(BOX, Do(add=1, pad="tea"), 1)))
    bad = replied(fold.frame(call(BOX, do, 2)))
    assert (good.code, bad.code) == (Code.OK, Code.POISONED)
    fold.reopen()
    again = replied(fold.frame(call(BOX, Do(add=2, pad="tea"), 3)))
    assert again.code == Code.OK, "what was left is still there, and loads"


def test_more_timers_than_an_entity_may_have_are_refused() -> None:
    fold = Fold()
    arms = tuple(Arming(f"t{n}", START_MS, Do()) for n in range(3))
    assert replied(fold.frame(call(SMALL, Do(arm=arms), 1))).code == Code.POISONED
    assert fold.timers(SMALL) == {}
    assert replied(fold.frame(call(SMALL, Do(arm=arms[:2]), 2))).code == Code.OK


@pytest.mark.parametrize("due_ms", [-1, 1 << 64, 1.5, None])
def test_a_timer_at_no_possible_time_is_poison(due_ms: object) -> None:
    fold = Fold()
    record = call(BOX, Do(arm=(Arming("t", START_MS, Do()),)), 1)
    bad = msgspec.structs.replace(record, command=_with_due(due_ms))
    assert replied(fold.frame(bad)).code == Code.POISONED
    assert fold.timers(BOX) == {}


def _with_due(due_ms: object) -> bytes:
    """A command whose timer's time is anything; `odd_due` hands it to `SetTimer` as it is."""
    return msgspec.msgpack.encode({"type": "box.do", "odd_due": due_ms if due_ms != 1 << 64 else "2^64"})


@pytest.mark.parametrize("entity_id", ["\ud800", ""])
def test_a_send_to_an_id_that_cannot_be_written_is_poison(entity_id: str) -> None:
    fold = Fold()
    command = msgspec.msgpack.encode({"type": "box.do", "odd_to": entity_id.encode("utf-16", "surrogatepass")})
    bad = msgspec.structs.replace(call(BOX, Do(), 1), command=command)
    assert replied(fold.frame(bad)).code == (Code.POISONED if entity_id else Code.OK)
