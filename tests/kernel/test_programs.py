"""Packages beside the platform's rules: which decides an entity, from which record on, and what becomes of states."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from actors import Context, Decision, accept
from actors.entity import AnyEntity
from actors.errors import Corrupt
from actors.kernel import layout
from actors.kernel.action import Action, Code, Event, NeedPackage, Send
from actors.kernel.cascade import refuse
from actors.kernel.record import Epoch, Fire, Frame, Position, Programs, Read, Record, Share
from actors.kernel.rules import Rules
from actors.ports import Batch
from actors.shares import WHOLE, bucket_of
from tests.kernel.box import BOX, GUEST, SLOT, Arming, Do, Done, Sending
from tests.kernel.folding import START_MS, Fold, call, decode_sent, id_on, only, reason, replied, send, uuid7

NAMES = [f"b{n}" for n in range(40)]
IDS = [name for name in NAMES if bucket_of("box", 2, name) < WHOLE // 2]
OTHERS = [name for name in NAMES if name not in IDS]


class Box2(Struct, frozen=True):
    """What a box became in the second version: it also counts what that version decided."""

    total: int = 0
    count: int = 0
    pad: str = ""
    decided: int = 0


def _decide(box: Box2, command: Do, ctx: Context) -> Decision[Done]:
    """Everything counts ten times."""
    return accept(Done(command.add * 10, "", ctx.caller), reply={"total": box.total + command.add * 10})


def _evolve(box: Box2, event: Done) -> Box2:
    return Box2(box.total + event.add, box.count + 1, box.pad, box.decided + 1)


_BOX: AnyEntity = BOX
_SLOT: AnyEntity = SLOT


def _second(entity: AnyEntity) -> AnyEntity:
    return replace(entity, initial=Box2(), decide=_decide, evolve=_evolve)


FIRST, SECOND, BARE = (BOX, SLOT), (_second(BOX), _second(SLOT)), (_second(BOX),)


def to(generation: int, *shares: Share, program: str = "box") -> Programs:
    """A record that gives a program to packages."""
    return Programs(program, generation, shares)


def whole(package: str, code: int = 2) -> Share:
    """All routing keys."""
    return Share(package, code, WHOLE)


@pytest.fixture
def fold() -> Fold:
    """Boxes by the platform's rules, two packages of them at hand, and one without slots."""
    fold = Fold(rules=Rules([BOX, SLOT, GUEST]), route=lambda _: 0)
    fold.packages = {"first": FIRST, "second": SECOND, "bare": BARE}
    return fold


def total(fold: Fold, entity: str) -> Any:
    """What a box holds, by whatever type."""
    resident = fold.partition.residents.get(entity)
    if resident is None:
        fold.load([layout.entity_key(entity)])
        resident = fold.partition.residents[entity]
    state: Any = resident.state
    return state.total


def test_a_package_decides_from_its_record_on_and_nothing_before_it(fold: Fold) -> None:
    one, two = call("box/a", Do(add=1), 1), call("box/a", Do(add=1), 2)
    fold.frame(one, to(1, whole("second")), two)
    assert total(fold, "box/a") == 11
    assert fold.partition.residents["box/a"].state == Box2(11, 2, "", 1)


@pytest.mark.parametrize("write", [True, False])
def test_states_are_decoded_anew_whether_the_store_has_them_or_not(fold: Fold, write: bool) -> None:
    fold.frame(*[call(f"box/{name}", Do(add=n), n) for n, name in enumerate(NAMES)], write=write)
    fold.frame(to(1, whole("second")), write=write)
    fold.frame(*[call(f"box/{name}", Do(add=1), 100 + n) for n, name in enumerate(NAMES)])
    assert [total(fold, f"box/{name}") for name in NAMES] == [n + 10 for n in range(len(NAMES))]
    assert {type(resident.state) for resident in fold.partition.residents.values()} == {Box2}


@pytest.mark.parametrize("write", [True, False])
def test_what_only_another_version_knows_of_a_state_stays_until_that_one_is_back(fold: Fold, write: bool) -> None:
    fold.frame(to(1, whole("second")), call("box/a", Do(add=1), 1), write=write)
    fold.frame(to(2, whole("first", 1)), write=write)
    assert fold.box("box/a").total == 10
    fold.frame(to(3, whole("second")), call("box/a", Do(add=1), 2))
    assert fold.partition.residents["box/a"].state == Box2(20, 2, "", 2)
    fold.frame(to(4, whole("first", 1)), call("box/a", Do(add=1), 3), write=write)
    fold.frame(to(5, whole("second")), call("box/a", Do(add=1), 4))
    assert fold.partition.residents["box/a"].state == Box2(31, 4, "", 1), "what decided it last knew nothing of it"


