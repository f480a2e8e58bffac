"""Releases in one host's hands: what other rules decided is not decided again, and nobody recovers over a barrier."""

from collections.abc import Iterable

import pytest

from actors.kernel.record import Empty, Fire, Record, decode_frame
from actors.kernel.rules import Rules
from actors.ownership import RAISE_MS, Phase
from actors.placement import RELEASE_MIN, Placement, Release, Size, Term, release_of
from actors.work import Append
from tests.host.driving import Driven
from tests.kernel.box import BOX, SLOT, Arming, Do, Sending
from tests.kernel.folding import START_MS, call, id_on

ID = f"box/{id_on(0)}"
FAR = f"box/{id_on(1)}"


def new_host(release: int, digest: str, name: str = "h1", former: Driven | None = None) -> Driven:
    """A host with these rules; it has the log and the stores of a former one."""
    host = Driven(name, rules=Rules([BOX, SLOT], release, digest))
    if former is not None:
        host.frames, host.stores = former.frames, former.stores
    return host


@pytest.fixture
def host() -> Driven:
    """A host of release 3 that serves and has decided a call which sends, as release 3 does."""
    host = new_host(3, "old")
    host.serve()
    host.say(call(ID, Do(add=1, sends=(Sending(FAR, Do(add=2)),)), 1), release=3, digest="old")
    return host


def settle(host: Driven) -> None:
    """All that it appended is on the log, each where it belongs; nothing of that is read."""
    while host.appends:
        host.acknowledge(offset=0)


def takes_over(host: Driven, n: int) -> Driven:
    """This host takes partition 0 over, and reads all that the log has."""
    host.assign(1, n)
    host.acknowledge()
    for frame in host.frames[0]:
        host.read(frame)
    return host


def records_of(append: Append) -> list[Record]:
    """What an append of partition 0 carries."""
    return decode_frame(*append.slice, 0, append.frame).records


# -- other rules ------------------------------------------------------------------------------------------------------


def test_other_rules_go_on_where_everything_that_was_decided_is_written(host: Driven) -> None:
    settle(host)
    later = takes_over(new_host(4, "new", "h2", host), 2)
    assert later.phase() == Phase.SERVING
    later.say(call(ID, Do(add=1), 2), release=4, digest="new")
    assert later.phase() == Phase.SERVING


def test_other_rules_do_not_decide_again_what_is_not_written(host: Driven) -> None:
    assert host.ownership.written < 1
    later = takes_over(new_host(4, "new", "h2", host), 2)
    assert later.phase() == Phase.HALTED
    assert later.ownership.halted.startswith("halted at 0/1: OTHER_RULES: release 3 decided this frame")
    assert "(new, not old). Start the former version once" in later.ownership.halted
    assert later.ownership.applied_records == 0


def test_the_former_rules_write_it_under_a_later_release_and_then_others_go_on(host: Driven) -> None:
    refused = takes_over(new_host(4, "new", "h2", host), 2)
    former = takes_over(new_host(5, "old", "h3", refused), 3)
    assert former.phase() == Phase.SERVING
    settle(former)
    last = takes_over(new_host(6, "new", "h4", former), 4)
    assert last.phase() == Phase.SERVING


def test_one_number_for_two_rules_is_found(host: Driven) -> None:
    other = takes_over(new_host(3, "new", "h2", host), 2)
    assert "release 3 decided this frame" in other.ownership.halted


def test_what_comes_late_is_decided_by_the_release_that_the_partition_has(host: Driven) -> None:
    settle(host)
    later = takes_over(new_host(4, "new", "h2", host), 2)
    later.say(Empty(), release=4, digest="new")
    later.say(call(ID, Do(add=1), 2), release=3, digest="old")
    assert (later.phase(), later.ownership.applied_records) == (Phase.SERVING, 3)


@pytest.mark.parametrize(("digest", "of_host"), [("", "new"), ("old", "")])
def test_rules_without_a_digest_are_taken_at_their_word(digest: str, of_host: str) -> None:
    host = new_host(4, of_host)
    host.serve()
    host.say(call(ID, Do(add=1), 1), release=3, digest=digest)
    assert host.phase() == Phase.SERVING


# -- a new owner raises the release -----------------------------------------------------------------------------------


