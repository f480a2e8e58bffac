"""Starts, stops and disturbs one Kafka broker or three, in KRaft mode, on loopback.

    with start(folder, brokers=3) as cluster:
        cluster.addresses   # "127.0.0.1:20001", one a broker
        cluster.kill(0)     # SIGKILL; restart(0) brings it back on its port

`python -m infra.kafka.broker start|stop|fetch` does the same for a person. Processes are ended by pid, never by name.
"""

import argparse
import base64
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from msgspec import Struct

from actors.errors import PlatformError, SetupError
from infra.kafka.jars import HERE, classes, jars, java
from infra.kafka.settings import java_options, server_properties
from infra.kafka.wire import brokers_up
from infra.tied import tied

READY_SECONDS_MAX = 60
STOP_SECONDS_MAX = 10
LAST_SECONDS_MAX = 1
LOG_LINES_SHOWN = 15
PORTS_FROM = range(20_000, 32_000)
"""Below the range that outgoing connections take ports from: a broker that is down does not lose its port to one."""


class Node(Struct, frozen=True):
    """A broker as it was started. `started` is the start time of `pid`: a pid alone may be another's by now."""

    port: int
    controller_port: int
    pid: int
    started: str


class Plan(Struct, frozen=True):
    """What all brokers of a cluster are started with."""

    folder: Path
    java: str
    jars: Path
    tied: bool
    advertised: list[int] | None
    keep_classes: Path | None = None
    """Where a broker writes, when it ends, what it has loaded."""


def start(
    folder: Path, brokers: int = 1, port: int = 0, *, tied: bool = True, advertised: list[int] | None = None
) -> "Cluster":
    """Start a cluster of one broker or three, and wait until it accepts. What an earlier one left in `folder` is kept.

    With a `port` the brokers take that one and the next ones, else free ones. A `tied` broker is killed when the thread
    that called this ends: call it from the main thread, or one that lives as long as the cluster shall.
    Clients and brokers are told to connect to the `advertised` ports, one a broker, where a proxy must pass them on.
    Raises SetupError, which names the cause and the next step.
    """
    if brokers not in (1, 3):
        raise SetupError(f"a cluster has 1 broker or 3, not {brokers}", reason="KAFKA_BROKERS")
    if sys.platform != "linux":
        raise SetupError(
            "Kafka is started for you on Linux only; start it yourself and use --log kafka://HOST:PORT.",
            reason="NOT_LINUX",
        )
    folder = folder.absolute()
    plan = Plan(folder, java(), jars(), tied, advertised)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        left = _read_nodes(folder)
    except OSError as error:
        raise SetupError(f"cannot use {folder}: {error}", reason="FOLDER_UNUSABLE") from error
    if any(_alive(node) for node in left):
        raise SetupError(
            f"Kafka is already running in {folder}; stop it first: {_stop_command(folder)}", reason="RUNNING"
        )
    if left and len(left) != brokers:
        raise SetupError(
            f"{folder} holds a cluster of {len(left)}, not {brokers}; use that number, or a fresh folder.",
            reason="KAFKA_BROKERS",
        )
    ports = _given_ports(port, brokers) if port else _free_ports(brokers, avoid=[])
    cluster = Cluster(plan, ports, _free_ports(brokers, avoid=ports))
    try:
        cluster.start_all()
    except BaseException:
        cluster.stop()
        raise
    return cluster


def keep_classes() -> None:
    """Have what a broker loads as it starts kept beside the jars: later ones map it in, for half of what a start costs.

    Where it is kept already, or Java cannot, nothing changes.
    """
    plan = Plan(Path(), java(), jars(), tied=True, advertised=None)
    kept = classes(plan.java, plan.jars)
    if kept.exists():
        return
    never_mind = contextlib.suppress(SetupError, OSError, subprocess.TimeoutExpired)
    with tempfile.TemporaryDirectory(prefix="hutong-kafka-") as folder, never_mind:
        filling = kept.with_name(f"{kept.name}.{os.getpid()}")  # renamed when it is whole, whoever else does the same
        ports = _free_ports(2, avoid=[])
        plan = msgspec.structs.replace(plan, folder=Path(folder), keep_classes=filling)
        cluster = Cluster(plan, ports[:1], ports[1:])
        try:
            cluster.start_all()
            cluster.end(0)
            filling.rename(kept)
        finally:
            cluster.stop()
            filling.unlink(missing_ok=True)