def test_a_routing_key_is_decided_by_one_package_however_often_it_is_asked(fold: Fold) -> None:
    fold.frame(to(1, Share("second", 2, WHOLE // 2), whole("first", 1)))
    for again in range(2):
        fold.frame(*[call(f"box/{name}", Do(add=1), 100 * again + n) for n, name in enumerate(NAMES)])
    assert (len(IDS) > 10, len(OTHERS) > 10) == (True, True)
    assert {total(fold, f"box/{name}") for name in IDS} == {20}
    assert {total(fold, f"box/{name}") for name in OTHERS} == {2}


def test_kinds_of_one_routing_key_are_decided_by_one_package(fold: Fold) -> None:
    fold.frame(to(1, Share("second", 2, WHOLE // 2), whole("first", 1)))
    slots = [f"box.slot/{name}:{n}" for name in (IDS[0], OTHERS[0]) for n in range(3)]
    fold.frame(*[call(slot, Do(add=1), n) for n, slot in enumerate(slots)])
    assert [total(fold, slot) for slot in slots] == [10, 10, 10, 1, 1, 1]


def test_a_share_that_grows_takes_nobody_back(fold: Fold) -> None:
    fold.frame(to(1, Share("second", 2, 100), whole("first", 1)))
    rules, before = fold.rules, dict(fold.partition.programs)
    fold.frame(to(2, Share("second", 2, 5_000), whole("first", 1)))
    after = fold.partition.programs
    second = rules.packages["second"]["box"]
    had = [n for n in range(3_000) if (rules.of(f"box/{n}", before) or (None,))[0] is second]
    assert 10 < len(had) < 60
    assert all((rules.of(f"box/{n}", after) or (None,))[0] is second for n in had)


def test_local_sends_go_to_what_decides_the_target(fold: Fold) -> None:
    fold.frame(to(1, Share("second", 2, WHOLE // 2), whole("first", 1)))
    target = f"box.slot/{OTHERS[0]}:2"
    fold.frame(call(f"box.slot/{OTHERS[0]}:1", Do(add=1, sends=(Sending(target, Do(add=4)),)), 1))
    assert total(fold, target) == 4
    fold.frame(to(2, whole("second")), call(target, Do(add=1), 2))
    assert total(fold, target) == 14


def test_only_a_later_generation_counts(fold: Fold) -> None:
    fold.frame(to(2, whole("second")))
    for generation in (1, 2):
        fold.frame(to(generation, whole("first")))
    fold.frame(call("box/a", Do(add=1), 1))
    assert total(fold, "box/a") == 10


def test_without_shares_the_platforms_rules_decide_again(fold: Fold) -> None:
    fold.frame(call("box/a", Do(add=1), 1), to(1, whole("second")), call("box/a", Do(add=1), 2))
    fold.frame(to(2), call("box/a", Do(add=1), 3))
    assert fold.box("box/a").total == 12


def test_other_programs_are_left_alone(fold: Fold) -> None:
    fold.frame(call("guest/a", Do(add=1), 1))
    resident = fold.partition.residents["guest/a"]
    fold.frame(to(1, whole("second")), call("guest/a", Do(add=1), 2))
    assert fold.partition.residents["guest/a"] is resident
    assert total(fold, "guest/a") == 2


def test_a_package_that_is_not_loaded_is_asked_for_and_nothing_changes_meanwhile(fold: Fold) -> None:
    partition = fold.partition
    fold.frame(call("box/a", Do(add=1), 1))
    partition.begin(1, START_MS, Frame("g1", 1, "", []))
    record = to(1, Share("second", 2, 5), Share("first", 1, 50), whole("second"))
    needs = [partition.apply(Position(0, 1, 0), record) for _ in range(2)]
    assert needs == [NeedPackage("box", ("second", "first"))] * 2
    assert (dict(partition.programs), set(partition.residents)) == ({}, {"box/a"})


def test_the_choice_is_stored_and_holds_after_a_restart(fold: Fold) -> None:
    fold.frame(call("box/a", Do(add=1), 1), to(1, whole("second")))
    again = Fold(rules=Rules([BOX, SLOT]), store=fold.store, route=lambda _: 0)
    assert again.partition.missing() == NeedPackage("box", ("second",))
    again.rules.add("second", SECOND)
    assert again.partition.missing() is None
    again.frame(call("box/a", Do(add=1), 2))
    assert total(again, "box/a") == 11


def test_partitions_that_disagree_on_a_package_come_to_other_sums(fold: Fold) -> None:
    other = Fold(rules=fold.rules, route=lambda _: 0)
    other.packages = fold.packages
    fold.frame(to(1, whole("first", 1)))
    other.frame(to(1, whole("second", 1)))
    assert fold.partition.meta.chain != other.partition.meta.chain


def test_what_an_operator_skips_chooses_nothing(fold: Fold) -> None:
    fold.partition.meta.skips = [(0, 0)]
    fold.frame(to(1, whole("nobody has it")))
    fold.frame(call("box/a", Do(add=1), 1))
    assert fold.box("box/a").total == 1


@pytest.mark.parametrize("write", [True, False])
def test_a_kind_that_a_package_lacks_is_none_and_its_states_wait_for_one_that_has_it(fold: Fold, write: bool) -> None:
    fold.frame(call("box.slot/s:1", Do(add=3), 1), write=write)
    fold.frame(to(1, whole("bare")), write=write)
    refused = replied(fold.frame(call("box.slot/s:1", Do(add=1), 2), write=write)[:1])
    assert (refused.code, refused.payload) == (
        Code.POISONED,
        refuse(Code.POISONED, "NO_SUCH_KIND", {"entity": "box.slot/s:1"}).payload,
    )
    fold.frame(to(2, whole("first")), write=write)
    fold.frame(call("box.slot/s:1", Do(add=1), 3))
    assert fold.box("box.slot/s:1").total == 4


def test_a_send_to_a_kind_that_the_package_lacks_is_poison(fold: Fold) -> None:
    fold.frame(to(1, Share("bare", 2, WHOLE // 2), whole("first", 1)))
    asked = Do(sends=(Sending(f"box.slot/{IDS[0]}:1", Do(add=1)),))
    reply = replied(fold.frame(call(f"box/{OTHERS[0]}", asked, 1))[:1])
    assert (reply.code, reason(reply)) == (Code.POISONED, "POISONED")


def test_a_refusal_for_a_sender_that_is_no_kind_any_more_is_a_dead_letter() -> None:
    alone = Fold(rules=Rules([GUEST]), route=lambda _: 0)
    refused = send(1, 0, "guest/a", Do(fail="reject"), on_reject=Do(add=1))
    assert only(Event, alone.frame(refused)).kind == "dead-letter"


class Wide(Struct, frozen=True):
    """A box that came to hold halves, which the first version does not read."""

    total: float = 0
    count: int = 0
    pad: str = ""


def _halves(box: Wide, event: Done) -> Wide:
    return Wide(box.total + event.add + 0.5, box.count + 1, box.pad)


WIDE = tuple(replace(entity, initial=Wide(), evolve=_halves) for entity in (_BOX, _SLOT))


class Deep(Struct, frozen=True):
    """Where there is less stack, this is not read."""

    total: int = 0
    count: int = 0
    pad: str = ""

    def __post_init__(self) -> None:
        if self.total:
            raise RecursionError


HALF, WHOLE_ONE, BESIDE = f"box/{NAMES[0]}", f"box/{NAMES[1]}", f"box.slot/{NAMES[0]}:1"
RING = Arming("ring", START_MS + 5, Do(add=100))


def taken_back(fold: Fold, *, write: bool, reopen: bool) -> dict[str, list[Action]]:
    """A version that writes halves decides for a while, is taken back, and comes again; what was said in each frame."""
    fold.packages |= {"wide": WIDE}
    answer = call(HALF, Do(add=1, answer=""), 5)
    both = Do(add=1, sends=(Sending(HALF, Do(add=1)),))
    frames: dict[str, tuple[Record, ...]] = {
        "owner": (Epoch(1, 1, "h1"),),
        "before": (call(HALF, Do(add=1), 1), call(WHOLE_ONE, Do(add=1), 2)),
        "wide": (to(1, whole("wide")), call(HALF, Do(add=1, arm=(RING,)), 3)),
        "back": (to(2, whole("first", 1)),),
        "refused": (answer,),
        "others": (call(WHOLE_ONE, Do(add=1), 6),),
        "sent": (send(1, 0, HALF, Do(add=1), on_reject=Do(add=7)),),
        "local": (call(BESIDE, both, 7),),
        "fired": (Fire(HALF, "ring", 1, START_MS + 5),),
        "read": (Read(HALF, "look", b"", uuid7(8), "ann"),),
        "still": (to(3, whole("second")), call(HALF, Do(add=1), 9)),
        "again": (to(4, whole("wide")), Fire(HALF, "ring", 1, START_MS + 5), call(HALF, Do(add=1, answer=""), 10)),
        "copy": (answer,),
    }
    said: dict[str, list[Action]] = {}
    for name, records in frames.items():
        if reopen:
            fold.reopen()
            while (need := fold.partition.missing()) is not None:
                fold.rules.add(need.hashes[0], fold.packages[need.hashes[0]])
        said[name] = fold.frame(*records, after_ms=1, producer="h1", write=write)
    fold.write()
    return said


@pytest.mark.parametrize(("write", "reopen"), [(True, False), (True, True), (False, False)])
def test_a_state_that_an_older_version_cannot_read_is_refused_and_everything_else_is_served(
    fold: Fold, write: bool, reopen: bool
) -> None:
    said = taken_back(fold, write=write, reopen=reopen)
    for name in ("refused", "still", "read"):
        reply = replied(said[name])
        assert (reply.code, reason(reply)) == (Code.POISONED, "STATE_UNREADABLE"), name
        assert HALF.encode() in reply.payload, "it is told which entity it is"
    assert replied(said["others"]).code == Code.OK
    assert decode_sent(only(Send, said["sent"])).entity == f"box/{id_on(1)}", "who sent is told"
    assert reason(replied(said["local"])) == "STATE_UNREADABLE"
    assert said["fired"] == [], "a timer waits for who can read the state"


@pytest.mark.parametrize(("write", "reopen"), [(True, False), (True, True), (False, False)])
def test_a_state_that_an_older_version_could_not_read_is_unharmed_once_the_newer_one_is_back(
    fold: Fold, write: bool, reopen: bool
) -> None:
    said = taken_back(fold, write=write, reopen=reopen)
    assert total(fold, HALF) == 1 + 1.5 + 100.5 + 1.5
    assert replied(said["again"]).code == Code.OK
    assert (total(fold, WHOLE_ONE), total(fold, BESIDE)) == (2, 0), "what would have changed it is undone as a whole"
    copy = replied(said["copy"])
    assert (copy.duplicate, reason(copy)) == (True, "STATE_UNREADABLE")


def test_whoever_replays_what_an_older_version_could_not_read_comes_to_the_same(fold: Fold) -> None:
    folds = [Fold(rules=Rules([BOX, SLOT, GUEST]), route=lambda _: 0) for _ in range(2)]
    for other in folds:
        other.packages = dict(fold.packages)
    taken_back(fold, write=False, reopen=False)
    taken_back(folds[0], write=True, reopen=False)
    taken_back(folds[1], write=True, reopen=True)
    assert [other.partition.meta.chain for other in folds] == [fold.partition.meta.chain] * 2
    assert [other.stored() for other in folds] == [fold.stored()] * 2


def test_without_packages_a_state_that_cannot_be_read_is_a_damaged_store(fold: Fold) -> None:
    fold.frame(call("box/a", Do(add=1), 1))
    key = layout.entity_key("box/a")
    fold.store.write(Batch({key: layout.stored_head(1) + msgspec.msgpack.encode({"total": 1.5}) + layout.NO_TIMERS}))
    fold.reopen()
    with pytest.raises(Corrupt):
        fold.frame(call("box/a", Do(add=1), 2))


def test_what_depends_on_the_machine_halts_also_where_other_packages_wrote(fold: Fold) -> None:
    deep: AnyEntity = replace(_BOX, initial=Deep())
    fold.packages["deep"] = (deep,)
    fold.frame(call("box/a", Do(add=1), 1), to(1, whole("first", 1)))
    fold.frame(to(2, whole("deep")))
    with pytest.raises(Corrupt):
        fold.frame(call("box/a", Do(add=1), 2))
