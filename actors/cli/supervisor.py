"""`hutong up`: starts log, gateways, follower, Ray driver, starts again what ends, and ends everything in good order.

Runs without Ray, since Ray takes signals over, costs seconds and must itself be replaced when its head dies.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from actors.adapters.hosting import HostConfig
from actors.adapters.logs import open_log
from actors.adapters.ray_session import clear_outside
from actors.cli import output, running, wiring
from actors.cli.banner import Banner
from actors.cli.child import Child, Ended
from actors.cli.children import LogPlan
from actors.cli.errorfile import LOGS
from actors.cli.following import FollowerPlan
from actors.cli.head import Head
from actors.cli.holding import lock, reserved
from actors.cli.running import Process, Run
from actors.cli.starting import Step, bring_up
from actors.errors import SetupError
from actors.placement import Size
from actors.settings import ProcessSettings
from gateway.server import GatewayConfig, new_name
from gateway.tls import check_address

RAY_NOTE = "Ray's own ports listen on all interfaces whatever they are told; token authentication is on"
KAFKA_NOTE = "one Kafka broker survives kill -9, but not a power cut; the embedded log survives both"


class Plan(Struct, frozen=True, kw_only=True):
    """What `up` was asked for."""

    folder: Path
    port: int
    log: str
    hosts: int
    gateways: int
    partitions: int | None
    programs: tuple[str, ...]
    groups: dict[str, int] = {}
    process: ProcessSettings | None = None
    """How its processes run; as the environment says when there is none."""


class Supervisor:
    """One run of `up` in one data folder."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan = plan
        self._folder = folder
        self._token = wiring.token_of(folder)
        self._cluster = wiring.settled_cluster(folder, plan.partitions, plan.groups)
        self._process = plan.process or wiring.process_settings()
        self._children: list[Child] = []
        self._head: Head | None = None
        self._log_url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._end_broker: Callable[[], None] = lambda: None
        self._broker: tuple[Process, ...] = ()
        self._metrics: dict[str, str] = {}
        self._port = 0
        self._is_up = False
        self._ended = asyncio.Event()

    async def run(self, as_json: bool, ready: Callable[[Run], None] | None = None, *, quiet: bool = False) -> None:
        """Bring everything up, say so unless `quiet`, and keep it so until SIGTERM or Ctrl-C."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ended.set)
        try:
            check_address(self._process.gateway_host, self._process)
            with reserved(self._process.gateway_host, self._plan.port) as self._port:
                await self._until_ended(self._start())
                if not self._ended.is_set():
                    self._is_up = True
                    run = self._say()
                    if not quiet:
                        Banner(run, self._notes()).show(as_json)
                    if ready is not None:
                        ready(run)
                await self._ended.wait()
        finally:
            await self._stop()

    async def _until_ended(self, start: Coroutine[None, None, None]) -> None:
        """Start, unless the end comes first."""
        starting, ended = asyncio.ensure_future(start), asyncio.ensure_future(self._ended.wait())
        await asyncio.wait((starting, ended), return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if starting.done():
            starting.result()
        else:
            starting.cancel()
            await asyncio.wait((starting,))

    def end(self) -> None:
        """Begin to end."""
        self._ended.set()

    # -- up -------------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        """All at once: Ray's session takes longest and needs no log yet, the others wait for the log's address."""
        registry = wiring.registry_of(self._plan.programs)
        self._say()
        self._head = Head(self._folder, self._driver_settings, self._on_ended, self._say)
        gateways = [self._gateway(number) for number in range(self._plan.gateways)]
        follower = self._follower()
        self._children += [*gateways, follower]
        logs = self._folder / LOGS
        ray = f"{logs / 'ray-driver.log'}, {logs / 'hosts.log'}"
        await bring_up(
            [
                Step(f"the log, {self._plan.log}", str(self._folder), self._prepare_log(tuple(registry.entities))),
                Step("Ray's session and the hosts", ray, self._head.start()),
                *(Step(child.name, "its errors are above", child.start()) for child in (*gateways, follower)),
            ],
            output.say,
        )

    async def _prepare_log(self, kinds: tuple[str, ...]) -> Mapping[str, Any]:
        url = await self._start_log()
        await asyncio.to_thread(self._make_topics, url, kinds)
        self._log_url.set_result(url)
        return {}

    async def _start_log(self) -> str:
        spec = self._plan.log
        if spec.startswith("kafka://"):
            return spec
        if spec == "kafka":
            return self._start_broker()
        if spec != "embedded":
            raise SetupError(f"--log is embedded, kafka or kafka://host:port,…, not {spec!r}", reason="LOG_ADDRESS")
        port = 0

        async def settings() -> LogPlan:
            return LogPlan(folder=str(self._folder / "log"), token=self._token, port=port)

        owner = Child("log", settings, self._on_ended)
        self._children.append(owner)
        address = str((await owner.start())["address"])
        port = int(address.rpartition(":")[2])
        return f"embedded://{address}"

    def _start_broker(self) -> str:
        """One Kafka broker; started from this thread, since it ends with the thread that started it."""
        from infra.kafka import broker

        cluster = broker.start(self._folder / "kafka")
        self._end_broker = cluster.stop
        self._broker = tuple(running.this_process("kafka", pid) for pid in cluster.pids)
        return f"kafka://{','.join(cluster.addresses)}"

    def _make_topics(self, url: str, kinds: tuple[str, ...]) -> None:
        log = open_log(url, self._process, self._token)
        try:
            log.create(self._cluster.topics(kinds))
            wiring.keep(self._folder, self._cluster)
            wiring.check_topics(self._folder, log, self._cluster)
            wiring.order(log, self._cluster, Size(self._plan.hosts))
        finally:
            log.close()

    def _gateway(self, number: int) -> Child:
        role = f"gateway-{number}"

        async def settings() -> GatewayConfig:
            return GatewayConfig(
                name=f"{new_name()}-{number}",
                log_url=await asyncio.shield(self._log_url),
                token=self._token,
                host=self._process.gateway_host,
                port=self._port,
                folder=str(self._folder),
                programs=self._plan.programs,
                cluster=self._cluster,
                process=self._process,
            )

        def learn(facts: Mapping[str, Any]) -> None:
            self._metrics[role] = f"127.0.0.1:{facts['metrics']}"

        return Child("gateway", settings, self._on_ended, learn, name=role)

    def _follower(self) -> Child:
        async def settings() -> FollowerPlan:
            return FollowerPlan(
                folder=str(self._folder),
                log_url=await asyncio.shield(self._log_url),
                token=self._token,
                programs=self._plan.programs,
                cluster=self._cluster,
                process=self._process,
            )

        def learn(facts: Mapping[str, Any]) -> None:
            self._metrics["follower"] = f"127.0.0.1:{facts['metrics']}"

        return Child("follower", settings, self._on_ended, learn)

    async def _driver_settings(self) -> wiring.DriverPlan:
        host = HostConfig(
            name="",
            log_url=await asyncio.shield(self._log_url),
            token=self._token,
            data_dir=str(self._folder),
            programs=self._plan.programs,
            cluster=self._cluster,
            process=self._process,
        )
        return wiring.DriverPlan(folder=str(self._folder), host=host, hosts=self._plan.hosts)

    # -- what is told ---------------------------------------------------------------------------------------------

    def _notes(self) -> tuple[str, ...]:
        return (RAY_NOTE, KAFKA_NOTE) if self._plan.log == "kafka" else (RAY_NOTE,)

    def _on_ended(self, child: Child, ended: Ended) -> None:
        """A child ended by itself, or is back."""
        if not self._ended.is_set():
            output.say(f"{child.name} {'is back' if ended.facts is not None else f'ended: {ended.why}'}")
        self._say()

    def _say(self) -> Run:
        """Write down what runs, so that other commands find it, and whoever comes after us if we are killed."""
        children = (child.process for child in self._children if child.process is not None)
        run = Run(
            mode="up",
            folder=str(self._folder),
            gateway=running.dialled(self._process.gateway_host, self._port),
            identity=self._process.identity_required,
            tls_cert=self._process.tls_cert,
            log_url=self._log_url.result() if self._log_url.done() else "",
            cluster=self._cluster,
            programs=self._plan.programs,
            metrics=self._metrics,
            processes=(
                running.this_process("up"),
                *children,
                *self._broker,
                *(self._head.processes() if self._head is not None else ()),
            ),
            trouble=self._head.trouble() if self._head is not None else (),
        )
        running.write_run(run, ready=self._is_up)
        return run

    # -- down -----------------------------------------------------------------------------------------------------

    async def _stop(self) -> None:
        """End in order: no more calls, then hosts, then what reads the log, then the log."""
        self._ended.set()
        self._log_url.cancel()
        for role in ("gateway", "driver", "follower", "log"):
            if role == "driver" and self._head is not None:
                await self._head.stop()
            await asyncio.gather(*(child.stop() for child in self._children if child.role == role))
        await asyncio.to_thread(self._end_broker)
        clear_outside(self._folder)
        running.clear_run(self._folder)


def clear_left_overs(folder: Path) -> None:
    """End what a former run in this folder left behind when it was killed."""
    for process in running.left_over(folder):
        with contextlib.suppress(ProcessLookupError):
            output.say(f"ending {process.role} {process.pid}, left over from a former run")
            os.kill(process.pid, signal.SIGKILL)
    clear_outside(folder)
    running.clear_run(folder)


def run_up(plan: Plan, as_json: bool, ready: Callable[[Run], None] | None = None) -> None:
    """Run until ended."""
    folder = wiring.data_folder(plan.folder)
    held = lock(folder)
    try:
        clear_left_overs(folder)
        asyncio.run(_supervise(plan, folder, as_json, ready))
    finally:
        held.close()


async def _supervise(plan: Plan, folder: Path, as_json: bool, ready: Callable[[Run], None] | None) -> None:
    await Supervisor(plan, folder).run(as_json, ready)
