"""A platform that a test plays by hand: it answers what an engine sends, as the test says."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from loadtests.driver.engine import TICK_S, Due, Engine, Flight
from loadtests.driver.ledger import Ledger, place
from loadtests.driver.tally import Tally
from loadtests.journeys.steps import Journey, Open, Town, Visit


class No(NamedTuple):
    """The platform does not take a call; it may be made again when `come_back`."""

    reason: str
    come_back: bool = False


TOWN = Town("t", {"bike": "code"})


def visit(person: int = 1, program: str = "shop", pages: int = 3) -> Visit:
    """Somebody's visit."""
    return Visit(TOWN, f"t-{person}-0", program, "Paris", "recent", 5, pages, person)


def engine(arrivals: Iterator[Due], compress: float = 1.0) -> Engine:
    """An engine that nobody has told the time yet."""
    return Engine(arrivals, compress, Tally(), Ledger())


class Played:
    """Answers every call `answers_s` after it was sent, each at a place of its own."""

    def __init__(self, arrivals: Iterator[Due], compress: float = 1.0, answers_s: float = 0.02) -> None:
        self.tally, self.ledger = Tally(), Ledger()
        self.engine = Engine(arrivals, compress, self.tally, self.ledger)
        self.sent: list[tuple[float, Flight]] = []
        self.now_s = 0.0
        self.answer: Callable[[Flight, int], Any] = _plain
        self._answers_s = answers_s
        self._flying: list[tuple[float, Flight]] = []
        self._places: dict[str, int] = {}

    def until(self, end_s: float) -> None:
        """Let the time go by."""
        while self.now_s < end_s and not self.engine.is_done:
            self.now_s += TICK_S
            self.engine.tick(self.now_s)
            for flight in [each for lane in self.engine.take() for each in lane]:
                flight.name = flight.name or f"c{len(self.sent)}"
                self.sent.append((self.now_s, flight))
                self._flying.append((self.now_s + self._answers_s, flight))
            due = [flight for at_s, flight in self._flying if at_s <= self.now_s]
            self._flying = [(at_s, flight) for at_s, flight in self._flying if at_s > self.now_s]
            for flight in due:
                self._come(flight)

    def _come(self, flight: Flight) -> None:
        at = self._places.setdefault(flight.name, len(self._places))
        answer = self.answer(flight, at)
        if isinstance(answer, No):
            self.engine.refused(flight, answer.reason, self.now_s, come_back=answer.come_back)
        else:
            self.engine.accepted(flight, answer, place(0, at, 0), self.now_s)


def _plain(flight: Flight, at: int) -> Any:
    del at
    return f"sessions/{flight.step.program}/{flight.step.openid}/1" if isinstance(flight.step, Open) else b"{}"


def one(journey: Journey, at_s: float = 0.0) -> Iterator[Due]:
    """Somebody arrives, and nobody else."""
    yield at_s, journey
