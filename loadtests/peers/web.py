"""Contestants that are called over HTTP, all in the same way: `POST /Account/KEY/pay`, the id in a header.

wrk measures them; a client of the standard library pays while they are killed.
"""

import asyncio
import http.client
import json
import os
import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from infra.kafka.jars import java
from infra.peers import environments
from loadtests.peers import wrk
from loadtests.peers.campaign import KEYS, NoAnswer, campaign, key_of
from loadtests.peers.contestant import IN_FLIGHT, Contestant, Figures, Row, Served
from loadtests.peers.costs import Meter
from loadtests.peers.serving import Process, free_ports, run

ALONE_S = 1.0
WARM_S = 1.0
JVM_WARM_S = 5.0
ANSWER_S_MAX = 10.0
WORKERS = 2
GOOD = 200
HYPERCORN = """\
bind = "127.0.0.1:{port}"
h2_max_concurrent_streams = 2147483647
keep_alive_max_requests = 2147483647
keep_alive_timeout = 2147483647
workers = {workers}
"""
NOBODY = 65_534


def post(port: int, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> bytes:
    """Ask over a connection of its own, with a JSON body or none. Raises NoAnswer unless the answer is a good one."""
    given, kind = ("", {}) if body is None else (json.dumps(body), {"content-type": "application/json"})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S_MAX)
    try:
        connection.request("POST", path, given, {**kind, **(headers or {})})
        answer = connection.getresponse()
        said = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswer(str(error)) from error
    finally:
        connection.close()
    if answer.status // 100 != GOOD // 100:
        raise NoAnswer(f"{answer.status}: {said[:200]!r}")
    return said


class Web:
    """A service that answers at a port; `killed` is the process that a campaign kills, of all that it consists of."""

    def __init__(self, name: str, port: int, killed: Process, *others: Process, warm_s: float = WARM_S) -> None:
        self._name, self._port, self._killed, self._others, self._warm_s = name, port, killed, others, warm_s

    def ready(self) -> bool:
        """Whether it pays."""
        try:
            self._pay("first", uuid.uuid4().hex)
        except NoAnswer:
            return False
        return True

    def _pay(self, key: str, name: str) -> None:
        post(self._port, f"/Account/{key}/pay", {"amount": 1}, {"idempotency-key": name})

    def _balance(self, key: str) -> int:
        return int(json.loads(post(self._port, f"/Account/{key}/balance"))["balance"])

    def measure(self, keys: int, seconds: float) -> Mapping[str, Figures]:
        """Its one row."""
        load = partial(wrk.pay, f"http://127.0.0.1:{self._port}", keys=keys)
        load(connections=IN_FLIGHT, seconds=self._warm_s)
        alone = load(connections=1, seconds=ALONE_S)
        meter = Meter([process.pid for process in (self._killed, *self._others)])
        found = load(connections=IN_FLIGHT, seconds=seconds)
        return {self._name: {**meter.figures(found["calls"]), **found, "alone_p50_ms": alone["p50_ms"]}}

    def campaign(self, kills: int) -> Figures:
        """Kill it, and start it again at once."""

        async def pay(key: str, name: str) -> None:
            await asyncio.to_thread(self._pay, key, name)

        async def kill() -> None:
            await asyncio.to_thread(self._killed.kill_and_start)

        ledger = asyncio.run(campaign(pay, kill, lambda: uuid.uuid4().hex, kills))
        return ledger.figures({key_of(n): self._balance(key_of(n)) for n in range(KEYS)})


