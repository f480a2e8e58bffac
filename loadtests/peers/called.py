"""Contestants that our own client calls: the platform over each log, and a bare echo, the ceiling."""

import asyncio
import os
import signal
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from actors.errors import PlatformError
from gateway.client import Client
from loadtests.bench import echo as bench_echo
from loadtests.bench.echo import Echo
from loadtests.bench.platform import Platform
from loadtests.bench.worker import Worker
from loadtests.peers import calls
from loadtests.peers.campaign import KEYS, Ledger, NoAnswer, campaign, key_of
from loadtests.peers.contestant import IN_FLIGHT, Contestant, Figures, Row, Served
from loadtests.peers.costs import Meter

CALLS = "loadtests.peers.calls"
STREAMS = 16
WARM_S = 0.5
ALONE_S = 1.0
TRY_MS_MAX = 5_000


def unary(caller: Worker, roots: list[int], seconds: float, **asked: str | int) -> Figures:
    """Warm up, call one at a time, then many: a row's figures. The caller may be one of the contestant's processes."""
    caller.ask("unary", in_flight=IN_FLIGHT, seconds=WARM_S, **asked)
    alone = caller.ask("unary", in_flight=1, seconds=ALONE_S, **asked)
    meter = Meter(roots, [caller.pid])
    found = caller.ask("unary", in_flight=IN_FLIGHT, seconds=seconds, **asked)
    return {**found, **meter.figures(found["calls"]), "alone_p50_ms": alone["p50_ms"]}


class Echoed:
    """The echo: it keeps nothing, so there is nothing to lose."""

    def __init__(self, caller: Worker, running: Echo) -> None:
        self._caller, self._echo = caller, running

    def measure(self, keys: int, seconds: float) -> Mapping[str, Figures]:
        """Its one row."""
        return {"echo": unary(self._caller, [self._echo.pid], seconds, address=self._echo.address, keys=keys)}

    def campaign(self, kills: int) -> Figures:
        """It has no balances."""
        raise NotImplementedError


@contextmanager
def echo(_: Path) -> Generator[Served]:
    """The echo and its caller."""
    with Worker(CALLS) as caller, bench_echo.running() as running:
        yield Echoed(caller, running)


class Ours:
    """The platform as `hutong up` starts it: one gateway, one host, Ray, and a log."""

    def __init__(self, log: str, platform: Platform, caller: Worker) -> None:
        self._log, self._platform, self._caller = log, platform, caller

    def measure(self, keys: int, seconds: float) -> Mapping[str, Figures]:
        """A row of unary calls, and one of streamed ones."""
        address = self._platform.run().gateway
        found = {f"hutong-{self._log}": unary(self._caller, [self._platform.pid], seconds, address=address, keys=keys)}
        asked: dict[str, str | int] = {"address": address, "keys": keys, "in_flight": STREAMS}
        self._caller.ask("streamed", seconds=WARM_S, **asked)
        meter = Meter([self._platform.pid])
        streamed = self._caller.ask("streamed", seconds=seconds, **asked)
        return {**found, f"hutong-{self._log}-streamed": {**streamed, **meter.figures(streamed["calls"])}}

    def campaign(self, kills: int) -> Figures:
        """Kill the host, which the platform starts anew."""
        return asyncio.run(self._campaign(kills))

    async def _campaign(self, kills: int) -> Figures:
        async with Client(self._platform.run().gateway) as client:

            async def pay(key: str, name: str) -> None:
                try:
                    await client.invoke(
                        calls.account(key),
                        calls.COMMAND,
                        calls.PAYLOAD,
                        request_id=name,
                        deadline_ms=TRY_MS_MAX,
                        retry_for_ms=0,
                    )
                except PlatformError as error:
                    raise NoAnswer(str(error)) from error

            async def kill() -> None:
                for pid in self._platform.hosts():
                    os.kill(pid, signal.SIGKILL)

            ledger = await campaign(pay, kill, client.new_request_id, kills)
            return await _audited(client, ledger)


async def _audited(client: Client, ledger: Ledger) -> Figures:
    keys = [key_of(n) for n in range(KEYS)]
    views = [await client.query(calls.account(key), "state", linearizable=True) for key in keys]
    return ledger.figures({key: int(view.value["balance"]) for key, view in zip(keys, views, strict=True)})


@contextmanager
def ours(folder: Path, log: str) -> Generator[Served]:
    """The platform over this log, and its caller."""
    with Worker(CALLS) as caller, Platform(folder, "up", "--hosts", "1", "--log", log) as platform:
        platform.wait_ready(caller)
        yield Ours(log, platform, caller)


_CLIENT = "own client"
_DURABLE = "durable on {} before the answer; a retry is known by its id; order by key; an event for each"


def _platform(log: str, title: str, durable: str) -> Contestant:
    says = _DURABLE.format(durable)
    return Contestant(
        f"hutong-{log}",
        (
            Row(f"hutong-{log}", f"Hutong, {title}, unary", _CLIENT, says),
            Row(
                f"hutong-{log}-streamed", f"Hutong, {title}, streamed ({STREAMS} × {calls.STREAM_BATCH})", _CLIENT, says
            ),
        ),
        lambda folder: ours(folder, log),
    )


CALLED = (
    Contestant("echo", (Row("echo", "grpc.aio echo: the ceiling", _CLIENT, "nothing: keeps no balance"),), echo, False),
    _platform("embedded", "embedded log", "disk (fsync)"),
    _platform("kafka", "Kafka", "one Kafka broker"),
)
