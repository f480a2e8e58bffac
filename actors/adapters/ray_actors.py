"""The two Ray actors: the host, and the controller that starts and watches hosts. Control only: no command comes here.

What crosses a Ray call is bytes. The wiring passes in module-level functions that make the parts, so that nothing here
knows how they are made.
"""

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, cast

import msgspec
import ray
from msgspec import Struct

from actors.adapters.hosting import HostConfig, Hosting, HostThread
from actors.adapters.hosting.collecting import keep_pauses_short
from actors.adapters.hosting.cores import keep_core
from actors.adapters.hosting.memory import limit_memory
from actors.adapters.polling import Poller
from actors.adapters.ray_session import HOST_RESOURCE
from actors.clocks import steady_ms
from actors.controller import Action, Assign, Controller, EndHost, Say, StartHost
from actors.errors import PlatformError, SetupError
from actors.history import placements
from actors.kernel.record import Slice, encode_frame, frame_records
from actors.placement import (
    Move,
    Placed,
    Placement,
    Release,
    Size,
    Term,
    decode_placement,
    encode_placement,
    placement_key,
    release_of,
)
from actors.ports import Appended, Fetched, Log

PING_S = 1.0
LOOPBACK = "127.0.0.1:"
RETRY_S = 0.2
RETRY_S_MAX = 5.0
STOP_S_MAX = 14.0
START_FAILURES_MAX = 3
SUPERSEDED = 75
"""The status with which a controller's process ends when a later controller is at work."""
CONTROLLER = "controller"
_ray = cast("Any", ray)
MakeHost = Callable[[HostConfig], Hosting]
MakeLog = Callable[[HostConfig], Log]


class ControllerConfig(Struct, frozen=True, kw_only=True):
    """How many hosts to run, and what each is like; a host's name is made for each life of it."""

    host: HostConfig
    hosts: int
    digest: str


class HostActor:
    """A host in a Ray actor's process."""

    def __init__(self, make: MakeHost, config: bytes) -> None:
        host_config = msgspec.msgpack.decode(config, type=HostConfig)
        self._process = host_config.process
        self._host = HostThread(lambda: make(host_config))
        self._ended = threading.Event()
        self._assigning = threading.Lock()
        self._assigned = 0
        self._core: socket.socket | None = None

    def start(self) -> tuple[str, int]:
        """Begin; returns the link server's address and this process's id."""
        address = self._host.start()
        keep_pauses_short()
        limit_memory(self._process.memory_bytes_max)
        return address, os.getpid()

    def assign(self, number: int, wanted: bytes) -> None:
        """The whole set of partitions to own: msgpack of {partition: (term, n)}.

        Calls may overtake each other on their way here: one with a lower `number` than the last is forgotten.
        """
        with self._assigning:
            if number > self._assigned:
                self._assigned = number
                partitions = msgspec.msgpack.decode(wanted, type=dict[int, tuple[int, int]])
                if partitions and self._process.host_keeps_core and self._core is None:
                    self._core = keep_core(self._host.thread_id)  # not before: a spare host has nothing to do
                self._host.assign(partitions)

    def ping(self) -> None:
        """Answer, if the process can."""

    def wait(self) -> None:
        """Return when the host has ended; a caller that waits learns at once when the process dies."""
        self._ended.wait()

    def drain(self) -> int | None:
        """See `Hosting.drain`."""
        return self._host.drain()

    def stop(self) -> None:
        """Let every partition go."""
        self._host.stop()
        self._ended.set()


class _Life(NamedTuple):
    """A host that was started, as Ray and the machine know it."""

    handle: Any
    address: str
    pid: int