def test_a_new_owner_raises_the_release_before_it_fires_anything(host: Driven) -> None:
    host.say(call(ID, Do(arm=(Arming("t", START_MS + 1, Do(add=1)),)), 2), release=3, digest="old")
    settle(host)
    later = takes_over(new_host(4, "new", "h2", host), 2)
    later.tick(START_MS + 5)
    (barrier,) = later.appends
    assert records_of(barrier) == [Empty()]
    later.tick(START_MS + 6)
    assert later.appends == [barrier], "it is said once, for a while"
    later.fail()
    later.tick(START_MS + 5 + RAISE_MS)
    later.acknowledge()
    later.read(later.frames[0][-1])
    for later_ms in (10, 11):
        later.tick(START_MS + later_ms + RAISE_MS)
    assert [type(record) for append in later.appends for record in records_of(append)] == [Fire]


def test_the_first_states_of_a_release_are_held_fast_at_once(host: Driven) -> None:
    settle(host)
    later = takes_over(new_host(4, "new", "h2", host), 2)
    assert later.checkpoints == []
    later.say(Empty(), release=4, digest="new")
    assert later.checkpoints == [3]
    later.say(Empty(), release=4, digest="new")
    assert later.checkpoints == [3]


def test_an_owner_of_the_same_release_raises_nothing(host: Driven) -> None:
    settle(host)
    later = takes_over(new_host(3, "old", "h2", host), 2)
    later.tick(START_MS + 5)
    assert later.appends == []


# -- a host without the release ---------------------------------------------------------------------------------------


def test_at_the_barrier_a_host_says_and_writes_all_then_leaves_a_snapshot_and_stops(host: Driven) -> None:
    host.say(Empty(), release=4, digest="new")
    assert (host.phase(), host.checkpoints) == (Phase.SERVING, [])
    host.say(call(ID, Do(add=1), 2), release=4, digest="new")
    settle(host)
    assert (host.phase(), host.checkpoints, host.ownership.written) == (Phase.STOPPED, [1], 1)
    assert host.ownership.applied_records == 2


def test_the_newer_release_goes_on_from_that_snapshot(host: Driven) -> None:
    host.say(Empty(), release=4, digest="new")
    settle(host)
    later = takes_over(new_host(4, "new", "h2", host), 2)
    assert later.phase() == Phase.SERVING


def test_a_host_that_was_replaced_leaves_none(host: Driven) -> None:
    settle(host)
    other = takes_over(new_host(3, "old", "h2", host), 2)
    assert other.phase() == Phase.SERVING
    third = new_host(3, "old", "h3", other)
    third.assign(1, 1)
    third.appends.clear()
    for frame in [*third.frames[0][1:], third.log(Empty(), release=4, digest="new")]:
        third.read(frame)
    assert (third.phase(), third.checkpoints) == (Phase.STOPPED, [])


# -- draining ---------------------------------------------------------------------------------------------------------


def test_what_is_left_is_told_until_nothing_is(host: Driven) -> None:
    assert host.core.left({0: 2}) == [
        "partition 0: 0 frames are not applied, 1 not written, 2 sends and events not acknowledged"
    ]
    settle(host)
    assert host.core.left({0: 2}) == []
    assert host.core.left({0: 3}) == [
        "partition 0: 1 frames are not applied, 0 not written, 0 sends and events not acknowledged"
    ]


def test_a_host_that_drains_fires_no_timer(host: Driven) -> None:
    host.say(call(ID, Do(arm=(Arming("t", START_MS + 1, Do(add=1)),)), 2), release=3, digest="old")
    settle(host)
    host.core.draining = True
    host.tick(START_MS + 5)
    assert (host.appends, host.core.next_due_ms()) == ([], None)
    host.core.draining = False
    host.tick(START_MS + 5)
    assert len(host.appends) == 1
    assert host.core.left({0: 3}) == ["1 frames are not acknowledged"]


# -- which release it is ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "release"),
    [
        ([], RELEASE_MIN),
        ([Term("c"), Release(0, 1, "new"), Size(2)], RELEASE_MIN),
        ([Release(0, 1, "old")], RELEASE_MIN),
        ([Release(0, 3, "old")], 4),
        ([Release(0, 3, "new")], 3),
        ([Release(0, 3, "new"), Release(9, 4, "old")], 5),
        ([Release(0, 7, "old"), Release(9, 8, "new")], 8),
    ],
)
def test_other_rules_are_the_next_release(said: Iterable[Placement], release: int) -> None:
    assert release_of(said, "new") == release