class Cluster:
    """Brokers that run. `addresses[i]` and `pids[i]` are those of broker i; a pid changes when it is restarted."""

    def __init__(self, plan: Plan, ports: list[int], controller_ports: list[int]) -> None:
        self._plan = plan
        self._ports = ports
        self._controller_ports = controller_ports
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def addresses(self) -> list[str]:
        """Where clients connect: `host:port`, one a broker."""
        return [f"127.0.0.1:{port}" for port in self._told]

    @property
    def ports(self) -> list[int]:
        """Where each broker listens, whatever it advertises."""
        return list(self._ports)

    @property
    def _told(self) -> list[int]:
        return self._plan.advertised or self._ports

    @property
    def pids(self) -> list[int]:
        """The process of each broker, the last one if it is dead."""
        return [process.pid for process in self._processes]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start_all(self) -> None:
        """Format what is not formatted, start every broker, and wait until each sees all the others."""
        indices = range(len(self._ports))
        self._format()
        self._processes.extend(self._spawn(i) for i in indices)
        self._write_nodes()
        self._await({i: set(self._told) for i in indices}, "accept connections")

    def kill(self, i: int) -> None:
        """SIGKILL broker i; returns when it is dead."""
        self._processes[i].kill()
        self._processes[i].wait()

    def end(self, i: int) -> None:
        """SIGTERM broker i; returns when it has ended in good order. Raises TimeoutExpired if that takes too long."""
        self._processes[i].terminate()
        self._processes[i].wait(READY_SECONDS_MAX)

    def pause(self, i: int) -> None:
        """SIGSTOP broker i: its connections stay open, and nothing answers."""
        self._processes[i].send_signal(signal.SIGSTOP)

    def resume(self, i: int) -> None:
        """SIGCONT broker i."""
        self._processes[i].send_signal(signal.SIGCONT)

    def restart(self, i: int) -> None:
        """Start broker i again on its port, ending it first if it runs; returns when it has been let in again."""
        self._end([i])
        self._processes[i] = self._spawn(i)
        self._write_nodes()
        self._await({i: {self._told[i]}}, "come back")

    def restart_all(self) -> None:
        """Start every broker again on its port, ending those that run; returns when each sees all the others."""
        indices = list(range(len(self._processes)))
        self._end(indices)
        self._processes[:] = [self._spawn(i) for i in indices]
        self._write_nodes()
        self._await({i: set(self._told) for i in indices}, "come back")

    def stop(self) -> None:
        """End every broker: SIGTERM, and SIGKILL to what is left after a while. The data stays."""
        self._end(list(range(len(self._processes))))

    def leave(self) -> None:
        """Forget the brokers without ending them; `stop` on the command line ends them later."""
        for process in self._processes:
            process.returncode = 0  # keeps Python from warning that it still runs
        self._processes.clear()

    def _folder(self, i: int) -> Path:
        return self._plan.folder / f"broker-{i + 1}"

    def _sees(self, i: int) -> set[int]:
        return set(brokers_up(self._ports[i], timeout_s=2).values())

    def _format(self) -> None:
        plan = self._plan
        running: list[tuple[int, subprocess.Popen[bytes]]] = []
        cluster_id = _cluster_id(plan.folder)
        for i in range(len(self._ports)):
            folder = self._folder(i)
            (folder / "data").mkdir(parents=True, exist_ok=True)
            settings = server_properties(i + 1, self._ports, self._controller_ports, folder / "data", plan.advertised)
            (folder / "server.properties").write_text(settings)
            if (folder / "data" / "meta.properties").is_file():
                continue
            # This lives for half a second: only the fast compiler pays.
            command = [plan.java, "-XX:TieredStopAtLevel=1", *self._options(i), "kafka.tools.StorageTool", "format"]
            command += ["-t", cluster_id, "-c", str(folder / "server.properties")]
            with (folder / "output.log").open("ab") as output:
                running.append((i, subprocess.Popen(command, stdout=output, stderr=output)))
        failed = [i for i, process in running if process.wait() != 0]
        if failed:
            raise SetupError(self._trouble(failed[0], "could not format its folder"), reason="KAFKA_NOT_STARTED")

    def _options(self, i: int) -> list[str]:
        options = java_options(self._folder(i) / "kafka.log", HERE / "log4j2.xml")
        kept = classes(self._plan.java, self._plan.jars)
        shared = [f"-XX:SharedArchiveFile={kept}"] if kept.exists() else []
        return [*options, *shared, "-cp", f"{self._plan.jars}/*"]

    def _spawn(self, i: int) -> "subprocess.Popen[bytes]":
        plan = self._plan
        keeping = [f"-XX:ArchiveClassesAtExit={plan.keep_classes}"] if plan.keep_classes else []
        command = [plan.java, *self._options(i), *keeping, "kafka.Kafka", str(self._folder(i) / "server.properties")]
        if plan.tied:
            command = tied(command, signal.SIGKILL)  # a stopped broker gets this one too, and its log survives it
        with (self._folder(i) / "output.log").open("wb") as output:
            # A session of its own: Ctrl-C in a terminal reaches who started it, who then ends it in its turn.
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd=self._folder(i),
            )

    def _await(self, wanted: dict[int, set[int]], what: str) -> None:
        """Wait until each broker i sees the brokers at the ports `wanted[i]`. Raises SetupError if one ends first."""
        deadline = time.monotonic() + READY_SECONDS_MAX
        for i, ports in wanted.items():
            while not ports <= self._sees(i):
                code = self._processes[i].poll()
                if code is not None:
                    raise SetupError(self._trouble(i, f"ended with code {code}"), reason="KAFKA_NOT_STARTED")
                if time.monotonic() > deadline:
                    trouble = self._trouble(i, f"did not {what} within {READY_SECONDS_MAX} s")
                    raise SetupError(trouble, reason="KAFKA_NOT_STARTED")
                time.sleep(0.05)

    def _end(self, indices: list[int]) -> None:
        _end([node for i, node in enumerate(self._nodes()) if i in indices])
        for i in indices:
            self._processes[i].wait()

    def _nodes(self) -> list[Node]:
        rows = zip(self._ports, self._controller_ports, self.pids, strict=True)
        return [Node(port, controller_port, pid, _start_time(pid)) for port, controller_port, pid in rows]

    def _trouble(self, i: int, what: str) -> str:
        said: list[str] = []
        for name in ("output.log", "kafka.log"):
            with contextlib.suppress(OSError):
                lines = (self._folder(i) / name).read_text(errors="replace").splitlines()
                said += [line for line in lines if not line.startswith("\tat ")][-LOG_LINES_SHOWN:]
        return f"Kafka broker {i + 1} {what}; the end of its log in {self._folder(i)}:\n" + "\n".join(said)

    def _write_nodes(self) -> None:
        (self._plan.folder / "cluster.json").write_bytes(msgspec.json.encode(self._nodes()))


