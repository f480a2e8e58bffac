"""The gateway's process: a gRPC server with bounds, health, reflection and a graceful end."""

import asyncio
import gc
import signal
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from msgspec import Struct

from actors.errors import SetupError
from actors.ports import Keys, Log, Objects, Subjects, Tallies
from actors.quotas import check_quotas
from actors.registry import Registry
from actors.sensor import Sensor
from actors.settings import ClusterSettings, ProcessSettings
from gateway.answering import Answering
from gateway.auth import Auth
from gateway.counting import Counting
from gateway.deriving import Derived
from gateway.doorkeeper import Doorkeeper
from gateway.finding import Programs
from gateway.gatekeeper import Gatekeeper
from gateway.ingress import Ingress
from gateway.rolling import Rolling
from gateway.routes import Routes
from gateway.sealing import Sealing
from gateway.services.catalog import CatalogService
from gateway.services.credentials import CredentialService
from gateway.services.friends import FriendsService
from gateway.services.identity import IdentityService
from gateway.services.notify import NotifyService
from gateway.services.program import ProgramService
from gateway.services.search import SearchService
from gateway.services.session import SessionService
from gateway.services.ways import WaysService
from gateway.services.webhooks import WebhookService
from gateway.standing import Standing
from gateway.steps import Given
from gateway.tls import check_address, server_credentials
from gateway.tokens import Verifier
from gateway.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    credentials_pb2,
    credentials_pb2_grpc,
    friends_pb2,
    friends_pb2_grpc,
    identity_pb2,
    identity_pb2_grpc,
    notify_pb2,
    notify_pb2_grpc,
    program_pb2,
    program_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
    session_pb2,
    session_pb2_grpc,
    ways_pb2,
    ways_pb2_grpc,
    webhooks_pb2,
    webhooks_pb2_grpc,
)

SERVICE_NAME: str = program_pb2.DESCRIPTOR.services_by_name["ProgramService"].full_name
WRITTEN = ("InvokeStream", "OpenStream")
"""The methods whose messages `written.py` puts together."""
ACCEPT_MAX = 10_000
"""With more calls waiting to be accepted gRPC gives some up at random, whoever called: for memory's sake alone."""
KEEPALIVE_MS = 30_000
PING_MS_MIN = 10_000
COLLECT_EVERY = (20_000, 20, 50)
"""Young objects, young looks and middle looks, each before the next look."""
RPCS_PER_PENDING = 2
"""gRPC turns away what is above its own limit without a word why; calls meet the limit of pending ones before."""


class GatewayConfig(Struct, frozen=True, kw_only=True):
    """One gateway process; `name` is new for each life of it, since hosts answer by it.

    `folder` is where its objects and the read models are, and its keyring, if identity is required.
    """

    name: str
    log_url: str
    token: str
    host: str = "127.0.0.1"
    port: int = 0
    folder: str = ""
    programs: tuple[str, ...] = ()
    metrics_port: int = -1
    reflection: bool = True
    cluster: ClusterSettings = ClusterSettings()
    process: ProcessSettings = ProcessSettings()


class GatewayParts(NamedTuple):
    """What a gateway is wired to; it needs a keyring where identity is required.

    `programs` opens, for a thread, what programs are looked for in. `subjects` has the keys of personal data, `tallies`
    what all gateways of the machine count together.
    """

    log: Log
    registry: Registry
    sensor: Sensor
    objects: Objects
    keys: Keys | None = None
    programs: Callable[[], Programs] | None = None
    subjects: Subjects | None = None
    tallies: Tallies | None = None


class Served(NamedTuple):
    """A service of a gateway: its full name, and how protobuf's generated code adds it to a server."""

    name: str
    service: Answering
    add: Callable[[Any, Any], None]


def services(given: Given, parts: GatewayParts) -> list[Served]:
    """Every service of ours."""
    program = ProgramService(given.ingress, given.routes, given.process, given.sensor)
    return [
        _served(program_pb2, program_pb2_grpc, program),
        _served(catalog_pb2, catalog_pb2_grpc, CatalogService(given, parts.objects)),
        _served(ways_pb2, ways_pb2_grpc, WaysService(given)),
        _served(session_pb2, session_pb2_grpc, SessionService(given, parts.keys)),
        _served(identity_pb2, identity_pb2_grpc, IdentityService(given, parts.keys)),
        _served(credentials_pb2, credentials_pb2_grpc, CredentialService(given, parts.keys)),
        _served(notify_pb2, notify_pb2_grpc, NotifyService(given)),
        _served(search_pb2, search_pb2_grpc, SearchService(given, parts.programs)),
        _served(friends_pb2, friends_pb2_grpc, FriendsService(given, parts.keys)),
        _served(webhooks_pb2, webhooks_pb2_grpc, WebhookService(given)),
    ]


def _served(messages: Any, generated: Any, service: Answering) -> Served:
    """The one service of a proto, by the name that it has there; protobuf's generated code has no types."""
    ((name, described),) = messages.DESCRIPTOR.services_by_name.items()
    return Served(described.full_name, service, getattr(generated, f"add_{name}Servicer_to_server"))


