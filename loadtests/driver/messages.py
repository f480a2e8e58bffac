"""What the coordinator and its generators say to each other: one JSON object a line, over pipes."""

from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from loadtests.driver.tally import Part
from loadtests.habits import Day, Habits, day_named
from loadtests.journeys.steps import Town
from loadtests.population import WORLD_2020, Population, World, of_size
from loadtests.schedule import Window

PATIENCE_S = 10.0
"""Who is cut waits so long for what is on its way."""


class Play(Struct, frozen=True, kw_only=True):
    """What is played: so many persons of the world of 2020, on such a day, in this window of it."""

    users: int
    seed: int
    day: str
    busiest: float
    """How busy the busiest minute is against the day's mean; 0 for what the day says."""
    window: Window
    asks: float
    """The share of openings that ask the platform's typed services for the way, or hand a card on through them."""


def world_and_day(play: Play) -> tuple[World, Day]:
    """Who is played, and the day. Raises SetupError for a day that is not known."""
    day = day_named(play.day)
    world = replace(of_size(WORLD_2020, play.users), seed=play.seed)
    return world, replace(day, busiest=play.busiest) if play.busiest else day


def habits_of(play: Play) -> Habits:
    """The persons and what they do. Raises SetupError for what cannot be."""
    world, day = world_and_day(play)
    return Habits(Population(world), day)


class Task(Struct, frozen=True, kw_only=True, tag="task"):
    """What one generator is to do: its part of so many, against which gateway, and where to leave its ledger."""

    play: Play
    part: int
    parts: int
    address: str
    town: Town
    folder: str
    unary: bool
    identity: bool
    """Whether callers must prove who they are: then nobody can be called for who has no token."""
    tls_cert: str = ""


class Go(Struct, frozen=True, tag="go"):
    """Begin at this time, in nanoseconds since 1970."""

    at_ns: int


class Cut(Struct, frozen=True, tag="cut"):
    """End early."""


class Ready(Struct, frozen=True, kw_only=True, tag="ready"):
    """Everything is prepared; so many persons will arrive."""

    arrivals: int


class Told(Struct, frozen=True, tag="part"):
    """A second is over."""

    part: Part


class Done(Struct, frozen=True, kw_only=True, tag="done"):
    """It is over. `ledger` are files in the task's folder; `cpu_s` is what the generator itself used."""

    arrived: int
    offered: int
    served: int
    late: int
    errors: dict[str, int]
    refusals: dict[str, int]
    retried: dict[str, int]
    unknown: int
    doubts: dict[str, int]
    """Events, by tag, of which nobody knows whether they came to be: those of calls that were given up."""
    asked_again: int
    told_otherwise: int
    left_undone: int
    left_out: dict[str, int]
    latency: dict[str, str]
    ledger: list[str]
    drawn: dict[str, int]
    """Some sessions, and the pages that were turned in each."""
    cpu_s: float


class Failed(Struct, frozen=True, tag="failed"):
    """It cannot go on, and why."""

    why: str


Order: TypeAlias = Task | Go | Cut
Report: TypeAlias = Ready | Told | Done | Failed
