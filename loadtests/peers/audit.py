"""What a campaign of kills left: the balances beside the clients' record of what was acknowledged. Pure."""

from collections.abc import Mapping

from msgspec import Struct


class Audit(Struct, frozen=True):
    """Updates that were acknowledged and are gone, and updates that count more than once; key by key."""

    acknowledged: int
    lost: int
    doubled: int


def audit(acknowledged: Mapping[str, int], unsure: Mapping[str, int], balances: Mapping[str, int]) -> Audit:
    """Compare; every update added 1.

    `unsure` are those that were never answered: each may have been done or not, so it is neither lost nor doubled. What
    is lost and doubled under one key in equal numbers is not seen, so a campaign spreads its updates over many keys.
    """
    lost = doubled = 0
    for key in {**acknowledged, **unsure, **balances}:
        least = acknowledged.get(key, 0)
        most = least + unsure.get(key, 0)
        balance = balances.get(key, 0)
        lost += max(0, least - balance)
        doubled += max(0, balance - most)
    return Audit(sum(acknowledged.values()), lost, doubled)
