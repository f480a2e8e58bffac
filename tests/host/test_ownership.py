"""One partition in one host's hands: fencing, recovery, what is said and when it is written, timers, the end."""

from dataclasses import replace

import msgspec
import pytest

from actors.adapters.hosting import stores
from actors.due import RETRY_MS
from actors.host import PASSIVATE_EVERY_MS
from actors.kernel import layout
from actors.kernel.action import Code, Reply
from actors.kernel.record import Check, Empty, Epoch, Fire, Slice, body_sum, decode_frame, encode_record
from actors.kernel.rules import Rules
from actors.link import Absent, Answer, Ask, Lost, Owned, Pending, Replies
from actors.ownership import ANSWERING, Phase
from actors.ownership import RETRY_MS as APPEND_RETRY_MS
from actors.ports import Batch
from actors.settings import ProcessSettings
from tests.host.driving import Driven, epoch
from tests.kernel.box import RULES, Arming, Do, Sending
from tests.kernel.folding import START_MS, call, id_on, uuid7

BOX = f"box/{id_on(0)}"
FAR = f"box/{id_on(1)}"
COMMANDS = "hutong.commands.v1"


@pytest.fixture
def host() -> Driven:
    """A host that serves partition 0, with the gateway g1."""
    driven = Driven()
    driven.core.linked("g1")
    driven.serve()
    assert driven.phase() == Phase.SERVING
    for _ in driven.appends[:]:
        driven.acknowledge(offset=0)
    return driven


def replies(host: Driven) -> list[Reply]:
    """Every reply told so far."""
    return [reply for _, message in host.told if isinstance(message, Replies) for reply in message.replies]


# -- taking over ------------------------------------------------------------------------------------------------------


def test_a_host_serves_only_after_it_has_read_its_own_epoch_back() -> None:
    host = Driven()
    host.assign()
    assert host.phase() == Phase.FENCING
    host.acknowledge()
    assert host.phase() == Phase.REPLAYING
    host.read(host.frames[0][0])
    assert host.phase() == Phase.SERVING


def test_an_epoch_that_was_read_back_counts_though_its_append_failed() -> None:
    host = Driven()
    host.assign()
    append = host.fail()
    host.say(epoch(1, 1, "h1"), producer="h1")
    assert host.phase() == Phase.SERVING
    assert host.records(append) == [encode_record(Epoch(1, 1, "h1"))]


def test_a_failed_epoch_is_appended_again() -> None:
    host = Driven()
    host.assign()
    host.fail()
    host.tick(START_MS + APPEND_RETRY_MS)
    host.acknowledge()
    host.read(*host.frames[0])
    assert host.phase() == Phase.SERVING


def test_a_higher_assignment_stops_the_former_owner(host: Driven) -> None:
    host.say(epoch(1, 2, "h2"), producer="h2")
    assert host.phase() == Phase.STOPPED
    assert ("g1", Lost(0, "")) in host.told
    host.say(call(BOX, Do(), 1))
    assert replies(host) == []


def test_a_later_frame_behind_a_higher_epoch_is_not_applied_by_the_former_owner(host: Driven) -> None:
    host.read(host.log(epoch(1, 2, "h2"), producer="h2"), host.log(call(BOX, Do(), 1)))
    assert host.phase() == Phase.STOPPED
    assert replies(host) == []


def test_a_host_whose_epoch_came_too_late_stops() -> None:
    host = Driven()
    host.assign()
    host.log(epoch(2, 1, "h2"), producer="h2")
    host.acknowledge()
    host.read(*host.frames[0])
    assert host.phase() == Phase.STOPPED


def test_an_assignment_numbered_anew_goes_on_serving(host: Driven) -> None:
    host.assign(2, 1)
    host.acknowledge()
    host.read(host.frames[0][-1])
    assert host.phase() == Phase.SERVING
    assert ("g1", Owned(0, 1)) in host.told


def test_the_acknowledgement_of_a_former_epoch_says_nothing_about_the_present_one() -> None:
    host = Driven()
    host.assign(1, 1)
    host.fail()
    host.tick(START_MS + APPEND_RETRY_MS)
    host.say(epoch(1, 1, "h1"), producer="h1")
    host.assign(2, 1)
    host.acknowledge(0)
    host.read(*host.frames[0])
    assert host.phase() == Phase.SERVING, "the second copy of the first epoch is not its second epoch"
    while host.appends:
        host.acknowledge(0)
    host.read(*host.frames[0])
    assert host.phase() == Phase.SERVING
    assert host.ownership.partition is not None
    assert host.ownership.partition.meta.owner.term == 2


