"""Who is not who it says, and who asks for what is another's: broken tokens, and pairs across all tenants."""

import random
from pathlib import Path

from actors.clocks import wall_ms
from actors.errors import Unauthenticated
from gateway.tokens import Verifier, Why
from tests.bad_input.mutating import broken_bytes, odd_text
from tests.gateway import crossing, tenancy
from tests.gateway.tokens import KEYS, NOW_MS, bad_tokens, good
from tests.proof.counts import Counts

SEGMENTS = 3


def break_tokens(_: Path, seed: int, size: int) -> Counts:
    """Good tokens with something odd in them, or segments of others; each is refused by a reason of the list."""
    counts, chance = Counts("tokens", seed), random.Random(seed)
    verifier, known = Verifier(KEYS), [token for token, _ in bad_tokens().values()]
    whole = [good(sub=f"person/bike/p{number}", priority=number) for number in range(16)]
    for token in whole:
        verifier.verify(token, NOW_MS)
    signed = [*whole, good()]
    for _number in range(size):
        bad = _mutant(chance, signed, known)
        counts.bad_inputs += 1
        try:
            proven = verifier.verify(bad, NOW_MS)
        except Unauthenticated as error:
            counts.refused += 1
            counts.effect(error.reason)
            if error.reason not in set(Why):
                counts.wrong += 1
                counts.find(f"refused by {error.reason}: {bad:.600}")
        except Exception as error:  # noqa: BLE001 - whatever else comes out is the finding
            counts.crashes += 1
            counts.find(f"{type(error).__name__}: {error!s:.200} of {bad!r:.600}")
        else:
            counts.wrong += 1
            counts.find(f"a broken token proves {proven.principal}: {bad:.600}")
    return counts


def _mutant(chance: random.Random, signed: list[str], known: list[str]) -> str:
    """Never one that we signed: what is odd in a known bad one may be taken out again."""
    while True:
        token = chance.choice(signed)
        match chance.randrange(4):
            case 0:
                bad = broken_bytes(token.encode(), chance).decode("latin-1")
            case 1:
                bad = odd_text(token, chance)
            case 2:
                parts = [chance.choice((*signed, *known)).split(".") for _ in range(SEGMENTS)]
                bad = ".".join(part[place] if place < len(part) else "" for place, part in enumerate(parts))
            case _:
                bad = odd_text(chance.choice(known), chance)
        if bad not in signed:
            return bad


def cross_tenants(_: Path, seed: int, size: int) -> Counts:
    """Pairs of a principal and what is not its own, over every method, in process; nothing reaches the log."""
    counts, now_ms = Counts("tenants", seed), wall_ms()
    for tally in (tenancy.play(seed, size - size // 2, now_ms), crossing.play(seed, size // 2, now_ms)):
        asked = sum(tally.asked.values())
        counts.bad_inputs += asked
        counts.refused += asked - len(tally.findings)
        counts.effects |= tally.asked
        counts.wrong += len(tally.findings)
        for finding in tally.findings:
            counts.find(finding)
        for texts in tally.told_apart:
            counts.wrong += 1
            counts.find(f"what is absent can be told from what is forbidden: {sorted(texts)}")
    return counts
