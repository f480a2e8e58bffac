"""Every journey by the name that habits give it, and which program of those that ship is opened for it."""

from collections.abc import Mapping

from loadtests.journeys.browse import browse
from loadtests.journeys.buy import buy, give_back
from loadtests.journeys.hire import hire
from loadtests.journeys.play import play
from loadtests.journeys.share import share
from loadtests.journeys.steps import Maker

JOURNEYS: Mapping[str, Maker] = {
    "browse": browse,
    "play": play,
    "hire": hire,
    "buy": buy,
    "return": give_back,
    "share": share,
}
PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "browse": ("shop", "food", "wear", "fortune", "tickets", "civic", "store", "taxi", "parking", "drops"),
    "play": ("jump",),
    "hire": ("bike",),
    "buy": ("shop", "wear"),
    "return": ("shop",),
    "share": ("wear", "food", "jump", "drops"),
}
"""The programs of a world are very many, those that ship a few: each of the many is played by one of these."""

LEAVES = (
    "visit.began",
    "session.page-loaded",
    "session.page-unloaded",
    "shop.line-sold",
    "shop.line-returned",
    "bike.asked",
    "bike.return-asked",
    "jump.started",
    "jump.finished",
)
"""The tags of all events that openings and steps leave: the audit looks for these, whoever was told of them or not."""


def program_of(journey: str, number: int) -> str:
    """The program that plays this number of the world's programs."""
    programs = PROGRAMS[journey]
    return programs[number % len(programs)]