def test_what_is_not_wanted_any_more_is_closed(host: Driven) -> None:
    host.core.assign({})
    host.carry_out()
    assert host.core.owned == {}
    assert not host.stores[0].is_open
    assert host.told[-1] == ("g1", Lost(0, ""))
    assert host.reads[-1] == {}


# -- recovery ---------------------------------------------------------------------------------------------------------


def test_a_new_owner_goes_on_from_the_store_and_reads_its_last_frame_again(host: Driven) -> None:
    host.say(call(BOX, Do(add=5), 1))
    host.acknowledge(offset=0)
    again = Driven("h2")
    again.stores, again.frames = host.stores, host.frames
    again.assign(1, 2)
    assert again.reads[-1] == {0: 1}
    again.acknowledge()
    again.read(*again.frames[0][1:])
    assert again.phase() == Phase.SERVING
    assert again.ownership.applied_records == 1


def test_another_frame_at_the_stores_watermark_halts(host: Driven) -> None:
    host.say(call(BOX, Do(add=5), 1))
    host.acknowledge(offset=0)
    again = Driven("h2")
    again.stores = host.stores
    again.log(Empty())
    again.log(Empty())
    again.assign(1, 2)
    again.read(again.frames[0][1])
    assert again.phase() == Phase.HALTED
    assert "acknowledged records are gone" in again.halted[0].why


def test_frames_that_were_on_their_way_before_the_store_was_opened_are_not_taken_for_it(host: Driven) -> None:
    host.say(call(BOX, Do(add=5), 1))
    host.acknowledge(offset=0)
    again = Driven("h2")
    again.stores, again.frames = host.stores, host.frames
    again.assign(1, 2)
    again.acknowledge()
    again.read(again.frames[0][2])
    again.read(again.frames[0][0])
    assert again.phase() == Phase.REPLAYING
    again.read(*again.frames[0][1:])
    assert again.phase() == Phase.SERVING


def test_states_of_another_topic_halt(host: Driven) -> None:
    host.say(call(BOX, Do(add=5), 1))
    host.acknowledge(offset=0)
    meta = layout.decode_meta(host.stores[0].get([layout.META])[0] or b"")
    meta.topic_id = "another"
    again = Driven("h2")
    again.core.assign({0: (1, 2)})
    again.core.opened(0, meta, {}, {}, "t")
    again.carry_out()
    assert again.phase() == Phase.HALTED


# -- what is said, and when it is written -----------------------------------------------------------------------------


def watermark(host: Driven) -> int:
    """Where the store is."""
    stored = host.stores[0].get([layout.META])[0]
    return -1 if stored is None else layout.decode_meta(stored).watermark


def test_a_reply_leaves_at_once_and_the_store_waits_for_the_event(host: Driven) -> None:
    host.say(call(BOX, Do(add=5, answer="a"), 1))
    assert [reply.code for reply in replies(host)] == [Code.OK]
    assert [append.slice for append in host.appends] == [Slice("hutong.events.box.v1", 0)]
    assert watermark(host) == 0
    host.acknowledge(offset=0)
    assert watermark(host) == 1


def test_a_snapshot_waits_until_the_written_states_carry_the_owners_own_epoch() -> None:
    host = Driven("h2", ProcessSettings(snapshot_records=1))
    host.log(epoch(1, 1, "h1"))
    host.log(call(BOX, Do(add=1), 1))
    host.log(call(BOX, Do(add=2), 2))
    host.serve(1, 2)
    assert host.phase() == Phase.SERVING
    host.acknowledge(offset=0)
    assert (watermark(host), host.checkpoints) == (1, [])
    host.acknowledge(offset=1)
    assert host.checkpoints == [watermark(host)] == [3]


def test_replies_go_to_the_gateway_that_appended_and_only_if_it_is_there(host: Driven) -> None:
    host.say(call(BOX, Do(add=5), 1), producer="g9")
    assert replies(host) == []


