"""What a journey asks for, one step at a time, and what it knows of the visit that it is. Pure."""

from collections.abc import Callable, Generator
from typing import Any, TypeAlias, final

from msgspec import Struct

from loadtests.chance import follow

STACK = 10
"""So many pages a session may have on top of each other."""


@final
class Think(Struct, frozen=True, gc=False):
    """Nothing for so many seconds of the day, which are fewer of a compressed run."""

    seconds: float


@final
class Wait(Struct, frozen=True, gc=False):
    """Nothing for so many real seconds: what programs measure themselves cannot be compressed."""

    seconds: float


class Open(Struct, frozen=True, gc=False):
    """A session of a program. It comes to the session's resource name."""

    program: str
    openid: str
    source: str
    via: str
    city: str


class Invoke(Struct, frozen=True, gc=False):
    """A call. It comes to the answer's JSON, or to `Refused` for a reason that `may` names.

    `leaves` is the tag of the event that an accepted call leaves where it was decided: the audit looks for it.
    """

    entity: str
    command: str
    payload: bytes = b""
    kind: str = ""
    leaves: str = ""
    may: tuple[str, ...] = ()


class Query(Struct, frozen=True, gc=False):
    """A question to an entity's view. It comes to the answer's JSON."""

    entity: str
    view: str
    args: bytes = b""


class Ask(Struct, frozen=True):
    """A call of a typed service: `SearchService` and `Search`. It comes to the response. `who` calls, if it matters."""

    service: str
    method: str
    request: Any
    who: str = ""
    may: tuple[str, ...] = ()


class Refused(Struct, frozen=True, gc=False):
    """A rule said no, as the step had said it may."""

    reason: str


Step: TypeAlias = Think | Wait | Open | Invoke | Query | Ask
Journey: TypeAlias = Generator[Step, Any, None]


class Town(Struct, frozen=True):
    """Where visits are paid: everything there is named by the run's mark, so that runs do not meet on one platform.

    `codes` are what the codes of the programs say, as they were minted before.
    """

    mark: str
    codes: dict[str, str] = {}

    @property
    def template(self) -> str:
        """By what programs tell that something waits."""
        return f"waits-{self.mark}"

    @property
    def board(self) -> str:
        """The board of Jump, with its leaves."""
        return f"{self.mark}-256"


class Visit(Struct, gc=False):
    """One opening by one person: who, of what, from where, and chance that follows from the run's seed alone."""

    town: Town
    name: str
    program: str
    city: str
    source: str
    merchant: int
    pages: int
    drawn: int
    """What chance goes on from once nothing is left of `ahead`."""
    ahead: list[float] = []
    """The next draws, the last of them first: many visits' together cost a tenth (`chance.following`)."""
    asks: bool = False
    """Whether this person's telephone asks the platform where a code, a link or a name leads; most know it."""
    session: str = ""

    def chance(self) -> float:
        """At least 0 and below 1, another one each time."""
        if self.ahead:
            return self.ahead.pop()
        self.drawn, drawn = follow(self.drawn)
        return drawn

    def place(self, name: str) -> str:
        """A place of this name in the person's city."""
        return f"{self.town.mark}-{self.city}-{name}"

    def shop(self) -> str:
        """From whom the person buys."""
        return f"{self.town.mark}m{self.merchant}"


Maker: TypeAlias = Callable[[Visit], Journey]
