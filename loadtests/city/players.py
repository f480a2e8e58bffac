"""The players of a board, and who looks at it: they start games, play them, finish them, and ask. Run as a worker."""

import asyncio
import math
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import grpc
import msgspec

from actors.errors import SetupError
from actors.programs.jump.program import FLIGHT_MS
from gateway.client import Client, View
from gateway.v1 import program_pb2 as pb
from gateway.v1 import program_pb2_grpc
from loadtests.bench import worker
from loadtests.bench.worker import Answer, Question
from loadtests.city.lanes import CALL_MS, Lanes, Take, streamed
from loadtests.driver.naming import said_by
from loadtests.journeys import play

LANES = Lanes(streams=4, batch=200, window=800)
"""More on their way at a time would be turned away: whoever stands in a line for longer than 100 ms is one too many."""
LEAPS_MAX = 20
LOOKS_MAX = 20_000
LOOK_EVERY_S = 0.02
LOOK_S_MAX = 150.0
READY_MS_MAX = 60_000
_decode = msgspec.json.Decoder(dict[str, str]).decode


class Players:
    """So many players, each of whom plays one game. Names and games follow from their numbers alone."""

    def __init__(self) -> None:
        self._games: list[bytes] = []
        self._lasts_ms = 0

    async def start(self, question: Question) -> Answer:
        """Every player starts a game, and plays it once the seed is there."""
        count, board = int(question["count"]), str(question["board"])
        self._games, self._lasts_ms = [b""] * count, 0
        began = time.monotonic()
        await _streamed(str(question["address"]), count, lambda n: (player(n, board), "jump.start", b""), self._seeded)
        seconds = time.monotonic() - began
        await asyncio.sleep(self._lasts_ms / 1_000)  # a game lasts its time: who was last to start has played by then
        return {"seconds": seconds}

    def _seeded(self, n: int, response: pb.InvokeResponse) -> None:
        seed = _decode(response.payload)["seed"]
        presses_ms, score = game(n, seed)
        self._lasts_ms = max(self._lasts_ms, sum(presses_ms) + FLIGHT_MS * len(presses_ms))
        self._games[n] = msgspec.json.encode({"seed": seed, "presses_ms": presses_ms, "score": score})

    async def finish(self, question: Question) -> Answer:
        """Every game is finished, as fast as it goes, or so many a second."""
        board, games, finished = str(question["board"]), self._games, 0

        def take(_n: int, _response: pb.InvokeResponse) -> None:
            nonlocal finished
            finished += 1

        began = time.monotonic()
        turned_away = await _streamed(
            str(question["address"]),
            len(games),
            lambda n: (player(n, board), "jump.finish", games[n]),
            take,
            float(question["per_s"]),
        )
        ended = time.monotonic()
        assert finished == len(games), f"{finished} games of {len(games)} were finished"
        return {"seconds": ended - began, "ended": ended, "turned_away": turned_away}


async def _streamed(
    address: str, count: int, call: Callable[[int], tuple[str, str, bytes]], take: Take, per_s: float = math.inf
) -> int:
    """So many calls, each an entity, a command and a payload; see `streamed`."""

    def batch(some: Mapping[str, int]) -> pb.InvokeBatch:
        message = pb.InvokeBatch()
        add = message.calls.add
        for name, n in some.items():
            entity, command, payload = call(n)
            add(entity=entity, command=command, payload=payload, request_id=name)
        return message

    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = program_pb2_grpc.ProgramServiceStub(channel)
        metadata, lanes = said_by("players", CALL_MS), LANES._replace(per_s=per_s)
        return await streamed(lambda: stub.InvokeStream(metadata=metadata), count, batch, take, lanes)


def player(n: int, board: str) -> str:
    """The n-th player of a board."""
    return f"programs/jump/players/p{n:08d}/{board}"


def game(n: int, seed: str) -> tuple[list[int], int]:
    """The n-th player's presses in the game of this seed, which end with a fall, and their score."""
    chance = random.Random(n)
    return play.game(seed, chance.randrange(LEAPS_MAX), chance.random)


async def first(question: Question) -> Answer:
    """One good answer, however long it takes."""
    async with Client(str(question["address"])) as client:
        await client.query("programs/jump/boards/none-1", "top", deadline_ms=READY_MS_MAX)
    return {}


async def look(question: Question) -> Answer:
    """Ask for the top and for a rank in turn, until the board has so many players or it took too long."""
    board, players = f"programs/jump/boards/{question['board']}", int(question["players"])
    until, least = time.monotonic() + LOOK_S_MAX, int(question["looks_min"])
    tops_s: list[float] = []
    ranks_s: list[float] = []
    complete_at = 0.0
    async with Client(str(question["address"])) as client:
        while len(tops_s) < LOOKS_MAX and time.monotonic() < until and not (complete_at and len(tops_s) >= least):
            top = (await _timed(client.query(board, "top"), tops_s)).value
            score = top["top"][len(tops_s) % len(top["top"])]["score"] if top["top"] else len(tops_s) % LEAPS_MAX
            await _timed(client.query(board, "rank", {"score": score // 2}), ranks_s)
            if top["players"] == players and not complete_at:
                complete_at = time.monotonic()
            await asyncio.sleep(LOOK_EVERY_S)
    return {"complete_at": complete_at, **_told("top", tops_s), **_told("rank", ranks_s)}


async def _timed(asked: Awaitable[View], times_s: list[float]) -> View:
    began = time.perf_counter()
    view = await asked
    times_s.append(time.perf_counter() - began)
    return view


def _told(what: str, times_s: Sequence[float]) -> Answer:
    """The times of one query: median, the 99th of a hundred, the longest, and how many there are."""
    if len(times_s) < 2:
        raise SetupError(f"the board was asked for its {what} {len(times_s)} times; too few to tell anything")
    ms = [1_000 * each for each in times_s]
    p99 = statistics.quantiles(ms, n=100)[98]
    return {
        f"{what}_p50_ms": statistics.median(ms),
        f"{what}_p99_ms": p99,
        f"{what}_max_ms": max(ms),
        f"{what}s": len(ms),
    }


if __name__ == "__main__":
    players = Players()
    tasks = {"first": first, "start": players.start, "finish": players.finish, "look": look}
    worker.serve({name: worker.awaited(task) for name, task in tasks.items()})
