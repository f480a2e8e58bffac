"""Gateways in a test's own process: a log in memory that can fail, hosts real and scripted, and a client's stub."""

import asyncio
import functools
import tempfile
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import grpc
import msgspec
from google.rpc import error_details_pb2 as details
from google.rpc import status_pb2

from actors import domain
from actors.adapters.appends import new_future
from actors.adapters.following import Follower
from actors.adapters.hosting import HostConfig
from actors.adapters.hosting.links import Links
from actors.adapters.hosting.shell import Hosting, Parts
from actors.adapters.memory import MemoryLog
from actors.adapters.memory_keys import MemorySubjects, MemoryTallies
from actors.adapters.memory_states import MemoryStates
from actors.adapters.objects import open_objects
from actors.adapters.shelf import packages_on
from actors.clocks import wall_ms
from actors.errors import Unavailable
from actors.kernel.action import Reply
from actors.kernel.record import Invoke, decode_frame, encode_frame
from actors.kernel.routing import partition_of
from actors.kernel.rules import Rules
from actors.link import FromGateway, FromHost, Owned, Replies
from actors.placement import Placed, Placement, Release, Term, encode_placement, placement_key
from actors.ports import Appended, Keys, Slice, States
from actors.principal import parse
from actors.registry import Registry, load_programs, shipped_programs
from actors.sensor import Sensor
from actors.settings import ClusterSettings, ProcessSettings
from gateway.client import uuid7
from gateway.finding import Programs
from gateway.server import Gateway, GatewayConfig, GatewayParts
from gateway.tokens import sign
from gateway.v1 import program_pb2 as pb
from gateway.v1 import program_pb2_grpc
from tests.gateway.jar import JAR

TOKEN = "between gateways and hosts"
CLUSTER = ClusterSettings(partitions=2)
RELEASE, DIGEST = 3, "rules"
PROCESS = ProcessSettings()
WAIT_S = 10.0
T = TypeVar("T")
M = TypeVar("M")
Opened = Callable[[Path], Callable[[], Programs]]
Said = tuple[tuple[str, str], ...]
"""What a caller says of itself, as metadata."""


@functools.cache
def registry() -> Registry:
    """The platform's own entities, and jars: checked once, as a gateway does at its start."""
    return load_programs((), platform=(*domain.ENTITIES, JAR))


@functools.cache
def shipped(*programs: str) -> Registry:
    """The platform's own entities, and of the programs that ship those of these names."""
    return load_programs(folder for folder in shipped_programs() if folder.name in programs)


def jar_on(partition: int, nth: int = 0) -> str:
    """The resource name of a jar of this partition."""
    found = [n for n in range(1_000) if partition_of(f"j{n}", CLUSTER.partitions, CLUSTER.groups) == partition]
    return f"jars/j{found[nth]}"


def new_id(ago_ms: int = 0) -> str:
    """A UUIDv7, as a client makes it."""
    return uuid7(wall_ms() - ago_ms)


class TestLog(MemoryLog):
    """A log in memory whose appends a test can hold back or fail."""

    __test__ = False

    def __init__(self) -> None:
        super().__init__(wall_ms)
        self.failing: list[Unavailable] = []
        """What the next appends of commands fail with; OUTCOME_UNKNOWN ones are in the log all the same."""
        self.holding: list[Callable[[], None]] | None = None
        """Appends that wait for `release`, when it is a list."""
        self.create(CLUSTER.topics(tuple(registry().entities)))

    def append(self, slice: Slice, frame: bytes, key: bytes | None = None) -> "Future[Appended]":
        if slice.topic != CLUSTER.commands_topic:
            return super().append(slice, frame, key)
        if self.failing:
            error = self.failing.pop(0)
            if error.reason == "OUTCOME_UNKNOWN":
                super().append(slice, frame, key)
            failed = new_future()
            failed.set_exception(error)
            return failed
        if self.holding is None:
            return super().append(slice, frame, key)
        held = new_future()
        self.holding.append(lambda: held.set_result(MemoryLog.append(self, slice, frame, key).result()))
        return held

    def release(self) -> None:
        """Let go of what was held, in order, and hold no more."""
        holding, self.holding = self.holding or [], None
        for append in holding:
            append()

    def frames(self, partition: int) -> list[list[Invoke]]:
        """The calls of every frame of a partition of the commands topic."""
        slice_ = Slice(CLUSTER.commands_topic, partition)
        fetched = self.fetch(slice_, 0, 1 << 30)
        frames = [decode_frame(*slice_, frame.offset, frame.frame) for frame in fetched]
        return [[record for record in frame.records if isinstance(record, Invoke)] for frame in frames]

    def calls(self, partition: int) -> list[Invoke]:
        """Every call in a partition, in order."""
        return [call for frame in self.frames(partition) for call in frame]

    def place(self, placement: Placement) -> int:
        """Say this on the placement topic; returns its offset."""
        topic = CLUSTER.placement_topic
        frame = encode_frame(topic, 0, "controller", 0, "", [encode_placement(placement)])
        return self.append(Slice(topic, 0), frame, placement_key(placement)).result().offset

    async def until(self, fact: Callable[[], T]) -> T:
        """Wait until the fact is true; it is looked at after every change of the log."""
        while not (found := fact()):
            await asyncio.to_thread(self._changes)
        return found

    def _changes(self) -> None:
        with self.changed:
            self.changed.wait(0.02)


