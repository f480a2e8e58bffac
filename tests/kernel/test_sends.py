"""Sends between partitions: numbered densely, applied once, and what a refusal sends back."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.kernel.action import Code, Event
from actors.kernel.inbox import ABOVE_MAX, Sources
from actors.kernel.partition import DEAD_LETTER, DeadLetter
from actors.kernel.record import Incarnation
from tests.kernel.box import Do, Sending, encode
from tests.kernel.folding import Fold, call, decode_event, decode_sent, id_on, only, replied, send, sends

BOX, PEER = f"box/{id_on(0)}", f"box/{id_on(0, 'c')}"
FAR, FARTHER = f"box/{id_on(1)}", f"box/{id_on(2)}"


def sending(*to: str) -> Do:
    """A command that sends to each of these."""
    return Do(add=1, sends=tuple(Sending(entity, Do(add=1)) for entity in to))


def test_sends_are_numbered_densely_for_each_destination() -> None:
    fold = Fold()
    actions = fold.frame(call(BOX, sending(FAR, FARTHER, FAR), 1), call(PEER, sending(FAR), 2))
    fold.reopen()
    actions += fold.frame(call(BOX, sending(FARTHER), 3))
    assert [(a.destination, a.seq) for a in sends(actions)] == [(1, 0), (2, 0), (1, 1), (1, 2), (2, 1)]
    assert [decode_sent(a).seq for a in sends(actions)] == [0, 0, 1, 2, 1]


def test_a_send_to_another_entity_of_the_same_partition_travels_over_the_log() -> None:
    fold = Fold()
    [sent] = sends(fold.frame(call(BOX, sending(PEER), 1)))
    assert sent.destination == fold.number
    assert fold.box(PEER).total == 0
    fold.frame(decode_sent(sent), producer="h1")
    assert fold.box(PEER).total == 1


def test_a_send_says_who_sent_it_and_for_whom() -> None:
    fold = Fold()
    sent = decode_sent(sends(fold.frame(call(BOX, sending(FAR), 1, caller="ann")))[0])
    assert (sent.source, sent.sender, sent.caller, sent.entity) == (0, BOX, "ann", FAR)


GUEST, STRANGER = f"guest/{id_on(0)}", f"boxer/{id_on(0)}"


def test_a_kind_takes_sends_of_its_own_program_and_of_those_that_it_names() -> None:
    fold = Fold()
    assert replied(fold.frame(call(BOX, sending(GUEST, PEER), 1))).code == Code.OK
    assert replied(fold.frame(call(STRANGER, sending(STRANGER), 2))).code == Code.OK


@pytest.mark.parametrize(("source", "target"), [(BOX, STRANGER), (STRANGER, BOX), (STRANGER, GUEST), (GUEST, BOX)])
def test_a_send_to_another_program_that_does_not_take_it_is_the_authors_mistake_and_changes_nothing(
    source: str, target: str
) -> None:
    fold = Fold()
    reply = replied(actions := fold.frame(call(source, sending(target), 1)))
    assert reply.code == Code.POISONED
    assert sends(actions) == []
    assert fold.box(source).count == 0


def test_a_send_is_applied_once_however_often_it_comes() -> None:
    fold = Fold()
    one = send(1, 0, BOX, Do(add=1))
    fold.frame(one, one, producer="h1")
    fold.reopen()
    assert fold.frame(one, producer="h2") == []
    assert fold.box(BOX).count == 1


def test_sources_do_not_share_numbers() -> None:
    fold = Fold()
    fold.frame(send(1, 0, BOX, Do(add=1)), send(2, 0, BOX, Do(add=1)))
    assert fold.box(BOX).count == 2


def test_sends_out_of_order_are_each_applied_once() -> None:
    fold = Fold()
    for seq in (2, 0, 2, 3, 1, 0, 3, 4):
        fold.frame(send(1, seq, BOX, Do(add=1 << seq)))
        fold.reopen()
    assert fold.box(BOX).total == 0b11111
    assert fold.partition.meta.sources[1] == (0, 5, [])


@given(st.permutations(range(12)), st.lists(st.integers(0, 11)))
def test_every_order_with_repeats_counts_each_send_once(order: list[int], repeats: list[int]) -> None:
    sources = Sources({})
    applied: list[int] = []
    for seq in [seq for pair in zip(order, [*repeats, *order], strict=False) for seq in pair] + order:
        if sources.is_new(1, 0, seq):
            sources.note(1, 0, seq)
            applied.append(seq)
    assert sorted(applied) == list(range(12))
    assert sources.by_partition[1] == (0, 12, [])


def test_a_sender_beyond_its_window_is_an_assertion() -> None:
    sources = Sources({1: (0, 0, list(range(2, ABOVE_MAX + 2)))})
    with pytest.raises(AssertionError, match="send window"):
        sources.note(1, 0, ABOVE_MAX + 2)


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fail", ["reject", "poison"])
def test_a_refused_send_sends_its_on_reject_back(fail: str) -> None:
    fold = Fold()
    actions = fold.frame(send(1, 0, BOX, Do(add=1, fail=fail), on_reject=Do(add=-1)))
    back = decode_sent(sends(actions)[0])
    assert (back.entity, back.sender, back.command, back.on_reject) == (FAR, BOX, encode(Do(add=-1)), b"")
    assert (back.source, back.seq, sends(actions)[0].destination) == (0, 0, 1)
    assert fold.box(BOX).total == 0
    assert [a for a in actions if isinstance(a, Event)] == []


def test_a_refused_send_takes_its_number_back_before_the_on_reject_is_numbered() -> None:
    fold = Fold()
    [back] = sends(fold.frame(send(1, 0, BOX, Do(sends=(Sending(FAR, Do()),), fail=""), on_reject=Do())))
    assert back.seq == 0
    local = Do(sends=(Sending(FAR, Do()),), fail="poison")
    [back] = sends(fold.frame(send(1, 1, BOX, local, on_reject=Do())))
    assert back.seq == 1
    assert fold.partition.meta.next_seq == {1: 2}


@pytest.mark.parametrize("fail", ["reject", "poison"])
def test_a_refused_send_that_asks_for_nothing_back_is_a_dead_letter(fail: str) -> None:
    fold = Fold()
    actions = fold.frame(send(1, 0, BOX, Do(add=1, fail=fail)))
    event = only(Event, actions)
    letter = msgspec.msgpack.decode(decode_event(event).payload, type=DeadLetter)
    assert event.kind == DEAD_LETTER
    assert (letter.entity, letter.sender) == (BOX, FAR)


def test_a_refused_send_is_applied_once_too() -> None:
    fold = Fold()
    one = send(1, 0, BOX, Do(add=1, fail="reject"), on_reject=Do())
    assert len(sends(fold.frame(one))) == 1
    assert fold.frame(one) == []


def test_a_refused_on_reject_is_a_dead_letter_and_not_a_second_return() -> None:
    fold = Fold()
    actions = fold.frame(send(1, 0, BOX, Do(fail="reject")))
    assert sends(actions) == []
    assert only(Event, actions).kind == DEAD_LETTER


# -- incarnations -----------------------------------------------------------------------------------------------------


def test_a_new_incarnation_numbers_its_sends_from_zero_and_receivers_follow() -> None:
    sender, receiver = Fold(0), Fold(1)
    before = [decode_sent(a) for a in sends(sender.frame(call(BOX, sending(FAR, FAR), 1)))]
    after = [decode_sent(a) for a in sends(sender.frame(Incarnation(1), call(BOX, sending(FAR, FAR), 2)))]
    assert [(s.incarnation, s.seq) for s in before + after] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    receiver.frame(*before, *after)
    assert receiver.box(FAR).count == 4
    assert receiver.partition.meta.sources == {0: (1, 2, [])}


def test_sends_of_a_former_incarnation_count_no_more() -> None:
    fold = Fold()
    fold.frame(send(1, 0, BOX, Do(add=1), incarnation=1))
    assert fold.frame(send(1, 1, BOX, Do(add=1), incarnation=0)) == []
    assert fold.box(BOX).count == 1


def test_an_incarnation_is_part_of_every_later_events_identity() -> None:
    fold = Fold()
    [event] = [a for a in fold.frame(Incarnation(3), call(BOX, Do(add=1), 1)) if isinstance(a, Event)]
    assert decode_event(event).incarnation == 3


def test_an_incarnation_that_is_not_higher_changes_nothing() -> None:
    fold = Fold()
    fold.frame(Incarnation(2), call(BOX, sending(FAR), 1))
    [sent] = sends(fold.frame(Incarnation(2), Incarnation(1), call(BOX, sending(FAR), 2)))
    assert (decode_sent(sent).incarnation, sent.seq) == (2, 1)