def test_a_lane_collects_while_its_frame_is_on_its_way_and_fails_in_order(host: Driven) -> None:
    host.say(call(BOX, Do(add=1, sends=(Sending(FAR, Do(add=1)),)), 1))
    sends = [append for append in host.appends if append.slice.topic == COMMANDS]
    assert [append.slice for append in sends] == [Slice(COMMANDS, 1)]
    host.say(call(BOX, Do(sends=(Sending(FAR, Do(add=2)),)), 2))
    assert len([append for append in host.appends if append.slice.topic == COMMANDS]) == 1
    first = host.records(host.fail(host.appends.index(sends[0])))
    assert [append for append in host.appends if append.slice.topic == COMMANDS] == []
    host.tick(START_MS + APPEND_RETRY_MS)
    [again] = [append for append in host.appends if append.slice.topic == COMMANDS]
    assert host.records(again)[:1] == first
    assert len(host.records(again)) == 2


def test_a_full_outbox_stops_the_reading_until_it_has_room() -> None:
    host = Driven(process=ProcessSettings(outbox_max=2))
    host.serve()
    for n in range(4):
        host.say(call(BOX, Do(add=1), n))
    assert host.reads[-1] == {}
    while host.appends:
        host.acknowledge(offset=0)
    assert host.reads[-1] == {0: 5}


def test_a_stamp_too_far_ahead_of_the_hosts_clock_halts(host: Driven) -> None:
    host.say(Empty(), at_ms=START_MS + 400_000)
    assert "too far ahead" in host.halted[0].why


def test_a_host_that_slept_does_not_take_the_present_for_the_future(host: Driven) -> None:
    frame = host.log(Empty(), at_ms=START_MS + 400_000)
    host.read(frame, now_ms=START_MS + 400_000)
    assert host.halted == []


def test_what_depends_on_the_machine_halts_the_partition_and_says_where(host: Driven) -> None:
    host.say(call(BOX, Do(), 1), call(BOX, Do(fail="memory"), 2))
    assert [halt.position for halt in host.halted] == ["0/1/1"]
    assert isinstance(host.told[-1][1], Lost)
    host.say(call(BOX, Do(), 3))
    assert watermark(host) == 0


def test_a_send_that_goes_again_keeps_the_release_it_was_decided_under(host: Driven) -> None:
    host.say(call(BOX, Do(sends=(Sending(FAR, Do(add=1)),)), 1), release=0)
    first = next(n for n, append in enumerate(host.appends) if append.slice.partition == 1)
    before = host.fail(first)
    host.say(call(BOX, Do(add=1), 2), release=1)
    host.tick(START_MS + 2 * APPEND_RETRY_MS)
    again = next(append for append in host.appends if append.slice == before.slice)
    assert (decode_frame(*again.slice, 0, again.frame).release, again.frame) == (0, before.frame)


def test_a_release_that_this_host_has_not_stops_it_before_the_frame(host: Driven) -> None:
    host.say(call(BOX, Do(add=1), 1), release=2)
    assert host.phase() == Phase.STOPPED
    assert replies(host) == []


def test_what_was_answered_before_a_halt_is_said_before_the_halt_is(host: Driven) -> None:
    host.core.linked("g1")
    frames = [host.log(call(BOX, Do(add=1), 1)), host.log(call(BOX, Do(fail="memory"), 2))]
    host.core.fetched(frames)
    host.carry_out()
    reply, lost = (message for _, message in host.told[-2:])
    assert isinstance(reply, Replies)
    assert isinstance(lost, Lost)
    assert lost.halted.startswith("halted at 0/2/0: ")


def test_gateways_are_told_of_a_partition_that_halts_before_its_store_is_open() -> None:
    host = Driven()
    host.core.linked("g1")
    host.core.assign({3: (1, 1)})
    host.core.halt(3, "3", "the snapshot is damaged")
    host.carry_out()
    assert ("g1", Lost(3, "halted at 3: the snapshot is damaged")) in host.told


def test_a_check_that_differs_halts(host: Driven) -> None:
    host.say(Check(0, 12345), producer="h1")
    assert "diverged" in host.halted[0].why


# -- timers -----------------------------------------------------------------------------------------------------------


def fires(host: Driven) -> list[bytes]:
    """The Fire records that wait to be appended."""
    topic = Slice(COMMANDS, 0)
    return [record for append in host.appends if append.slice == topic for record in host.records(append)]


