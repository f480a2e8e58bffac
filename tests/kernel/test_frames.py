"""Frames on the log, epochs, checks, releases, reads and routing."""

import re
from collections.abc import Callable
from functools import partial

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Context, Decision, Entity
from actors.errors import Corrupt, Reject
from actors.kernel.action import CancelTimer, Code, Event, Reply, SetTimer, decode_event_frame
from actors.kernel.barrier import Crossing, crossing
from actors.kernel.cascade import ANSWER_BYTES_MAX
from actors.kernel.partition import CHECK_EVERY, DEAD_LETTER, SUMS_MAX, DeadLetter
from actors.kernel.record import (
    RECORDS_MAX,
    Check,
    Empty,
    Epoch,
    Fire,
    Frame,
    Incarnation,
    Invoke,
    Position,
    Read,
    Record,
    Sent,
    decode_frame,
    encode_frame,
    encode_record,
)
from actors.kernel.rules import Rules
from actors.verdicts import decode_verdicts
from tests.kernel.box import Arming, Do, Done
from tests.kernel.folding import (
    START_MS,
    Fold,
    call,
    decode_event,
    decode_sent,
    id_on,
    only,
    reason,
    replied,
    send,
    sends,
)

BOX = f"box/{id_on(0)}"


class Notes(msgspec.Struct, frozen=True):
    """A state that can be changed in place, though its struct cannot."""

    lines: dict[str, int] = {}


RECORDS: list[Record] = [
    Invoke("a/1", b"c", b"i" * 16, "ann"),
    Sent(1, 2, 3, "a/1", b"c", "b/2", b"r", "ann"),
    Fire("a/1", "t", 4, 5),
    Epoch(1, 2, "h1"),
    Check(1_024, 7),
    Read("a/1", "v", b"{}", b"i" * 16, "ann"),
    Empty(),
    Incarnation(1),
]


def frame_bytes(topic: str = "t", partition: int = 3) -> bytes:
    """Every kind of record in one frame."""
    return encode_frame(topic, partition, "g1", 2, "d", [encode_record(record) for record in RECORDS])


# -- bytes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 15, 16, RECORDS_MAX])
def test_a_frame_is_the_msgpack_of_its_parts_however_many_records_it_has(count: int) -> None:
    records = [encode_record(Empty()) for _ in range(count)]
    whole = msgspec.msgpack.encode(["g" * 40, 7, "d", [msgspec.Raw(record) for record in records]])
    assert encode_frame("t", 0, "g" * 40, 7, "d", records)[8:] == whole


def test_a_frame_is_read_as_it_was_written() -> None:
    assert decode_frame("t", 3, 9, frame_bytes()) == Frame("g1", 2, "d", RECORDS)


@pytest.mark.parametrize(("topic", "partition"), [("u", 3), ("t", 4), ("t/3", 0)])
def test_a_frame_that_landed_elsewhere_is_refused(topic: str, partition: int) -> None:
    with pytest.raises(Corrupt, match="is not what was written there") as caught:
        decode_frame(topic, partition, 9, frame_bytes())
    assert caught.value.position == f"{partition}/9"


@given(st.data())
def test_any_change_of_a_frame_is_found(data: st.DataObject) -> None:
    frame = frame_bytes()
    place, mask = data.draw(st.integers(0, len(frame) - 1)), data.draw(st.integers(1, 255))
    changed = bytearray(frame)
    changed[place] ^= mask
    for broken in (bytes(changed), frame[:place], frame + b"x"):
        with pytest.raises(Corrupt):
            decode_frame("t", 3, 9, broken)


@pytest.mark.parametrize(
    "decode",
    [
        partial(decode_frame, "t", 0, 9),
        partial(decode_event_frame, "t", 0, 9),
        partial(decode_verdicts, "t", 9),
    ],
)
def test_a_whole_frame_of_something_else_is_refused(decode: Callable[[bytes], object]) -> None:
    with pytest.raises(Corrupt, match="does not decode") as refused:
        decode(encode_frame("t", 0, "g1", 0, "", [msgspec.msgpack.encode([99, 1])]))
    assert refused.value.position == "0/9"


