"""The voucher of the README, with the tests that the README shows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Reject
from actors.testing import Scenario
from tests.programs.voucher.program import VOUCHER, Claim, Claimed, Voucher


def test_a_second_claim_by_the_same_user_changes_nothing() -> None:
    assert Scenario(VOUCHER).given(Claimed("ann", 7)).when(Claim("ann")).events == ()


def test_an_empty_stock_rejects() -> None:
    with pytest.raises(Reject, match="sold_out"):
        Scenario(VOUCHER, Voucher(left=0)).when(Claim("ann"))


@given(st.lists(st.sampled_from("abcdef")))
def test_never_more_claims_than_stock(users: list[str]) -> None:
    voucher = Scenario(VOUCHER, Voucher(left=3))
    for user in users:
        try:
            voucher.when(Claim(user))
        except Reject:
            assert voucher.state.left == 0
    assert len(voucher.state.claimed_at_ms) == min(3, len(set(users)))
