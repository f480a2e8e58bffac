"""What is handed around: codes that are minted, scanned and revoked; cards that go from person to person."""

from random import Random

import msgspec

from actors.domain.ways import code as codes
from actors.domain.ways import share as shares
from actors.domain.ways.code import CODE
from actors.domain.ways.share import SHARE
from tests.simulation.broken import require
from tests.simulation.evening import Area, Asking, Evening
from tests.simulation.people import nothing_before

encode = msgspec.msgpack.Encoder().encode

# -- codes --------------------------------------------------------------------------------------------------------

TARGETS = tuple(codes.Mint("pages/map/index", f"bike {n}".encode()) for n in range(12))
NAMES = tuple(codes.code_of("bike", one.page, one.scene, one.env) for one in TARGETS)


def mint_codes(chance: Random) -> Asking:
    """Mint a code, now and then under another's name, or revoke one."""
    n = chance.randrange(len(TARGETS))
    at = f"ways.code/bike/{NAMES[n]}"
    if chance.random() < 0.25:
        return Asking(at, encode(codes.Revoke()))
    return Asking(at, encode(TARGETS[n] if chance.random() < 0.9 else chance.choice(TARGETS)))


def a_code_is_one_targets(evening: Evening) -> None:
    """A code is minted once, for the target that it is named after, and once it is revoked it leads nowhere, ever."""
    states = evening.states(CODE)
    for name, events in evening.events(CODE).items():
        kinds = [type(event) for event in events]
        require(kinds in ([codes.Minted], [codes.Minted, codes.Revoked]), f"what came of the code {name}: {kinds}")
        state = states[name]
        target = codes.code_of("bike", state.page, state.scene, state.env)
        require(f"bike/{target}" == name, f"{name} leads to what is {target}")
        wanted = "minted" if len(kinds) == 1 else "revoked"
        require(state.state == wanted, f"{name} is {state.state}, and was {wanted}")
    revoked = {at for at, command in evening.accepted(CODE) if isinstance(command, codes.Revoke)}
    require(revoked == {name for name, one in states.items() if one.state == "revoked"}, f"{revoked} were revoked")


CODES = Area((CODE,), nothing_before, mint_codes, a_code_is_one_targets, (f"ways.code/bike/{NAMES[0]}", "code"))

# -- cards --------------------------------------------------------------------------------------------------------

CARDS = tuple(f"s{n}" for n in range(12))
SHARERS = tuple(f"client{n}" for n in range(6))
"""Who shares is who calls; those of the smaller worlds."""


def hand_cards_on(chance: Random) -> Asking:
    """Share a page, or hand on a card that came over others; take a card back."""
    n = chance.randrange(len(CARDS))
    at = f"ways.share/bike/{CARDS[n]}"
    if chance.random() < 0.2:
        return Asking(at, encode(shares.Withdraw()))
    over = sorted(chance.sample(range(n), chance.randint(0, min(n, 3))))
    before = tuple(shares.Hop(CARDS[card], who) for card, who in zip(over, chance.sample(SHARERS, 3), strict=False))
    return Asking(at, encode(shares.Share("pages/map/index", b"", before)))


def cards_form_a_tree(evening: Evening) -> None:
    """A card is shared once, over the path that its sharer had it by, on which nobody stands twice; or taken back."""
    asked: dict[str, list[tuple[shares.Hop, ...]]] = {}
    for at, command in evening.accepted(SHARE):
        if isinstance(command, shares.Share):
            asked.setdefault(at, []).append(command.before)
    states = evening.states(SHARE)
    for name, events in evening.events(SHARE).items():
        kinds = [type(event) for event in events]
        require(kinds in ([shares.Shared], [shares.Shared, shares.Withdrawn]), f"what came of the card {name}: {kinds}")
        path = states[name].path
        require(f"bike/{path[-1].share}" == name, f"the card {name} ends with {path[-1]}")
        require(path[:-1] in asked[name], f"the card {name} came over {path[:-1]}, and not over {asked[name]}")
        require(len({hop.by for hop in path}) == len(path), f"the card {name} came to somebody twice: {path}")
        for event in events:
            if isinstance(event, shares.Withdrawn):
                require(event.by == path[-1].by, f"{event.by} took back the card {name} of {path[-1].by}")


SHARED_CARDS = Area(
    (SHARE,), nothing_before, hand_cards_on, cards_form_a_tree, (f"ways.share/bike/{CARDS[0]}", "share")
)
