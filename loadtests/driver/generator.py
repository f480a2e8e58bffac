"""A generator: one process that plays its part of the persons, and says every second what came of it.

Run as `python -m loadtests.driver.generator`: orders come on stdin and reports go to stdout, a JSON object a line.
"""

import asyncio
import gc
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np

from actors.errors import PlatformError
from gateway.client import Client
from gateway.tls import pinned
from loadtests import chance
from loadtests.driver.engine import GIVE_UP_S, TICK_S, Due, Engine
from loadtests.driver.ledger import Ledger
from loadtests.driver.messages import (
    PATIENCE_S,
    Cut,
    Done,
    Failed,
    Go,
    Order,
    Ready,
    Report,
    Task,
    Told,
    habits_of,
)
from loadtests.driver.prepare import opening_calls, prepare
from loadtests.driver.streams import Wire
from loadtests.driver.tally import Tally
from loadtests.habits import JOURNEYS as NAMES
from loadtests.habits import ORDERS, WAYS, Habits
from loadtests.journeys.steps import Town, Visit
from loadtests.journeys.table import JOURNEYS, LEAVES, program_of
from loadtests.schedule import Arrivals, arrivals

DRAWS = 6
"""So much of a visit's chance is drawn beforehand; most visits need no more."""
GROUND_S = 5.0
"""After the last arrival's time people still finish what they are at for so long; who thinks longer goes away."""


def arriving(found: Arrivals, habits: Habits, town: Town, asks: float) -> Iterator[Due]:
    """Who arrives when, and the journey that each sets out on: made a second before it is needed."""
    population = habits.population
    cities = [city.name for city in population.cities]
    drawn_by, asks_by = population.key("journey"), population.key("asks")
    mark = town.mark
    names: list[str] = list(NAMES)
    sources: list[str] = list(WAYS)
    makers = [JOURNEYS[name] for name in names]
    last_s = float(found.at_s[-1]) if len(found.at_s) else -1.0
    for second in range(int(last_s) + 1):
        some = found.between(second, second + 1)
        number = (some.person.astype(np.int64) << 24) ^ (some.at_s * 1e6).astype(np.int64)
        goes_on, draws = chance.following(chance.bits(drawn_by, number), DRAWS)
        drawn, ahead = goes_on.tolist(), draws.tolist()
        asking = (chance.unit(chance.bits(asks_by, number)) < asks).tolist()
        where: list[int] = population.cities_of(some.person.astype(np.int64)).tolist()
        columns: list[list[Any]] = [column.tolist() for column in some]
        rows = cast("Iterable[tuple[float, int, int, int, int, int, int]]", zip(*columns, strict=True))
        for row, draw, next_draws, ask, city in zip(rows, drawn, ahead, asking, where, strict=True):
            at_s, person, program, merchant, way, journey, pages = row
            visit = Visit(
                town,
                f"{mark}-{person}-{program}",
                program_of(names[journey], program),
                cities[city],
                sources[way],
                merchant,
                pages,
                draw,
                next_draws,
                ask,
            )
            yield at_s, makers[journey](visit)


def needed(found: Arrivals, habits: Habits) -> tuple[list[int], list[str]]:
    """The merchants from whom somebody will buy, and the cities where somebody will ride."""
    buys = np.isin(found.journey, [NAMES.index(name) for name in ORDERS])
    rides = found.journey == NAMES.index("hire")
    population = habits.population
    cities = np.unique(population.cities_of(found.person[rides].astype(np.int64)))
    return np.unique(found.merchant[buys]).tolist(), [population.cities[int(city)].name for city in cities]


