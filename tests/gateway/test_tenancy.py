"""Nobody reaches what is another's: pairs of who asks and what for, over every method."""

import random
from importlib import import_module
from typing import Any

import grpc
import pytest

from actors.clocks import wall_ms
from actors.principal import Principal, Role
from actors.registry import Registry
from actors.shape import structs_of, tag_of
from gateway.authority import RPCS
from gateway.v1 import catalog_pb2, catalog_pb2_grpc
from tests.gateway import crossing, tenancy
from tests.gateway.crossing import ABOUT, MEMBERS, said
from tests.gateway.scene import reason_of, refused, status_in
from tests.gateway.tenancy import CLOSED, METHODS, Pairs, Target, platform, play
from tests.gateway.test_authority import Town, in_town

PAIRS = 2_000


@pytest.fixture(scope="module")
def registry() -> Registry:
    return platform()


def test_cross_pairs_are_refused_by_every_method_with_one_answer_and_nothing_reaches_the_log() -> None:
    seed = 7
    tally = play(seed, PAIRS, wall_ms())
    assert not tally.findings, f"seed {seed}: {tally.findings[:5]}"
    assert min(tally.asked.values()) > PAIRS // (4 * len(METHODS)), tally.asked
    assert tally.permitted > PAIRS // 20, "what is one's own is not refused"
    assert tally.texts[()]
    assert not tally.told_apart, "what is absent can be told from what is forbidden"


def test_nobody_reaches_what_is_anothers_by_any_method_of_any_typed_service() -> None:
    seed = 7
    tally = crossing.play(seed, PAIRS, wall_ms())
    assert not tally.findings, f"seed {seed}: {tally.findings[:5]}"
    assert min(tally.asked.values()) > 0, f"seed {seed}: {tally.asked}"
    assert tally.permitted > PAIRS // 100
    assert tally.texts[()]
    assert not tally.told_apart


def test_of_every_method_it_is_said_what_it_is_about_and_of_nothing_else() -> None:
    methods = crossing.typed_methods()
    silent = [method for method in methods if method not in ABOUT and method.partition("/")[0] not in ABOUT]
    assert not silent, "a method about which tests.gateway.crossing.ABOUT says nothing is not played"
    assert ABOUT.keys() | MEMBERS.keys() <= {*methods, *(method.partition("/")[0] for method in methods)}
    of_teams = [method for method in methods if Role.MEMBER in RPCS[f"/gateway.v1.{method}"]]
    silent = [method for method in of_teams if said(ABOUT, method) not in ("nobody", "person") and not roles(method)]
    assert not silent, "a method for members of which tests.gateway.crossing.MEMBERS does not say for whom"
    assert len(methods) + 6 == len(RPCS), "and the six of ProgramService"


@pytest.mark.parametrize("check", ["ways.check_of_program", "notify.check_person", "catalog.check_team"])
def test_a_service_that_does_not_look_who_asks_is_found(check: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unlocked(*_: object, **__: object) -> None:
        pass

    def not_looked_at(*_: object) -> None:
        pass

    planted = not_looked_at if check == "notify.check_person" else unlocked
    monkeypatch.setattr(f"gateway.services.{check}", planted)
    tally = crossing.play(7, PAIRS // 2, wall_ms())
    service = check.partition(".")[0].capitalize()
    assert any(f" {service}Service/" in finding for finding in tally.findings), tally.findings


def test_what_is_anothers_is_refused_over_the_wire_by_every_method() -> None:
    async def act(town: Town) -> None:
        await founded(town)
        chance, before, texts = random.Random(7), town.ends(), dict[tuple[str, ...], set[str]]()
        for name, method in crossing.typed_methods().items():
            any_asks = (crossing.any_ask(chance, name) for _ in range(200))
            asks = [ask for ask in any_asks if crossing.must_be_refused(ask)]
            for ask in asks[:3]:
                status = await over_the_wire(town, method, ask)
                assert (status.code, reason_of(status)) == (grpc.StatusCode.PERMISSION_DENIED.value[0], CLOSED), ask
                texts.setdefault(tenancy.known(ask.principal, f"/gateway.v1.{name}"), set()).add(status.message)
            assert asks, name
        assert {len(told) for told in texts.values()} == {1}
        assert town.ends() == before

    in_town(act)


def roles(method: str) -> bool:
    """Whether it is said who of a team may ask by this method."""
    return method in MEMBERS or method.partition("/")[0] in MEMBERS


async def founded(town: Town) -> None:
    """Two accounts with a program each, as `crossing` knows them."""
    stub, operator = catalog_pb2_grpc.CatalogServiceStub(town.scene.channels[-1]), town.metadata("operator/op")
    catalog: Any = stub
    for program, account in crossing.OWNERS.items():
        opened = catalog_pb2.OpenAccountRequest(account=account, name="A", admin="ann")
        await catalog.OpenAccount(opened, metadata=operator)
        wanted = catalog_pb2.RegisterProgramRequest(account=account, program=program, title="T", category="c")
        await catalog.RegisterProgram(wanted, metadata=operator)


async def over_the_wire(town: Town, method: Any, ask: crossing.Ask) -> Any:
    """The status that one pair's call is refused with."""
    service = method.containing_service.name
    generated = import_module(f"gateway.v1.{method.containing_service.file.name.split('/')[-1][:-6]}_pb2_grpc")
    call = getattr(getattr(generated, f"{service}Stub")(town.scene.channels[-1]), method.name)
    request, metadata = crossing.request_of(method, ask), town.metadata(ask.principal.caller)
    asked = call(crossing.parts(request) if method.client_streaming else request, metadata=metadata)
    if not (method.client_streaming and method.server_streaming):
        return (await refused(asked.read() if method.server_streaming else asked))[1]
    try:
        (result,) = (await asked.read()).results
    except grpc.aio.AioRpcError as error:
        return status_in(error)
    return result.error


def test_a_gateway_that_lets_one_pair_through_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The generator meets a hole of one role in one method."""

    def unlocked(*_: object) -> None:
        pass

    monkeypatch.setattr("gateway.services.program.check_entity_call", unlocked)
    tally = play(7, 300, wall_ms())
    assert any("reached the log" in finding for finding in tally.findings)


def test_the_pairs_hold_every_role_every_kind_and_what_does_not_exist(registry: Registry) -> None:
    making = Pairs(registry, random.Random(1))
    pairs = [making.pair() for _ in range(5_000)]
    assert {pair.principal.role for pair in pairs} == set(Role)
    assert {pair.method for pair in pairs} == set(METHODS)
    asked = {(target.program, target.collection) for pair in pairs for target in pair.targets}
    loaded = registry.programs.items()
    known = {(name, entity.collection_name) for name, program in loaded for entity in program.entities}
    assert known < asked
    assert any(program == "no-such-program" for program, _ in asked)


def test_the_rule_in_its_own_words_says_what_a_rider_may(registry: Registry) -> None:
    ann = Principal(Role.PERSON, "bike", "ann")
    permitted = [
        (target.name, target.what)
        for kind in registry.entities.values()
        for who in ("ann", "bob")
        for what in (*(tag_of(struct) for struct in structs_of(kind.command)), *kind.views)
        if tenancy.may(registry, ann, target := Target(kind.program, kind.collection_name, who, what))
    ]
    assert permitted == [
        ("programs/bike/stations/ann", "station"),
        ("programs/bike/stations/bob", "station"),
        ("programs/bike/riders/ann", "bike.hire"),
        ("programs/bike/riders/ann", "bike.return"),
        ("programs/bike/riders/ann", "rider"),
    ]
