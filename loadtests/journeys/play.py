"""Somebody plays a game of Jump; some look at the board afterwards."""

from collections.abc import Callable

import msgspec

from actors.programs.jump.program import CENTRE_MS, FLIGHT_MS, PRESS_MS_MAX, platforms
from loadtests.journeys.browse import arrive, leave
from loadtests.journeys.steps import Invoke, Journey, Query, Refused, Visit, Wait

LEAPS_MAX = 4
CENTRES = 0.2
"""The share of leaps that hit the centre."""
PLAYS = 0.5
"""The share of those who open the game who begin one; the others look who is before them."""
LOOKS = 0.02
"""The share of players who ask for the board."""
SETTLES_S = 0.25
"""A game lasts its time, also by a clock that is a little behind."""
SOON = ("too_soon",)
"""Who began a game a second ago cannot leave it for another."""
LEFT = ("other_game", "no_game", "too_fast", "game_finished")
"""Who begins another game has left this one."""

_seed = msgspec.json.Decoder(dict[str, str]).decode


def play(visit: Visit) -> Journey:
    """Plays one game to its end, or none."""
    yield from arrive(visit)
    if visit.chance() < PLAYS:
        yield from _played(visit)
    yield from leave(visit)


def _played(visit: Visit) -> Journey:
    player = f"programs/jump/players/{visit.name}/{visit.town.board}"
    started = yield Invoke(player, "jump.start", b"", "start a game", "jump.started", SOON)
    if type(started) is not Refused:
        seed = _seed(started)["seed"]
        presses_ms, score = game(seed, int(visit.chance() * LEAPS_MAX), visit.chance)
        yield Wait((sum(presses_ms) + FLIGHT_MS * len(presses_ms)) / 1_000 + SETTLES_S)
        played = msgspec.json.encode({"seed": seed, "presses_ms": presses_ms, "score": score})
        yield Invoke(player, "jump.finish", played, "finish a game", "jump.finished", LEFT)
        if visit.chance() < LOOKS:
            yield Query(f"programs/jump/boards/{visit.town.board}", "rank", b'{"score":%d}' % score)


def game(seed: str, leaps: int, chance: Callable[[], float]) -> tuple[list[int], int]:
    """The presses of a game of so many leaps that ends with a fall, and its score; `chance` gives 0 to 1 a leap."""
    presses_ms: list[int] = []
    score = bonus = 0
    for centre_ms, _ in platforms(seed, leaps):
        centred = chance() < CENTRES
        bonus = min(bonus + 2, 8) if centred else 0
        score += bonus or 1
        presses_ms.append(centre_ms if centred else centre_ms + CENTRE_MS + 1)
    return [*presses_ms, PRESS_MS_MAX // 4], score
