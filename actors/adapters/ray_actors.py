"""The two Ray actors: the host, and the controller that starts and watches hosts. Control only: no command comes here.

What crosses a Ray call is bytes. The wiring passes in module-level functions that make the parts, so that nothing here
knows how they are made.
"""

import asyncio
import contextlib
import itertools
import os
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from typing import Any, cast

import msgspec
import ray
from msgspec import Struct

from actors.adapters.hosting import HostConfig, Hosting, HostThread
from actors.adapters.hosting.collecting import keep_pauses_short
from actors.adapters.ray_session import HOST_RESOURCE
from actors.controller import Action, Assign, Controller, EndHost, Say, StartHost
from actors.errors import PlatformError
from actors.kernel.placement import Placed, Release, Term, encode_placement, placement_key
from actors.kernel.record import Slice, encode_frame
from actors.ports import Appended, Log

PING_S = 1.0
RETRY_S = 0.2
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
        self._host = HostThread(lambda: make(host_config))
        self._ended = threading.Event()

    def start(self) -> tuple[str, int]:
        """Begin; returns the link server's address and this process's id."""
        address = self._host.start()
        keep_pauses_short()
        return address, os.getpid()

    def assign(self, wanted: bytes) -> None:
        """The whole set of partitions to own: msgpack of {partition: (term, n)}."""
        self._host.assign(msgspec.msgpack.decode(wanted, type=dict[int, tuple[int, int]]))

    def ping(self) -> None:
        """Answer, if the process can."""

    def wait(self) -> None:
        """Return when the host has ended; a caller that waits learns at once when the process dies."""
        self._ended.wait()

    def stop(self) -> None:
        """Let every partition go."""
        self._host.stop()
        self._ended.set()


class ControllerActor:
    """Carries out what `actors.controller` decides."""

    def __init__(self, make_host: MakeHost, make_log: MakeLog, config: bytes) -> None:
        self._make_host = make_host
        self._config = msgspec.msgpack.decode(config, type=ControllerConfig)
        host = self._config.host
        self._log = make_log(host)
        self._core = Controller(
            f"controller-{os.getpid()}",
            host.cluster,
            self._config.hosts,
            host.process.host_silence_ms_max,
            host.release,
            self._config.digest,
        )
        self._hosts: dict[str, Any] = {}
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def begin(self) -> None:
        """Begin a term and start the hosts; returns when all hosts serve for the first time."""
        self._loop = asyncio.get_running_loop()
        self._spawn(self._tick())
        self._complete = asyncio.Event()
        await self._carry_out()
        await self._complete.wait()

    async def state(self) -> bytes:
        """Hosts and placement, as JSON."""
        hosts = [host._asdict() for host in self._core.hosts.values()]
        return msgspec.json.encode({"term": self._core.term, "hosts": hosts, "placed": self._core.placed})

    async def move(self, partition: int, host: str) -> bool:
        """Move a partition; see `Controller.move`."""
        done = self._core.move(partition, host)
        await self._carry_out()
        return done

    async def resize(self, hosts: int) -> None:
        """Run so many hosts from now on."""
        self._core.resize(hosts)
        await self._carry_out()

    async def wait(self) -> None:
        """Never return; a caller that waits learns at once when this process dies."""
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """End every host in good order."""
        self._stopping = True
        await asyncio.gather(*(self._quietly(handle.stop.remote()) for handle in self._hosts.values()))
        for task in list(self._tasks):
            task.cancel()

    # -- carrying out ---------------------------------------------------------------------------------------------

    async def _carry_out(self) -> None:
        while actions := self._core.actions():
            for action in actions:
                await self._do(action)

    async def _do(self, action: Action) -> None:
        match action:
            case Say(Term() as term):
                self._core.term_begun((await self._append(term)).offset)
            case Say(placement):
                self._spawn(self._said(placement))
            case Assign(host, wanted):
                self._assign(host, wanted)
            case StartHost():
                self._spawn(self._host())
            case EndHost(host):
                handle = self._hosts.pop(host, None)
                if handle is not None:
                    _ray.kill(handle)

    def _assign(self, host: str, wanted: Mapping[int, tuple[int, int]]) -> None:
        handle = self._hosts.get(host)
        if handle is not None:
            self._spawn(self._quietly(handle.assign.remote(msgspec.msgpack.encode(wanted))))

    async def _said(self, placement: Placed | Release | Term) -> None:
        await self._append(placement)

    async def _append(self, placement: Placed | Release | Term) -> Appended:
        topic = self._config.host.cluster.placement_topic
        frame = encode_frame(topic, 0, self._core.name, 0, "", [encode_placement(placement)])
        while True:
            try:
                future: Future[Appended] = self._log.append(Slice(topic, 0), frame, placement_key(placement))
                return await asyncio.wrap_future(future)
            except PlatformError:
                await asyncio.sleep(RETRY_S)

    async def _host(self) -> None:
        """One host's life, from its start to its death."""
        name = f"host-{next(self._numbers)}-{time.time_ns():x}"
        config = msgspec.structs.replace(self._config.host, name=name)
        options = {"num_cpus": 0, "resources": {HOST_RESOURCE: 1}, "max_restarts": 0, "max_concurrency": 8}
        handle = _ray.remote(HostActor).options(**options).remote(self._make_host, msgspec.msgpack.encode(config))
        try:
            address, pid = await handle.start.remote()
        except Exception:  # noqa: BLE001 - Ray wraps whatever the host's start raised; another one is started
            await asyncio.sleep(RETRY_S)
            self._core.start_failed()
            await self._carry_out()
            return
        self._hosts[name] = handle
        self._core.host_up(name, address, pid, _now_ms())
        if len(self._core.hosts) >= self._config.hosts:
            self._complete.set()
        pinging = self._spawn(self._ping(name, handle))
        await self._carry_out()
        await self._quietly(handle.wait.remote())
        pinging.cancel()
        self._hosts.pop(name, None)
        if not self._stopping:
            self._core.host_down(name)
            await self._carry_out()

    async def _ping(self, name: str, handle: Any) -> None:
        while True:
            await asyncio.sleep(PING_S)
            with contextlib.suppress(Exception):
                await handle.ping.remote()
                self._core.heard(name, _now_ms())

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(PING_S)
            self._core.tick(_now_ms())
            await self._carry_out()

    async def _quietly(self, call: Any) -> None:
        """Wait for a Ray call, whatever comes of it: that a host is gone is noticed by whoever waits for its end."""
        with contextlib.suppress(Exception):
            await call

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class ControllerHandle:
    """The controller from the driver's side. All methods block."""

    def __init__(self, make_host: MakeHost, make_log: MakeLog, config: ControllerConfig) -> None:
        options = {"num_cpus": 0, "name": CONTROLLER, "lifetime": "detached", "max_restarts": 0, "max_concurrency": 64}
        encoded = msgspec.msgpack.encode(config)
        self._actor = _ray.remote(ControllerActor).options(**options).remote(make_host, make_log, encoded)

    def begin(self) -> None:
        """Begin; returns when all hosts serve."""
        _ray.get(self._actor.begin.remote())

    def wait(self) -> None:
        """Return when the controller is gone."""
        with contextlib.suppress(Exception):
            _ray.get(self._actor.wait.remote())

    def state(self) -> Mapping[str, Any]:
        """Hosts and placement."""
        state: Mapping[str, Any] = msgspec.json.decode(_ray.get(self._actor.state.remote()))
        return state

    def stop(self) -> None:
        """End every host in good order."""
        _ray.get(self._actor.stop.remote())
