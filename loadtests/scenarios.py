"""The scenarios: which day is played, what is done to the platform meanwhile, and what must be kept. Pure.

Numbers are checked before anything is started: what cannot be, or says two things at once, is refused.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

from msgspec import Struct

from actors.errors import SetupError

USERS_MAX = 20_000_000
"""So many persons one driver plays; more are computed, not played."""
CALLS_OF_AN_OPENING = 4.5
"""What an opening comes to in the mean: itself, pages, purchases, closings."""
BOUNDS: Mapping[str, str] = {
    "p50_ms": "half of all calls take no longer",
    "p99_ms": "99 of 100 calls take no longer",
    "p999_ms": "999 of 1,000 calls take no longer",
    "errors_share": "no greater part of all calls fails",
    "recovered_s": "no longer after a fault until calls take as long as before",
}
"""What a threshold may bound from above."""


class Scenario(Struct, frozen=True, kw_only=True):
    """A named load. `kills` are the parts of the run after which a host is killed."""

    name: str
    about: str
    day: str
    """One of `habits.DAYS`."""
    busiest: float = 0.0
    """How busy the busiest minute is against a workday's mean; 0 for what the day says."""
    first_h: float = 0.0
    """The hour of the day at which what is played begins."""
    asks: float = 0.05
    """The share of openings that ask the platform's typed services for the way."""
    users: int = 20_000
    compress: str = "24h:2m"
    """How much of the day is played, and in how much time; `--users` and this may be given otherwise."""
    mode: Literal["dev", "up"] = "up"
    """What a platform of the run's own is started by, unless somebody says how large it is to be."""
    kills: tuple[float, ...] = ()
    thresholds: Mapping[str, float]
    """What must not be passed, by name from `BOUNDS`."""


SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="smoke",
            about="a working day of few persons, to see whether everything works",
            day="workday",
            busiest=2.0,
            asks=0.2,
            users=300,
            compress="24h:5s",
            mode="dev",
            thresholds={"errors_share": 0.0, "p99_ms": 5_000.0},
        ),
        Scenario(
            name="day",
            about="a working day from midnight on",
            day="workday",
            busiest=1.2,
            thresholds={"errors_share": 0.0, "p99_ms": 2_000.0},
        ),
        Scenario(
            name="flash-sale",
            about="an evening on which one merchant sells something at eight, and nearly everybody comes for it",
            day="flash-sale",
            first_h=19.5,
            compress="1h:2m",
            thresholds={"errors_share": 0.0, "p99_ms": 5_000.0},
        ),
        Scenario(
            name="host-loss",
            about="a working day from midnight on, in which a host is killed twice",
            day="workday",
            busiest=2.0,
            kills=(0.35, 0.65),
            thresholds={"errors_share": 0.0, "recovered_s": 10.0},
        ),
        Scenario(
            name="viral-game",
            about="a working day on which more than half of all play the same game",
            day="viral-game",
            busiest=2.0,
            thresholds={"errors_share": 0.0, "p99_ms": 2_000.0},
        ),
        Scenario(
            name="new-year",
            about="the night of the Lunar New Year, from eleven on",
            day="new-year",
            first_h=23.0,
            compress="2h:2m",
            thresholds={"errors_share": 0.0, "p99_ms": 5_000.0},
        ),
    )
}


def scenario_of(name: str) -> Scenario:
    """The scenario of this name. Raises SetupError."""
    if name not in SCENARIOS:
        raise SetupError(f"{name!r} is no scenario; there are {', '.join(SCENARIOS)}", reason="NO_SCENARIO")
    return SCENARIOS[name]


def thresholds_of(scenario: Scenario, given: Sequence[str]) -> dict[str, float]:
    """The scenario's thresholds with those given as `NAME=BOUND` in their place. Raises SetupError."""
    said: dict[str, float] = {}
    for each in given:
        name, _, text = each.partition("=")
        if name not in BOUNDS:
            raise SetupError(f"{name!r} is no threshold; there are {', '.join(BOUNDS)}", reason="NO_THRESHOLD")
        try:
            bound = float(text)
        except ValueError:
            raise SetupError(f"{each!r} is not NAME=BOUND, such as p99_ms=250", reason="NO_THRESHOLD") from None
        if not 0 <= bound < float("inf"):
            raise SetupError(f"{each!r}: a bound is a number from 0 on", reason="NO_THRESHOLD")
        if said.get(name, bound) != bound:
            raise SetupError(f"{name} is given twice, as {said[name]:g} and as {bound:g}", reason="CONTRADICTION")
        said[name] = bound
    bounds = {**scenario.thresholds, **said}
    if "recovered_s" in said and not scenario.kills:
        raise SetupError(f"recovered_s bounds nothing: {scenario.name} has no faults", reason="CONTRADICTION")
    if bounds.get("errors_share", 0.0) > 1:
        raise SetupError("errors_share is a part of all calls: at most 1", reason="NO_THRESHOLD")
    names = [name for name in ("p50_ms", "p99_ms", "p999_ms") if name in bounds]
    for lower, higher in pairwise(names):
        if bounds[lower] > bounds[higher] and lower in said:
            message = (
                f"{lower}={bounds[lower]:g} contradicts {higher}={bounds[higher]:g}: no call bounds it from there on"
            )
            raise SetupError(message, reason="CONTRADICTION")
        if bounds[lower] > bounds[higher]:
            bounds[lower] = bounds[higher]  # the scenario's own bound follows the stricter one that is given
    return bounds


def check_users(users: int) -> None:
    """Raises SetupError for so many persons as nobody can play."""
    if not 1 <= users <= USERS_MAX:
        more = "; `hutong load simulate` counts a day of more" if users > USERS_MAX else ""
        raise SetupError(f"--users is 1 to {USERS_MAX:,}, not {users:,}{more}", reason="NO_USERS")