def test_positions_are_ordered_as_they_stand_on_the_log() -> None:
    assert Position(1, 2, 3) < Position(1, 2, 4) < Position(1, 3, 0)
    assert str(Position(1, 2, 3)) == "1/2/3"


# -- epochs -----------------------------------------------------------------------------------------------------------


def test_a_higher_assignment_takes_the_partition_over() -> None:
    fold = Fold()
    fold.frame(Epoch(1, 5, "h1"))
    fold.frame(Epoch(2, 1, "h2"))
    assert (fold.partition.meta.owner.epoch, fold.partition.meta.owner.host) == (1, "h2")


@pytest.mark.parametrize("assignment", [(1, 5), (1, 4), (0, 9)])
def test_an_assignment_that_is_not_higher_is_history(assignment: tuple[int, int]) -> None:
    fold = Fold()
    fold.frame(Epoch(1, 5, "h1"))
    fold.frame(Epoch(*assignment, "h2"))
    assert (fold.partition.meta.owner.epoch, fold.partition.meta.owner.host) == (0, "h1")


# -- checks -----------------------------------------------------------------------------------------------------------


def at_check() -> Fold:
    """A partition of `h1` that has just passed an offset with a sum."""
    fold = Fold()
    fold.frame(Epoch(1, 1, "h1"), producer="h1")
    fold.frame(call(BOX, Do(add=1, answer="a"), 1))
    for _ in range(CHECK_EVERY - 1):
        fold.frame(Empty(), prefetch=False, write=False)
    fold.write()
    assert fold.partition.meta.watermark == CHECK_EVERY
    return fold


def test_the_owners_check_is_compared_with_our_own_sum() -> None:
    fold = at_check()
    crc = fold.partition.meta.sums[CHECK_EVERY]
    assert fold.frame(Check(CHECK_EVERY, crc), producer="h1") == []
    fold.reopen()
    with pytest.raises(Corrupt, match="diverged") as caught:
        fold.frame(Check(CHECK_EVERY, crc ^ 1), producer="h1")
    assert caught.value.position == f"0/{CHECK_EVERY + 2}/0"


def test_a_check_of_a_former_owner_or_of_an_unknown_offset_is_not_compared() -> None:
    fold = at_check()
    assert fold.frame(Check(CHECK_EVERY, 1), producer="h0") == []
    assert fold.frame(Check(5, 1), producer="h1") == []


def test_only_the_last_sums_are_kept() -> None:
    fold = Fold()
    fold.partition.meta.sums = {n * CHECK_EVERY: n for n in range(-SUMS_MAX, 0)}
    fold.frame(Empty())
    assert len(fold.partition.meta.sums) == SUMS_MAX
    assert max(fold.partition.meta.sums) == 0


def test_the_sum_covers_what_was_decided() -> None:
    chains: set[int] = set()
    for command in (Do(), Do(add=1), Do(answer="a"), Do(fail="reject"), Do(push=1), Do(arm=(Arming("t", 1, Do()),))):
        fold = Fold()
        fold.frame(call(BOX, command, 1))
        chains.add(fold.partition.meta.chain)
    assert len(chains) == 6


# -- releases ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "partition", "host", "expected"),
    [
        (0, 1, 1, Crossing.NONE),
        (1, 1, 1, Crossing.NONE),
        (1, 2, 2, Crossing.NONE),
        (2, 1, 2, Crossing.RAISE),
        (2, 1, 1, Crossing.STOP),
    ],
)
def test_the_first_frame_of_a_higher_release_is_the_barrier(
    frame: int, partition: int, host: int, expected: Crossing
) -> None:
    assert crossing(Frame("g1", frame, "d", []), partition, host) is expected


