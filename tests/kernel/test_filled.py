"""What a gateway fills into a command: a retry that comes with other values in it is the same call."""

import pytest

from actors.kernel.action import Code
from actors.kernel.record import Invoke, body_sum
from tests.kernel.box import encode
from tests.kernel.folding import Fold, id_on, reason, replied, uuid7

BOX = f"box/{id_on(0)}"


def filled(n: int, *names: str, **fields: object) -> Invoke:
    """A call whose command says which of its fields a gateway filled in."""
    return Invoke(BOX, encode({"type": "box.do", "answer": "", **fields, "~filled": names}), uuid7(n), "ann")


def test_a_retry_may_come_with_other_values_in_what_a_gateway_fills_in() -> None:
    fold = Fold()
    first = replied(fold.frame(filled(1, "pad", add=5, pad="1.1")))
    again = replied(fold.frame(filled(1, "pad", add=5, pad="1.2")))
    assert (again.duplicate, again.code, again.payload) == (True, Code.OK, first.payload)
    for other in (filled(1, "pad", add=6, pad="1.1"), filled(1, add=5, pad="1.1"), filled(1, "pad", add=5, x=1)):
        assert reason(replied(fold.frame(other))) == "REQUEST_ID_REUSED"
    assert fold.box(BOX).total == 5


@pytest.mark.parametrize("names", [b"\x05", b"\x91\x05", b"\x91\xa3pa", b""])
def test_what_only_looks_as_if_it_was_filled_in_counts_whole(names: bytes) -> None:
    bodies = [b"\x82\xa3pad\xa1%d\xa7~filled" % n + names for n in (1, 2)]
    sums = {body_sum(Invoke(BOX, body, uuid7(1), "ann")) for body in bodies}
    assert len(sums) == 2
