"""Packages beside the platform's rules: which decides an entity, from which record on, and what becomes of states."""

from dataclasses import replace
from typing import Any

import pytest
from msgspec import Struct

from actors import Context, Decision, accept
from actors.entity import AnyEntity
from actors.kernel import layout
from actors.kernel.action import Code, Event, NeedPackage
from actors.kernel.cascade import refuse
from actors.kernel.record import Frame, Position, Programs, Share
from actors.kernel.rules import Rules
from actors.shares import WHOLE, bucket_of
from tests.kernel.box import BOX, GUEST, SLOT, Do, Done, Sending
from tests.kernel.folding import START_MS, Fold, call, only, reason, replied, send

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