def adding_to(server: grpc.aio.Server) -> Any:
    """The server as protobuf's generated code sees it: most methods shall stand in one line together, none registered.

    gRPC waits for each registered method by itself, and looks at all that it waits for whenever a call comes: with our
    hundred methods for 43 µs a call, with those of `ProgramService` for 14. So only those have lines of their own.

    What streams answer is bytes already.
    """

    def add(service: str, handlers: dict[str, Any]) -> None:
        served = {name: _as_bytes(handler) if name in WRITTEN else handler for name, handler in handlers.items()}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, served),))
        if service == SERVICE_NAME:
            server.add_registered_method_handlers(service, served)

    def nothing_yet(_: object) -> None:
        """The same methods come once more, with their names."""

    return SimpleNamespace(add_generic_rpc_handlers=nothing_yet, add_registered_method_handlers=add)


def _as_bytes(handler: Any) -> Any:
    made: Callable[..., Any] = grpc.stream_stream_rpc_method_handler
    return made(handler.stream_stream, handler.request_deserializer, None)


class Gateway:
    """A gateway on the running event loop. Raises SetupError for settings by which no call could be answered."""

    def __init__(self, config: GatewayConfig, parts: GatewayParts) -> None:
        check_quotas(config.process)
        self._config = config
        self.port = 0
        auth = _auth(config.process, parts)
        self._sealing = Sealing(parts.subjects, parts.tallies, config.process.subject_keys_day_max)
        self._counting = Counting(parts.tallies)
        routes = Routes(parts.registry, config.cluster, config.process, self._sealing)
        self._rolling = Rolling(routes, parts.objects)
        self.ingress = Ingress(
            config.name, parts.log, config.cluster, config.process, config.token, parts.sensor, auth, self._rolling
        )
        standing = Standing(self.ingress, routes)
        self._health = health.aio.HealthServicer()
        self._server = grpc.aio.server(
            interceptors=[
                *([Gatekeeper(auth, standing, self.ingress.probe, parts.sensor)] if auth.is_required else ()),
                Doorkeeper(auth, self.ingress.door, self.ingress.probe, parts.sensor),
            ],
            options=_options(config.process),
            maximum_concurrent_rpcs=RPCS_PER_PENDING * config.process.pending_max,
        )
        given = Given(self.ingress, routes, config.process, parts.sensor, self._counting)
        self._services = services(given, parts)
        server = adding_to(self._server)
        for served in self._services:
            served.add(served.service, server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if config.reflection:
            names = (*(served.name for served in self._services), health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, server)

    async def start(self) -> int:
        """Serve; returns the port. Raises SetupError when the address is taken or must not be served."""
        config = self._config
        check_address(config.host, config.process)
        shown = server_credentials(config.process)
        address = f"[{config.host}]:{config.port}" if ":" in config.host else f"{config.host}:{config.port}"
        try:
            self.port = (
                self._server.add_insecure_port(address)
                if shown is None
                else self._server.add_secure_port(address, shown)
            )
        except RuntimeError as error:
            raise SetupError(
                f"{address} is in use. Choose another port with --port, or stop what uses it.", reason="PORT_IN_USE"
            ) from error
        for name in ("", *(served.name for served in self._services)):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        self._server.add_insecure_port(self.ingress.probe.address)
        self.ingress.start()
        await self._server.start()
        return self.port

    async def ready(self, partitions: int) -> None:
        """Wait until every partition has an owner that serves it."""
        await self.ingress.serves(partitions)

    async def stop(self) -> None:
        """Take no more calls, answer those in flight, send streams elsewhere, then end."""
        await self._health.enter_graceful_shutdown()
        stopping = asyncio.ensure_future(self._server.stop(self._config.process.drain_ms_max / 1_000))
        for served in self._services:
            served.service.drain()
        await stopping
        await self.ingress.stop()
        await self._rolling.stop()
        self._sealing.close()
        self._counting.close()


def _auth(process: ProcessSettings, parts: GatewayParts) -> Auth:
    if not process.identity_required:
        return Auth()
    if parts.keys is None:
        raise SetupError("identity is required, and this gateway has no keyring to check tokens by", reason="NO_KEYS")
    return Auth(Verifier(parts.keys, subjects=parts.subjects), Derived(parts.keys))


def _options(process: ProcessSettings) -> list[tuple[str, int]]:
    return [
        ("grpc.so_reuseport", 1),
        ("grpc.max_receive_message_length", process.message_bytes_max),
        ("grpc.max_send_message_length", process.message_bytes_max),
        ("grpc.max_metadata_size", process.metadata_bytes_max),
        # Between the two limits gRPC refuses at random, the more likely the larger: one limit is one answer.
        ("grpc.absolute_max_metadata_size", process.metadata_bytes_max),
        ("grpc.max_concurrent_streams", process.calls_per_connection_max),
        ("grpc.server.max_pending_requests", ACCEPT_MAX),
        ("grpc.server.max_pending_requests_hard_limit", 2 * ACCEPT_MAX),
        # A client that vanished is found out; one that asks too often whether we are there is sent away.
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_MS // 3),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", PING_MS_MIN),
        ("grpc.http2.max_ping_strikes", 2),
    ]


def collect_less_often() -> None:
    """Let Python's garbage collector look at calls less often: nearly all are freed by counting.

    To look at every 700 new objects cost a tenth of a streamed call's CPU. What was loaded until now is never looked at
    again. For processes that are one gateway's.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_EVERY)


async def serve(config: GatewayConfig, parts: GatewayParts, ready: Callable[[int], None]) -> None:
    """Run a gateway until SIGTERM or SIGINT; `ready(port)` is called once it serves."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    gateway = Gateway(config, parts)
    port = await gateway.start()
    collect_less_often()
    ready(port)
    await ended.wait()
    await gateway.stop()


def new_name() -> str:
    """A name for one life of a gateway."""
    return f"gateway-{time.time_ns():x}"
