"""One generator's core: what is due, what is on its way, what it came to. Pure: it is told the time and the answers.

Arrivals never wait for answers. A call is due when its journey wants it, and its latency counts from then, so what
queues anywhere (here, on the wire, at the gateway, on the log) is in it.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from msgspec import Struct

from loadtests.driver.ledger import OPENED, Ledger
from loadtests.driver.tally import Tally
from loadtests.journeys.steps import Ask, Invoke, Journey, Open, Query, Refused, Step, Think, Wait

TICK_S = 0.01
GIVE_UP_S = 60.0
"""A call that has come to nothing for so long is an error."""
AGAIN_S, AGAIN_S_MAX = 0.05, 8.0
GOLDEN = 0.6180339887498949
"""Multiples of it are spread evenly between 0 and 1: who was turned away together does not come back together."""
ASKED_AGAIN = 251
"""Every so many-th accepted call is made once more by the same id: it must be told what the first was."""

Due: TypeAlias = tuple[float, Journey]
"""When somebody arrives, in seconds of the run, and what they then do."""
Call: TypeAlias = Open | Invoke | Query | Ask
Told: TypeAlias = tuple[int, Any]
"""Where a call was decided, and what it was told."""


class Flight(Struct, gc=False):
    """One call on its way. `first` is where its first copy was decided and what it was told, where it is a copy."""

    step: Call
    journey: Journey | None
    due_s: float
    name: str = ""
    first: Told | None = None
    tries: int = 0


class Engine:
    """Plays journeys: `tick` finds what is due, `take` gives it to be sent, the others are told what came of it."""

    def __init__(self, arrivals: Iterator[Due], compress: float, tally: Tally, ledger: Ledger) -> None:
        self._opens: list[Flight] = []
        self._invokes: list[Flight] = []
        self._others: list[Flight] = []
        self.arrived = self.in_flight = 0
        self.unknown = 0
        """Calls that were given up without an answer: they may have been decided."""
        self.asked_again = self.told_otherwise = 0
        self.left_undone = 0
        """Journeys that the end of the run cut short."""
        self._arrivals = arrivals
        self._next = next(arrivals, None)
        self._compress = compress
        self._tally = tally
        self._ledger = ledger
        self._wakes: dict[int, list[tuple[float, Journey]]] = {}
        self._retries: dict[int, list[Flight]] = {}
        self._tick = 0
        self._count = self._turned_away = 0
        self._ended = False
        self._now_s = 0.0
        self._put: dict[type, Callable[[Flight], None]] = {
            Open: self._opens.append,
            Invoke: self._invokes.append,
            Query: self._others.append,
            Ask: self._others.append,
        }

    @property
    def is_done(self) -> bool:
        """Whether nobody arrives any more, nobody thinks, and every call has ended."""
        return self._next is None and not self._wakes and not self._retries and not self.in_flight

    def tick(self, now_s: float) -> None:
        """Put everything that is due by now into the lanes."""
        self._now_s = now_s
        last = int(now_s / TICK_S)
        while self._tick < last:
            self._tick += 1
            for due_s, journey in self._wakes.pop(self._tick, ()):
                self._go_on(journey, None, due_s)
            for flight in self._retries.pop(self._tick, ()):
                self._put[type(flight.step)](flight)
        arrival = self._next
        while arrival is not None and arrival[0] <= now_s:
            self.arrived += 1
            self._go_on(arrival[1], None, arrival[0])
            arrival = next(self._arrivals, None)
        self._next = arrival

    def take(self) -> tuple[list[Flight], list[Flight], list[Flight]]:
        """What is to be sent now: openings, calls, and everything else."""
        lanes = self._opens, self._invokes, self._others
        taken = (self._opens[:], self._invokes[:], self._others[:])
        for lane in lanes:
            lane.clear()
        return taken

    def end(self) -> None:
        """Nobody arrives any more, and who thinks goes away: what is on its way is still waited for."""
        self._ended = True
        self.left_undone += sum(len(some) for some in self._wakes.values())
        self._wakes.clear()
        self._next = None

    # -- what came of it ------------------------------------------------------------------------------------------

    def accepted(self, flight: Flight, value: Any, where: int, now_s: float) -> None:
        """A call was decided at this place, or a question answered there.

        Classes are compared by `is`, here and below: `isinstance` asks a struct's class in Python's slow way, and this
        is done for every call.
        """
        self.in_flight -= 1
        step, took_s = flight.step, now_s - flight.due_s
        if flight.first is not None:
            self.asked_again += 1
            self.told_otherwise += (where, value) != flight.first
            self._tally.answered("asked again", took_s)
            return
        if type(step) is Invoke:
            self._tally.answered(step.kind, took_s)
            leaves = step.leaves
            if leaves:
                if leaves == OPENED[1]:
                    self._ledger.turned(step.entity, where)
                else:
                    self._ledger.accepted(leaves, where)
                self._count += 1
                if self._count % ASKED_AGAIN == 0:
                    self._ask_again(flight, (where, value), now_s)
        elif type(step) is Open:
            self._tally.answered("open", took_s)
            self._ledger.opened(value, where)
        else:
            self._tally.answered(step.method if isinstance(step, Ask) else "query", took_s)
        if flight.journey is not None:
            self._go_on(flight.journey, value, now_s)

    def refused(self, flight: Flight, reason: str, now_s: float, *, come_back: bool, after_s: float = 0.0) -> None:
        """A call was not accepted; `come_back` when the same call may be made again, after so long at least."""
        give_up = now_s - flight.due_s > GIVE_UP_S or (self._ended and flight.tries > 100)
        if come_back and not give_up:
            self._tally.retried[reason] += 1
            wait_s = max(after_s, min(AGAIN_S * 2 ** min(flight.tries, 8), AGAIN_S_MAX))
            self._turned_away += 1
            wait_s *= 1 + self._turned_away * GOLDEN % 1
            flight.tries += 1
            self._at(self._retries, now_s + wait_s, flight)
            return
        self.in_flight -= 1
        step = flight.step
        if isinstance(step, Invoke | Ask) and reason in step.may:
            self._tally.refusals[reason] += 1
            self._tally.answered("refused by a rule", now_s - flight.due_s)
            if flight.first is not None:  # its first copy was accepted
                self.asked_again += 1
                self.told_otherwise += 1
            if flight.journey is not None:
                self._go_on(flight.journey, Refused(reason), now_s)
            return
        if come_back:
            self.unknown += 1
            if isinstance(step, Invoke) and flight.first is None:
                self._ledger.doubted(step.entity, step.leaves)
            elif isinstance(step, Open):
                self._ledger.doubted("", *OPENED)
        self._tally.failed(reason)
        if flight.journey is not None:
            flight.journey.close()

    def skipped(self, flight: Flight, now_s: float) -> None:
        """A call could not be made by this generator at all: its journey goes on as if nobody had asked."""
        self.in_flight -= 1
        self._tally.offered -= 1
        if flight.journey is not None:
            self._go_on(flight.journey, None, now_s)

    # -- journeys -------------------------------------------------------------------------------------------------

    def _go_on(self, journey: Journey, value: Any, due_s: float) -> None:
        """Send a journey what its step came to; its next call is due then."""
        try:
            step: Step = journey.send(value)
        except StopIteration:
            return
        if type(step) is Think:
            self._pause(journey, due_s + step.seconds / self._compress)
        elif type(step) is Wait:
            self._pause(journey, due_s + step.seconds)
        else:
            self._tally.due(self._now_s - due_s)
            self.in_flight += 1
            self._put[type(step)](Flight(step, journey, due_s))

    def _pause(self, journey: Journey, wake_s: float) -> None:
        if self._ended:
            self.left_undone += 1
            journey.close()
        else:
            self._at(self._wakes, wake_s, (wake_s, journey))

    def _ask_again(self, flight: Flight, told: Told, now_s: float) -> None:
        self._tally.due(0.0)
        self.in_flight += 1
        self._invokes.append(Flight(flight.step, None, now_s, flight.name, told))

    def _at(self, wheel: dict[int, list[Any]], when_s: float, item: Any) -> None:
        tick = int(when_s / TICK_S) + 1
        if tick <= self._tick:
            tick = self._tick + 1
        slot = wheel.get(tick)
        if slot is None:
            wheel[tick] = [item]
        else:
            slot.append(item)