class ControllerActor:
    """Carries out what `actors.controller` decides."""

    def __init__(self, make_host: MakeHost, make_log: MakeLog, config: bytes) -> None:
        self._make_host = make_host
        self._config = msgspec.msgpack.decode(config, type=ControllerConfig)
        host = self._config.host
        self._topic = Slice(host.cluster.placement_topic, 0)
        self._log = make_log(host)
        self._hosts: dict[str, _Life] = {}
        self._numbers = itertools.count(1)
        self._assignments = itertools.count(1)
        self._failures = 0
        self._version = 0
        self._there: tuple[str, ...] = ()
        """Which hosts there were when that was last told, and why others are started late."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def begin(self) -> str:
        """Begin a term and start the hosts; returns when all hosts serve for the first time, or why they do not."""
        self._loop = asyncio.get_running_loop()
        self._begun: asyncio.Future[str] = self._loop.create_future()
        self._changed = asyncio.Condition()
        self._appending = asyncio.Lock()
        said = await self._said_before()
        release = release_of(said, self._config.digest)
        host = msgspec.structs.replace(self._config.host, release=release)
        self._config = msgspec.structs.replace(self._config, host=host)
        sizes = [placement.hosts for placement in said if isinstance(placement, Size)]
        self._core = Controller(
            f"controller-{os.getpid()}-{time.time_ns():x}",
            host.cluster,
            [self._config.hosts, *sizes][-1],
            host.process.host_silence_ms_max,
            release,
            self._config.digest,
            spares=host.process.spare_hosts,
        )
        self._spawn(self._tick())
        await self._carry_out()
        return await self._begun

    async def state(self, seen: int) -> bytes:
        """Hosts and placement, as JSON, once they are another version than `seen`."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._version != seen)
        core = self._core
        state = {
            "version": self._version,
            "term": core.term,
            "hosts": [host._asdict() for host in core.hosts.values()],
            "spares": [host._asdict() for host in core.spares.values()],
            "placed": core.placed,
            "slowed": core.slowed,
        }
        return msgspec.json.encode(state)

    async def stop(self, drain: bool) -> None:
        """End every host in good order; with `drain` once they have nothing left to do, or a bound is passed."""
        self._stopping = True
        if drain:
            await self._drain()
        await asyncio.gather(*(_quietly(life.handle.stop.remote()) for life in self._hosts.values()))
        for task in list(self._tasks):
            task.cancel()

    async def _drain(self) -> None:
        """Until every host twice in a row applied nothing: what one says in the end, another has to apply."""
        before: list[int | None] = []
        until = time.monotonic() + self._config.host.process.drain_ms_max / 1_000
        while time.monotonic() < until:
            applied = await asyncio.gather(*(_drained(life.handle) for life in self._hosts.values()))
            if None in applied or applied == before:
                return
            before = applied

    # -- carrying out ---------------------------------------------------------------------------------------------

    async def _carry_out(self) -> None:
        changed = False
        while actions := self._core.actions():
            changed = True
            for action in actions:
                await self._do(action)
        there = (*self._core.hosts, *self._core.spares, self._core.slowed)
        if changed or there != self._there:
            self._there = there
            await self._tell()

    async def _tell(self) -> None:
        self._version += 1
        async with self._changed:
            self._changed.notify_all()

    async def _do(self, action: Action) -> None:
        match action:
            case Say(Term() as term):
                begun = await self._append(term)
                self._follow(begun.offset)
                self._core.term_begun(begun.offset)
            case Say(placement):
                self._spawn(self._said(placement))
            case Assign(host, wanted):
                self._assign(host, wanted)
            case StartHost():
                self._spawn(self._host())
            case EndHost(host, force):
                life = self._hosts.pop(host, None)
                if life is not None:
                    self._end_host(life, force)

    def _end_host(self, life: "_Life", force: bool) -> None:
        if not force:
            self._spawn(self._end(life))
            return
        if life.address.startswith(LOOPBACK):
            # Ray asks a process first; one that is stopped would go on holding its stores until it is told to end.
            with contextlib.suppress(ProcessLookupError):
                os.kill(life.pid, signal.SIGKILL)
        _ray.kill(life.handle)

    async def _end(self, life: "_Life") -> None:
        await _quietly(life.handle.stop.remote())
        _ray.kill(life.handle)

    def _assign(self, host: str, wanted: Mapping[int, tuple[int, int]]) -> None:
        life = self._hosts.get(host)
        if life is not None:
            self._spawn(_quietly(life.handle.assign.remote(next(self._assignments), msgspec.msgpack.encode(wanted))))

    async def _said(self, placement: Placement) -> None:
        await self._append(placement)

    async def _said_before(self) -> list[Placement]:
        """What the topic has of former controllers and of operators."""
        while True:
            try:
                return await asyncio.to_thread(lambda: [said for _, said in placements(self._log, self._topic.topic)])
            except PlatformError:
                await asyncio.sleep(RETRY_S)

    async def _append(self, placement: Placement) -> Appended:
        """Append, as often as it takes, one after the other: the last record of a key is the one that holds."""
        frame = encode_frame(*self._topic, self._core.name, 0, "", [encode_placement(placement)])
        async with self._appending:
            while True:
                try:
                    future: Future[Appended] = self._log.append(self._topic, frame, placement_key(placement))
                    return await asyncio.wrap_future(future)
                except PlatformError:
                    await asyncio.sleep(RETRY_S)

    def _follow(self, offset: int) -> None:
        """Read what is said on the topic after our Term, to learn of a later controller."""
        self._poller = Poller(self._log.reader(), self._loop, self._read, lambda _: self._end_at_once())
        self._poller.start()
        self._poller.assign({self._topic: offset + 1})

    def _read(self, frames: Sequence[Fetched]) -> None:
        """A later controller, an operator's orders, or what an earlier controller still said."""
        for fetched in frames:
            for record in frame_records(*self._topic, fetched.offset, fetched.frame):
                match decode_placement(record):
                    case Term(controller) if controller != self._core.name and self._core.superseded(fetched.offset):
                        self._end_at_once()
                    case Move(partition, host):
                        self._core.move(partition, host)
                    case Size(hosts):
                        self._core.resize(hosts)
                    case (Placed() | Release()) as said:
                        self._core.said_late(said)
                    case _:
                        pass  # our own term, or what programs run
        self._spawn(self._carry_out())

    def _end_at_once(self) -> None:
        """A later controller is at work: say and do no more. Its hosts fence ours in the log; our session ends."""
        os._exit(SUPERSEDED)

    async def _host(self) -> None:
        """One host's life, from its start to its death."""
        name = f"host-{next(self._numbers)}-{time.time_ns():x}"
        config = msgspec.structs.replace(self._config.host, name=name)
        options = {"num_cpus": 0, "resources": {HOST_RESOURCE: 1}, "max_restarts": 0, "max_concurrency": 8}
        # Detached: a host goes on serving without the controller that started it.
        actor = _ray.remote(HostActor).options(**options, name=name, lifetime="detached")
        handle = actor.remote(self._make_host, msgspec.msgpack.encode(config))
        try:
            address, pid = await handle.start.remote()
        except Exception as error:  # noqa: BLE001 - Ray wraps whatever the host's start raised; another one is started
            await self._start_failed(error)
            return
        self._failures = 0
        self._hosts[name] = _Life(handle, address, pid)
        self._core.host_up(name, address, pid, steady_ms())
        if len(self._core.hosts) >= self._core.hosts_wanted and not self._begun.done():
            self._begun.set_result("")
        pinging = self._spawn(self._ping(name, handle))
        await self._carry_out()
        await _quietly(handle.wait.remote())
        pinging.cancel()
        self._hosts.pop(name, None)
        if not self._stopping:
            self._core.host_down(name, steady_ms())
            await self._carry_out()

    async def _start_failed(self, error: Exception) -> None:
        """Try again, later each time; whoever waits for the first hosts learns why there are none."""
        self._failures += 1
        if self._failures >= START_FAILURES_MAX and not self._begun.done():
            self._begun.set_result(str(getattr(error, "cause", None) or error))
        await asyncio.sleep(min(RETRY_S * 2**self._failures, RETRY_S_MAX))
        self._core.start_failed()
        await self._carry_out()

    async def _ping(self, name: str, handle: Any) -> None:
        while True:
            await asyncio.sleep(PING_S)
            with contextlib.suppress(Exception):
                await handle.ping.remote()
                self._core.heard(name, steady_ms())

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(PING_S)
            self._core.tick(steady_ms())
            await self._carry_out()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _drained(host: Any) -> int | None:
    """How much a host had applied when nothing was left to do there; None when something is, or the host is gone."""
    applied: int | None = None
    with contextlib.suppress(Exception):
        applied = await host.drain.remote()
    return applied