@contextmanager
def fastapi(folder: Path, name: str, store: str, *others: Process) -> Generator[Served]:
    """The service over this store, its tables made."""
    python, (port,) = str(environments.python("fastapi")), free_ports(1)
    environments.wrk()
    environment = {"STORE": store}
    module = "loadtests.peers.services.fastapi_service"
    run([python, "-m", module], folder, environment)
    command = [python, "-m", "uvicorn", f"{module}:served", "--factory", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", str(WORKERS), "--log-level", "warning", "--no-access-log"]
    with Process(command, folder, "uvicorn", environment) as uvicorn:
        web = Web(name, port, uvicorn, *others)
        uvicorn.wait(web.ready)
        yield web


@contextmanager
def sqlite(folder: Path) -> Generator[Served]:
    """Over SQLite."""
    with fastapi(folder, "fastapi-sqlite", f"sqlite:{folder}/accounts.db") as web:
        yield web


@contextmanager
def database(folder: Path) -> Generator[tuple[int, Process]]:
    """A PostgreSQL of its own, at this port: its own defaults, which sync every commit, and a larger cache."""
    programs, environment = environments.postgres()
    data, (port,) = folder / "data", free_ports(1)
    data.mkdir()
    unprivileged: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        unprivileged = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        os.chown(data, NOBODY, NOBODY)
        folder.chmod(0o711)
        folder.parent.chmod(0o711)
    made = ["-D", str(data), "-U", "peers", "--auth=trust", "--no-locale", "-E", "UTF8"]
    run([*unprivileged, str(programs / "initdb"), *made], folder, environment)
    settings = ["listen_addresses=127.0.0.1", f"port={port}", f"unix_socket_directories={data}", "shared_buffers=512MB"]
    options = [part for setting in settings for part in ("-c", setting)]
    command = [*unprivileged, str(programs / "postgres"), "-D", str(data), *options]
    with Process(command, folder, "postgres", environment) as server:
        server.wait(lambda: "ready to accept connections" in server.said.read_text())
        yield port, server


@contextmanager
def postgres(folder: Path) -> Generator[Served]:
    """Over PostgreSQL."""
    with (
        database(folder) as (port, server),
        fastapi(folder, "fastapi-postgres", f"postgresql://peers@127.0.0.1:{port}/postgres", server) as web,
    ):
        yield web


@contextmanager
def pekko(folder: Path) -> Generator[Served]:
    """One node of a Pekko cluster, which is killed, and its journal in PostgreSQL, which is not."""
    jars = environments.pekko()
    environments.wrk()
    with database(folder) as (database_port, server):
        (port,) = free_ports(1)
        url = f"jdbc:postgresql://127.0.0.1:{database_port}/postgres"
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        command = [java(), quiet, "-cp", f"{jars}/classes:{jars}/*", "PekkoService", str(port), url]
        with Process(command, folder, "pekko", {}) as node:
            web = Web("pekko", port, node, server, warm_s=JVM_WARM_S)
            node.wait(web.ready)
            yield web


@contextmanager
def restate(folder: Path) -> Generator[Served]:
    """Restate's server, which is killed, and its Python service under Hypercorn, each as its documentation says."""
    program, python = environments.restate(), str(environments.python("restate"))
    environments.wrk()
    ingress, admin, fabric, served = free_ports(4)
    (folder / "hypercorn.toml").write_text(HYPERCORN.format(port=served, workers=WORKERS))
    service = [python, "-m", "hypercorn", "--config", "hypercorn.toml", "loadtests.peers.services.restate_service:app"]
    command = [str(program), "--no-logo", "--base-dir", str(folder / "data"), "--node-name", "peer"]
    environment = {
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_BIND_ADDRESS": f"127.0.0.1:{fabric}",
        "RESTATE_ADVERTISED_ADDRESS": f"http://127.0.0.1:{fabric}",
        "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{ingress}",
        "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{admin}",
        "RESTATE_DISABLE_TELEMETRY": "true",
    }
    with (
        Process(service, folder, "hypercorn", {}) as behind,
        Process(command, folder, "restate", environment) as server,
    ):
        server.wait(lambda: _registered(admin, served))
        web = Web("restate", ingress, server, behind)
        server.wait(web.ready)
        yield web


def _registered(admin: int, served: int) -> bool:
    try:
        post(admin, "/deployments", {"uri": f"http://127.0.0.1:{served}"})
    except NoAnswer:
        return False
    return True


_PEKKO = (
    "durable in PostgreSQL before the answer; order by key; a retry is known by the last 64 ids of a key, "
    "which we wrote; an event for each"
)
_FIRST = "durable on disk before the answer; a retry is known by a row of its id; "

WEB = (
    Contestant(
        "restate",
        (
            Row(
                "restate",
                "Restate, Python SDK",
                "wrk",
                "durable on disk before the answer; a retry is known by its id; order by key",
            ),
        ),
        restate,
    ),
    Contestant(
        "pekko",
        (Row("pekko", "Pekko, sharding + JDBC journal", "wrk", _PEKKO),),
        pekko,
    ),
    Contestant(
        "fastapi-sqlite",
        (Row("fastapi-sqlite", "FastAPI + SQLite", "wrk", _FIRST + "one machine, one writer; no events"),),
        sqlite,
    ),
    Contestant(
        "fastapi-postgres",
        (Row("fastapi-postgres", "FastAPI + PostgreSQL", "wrk", _FIRST + "no events"),),
        postgres,
    ),
)