class ScriptedHost:
    """A host that says only what a test makes it say."""

    def __init__(self) -> None:
        self.address = ""
        self.gateways: list[str] = []
        self._said: list[FromGateway] = []
        self._news = asyncio.Event()
        self._links = Links(TOKEN, self._linked, lambda _: None, self._told)

    async def start(self, port: int = 0) -> "ScriptedHost":
        """Listen."""
        self.address = f"127.0.0.1:{await self._links.start(f'127.0.0.1:{port}')}"
        return self

    async def stop(self) -> None:
        """End every stream."""
        await self._links.stop()

    def _linked(self, gateway: str) -> None:
        self.gateways.append(gateway)
        self._news.set()

    def _told(self, gateway: str, messages: Sequence[FromGateway]) -> None:
        del gateway
        self._said += messages
        self._news.set()

    async def linked(self, times: int = 1) -> str:
        """Wait for a gateway's stream, or for so many; returns the last one's name."""
        while len(self.gateways) < times:
            await self._more()
        return self.gateways[-1]

    async def hears(self, kind: type[M]) -> M:
        """The next message of this kind."""
        while True:
            for message in self._said:
                if isinstance(message, kind):
                    self._said.remove(message)
                    return message
            await self._more()

    async def _more(self) -> None:
        self._news.clear()
        await asyncio.wait_for(self._news.wait(), WAIT_S)

    def says(self, *messages: FromHost) -> None:
        """Say this to the gateway that linked last."""
        for message in messages:
            self._links.tell(self.gateways[-1], message)

    def answers(self, partition: int, calls: Sequence[Invoke], payload: bytes = b'{"ok":true}', code: int = 0) -> None:
        """Answer these calls."""
        gateway = self.gateways[-1]
        replies = [Reply(gateway, call.caller, call.request_id, code, payload, 7, 0, False) for call in calls]
        self.says(Replies(partition, replies))