async def _quietly(call: Any) -> None:
    """Wait for a Ray call, whatever comes of it: that a host is gone is noticed by whoever waits for its end."""
    with contextlib.suppress(Exception):
        await call


class ControllerHandle:
    """The controller from the driver's side. All methods block."""

    def __init__(self, make_host: MakeHost, make_log: MakeLog, config: ControllerConfig) -> None:
        options = {"num_cpus": 0, "name": CONTROLLER, "lifetime": "detached", "max_restarts": 0, "max_concurrency": 64}
        encoded = msgspec.msgpack.encode(config)
        self._actor = _ray.remote(ControllerActor).options(**options).remote(make_host, make_log, encoded)

    def begin(self) -> None:
        """Begin; returns when all hosts serve. Raises SetupError when they cannot be started."""
        try:
            why = _ray.get(self._actor.begin.remote())
        except Exception as error:
            raise SetupError(f"the controller did not start: {error}", reason="CONTROLLER") from error
        if why:
            raise SetupError(f"no host could be started: {why}", reason="HOSTS")

    def state(self, seen: int) -> Mapping[str, Any] | None:
        """Hosts and placement once they are another version than `seen`; None when the controller is gone."""
        try:
            state: Mapping[str, Any] = msgspec.json.decode(_ray.get(self._actor.state.remote(seen)))
        except Exception:  # noqa: BLE001 - whatever Ray says of it, there is no controller to ask
            return None
        return state

    def stop(self, *, drain: bool) -> None:
        """End every host in good order, as far as it can be; with `drain` once nothing is left for them to do."""
        with contextlib.suppress(Exception):
            _ray.get(self._actor.stop.remote(drain), timeout=STOP_S_MAX)
