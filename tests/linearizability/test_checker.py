"""The checkers are checked: what is linearizable they accept, what is planted they find, and they never differ."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.linearizability.checker import check
from tests.linearizability.history import FOREVER, Op
from tests.linearizability.judging import Away, build, judge
from tests.linearizability.seats import LIES, Wish, history_of, with_lies
from tests.linearizability.simulated import PLANTED, disturbed, honest

SEEDS = range(300)
SMALL = 7


def add(began_ns: int, ended_ns: int = FOREVER, total: int = 0) -> Op:
    return Op(entity="one", kind="add", client=0, began_ns=began_ns, ended_ns=ended_ns, total=total)


def read(began_ns: int, ended_ns: int, total: int) -> Op:
    return Op(entity="one", kind="read", client=1, began_ns=began_ns, ended_ns=ended_ns, total=total)


def has_an_order(ops: Sequence[Op], total: int = 0) -> bool:
    """Whether any order of these ops is one that a counter gives and real time allows: tries them all."""
    if not any(op.answered for op in ops):
        return True
    first_end_ns = min(op.ended_ns for op in ops)
    for nth, op in enumerate(ops):
        after = total + (op.kind == "add")
        fits = op.began_ns <= first_end_ns and (not op.answered or op.total == after)
        if fits and has_an_order([*ops[:nth], *ops[nth + 1 :]], after):
            return True
    return False


def small(seed: int) -> list[Op]:
    """A short history of an entity of its own, linearizable or not."""
    history = honest(seed, size=2 + seed % (SMALL - 1), unknown_share=0.4, entity=f"e{seed}")
    return disturbed(seed, history) if seed % 3 else history


def test_what_a_counter_may_have_answered_is_accepted() -> None:
    for seed in SEEDS:
        assert check(honest(seed, size=5 + seed)) == [], f"seed {seed}"


@pytest.mark.parametrize("kind", PLANTED)
def test_each_planted_violation_is_found_and_named(kind: str) -> None:
    for seed in SEEDS:
        found = check(PLANTED[kind](honest(seed, size=20 + seed, unknown_share=0.0)))
        assert [violation.kind for violation in found] == [kind], f"seed {seed}"


def test_a_finding_names_the_two_ops_that_contradict_each_other() -> None:
    seen, stale = add(1, 2, total=1), read(3, 4, total=0)
    (violation,) = check([stale, seen])
    assert violation.ops == [seen, stale]
    assert "read by client 1, begun at 3 ns, answered 0 at 4 ns" in str(violation)


def test_an_add_without_an_answer_fills_a_gap_only_when_it_began_in_time() -> None:
    assert check([add(5), add(1, 9, total=2)]) == []
    (violation,) = check([add(10), add(1, 9, total=2)])
    assert violation.kind == "gap"


def test_an_add_without_an_answer_fills_one_gap_only() -> None:
    assert check([add(1), add(2), read(3, 4, total=2)]) == []
    (violation,) = check([add(1), read(3, 4, total=2)])
    assert violation.kind == "gap"


def test_each_entity_is_checked_by_itself() -> None:
    right, wrong = honest(1, 50, entity="right"), PLANTED["stale read"](honest(2, 50, entity="wrong"))
    assert [violation.entity for violation in check([*right, *wrong])] == ["wrong"]


def test_it_says_of_small_histories_what_trying_every_order_says() -> None:
    said = {seed: not check(small(seed)) for seed in range(4_000)}
    assert said == {seed: has_an_order(small(seed)) for seed in said}
    assert 500 < sum(said.values()) < 3_500, "both kinds were there"


def test_without_go_it_is_said_that_porcupine_was_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Away, match="Go was not found"):
        build(tmp_path)


@pytest.mark.go
@pytest.mark.timeout(240)
@pytest.mark.parametrize("options", [(), ("-ordered",)])
def test_porcupine_says_the_same(tmp_path: Path, options: tuple[str, ...]) -> None:
    try:
        program = build(tmp_path)
    except Away as away:
        pytest.skip(f"Porcupine was not asked: {away}")
    histories = {f"e{seed}": small(seed) for seed in SEEDS}
    histories |= {kind: plant(honest(7, 60, unknown_share=0.0, entity=kind)) for kind, plant in PLANTED.items()}
    histories |= {f"long{seed}": honest(seed, 400, entity=f"long{seed}") for seed in range(10)}
    verdicts = judge(program, [op for ops in histories.values() for op in ops], *options)
    said = {entity: "Illegal" if check(ops) else "Ok" for entity, ops in histories.items()}
    assert {entity: one.verdict for entity, one in verdicts.items()} == said
    assert {said[kind] for kind in PLANTED} == {"Illegal"}


def seat(chance: random.Random, nth: int) -> list[Wish]:
    """A seat that somebody gets at some moment of asking; whoever had asked before then waits to be refused."""
    wishes = [(began_ns, began_ns + chance.randrange(1, 50)) for began_ns in chance.sample(range(1_000), 5)]
    first = min(range(5), key=lambda n: wishes[n][1])
    taken_ns = wishes[first][0]
    return [Wish(f"s{nth}", n, began, max(ended, taken_ns + 1), n == first) for n, (began, ended) in enumerate(wishes)]


@pytest.mark.parametrize("seed", range(20))
def test_seats_that_one_person_got_are_in_order_and_every_lie_about_one_is_found(seed: int) -> None:
    chance = random.Random(seed)
    history = history_of(wish for nth in range(10) for wish in seat(chance, nth))
    found = check([*history, *with_lies(history)])
    assert {(violation.entity, violation.kind) for violation in found} == {(kind, kind) for kind in LIES}