def arm(host: Driven, due_ms: int, n: int = 1) -> None:
    """A box sets the timer t."""
    host.say(call(BOX, Do(arm=(Arming("t", due_ms, Do(add=1)),)), n))


def test_the_owner_appends_a_fire_when_a_timer_is_due_and_again_until_it_is_gone(host: Driven) -> None:
    host.tick(START_MS + 1)
    arm(host, START_MS + 100)
    fire = [encode_record(Fire(BOX, "t", 1, START_MS + 100))]
    host.tick(START_MS + 99)
    assert fires(host) == []
    host.tick(START_MS + 100)
    assert fires(host) == fire
    host.tick(START_MS + 100 + RETRY_MS)
    assert fires(host) == fire * 2
    host.say(Fire(BOX, "t", 1, START_MS + 100), producer="h1", at_ms=START_MS + 200)
    host.tick(START_MS + 100_000)
    assert fires(host) == fire * 2


def test_a_timer_far_ahead_is_found_in_the_store_when_its_minute_comes(host: Driven) -> None:
    host.tick(START_MS + 1)
    arm(host, START_MS + 100_000)
    assert host.core.next_due_ms() is None
    for at_ms in (40_000, 80_000):
        host.tick(START_MS + at_ms)
    assert host.core.next_due_ms() == START_MS + 100_000


