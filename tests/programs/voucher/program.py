"""A voucher: a merchant's limited stock, claimed at most once per user."""

from msgspec import Struct
from msgspec.structs import replace

from actors import Context, Decision, Entity, Reject, accept


class Claim(Struct, frozen=True, tag="voucher.claim"):
    user_id: str


class Claimed(Struct, frozen=True, tag="voucher.claimed"):
    user_id: str
    at_ms: int


class Voucher(Struct, frozen=True):
    left: int = 100
    claimed_at_ms: dict[str, int] = {}


def decide(voucher: Voucher, command: Claim, ctx: Context) -> Decision[Claimed]:
    if command.user_id in voucher.claimed_at_ms:
        return accept()  # claiming twice is one claim, not an error
    if voucher.left == 0:
        raise Reject("sold_out")
    return accept(Claimed(command.user_id, ctx.now_ms))


def evolve(voucher: Voucher, event: Claimed) -> Voucher:
    claimed = voucher.claimed_at_ms | {event.user_id: event.at_ms}
    return replace(voucher, left=voucher.left - 1, claimed_at_ms=claimed)


VOUCHER = Entity("voucher", Voucher(), Claim, Claimed, decide, evolve)
ENTITIES = (VOUCHER,)