def test_a_partitions_release_is_the_highest_seen() -> None:
    fold = Fold()
    for release in (1, 0, 3, 2):
        fold.frame(Empty(), release=release)
    assert fold.partition.meta.release == 3


# -- time -------------------------------------------------------------------------------------------------------------


def test_the_logs_time_never_goes_back() -> None:
    fold = Fold()
    fold.frame(Empty(), at_ms=START_MS + 10)
    fold.frame(Empty(), at_ms=START_MS)
    assert fold.partition.meta.now_ms == START_MS + 10


# -- skips ------------------------------------------------------------------------------------------------------------


def test_a_skipped_record_is_not_applied_and_its_neighbours_are() -> None:
    fold = Fold()
    fold.partition.meta.skips = [(0, 1)]
    fold.frame(call(BOX, Do(add=1), 1), call(BOX, Do(fail="memory"), 2), call(BOX, Do(add=1), 3))
    assert fold.box(BOX).total == 2


@pytest.mark.parametrize("cold", [False, True])
def test_a_skipped_call_is_poison_and_a_copy_of_it_gets_the_same_answer(cold: bool) -> None:
    fold = Fold()
    loop = call(BOX, Do(fail="memory"), 2)
    fold.partition.meta.skips = [(0, 1)]
    actions = fold.frame(call(BOX, Do(add=1), 1), loop, call(BOX, Do(add=1), 3))
    (reply,) = [one for one in actions if isinstance(one, Reply) and one.code]
    assert (Code(reply.code), reason(reply), reply.request_id) == (Code.POISONED, "SKIPPED", loop.request_id)
    (letter,) = [one for one in actions if isinstance(one, Event) and one.kind == DEAD_LETTER]
    assert msgspec.msgpack.decode(decode_event(letter).payload, type=DeadLetter).reason == "SKIPPED"
    if cold:
        fold.reopen()
        assert fold.partition.meta.skips == [(0, 1)], "a snapshot knows of the skip"
    again = replied(fold.frame(loop, producer="g2"))
    assert again == msgspec.structs.replace(reply, producer="g2", duplicate=True)


def test_a_skip_gives_the_same_sum_wherever_the_fold_begins() -> None:
    records = [call(BOX, Do(add=1), 1), call(BOX, Do(fail="memory"), 2), call(BOX, Do(add=1), 3)]
    whole, halves = Fold(), Fold()
    for fold in (whole, halves):
        fold.frame(records[0])
        if fold is halves:
            fold.reopen()  # a new owner, that has read the verdict before it goes on
        fold.partition.meta.skips = [(1, 0)]
        fold.frame(records[1])
        if fold is halves:
            fold.reopen()
        fold.frame(records[2])
    assert whole.partition.meta == halves.partition.meta
    assert whole.stored() == halves.stored()


def test_a_skipped_send_counts_as_received_and_its_sender_is_told() -> None:
    fold = Fold()
    fold.partition.meta.skips = [(0, 0), (0, 1)]
    actions = fold.frame(
        send(1, 0, BOX, Do(fail="memory"), on_reject=Do(add=7)),
        send(1, 1, BOX, Do(fail="memory")),
        send(1, 2, BOX, Do(add=1)),
    )
    assert [decode_sent(one).command for one in sends(actions)] == [msgspec.msgpack.encode(Do(add=7))]
    assert [one.kind for one in actions if isinstance(one, Event)] == [DEAD_LETTER, "box"]
    assert fold.partition.sources.by_partition == {1: (0, 3, [])}
    assert fold.frame(send(1, 1, BOX, Do(fail="memory"))) == []


def test_a_skipped_timer_is_gone() -> None:
    fold = Fold()
    fold.frame(Epoch(1, 1, "h1"), producer="h1")
    armed = fold.frame(call(BOX, Do(arm=(Arming("t", START_MS, Do(fail="memory")),)), 1))
    timer = only(SetTimer, armed)
    fold.partition.meta.skips = [(2, 0)]
    fire = Fire(BOX, "t", timer.generation, timer.due_ms)
    assert only(CancelTimer, fold.frame(fire, producer="h1", after_ms=1)).generation == timer.generation
    assert fold.timers(BOX) == {}
    assert fold.frame(fire, producer="h1") == []