class Generator:
    """Plays one task."""

    def __init__(self, task: Task, say: Callable[[Report], None]) -> None:
        self._task = task
        self._say = say
        self._tally = Tally()
        self._ledger = Ledger()
        self._habits = habits_of(task.play)
        self._found = arrivals(self._habits, task.play.window, task.part, task.parts)
        self._caller = f"load-{task.town.mark}-{task.part}"
        self._is_cut = False

    async def prepare(self) -> None:
        """Fill shelves and stations, then say that it can begin."""
        task = self._task
        tls = pinned(Path(task.tls_cert)) if task.tls_cert else None
        merchants, cities = needed(self._found, self._habits)
        async with Client(task.address, f"{self._caller}-before", tls=tls) as client:
            await prepare(client, opening_calls(task.town, merchants, cities))
        self._say(Ready(arrivals=len(self._found.at_s)))

    def cut(self) -> None:
        """End as soon as what is on its way has come back."""
        self._is_cut = True

    async def play(self, at_ns: int) -> None:
        """Play from this time on."""
        task, tally = self._task, self._tally
        due = arriving(self._found, self._habits, task.town, task.play.asks)
        engine = Engine(due, task.play.window.compress, tally, self._ledger)
        began = time.perf_counter() + (at_ns - time.time_ns()) / 1e9

        def clock() -> float:
            return time.perf_counter() - began

        wire = Wire(engine, task.address, self._caller, clock, identity=task.identity, tls_cert=task.tls_cert)
        wire.unary = task.unary
        gc.collect()
        gc.freeze()
        gc.disable()  # nothing here makes cycles, and a look through all journeys takes a tick or two
        await asyncio.sleep(max(-clock(), 0))
        wire.start()
        try:
            await self._beat(engine, wire, clock)
        finally:
            await wire.close()
        self._say(self._done(engine, wire))

    async def _beat(self, engine: Engine, wire: Wire, clock: Callable[[], float]) -> None:
        """Tick until everybody is done; once it is over, what is on its way is waited for, but not for ever."""
        run_s = self._task.play.window.run_s
        ends_s, ended, second = run_s + GROUND_S, False, 0
        while not engine.is_done:
            now_s = clock()
            engine.tick(now_s)
            wire.send()
            if now_s >= second + 1:
                self._say(Told(self._tally.roll(second, engine.in_flight)))
                wire.check()
                second += 1
            if not ended and (now_s >= ends_s or self._is_cut):
                engine.end()
                ended, ends_s = True, now_s
            if ended and now_s > ends_s + (PATIENCE_S if self._is_cut else 2 * GIVE_UP_S):
                break
            next_s = (int(now_s / TICK_S) + 1) * TICK_S
            await asyncio.sleep(max(next_s - clock(), 0))
        self._say(Told(self._tally.roll(second, engine.in_flight)))

    def _done(self, engine: Engine, wire: Wire) -> Done:
        tally = self._tally
        return Done(
            arrived=engine.arrived,
            offered=tally.offered,
            served=tally.served,
            late=tally.late,
            errors=dict(tally.errors),
            refusals=dict(tally.refusals),
            retried=dict(tally.retried),
            unknown=engine.unknown + engine.in_flight,
            doubts=self._ledger.doubts + Counter(dict.fromkeys(LEAVES, engine.in_flight)),
            asked_again=engine.asked_again,
            told_otherwise=engine.told_otherwise,
            left_undone=engine.left_undone,
            left_out=wire.left_out,
            latency=dict(tally.histograms()),
            ledger=self._ledger.write(Path(self._task.folder), self._task.part),
            drawn=self._ledger.drawn,
            cpu_s=time.process_time(),
        )


async def _orders() -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def _main(say: Callable[[Report], None]) -> None:
    orders = await _orders()
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(Order).decode
    line = await orders.readline()
    if not line:
        return  # whoever started it has gone
    generator = Generator(decode(line), say)
    await generator.prepare()
    line = await orders.readline()
    order = decode(line) if line else None
    if not isinstance(order, Go):
        return  # nor does anybody want it to begin
    playing = asyncio.ensure_future(generator.play(order.at_ns))
    asyncio.ensure_future(_listen(orders, decode, generator, playing))  # noqa: RUF006 - ends with the loop
    await playing


async def _listen(
    orders: asyncio.StreamReader, decode: Callable[[bytes], Any], generator: Generator, playing: "asyncio.Task[None]"
) -> None:
    """Somebody may cut it short; when whoever gives orders is gone, nobody needs it any more."""
    while line := await orders.readline():
        if isinstance(decode(line), Cut):
            generator.cut()
    playing.cancel()


def main() -> None:
    """Play what is asked, to the end."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def say(report: Report) -> None:
        out.write(msgspec.json.encode(report) + b"\n")
        out.flush()

    try:
        asyncio.run(_main(say))
    except (PlatformError, OSError) as error:
        say(Failed(f"{type(error).__name__}: {error}"))
    except asyncio.CancelledError:
        pass  # whoever started it has gone


if __name__ == "__main__":
    main()