def stop(folder: Path) -> int:
    """End the brokers that were started in this folder, by any process; returns how many were running."""
    alive = [node for node in _read_nodes(folder.absolute()) if _alive(node)]
    _end(alive)
    return len(alive)


def _end(nodes: list[Node]) -> None:
    for number in (signal.SIGCONT, signal.SIGTERM):  # a stopped process would not see the second without the first
        for node in nodes:
            _signal(node, number)
    deadline = time.monotonic() + STOP_SECONDS_MAX
    left = nodes
    while left := [node for node in left if _alive(node)]:
        if len(left) == 1 < len(nodes):
            # The last of three has no quorum left to sign off with, and would wait 5 s in vain.
            deadline = min(deadline, time.monotonic() + LAST_SECONDS_MAX)
        if time.monotonic() > deadline:
            for node in left:
                _signal(node, signal.SIGKILL)
        time.sleep(0.02)


def _read_nodes(folder: Path) -> list[Node]:
    path = folder / "cluster.json"
    return msgspec.json.decode(path.read_bytes(), type=list[Node]) if path.is_file() else []


def _start_time(pid: int) -> str:
    """When this process started, in the kernel's ticks; empty if there is none, or only its exit code is left."""
    try:
        # The name in brackets may hold anything; what follows it may not.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _alive(node: Node) -> bool:
    return node.started != "" and _start_time(node.pid) == node.started


def _signal(node: Node, number: signal.Signals) -> None:
    if _alive(node):
        with contextlib.suppress(ProcessLookupError):
            os.kill(node.pid, number)


def _cluster_id(folder: Path) -> str:
    """The id all brokers are formatted with, made once and kept."""
    path = folder / "cluster-id"
    if not path.is_file():
        path.write_text("H" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22])
    return path.read_text()


def _bind(port: int) -> bool:
    """Whether a server could listen at this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _given_ports(port: int, brokers: int) -> list[int]:
    ports = list(range(port, port + brokers))
    for wanted in ports:
        if not _bind(wanted):
            raise SetupError(
                f"port {wanted} is in use or not allowed; choose another with --port", reason="PORT_IN_USE"
            )
    return ports


def _free_ports(count: int, avoid: list[int]) -> list[int]:
    """Ports that are free now. From a random place on: others may be looking as well."""
    first = random.randrange(len(PORTS_FROM))
    found: list[int] = []
    for step in range(len(PORTS_FROM)):
        port = PORTS_FROM[(first + step) % len(PORTS_FROM)]
        if port not in avoid and _bind(port):
            found.append(port)
        if len(found) == count:
            return found
    raise SetupError(f"no free port from {PORTS_FROM.start} to {PORTS_FROM.stop}", reason="PORT_IN_USE")


def _stop_command(folder: Path) -> str:
    return f"python -m infra.kafka.broker stop --dir {folder}"


def main(arguments: list[str] | None = None) -> int:
    """The command line: fetch the jars, start a cluster and leave it running, stop it."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.kafka.broker", description=(__doc__ or "").partition("\n")[0]
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("fetch", help="fetch Kafka's jars, so that a start needs no network, and have it start quickly")
    starting = commands.add_parser("start", help="start a cluster, print its addresses, leave it running")
    starting.add_argument("--brokers", type=int, choices=(1, 3), default=1)
    starting.add_argument("--port", type=int, default=0, help="of the first broker; 0 (the default) takes free ones")
    stopping = commands.add_parser("stop", help="end the cluster that was started in a folder; its data stays")
    for command in (starting, stopping):
        command.add_argument("--dir", type=Path, required=True, help="where its data, settings and logs are kept")
    options = parser.parse_args(arguments)
    try:
        if options.command == "fetch":
            java()
            print(jars())
            keep_classes()
        elif options.command == "stop":
            print(f"stopped: {stop(options.dir)}")
        else:
            cluster = start(options.dir, options.brokers, options.port, tied=False)
            print(",".join(cluster.addresses))
            print(f"pids {cluster.pids}; stop it by: {_stop_command(options.dir)}", file=sys.stderr)
            cluster.leave()
    except PlatformError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