def test_more_timers_in_one_millisecond_than_a_scan_takes_are_all_found(
    host: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.timing.SCAN_LIMIT", 2)
    monkeypatch.setattr(host.core.owned[0].timing, "_limit", 2)
    names = [f"t{n}" for n in range(5)]
    due_ms = START_MS + 100_000
    host.say(call(BOX, Do(arm=tuple(Arming(name, due_ms, Do(add=1)) for name in names)), 1))
    while host.appends:
        host.acknowledge(offset=0)  # so that the timers are written, and in the store only
    for at_ms in range(70_000, 70_010):
        host.tick(START_MS + at_ms)
    host.tick(due_ms)
    generations = range(1, 1 + len(names))
    expected = [Fire(BOX, name, n, due_ms) for name, n in zip(names, generations, strict=True)]
    assert set(fires(host)) >= {encode_record(fire) for fire in expected}


def test_a_timer_whose_end_is_not_written_yet_is_not_taken_from_the_store(host: Driven) -> None:
    arm(host, START_MS + 10_000)
    host.say(call(BOX, Do(cancel=("t",), add=1), 2))
    assert host.appends, "the event of the second frame holds the store back"
    host.tick(START_MS + 1)
    host.tick(START_MS + 10_000)
    assert fires(host) == []


def test_a_timer_that_is_not_written_yet_is_found_all_the_same(host: Driven) -> None:
    host.say(call(BOX, Do(add=1, arm=(Arming("t", START_MS + 10_000, Do()),)), 1))
    host.tick(START_MS + 1)
    assert host.core.next_due_ms() == START_MS + 10_000


# -- gateways ---------------------------------------------------------------------------------------------------------


def test_pending_calls_are_answered_from_the_window_or_said_to_be_absent(host: Driven) -> None:
    first = call(BOX, Do(add=1, answer="a"), 1)
    host.say(first, producer="g9")
    host.core.told("g1", [Pending(0, [("ann", uuid7(1), body_sum(first)), ("ann", uuid7(2), 0)])])
    host.carry_out()
    assert replies(host) == []
    host.core.end_found(0, host.ends[0].ticket, 2)
    host.carry_out()
    assert [reply.request_id for reply in replies(host)] == [uuid7(1)]
    assert ("g1", Absent(0, [("ann", uuid7(2))])) in host.told


def test_pending_calls_wait_until_the_log_was_applied_up_to_its_end_at_their_arrival(host: Driven) -> None:
    host.core.told("g1", [Pending(0, [("ann", uuid7(1), body_sum(call(BOX, Do(add=1), 1)))])])
    host.carry_out()
    host.core.end_found(0, host.ends[0].ticket, 2)
    host.carry_out()
    assert not any(isinstance(message, Absent) for _, message in host.told)
    host.say(call(BOX, Do(add=1), 1), producer="g9")
    assert [reply.request_id for reply in replies(host)] == [uuid7(1)]


def answers(host: Driven) -> list[Answer]:
    """Every answer to a query."""
    return [message for _, message in host.told if isinstance(message, Answer)]


def test_a_query_is_answered_at_the_watermark_it_asks_for(host: Driven) -> None:
    host.core.told("g1", [Ask(1, 0, BOX, "look", b"", -1), Ask(2, 0, BOX, "look", b"", 1)])
    host.carry_out()
    assert [(a.ask_id, msgspec.json.decode(a.payload)["total"]) for a in answers(host)] == [(1, 0)]
    host.core.end_found(0, host.ends[0].ticket, 2)
    host.say(call(BOX, Do(add=5), 1))
    assert [(a.ask_id, msgspec.json.decode(a.payload)["total"]) for a in answers(host)] == [(1, 0), (2, 5)]
    assert answers(host)[1].offset == 1


def test_what_a_view_does_is_told_apart_from_applying_a_record_and_each_time_from_the_last() -> None:
    progress, seen = [0, 0, 0, 0], list[list[int]]()

    def look(_box: object, _args: object) -> None:
        seen.append(list(progress))

    kind = replace(RULES.kinds["box"].entity, views={"look": look})
    host = Driven(rules=Rules([kind]), progress=progress)
    host.core.linked("g1")
    host.serve()
    for ask_id in (1, 2):
        host.core.told("g1", [Ask(ask_id, 0, BOX, "look", b"", -1)])
        host.carry_out()
    assert [what for _, _, _, what in seen] == [ANSWERING, ANSWERING]
    assert seen[0] != seen[1]
    assert progress[3] == 0


def test_a_query_beyond_the_logs_end_is_refused(host: Driven) -> None:
    host.core.told("g1", [Ask(1, 0, BOX, "look", b"", 7)])
    host.carry_out()
    host.core.end_found(0, host.ends[0].ticket, 1)
    host.carry_out()
    assert [answer.code for answer in answers(host)] == [Code.BEYOND_END]


def test_a_query_to_a_host_that_does_not_serve_is_told_so(host: Driven) -> None:
    host.core.told("g1", [Ask(1, 3, BOX, "look", b"", -1)])
    host.carry_out()
    assert host.told[-1] == ("g1", Lost(3, ""))


def test_residents_beyond_the_cap_leave_memory() -> None:
    host = Driven(process=ProcessSettings(resident_max=2))
    host.serve()
    for n in range(6):
        host.say(call(f"box/{id_on(0, 'xyzuvw'[n])}", Do(add=1), n))
    while host.appends:
        host.acknowledge(offset=0)
    host.tick(START_MS + PASSIVATE_EVERY_MS)
    assert host.ownership.partition is not None
    assert len(host.ownership.partition.residents) == 2


# -- a store that holds what nobody wrote -----------------------------------------------------------------------------


def taken_over_with(host: Driven, key: bytes, value: bytes) -> Driven:
    """The next host of the partition, after the store changed under this key."""
    stores.write(host.stores[0], Batch(puts={key: value}), ())
    again = Driven("h2")
    again.stores, again.frames = host.stores, host.frames
    again.serve(1, 2)
    return again


@pytest.mark.parametrize(
    "value", [b"", b"\xc1", b"\x93\x01\x80\x81\xa2\xff\xfe\x93\x01\x02\xc4\x00", b"\x93\x01\xa1a\x80"]
)
def test_a_state_that_does_not_decode_halts_the_partition_and_names_its_key(host: Driven, value: bytes) -> None:
    host.say(call(BOX, Do(add=5), 1))
    host.acknowledge(offset=0)
    again = taken_over_with(host, layout.entity_key(BOX), value)
    again.say(call(BOX, Do(add=5), 2))
    assert again.phase() == Phase.HALTED
    assert again.halted[0].position == "0"
    assert BOX in again.halted[0].why


def test_a_timer_that_does_not_decode_halts_the_partition_and_names_its_key(host: Driven) -> None:
    host.say(call(BOX, Do(add=5), 1))
    host.acknowledge(offset=0)
    again = taken_over_with(host, layout.timer_key(START_MS, BOX, "ring"), b"\xc1")
    again.tick(START_MS + 1)
    assert again.phase() == Phase.HALTED
    assert "ring" in again.halted[0].why