def test_a_skipped_check_and_a_skipped_read_do_not_stop_the_partition() -> None:
    fold = Fold()
    fold.frame(Epoch(1, 1, "h1"), producer="h1")
    fold.partition.meta.sums = {0: 5}
    fold.partition.meta.skips = [(1, 0), (1, 1)]
    read = Read(BOX, "look", b'{"fail": "interrupt"}', b"r" * 16, "ann")
    assert reason(replied(fold.frame(Check(0, 6), read, producer="h1"))) == "SKIPPED"


# -- reads ------------------------------------------------------------------------------------------------------------


def test_a_read_answers_from_the_state_at_its_place_and_is_no_part_of_the_sum() -> None:
    fold, without = Fold(), Fold()
    read = Read(BOX, "look", b"", b"r" * 16, "ann")
    one, two = call(BOX, Do(add=1), 1), call(BOX, Do(add=1), 2)
    actions = fold.frame(one, read, two)
    without.frame(one, Empty(), two)
    payloads = {a.request_id: a.payload for a in actions if not isinstance(a, Event)}  # type: ignore[union-attr]
    assert payloads[b"r" * 16] == b'{"total":1,"count":1}'
    assert fold.partition.meta.chain == without.partition.meta.chain


def test_a_view_that_raises_or_is_not_there_is_an_answer_too() -> None:
    fold = Fold()
    for args in (b'{"fail": "error"}', b'{"fail": "exit"}', b'{"fail": "interrupt"}', b"{"):
        broken = replied(fold.frame(Read(BOX, "look", args, b"r" * 16, "ann")))
        assert (broken.code, reason(broken)) == (Code.POISONED, "VIEW_RAISED")
    notes = [note for _, note in fold.partition.poisons]
    assert re.match(r"view look of box: KeyError: .*; box\.py:\d+ in _look", notes[0]), notes
    assert len(notes) == 4
    for entity, view in ((BOX, "nothing"), ("box.small/1", "look"), ("nothing/1", "look")):
        assert replied(fold.frame(Read(entity, view, b"", b"r" * 16, "ann"))).code == Code.NO_SUCH_VIEW


def test_an_answer_of_a_view_that_no_message_can_carry_is_refused_by_its_bound() -> None:
    fold = Fold()
    answers = [
        replied(fold.frame(Read(BOX, "look", b'{"long": %d}' % long, b"r" * 16, "ann")))
        for long in (ANSWER_BYTES_MAX - 2, ANSWER_BYTES_MAX)
    ]
    assert [answer.code for answer in answers] == [Code.OK, Code.BOUND_PASSED]
    assert reason(answers[1]) == "ANSWER_TOO_LONG"


def test_what_an_author_changes_in_place_stays_in_one_entity() -> None:
    def scribble(notes: Notes, command: Do, ctx: Context) -> Decision[Done]:
        notes.lines["total"] = command.add
        raise Reject(ctx.entity_id)

    kind = Entity(
        "box",
        Notes(),
        Do,
        Done,
        scribble,
        lambda notes, _: notes,
        views={"look": lambda notes, _: {"lines": notes.lines}},
    )
    fold = Fold(rules=Rules([kind]))
    fold.frame(call(BOX, Do(add=7), 1))
    other = f"box/{id_on(0, 'c')}"
    assert replied(fold.frame(Read(other, "look", b"", b"r" * 16, "ann"))).payload == b'{"lines":{}}'


def test_an_event_is_named_by_its_place() -> None:
    fold = Fold()
    fold.frame(Empty())
    event = only(Event, fold.frame(Empty(), call(BOX, Do(add=1), 1)))
    assert (event.kind, event.offset, event.index, event.n) == ("box", 1, 1, 0)