class Scene:
    """What a test plays in."""

    def __init__(self, log: TestLog, folder: Path) -> None:
        self.log = log
        self.folder = folder
        self.registry = registry()
        self.objects = open_objects(folder / "objects")
        self.packages = packages_on(self.objects)
        self.keys: Keys | None = None
        self.opened: Opened | None = None
        self.subjects = MemorySubjects()
        self.tallies = MemoryTallies()
        self.host_process = PROCESS
        self.sensor: Sensor = Sensor()
        self.states: States | None = None
        self.reports: list[tuple[str, object]] = []
        self.gateways: list[Gateway] = []
        self.hosts: list[Hosting | ScriptedHost] = []
        self.channels: list[grpc.aio.Channel] = []

    def runs(self, *programs: str) -> None:
        """Of the programs that ship those of these names run here; before there is any host."""
        self.registry = shipped(*programs)
        self.log.create(CLUSTER.topics(tuple(self.registry.entities)))

    async def host(self, assignment: int = 1) -> str:
        """A real host that owns every partition; returns its address."""
        config = HostConfig(
            name=f"host-{assignment}",
            log_url="",
            token=TOKEN,
            data_dir=str(self.folder),
            cluster=CLUSTER,
            process=self.host_process,
            watchdog=False,
        )
        rules = Rules(self.registry.entities.values(), RELEASE, DIGEST)
        parts = Parts(self.log, self.states or MemoryStates(), self.objects, rules, self.sensor, self.packages)
        hosting = Hosting(config, parts, lambda event, facts: self.reports.append((event, facts)))
        self.hosts.append(hosting)
        address = await hosting.start()
        hosting.assign(dict.fromkeys(range(CLUSTER.partitions), (0, assignment)))
        self.place_all(address, assignment)
        return address

    async def scripted(self, assignment: int = 1, epoch: int | None = 1) -> ScriptedHost:
        """A scripted host that is the placed owner of every partition; it says so at once unless `epoch` is None."""
        host = await ScriptedHost().start()
        self.hosts.append(host)
        self.place_all(host.address, assignment)
        if epoch is not None:
            await host.linked()
            host.says(*(Owned(partition, epoch) for partition in range(CLUSTER.partitions)))
        return host

    def place_all(self, address: str, assignment: int = 1, term: int = 0) -> None:
        """Say that this address owns every partition."""
        for partition in range(CLUSTER.partitions):
            self.log.place(Placed(partition, term, assignment, f"host-{assignment}", address, 0))

    async def gateway(self, process: ProcessSettings = PROCESS, sensor: Sensor | None = None) -> int:
        """A gateway; returns its port."""
        name = f"gateway-{len(self.gateways)}"
        config = GatewayConfig(name=name, log_url="", token=TOKEN, cluster=CLUSTER, process=process)
        programs = self.opened(self.folder) if self.opened else None
        looked, told = sensor or self.sensor, self.subjects
        parts = GatewayParts(self.log, self.registry, looked, self.objects, self.keys, programs, told, self.tallies)
        gateway = Gateway(config, parts)
        self.gateways.append(gateway)
        return await gateway.start()

    def stub(self, port: int, **options: int) -> Any:
        """A bare stub of the service, over a connection of its own."""
        arguments = [
            ("grpc.use_local_subchannel_pool", 1),
            *((f"grpc.{name}", value) for name, value in options.items()),
        ]
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=arguments)
        self.channels.append(channel)
        return program_pb2_grpc.ProgramServiceStub(channel)

    async def served(self, process: ProcessSettings = PROCESS) -> Any:
        """A stub of a new gateway before a real host that serves every partition."""
        if not self.hosts:
            await self.host()
        stub = self.stub(await self.gateway(process))
        await self.gateways[-1].ready(CLUSTER.partitions)
        return stub

    def by(self, caller: str) -> Said:
        """What the caller says of itself: its name, or its token where callers must prove who they are."""
        if self.keys is None:
            return (("hutong-caller", caller),)
        principal = parse(caller)
        assert principal is not None
        return (("authorization", f"Bearer {sign(self.keys, principal, wall_ms())}"),)

    def on_log(self) -> int:
        """How many calls the log has."""
        return sum(len(self.log.calls(partition)) for partition in range(CLUSTER.partitions))

    async def end(self) -> None:
        """Stop all of it."""
        await asyncio.gather(*(channel.close() for channel in self.channels))
        await asyncio.gather(*(gateway.stop() for gateway in self.gateways))
        self.log.release()
        await asyncio.gather(*(host.stop() for host in self.hosts))


@contextmanager
def running(follower: Follower) -> Generator[None]:
    """The follower follows, in a thread of its own."""
    thread = threading.Thread(target=follower.run)
    thread.start()
    try:
        yield
    finally:
        follower.stop()
        thread.join()


@asynccontextmanager
async def scene() -> AsyncGenerator[Scene]:
    """An empty scene: no host, no gateway yet."""
    with tempfile.TemporaryDirectory() as folder:
        log = TestLog()
        log.place(Term("controller"))
        log.place(Release(0, RELEASE, DIGEST))
        made = Scene(log, Path(folder))
        try:
            yield made
        finally:
            await made.end()


def play(act: Callable[[Scene], Awaitable[T]]) -> T:
    """Run this in a scene of its own."""

    async def run() -> T:
        async with scene() as made:
            return await asyncio.wait_for(act(made), 3 * WAIT_S)

    return asyncio.run(run())


def request(entity: str, command: str = "jar.put", request_id: str | None = None, **fields: object) -> pb.InvokeRequest:
    """A call of a jar."""
    name = new_id() if request_id is None else request_id
    return pb.InvokeRequest(entity=entity, command=command, payload=msgspec.json.encode(fields), request_id=name)


def status_in(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    """The rich status of a failed call."""
    found = dict(error.trailing_metadata() or ())
    packed = found["grpc-status-details-bin"]
    assert isinstance(packed, bytes)
    return status_pb2.Status.FromString(packed)


def detail(status: status_pb2.Status, kind: type[M]) -> M | None:
    """The detail of this type, if the status has it."""
    message: Any = kind()
    for packed in status.details:
        if packed.Unpack(message):
            return message  # type: ignore[no-any-return]
    return None


def reason_of(status: status_pb2.Status) -> str:
    """The stable reason."""
    info = detail(status, details.ErrorInfo)
    assert info is not None
    assert info.domain == "hutong"
    return str(info.reason)


def field_of(status: status_pb2.Status) -> str:
    """The field that was wrong; none where it was none."""
    bad = detail(status, details.BadRequest)
    return "" if bad is None else bad.field_violations[0].field


async def refused(call: Awaitable[object]) -> tuple[grpc.StatusCode, status_pb2.Status]:
    """The code and status of a call that must fail."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code(), status_in(error)
    raise AssertionError("the call was accepted")
