"""`python -m loadtests opens`: people who scan a code, and how long each waits until the first page is answered."""

import asyncio
import json
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from gateway.client import Client
from gateway.v1 import session_pb2, ways_pb2
from gateway.v1.session_pb2_grpc import SessionServiceStub
from gateway.v1.ways_pb2_grpc import WaysServiceStub
from loadtests.bench.platform import Platform
from loadtests.bench.report import figures_table, rounded
from loadtests.bench.rows import Row
from loadtests.bench.worker import Answer, Worker
from loadtests.city.relay import relayed_per_s
from loadtests.city.search import quantiles

ROWS = (
    Row("open_p50_ms", "a cold open, one at a time, p50", 20, None, "ms"),
    Row("open_p99_ms", "a cold open, one at a time, p99", 1_000, None, "ms"),
    Row("relayed_opens_per_s", "opens of persons whom nobody knows, streamed", 2_000, None, "/s", more=True),
)
IN_FLIGHT = 32
RELAYED = 20
STATIONS = 20
PAGE = "pages/map/index"


def run(opens: int, log: str, *, as_json: bool) -> None:
    """Measure on a platform of its own; then a table, or one JSON object on one line, on stdout."""
    figures = measure(opens, log)
    if as_json:
        print(json.dumps({key: rounded(value) for key, value in figures.items()}), flush=True)
    else:
        Console().print(table_of(figures))


def measure(opens: int, log: str) -> Answer:
    """So many cold opens one after the other, as many with many in flight, and `RELAYED` times as many streamed."""
    with (
        tempfile.TemporaryDirectory(prefix="hutong-opens-", ignore_cleanup_errors=True) as name,
        Worker("loadtests.bench.callers") as caller,
        Platform(Path(name), "up", "--log", log) as platform,
    ):
        platform.wait_ready(caller)
        address = platform.run().gateway
        figures, many = asyncio.run(_play(address, opens)), RELAYED * opens
        before_s = platform.cpu_s()
        figures["relayed_opens_per_s"] = asyncio.run(relayed_per_s(address, "bike", many))
        figures["relayed_cpu_us"] = 1e6 * (platform.cpu_s() - before_s) / many
        return figures


async def _play(address: str, opens: int) -> Answer:
    codes = await _codes(address)
    alone = await _opened(address, codes, "alone", opens, 1)
    began = time.perf_counter()
    crowd = await _opened(address, codes, "crowd", opens, IN_FLIGHT)
    figures = {"opens": float(opens), "crowd_opens_per_s": opens / (time.perf_counter() - began)}
    for who, waits_ms in (("open", alone), ("crowd", crowd)):
        figures[f"{who}_p50_ms"], figures[f"{who}_p99_ms"] = quantiles(waits_ms)
    return figures


async def _codes(address: str) -> list[str]:
    """Stations with a code on each; the first call finds the platform ready."""
    texts: list[str] = []
    async with Client(address, "maker") as client:
        for n in range(STATIONS):
            station = {"name": f"Station {n}", "docks": 20, "bikes": 10}
            await client.invoke(f"programs/bike/stations/{n}", "bike.station.open", station)
            mint = ways_pb2.MintCodeRequest(program="bike", page=PAGE, scene=str(n).encode())
            mint.request_id = client.new_request_id()
            texts.append((await client.ask(WaysServiceStub, "MintCode", mint)).text)
    return texts


async def _opened(address: str, codes: list[str], who: str, opens: int, in_flight: int) -> list[float]:
    """What each of so many persons waited, in ms."""
    persons = iter(range(opens))
    waits_ms: list[float] = []

    async def some() -> None:
        for n in persons:
            began = time.perf_counter()
            await _cold_open(address, f"{who}-{n}", codes[n % len(codes)])
            waits_ms.append((time.perf_counter() - began) * 1_000)

    await asyncio.gather(*(some() for _ in range(in_flight)))
    return waits_ms


async def _cold_open(address: str, person: str, text: str) -> None:
    """A person whom nobody knows, over a connection of its own: a code, a session, what the first page shows."""
    async with Client(address, person) as client:
        way = await client.ask(WaysServiceStub, "ResolveCode", ways_pb2.ResolveCodeRequest(text=text))
        request = session_pb2.OpenRequest(program=way.program, path=way.page, source="scan", via=way.code)
        request.request_id = client.new_request_id()
        await client.ask(SessionServiceStub, "Open", request)
        await client.query(f"programs/bike/stations/{way.scene.decode()}", "station")


def table_of(figures: Answer) -> Table:
    """Every figure, and of those that must reach something whether they do."""
    return figures_table(f"{figures['opens']:,.0f} cold opens: code, session, first page", ROWS, figures)
