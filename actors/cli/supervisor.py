"""`hutong up`: starts log, gateways and the Ray driver, starts again what ends, and ends everything in good order.

Runs without Ray, since Ray takes signals over, costs seconds and must itself be replaced when its head dies.
"""

import asyncio
import contextlib
import fcntl
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from msgspec import Struct

from actors.adapters.hosting import HostConfig
from actors.adapters.logs import open_log
from actors.cli import output, running, wiring
from actors.cli.banner import Banner
from actors.cli.child import Child, Ended
from actors.cli.children import LogPlan
from actors.cli.running import Process, Run
from actors.errors import SetupError
from actors.settings import ClusterSettings, ProcessSettings
from gateway.server import GatewayConfig, new_name

HEAD_GRACE_S = 30.0
"""Hosts go on for a minute without Ray's head; a new session begins before that is over."""
ADDRESS_LOOK_S = 0.01
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


class Supervisor:
    """One run of `up` in one data folder."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan = plan
        self._folder = folder
        self._token = wiring.token_of(folder)
        wanted = None if plan.partitions is None else ClusterSettings(partitions=plan.partitions)
        self._cluster = wiring.settled_cluster(folder, wanted)
        self._process = ProcessSettings()
        self._children: list[Child] = []
        self._driver: Child | None = None
        self._log_url = ""
        self._end_broker: Callable[[], None] = lambda: None
        self._broker: tuple[Process, ...] = ()
        self._head: tuple[Process, ...] = ()
        self._metrics: dict[str, str] = {}
        self._port = plan.port
        self._ended = asyncio.Event()

    async def run(self, as_json: bool, ready: Callable[[Run], None] | None = None, *, quiet: bool = False) -> None:
        """Bring everything up, say so unless `quiet`, and keep it so until SIGTERM or Ctrl-C."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ended.set)
        try:
            await self._start()
            if not self._ended.is_set():
                run = self._say()
                if not quiet:
                    Banner(run, self._notes()).show(as_json)
                if ready is not None:
                    ready(run)
            await self._ended.wait()
        finally:
            await self._stop()

    def end(self) -> None:
        """Begin to end."""
        self._ended.set()

    # -- up -------------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        registry = wiring.registry_of(self._plan.programs)
        await self._start_log()
        await asyncio.to_thread(self._make_topics, tuple(registry.entities))
        first = self._gateway(0)
        driver = self._driver = Child("driver", self._driver_settings, self._on_ended)
        self._children += [first, driver]
        _, facts = await asyncio.gather(first.start(), driver.start())
        self._learn_driver(dict(facts))
        others = [self._gateway(number) for number in range(1, self._plan.gateways)]
        self._children += others
        await asyncio.gather(*(other.start() for other in others))

    async def _start_log(self) -> None:
        spec = self._plan.log
        if spec == "embedded":
            owner = Child("log", lambda: LogPlan(folder=str(self._folder / "log"), token=self._token), self._on_ended)
            self._children.append(owner)
            address = self._folder / "log" / "log.address"
            before = _stamp(address)
            await owner.spawn()
            while _stamp(address) == before:
                if owner.failure is not None:
                    raise owner.failure
                await asyncio.sleep(ADDRESS_LOOK_S)
            self._log_url = f"embedded://{_text(address)}"
        elif spec == "kafka":
            self._start_broker()
        elif spec.startswith("kafka://"):
            self._log_url = spec
        else:
            raise SetupError(f"--log is embedded, kafka or kafka://host:port,…, not {spec!r}", reason="LOG_ADDRESS")

    def _start_broker(self) -> None:
        """One Kafka broker; started from this thread, since it ends with the thread that started it."""
        from infra.kafka import broker

        cluster = broker.start(self._folder / "kafka")
        self._end_broker = cluster.stop
        self._broker = tuple(running.this_process("kafka", pid) for pid in cluster.pids)
        self._log_url = f"kafka://{','.join(cluster.addresses)}"

    def _make_topics(self, kinds: tuple[str, ...]) -> None:
        log = open_log(self._log_url, self._process, self._token)
        try:
            log.create(self._cluster.topics(kinds))
            wiring.check_topics(self._folder, log, self._cluster)
        finally:
            log.close()

    def _gateway(self, number: int) -> Child:
        def settings() -> GatewayConfig:
            return GatewayConfig(
                name=f"{new_name()}-{number}",
                log_url=self._log_url,
                token=self._token,
                port=self._port,
                programs=self._plan.programs,
                cluster=self._cluster,
                process=self._process,
            )

        role = f"gateway-{number}"

        def learn(facts: Mapping[str, Any]) -> None:
            self._port = facts["port"]
            self._metrics[role] = f"127.0.0.1:{facts['metrics']}"

        return Child("gateway", settings, self._on_ended, learn, name=role)

    def _driver_settings(self) -> wiring.DriverPlan:
        host = HostConfig(
            name="",
            log_url=self._log_url,
            token=self._token,
            data_dir=str(self._folder),
            programs=self._plan.programs,
            cluster=self._cluster,
            process=self._process,
        )
        return wiring.DriverPlan(folder=str(self._folder), host=host, hosts=self._plan.hosts)

    def _notes(self) -> tuple[str, ...]:
        return (RAY_NOTE, KAFKA_NOTE) if self._plan.log == "kafka" else (RAY_NOTE,)

    def _say(self) -> Run:
        me = running.this_process("up")
        children = (running.this_process(child.name, child.pid) for child in self._children if child.pid)
        run = Run(
            mode="up",
            folder=str(self._folder),
            gateway=f"127.0.0.1:{self._port}",
            log_url=self._log_url,
            cluster=self._cluster,
            programs=self._plan.programs,
            metrics=self._metrics,
            processes=(me, *children, *self._broker, *self._head),
        )
        running.write_run(run)
        return run

    # -- keeping it so --------------------------------------------------------------------------------------------

    def _learn_driver(self, facts: Mapping[str, Any]) -> None:
        hosts = facts["state"]["hosts"]
        ray = facts["ray"]
        self._head = tuple(
            running.this_process(role, pid)
            for role, pid in (*ray.items(), *((host["name"], host["pid"]) for host in hosts))
        )
        for role in ("gcs_server", "raylet"):
            if role in ray:
                self._watch_head(role, ray[role])

    def _watch_head(self, role: str, pid: int) -> None:
        """Notice the end of a process of Ray's that is no child of ours."""
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        loop = asyncio.get_running_loop()

        def gone() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            driver = self._driver
            if driver is not None and not self._ended.is_set() and pid in [process.pid for process in self._head]:
                output.say(f"Ray's {role} ended; a new session will take over")
                grace_s = HEAD_GRACE_S if role == "gcs_server" else 0.0
                loop.call_later(grace_s, driver.kill)

        loop.add_reader(descriptor, gone)

    def _on_ended(self, child: Child, ended: Ended) -> None:
        """A child ended by itself and will be started again; `ended.facts` are what the new one says."""
        if child is self._driver and ended.facts:
            self._learn_driver(ended.facts)
        output.say(f"{child.name} {'is back' if ended.facts is not None else 'ended: ' + ended.why}")
        self._say()

    # -- down -----------------------------------------------------------------------------------------------------

    async def _stop(self) -> None:
        """End in order: no more calls, then hosts, then the log."""
        self._ended.set()
        for role in ("gateway", "driver", "log"):
            await asyncio.gather(*(child.stop() for child in self._children if child.role == role))
        await asyncio.to_thread(self._end_broker)
        running.clear_run(self._folder)


def _stamp(path: Path) -> int:
    """When the file was written; 0 while there is none."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _text(path: Path) -> str:
    return path.read_text().strip()


def lock(folder: Path) -> IO[bytes]:
    """Take the data folder for this process alone. Raises SetupError naming who has it."""
    file = (folder / "up.lock").open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        run = running.read_run(folder)
        who = f"process {run.processes[0].pid}" if run else "another process"
        raise SetupError(
            f"{folder} is in use by {who}. End it with `hutong stop --dir {folder}`, or use another folder.",
            reason="FOLDER_IN_USE",
        ) from None
    return file


def clear_left_overs(folder: Path) -> None:
    """End what a former run in this folder left behind when it was killed."""
    for process in running.left_over(folder):
        with contextlib.suppress(ProcessLookupError):
            output.say(f"ending {process.role} {process.pid}, left over from a former run")
            os.kill(process.pid, signal.SIGKILL)


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
