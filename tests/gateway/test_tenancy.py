"""Nobody reaches what is another's: pairs of who asks and what for, over every method."""

import random
import time

import pytest

from actors.principal import Principal, Role
from actors.registry import Registry
from actors.shape import structs_of, tag_of
from tests.gateway import teams, tenancy
from tests.gateway.tenancy import METHODS, Pairs, Target, platform, play

PAIRS = 2_000


@pytest.fixture(scope="module")
def registry() -> Registry:
    return platform()


def test_cross_pairs_are_refused_by_every_method_with_one_answer_and_nothing_reaches_the_log() -> None:
    seed = 7
    tally = play(seed, PAIRS, time.time_ns() // 1_000_000)
    assert not tally.findings, f"seed {seed}: {tally.findings[:5]}"
    assert min(tally.asked.values()) > PAIRS // (4 * len(METHODS)), tally.asked
    assert tally.permitted > PAIRS // 20, "what is one's own is not refused"
    assert len(tally.texts) == 1, f"what is absent can be told from what is forbidden: {tally.texts}"


def test_no_team_reaches_another_teams_programs_by_any_method_of_the_catalogue() -> None:
    seed = 7
    tally = teams.play(seed, PAIRS // 4, time.time_ns() // 1_000_000)
    assert not tally.findings, f"seed {seed}: {tally.findings[:5]}"
    assert min(tally.asked[method] for method in teams.METHODS if method != "GetProgram") > 0, tally.asked
    assert tally.permitted > 0
    assert len(tally.texts) == 1, tally.texts


def test_a_gateway_that_lets_one_pair_through_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The generator meets a hole of one role in one method."""

    def unlocked(*_: object) -> None:
        pass

    monkeypatch.setattr("gateway.services.program.check_entity_call", unlocked)
    tally = play(7, 300, time.time_ns() // 1_000_000)
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
