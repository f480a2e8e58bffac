"""What is drawn depends on seed, purpose and number alone, and has the distribution that it says."""

import numpy as np
import pytest

from loadtests import chance
from loadtests.journeys.steps import Town, Visit


def test_a_draw_is_the_same_in_any_order_and_in_any_piece() -> None:
    ns = np.arange(10_000)
    whole = chance.bits(chance.key(7, "a"), ns)
    pieces = [chance.bits(chance.key(7, "a"), ns[first : first + 999]) for first in range(0, 10_000, 999)]
    assert np.array_equal(whole, np.concatenate(pieces))
    assert np.array_equal(whole[::-1], chance.bits(chance.key(7, "a"), ns[::-1]))


@pytest.mark.parametrize(("seed", "purpose"), [(8, "a"), (7, "b"), (7, "aa"), (-1, "a")])
def test_another_seed_or_purpose_draws_otherwise(seed: int, purpose: str) -> None:
    ns = np.arange(1_000)
    same = chance.bits(chance.key(7, "a"), ns) == chance.bits(chance.key(seed, purpose), ns)
    assert not same.any()


def test_every_bit_is_set_half_of_the_time() -> None:
    drawn = chance.bits(chance.key(1, "bits"), np.arange(100_000))
    shares = [float((drawn >> np.uint64(bit) & np.uint64(1)).mean()) for bit in range(64)]
    assert all(abs(share - 0.5) < 0.01 for share in shares), shares


def test_ranks_follow_zipf() -> None:
    ranks = chance.ranks(chance.bits(chance.key(1, "ranks"), np.arange(400_000)), 1_000)
    counts = np.bincount(ranks, minlength=1_000)
    assert len(counts) == 1_000
    for rank in (0, 1, 9, 99):
        expected = 400_000 * np.log1p(1 / (rank + 1)) / np.log(1_001)
        assert counts[rank] == pytest.approx(expected, rel=0.1), f"rank {rank}"


def test_tables_have_the_mean_and_the_shares_they_are_asked_for() -> None:
    assert chance.geometric_table(2.57, 64).mean() == pytest.approx(2.57, rel=1e-3)
    assert chance.geometric_table(2.57, 64).min() == 1
    counts = np.bincount(chance.share_table((0.5, 0.2, 0.3)))
    assert counts / (1 << chance.TABLE_BITS) == pytest.approx([0.5, 0.2, 0.3], abs=1e-4)


def test_what_is_below_a_bound_is_spread_evenly() -> None:
    found = chance.below(chance.bits(chance.key(1, "below"), np.arange(70_000)), 7)
    assert np.bincount(found, minlength=7) / 70_000 == pytest.approx([1 / 7] * 7, abs=0.01)


def test_what_a_visit_draws_is_the_same_alone_and_with_many_others() -> None:
    starts = chance.bits(chance.key(1, "visits"), np.arange(20_000))
    goes_on, draws = chance.following(starts, 4)

    def visit(drawn: int, ahead: list[float]) -> Visit:
        return Visit(Town("t"), "n", "shop", "Paris", "recent", 5, 3, drawn, ahead)

    for n in (0, 7, 19_999):
        alone, ahead = visit(int(starts[n]), []), visit(int(goes_on[n]), draws[n].tolist())
        assert [alone.chance() for _ in range(9)] == [ahead.chance() for _ in range(9)]
    assert np.histogram(draws, 10, (0, 1))[0] / draws.size == pytest.approx([0.1] * 10, abs=0.005)
    beside = np.corrcoef(np.hstack((draws[1:], draws[:-1])), rowvar=False)
    assert np.abs(beside - np.eye(8)).max() < 0.05, "neither draws of one visit nor those of two go together"
