"""The log owner's process: serves one folder's log over grpc, on loopback, to those who know the token.

It ends when it is told to (SIGTERM, SIGINT), when its parent is gone, and at once when the disk fails.
"""

import asyncio
import contextlib
import hmac
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from select import select
from typing import Any

import grpc
import grpc.aio

from actors.adapters.embedded import wire
from actors.adapters.embedded.engine import Append, Engine, Settled
from actors.adapters.embedded.local import LocalLog, wall_clock_ms
from actors.adapters.reading import FETCH_BYTES_MAX, check_possible
from actors.errors import PlatformError, SetupError
from actors.ports import Fetched, Slice

ADDRESS_NAME = "log.address"
EXIT_DISK = 74
DRAIN_S_MAX = 2.0
STOP_GRACE_S = 0.2
_SWITCH_S = 0.0005


class _Answers:
    """The outcomes that one client's stream still has to be sent, in order."""

    def __init__(self) -> None:
        self.outcomes: wire.Outcomes = []
        self.open = 0
        self.ended = False
        self.changed = asyncio.Event()
        self.idle = asyncio.Event()
        self.idle.set()


class LogService:
    """The methods. Everything but `settled` runs on the event loop's thread."""

    def __init__(self, token: str, engine_of: Callable[["LogService"], Engine[Any]]) -> None:
        """`engine_of(self)` gives an engine that tells `settled` of every append, this service's and others'."""
        self._loop = asyncio.get_running_loop()
        self._token = token
        self._readers: set[asyncio.Event] = set()
        self._streams: set[_Answers] = set()
        self._draining = False
        self._engine: Engine[Any] = engine_of(self)

    async def drain(self) -> None:
        """End the readers' streams, and wait until all that was taken in is answered, within bounds."""
        self._draining = True
        for reader in self._readers:
            reader.set()
        waiting = [asyncio.create_task(answers.idle.wait()) for answers in self._streams]
        if waiting:
            # When the disk is stuck for longer, the clients will be told that nobody knows.
            await asyncio.wait(waiting, timeout=DRAIN_S_MAX)

    async def close(self) -> None:
        """Finish what was appended and free the folder."""
        await asyncio.to_thread(self._engine.close)

    def settled(self, settled: Sequence[Settled[Any]]) -> None:
        """These appends of this service are done; an empty sequence says that others' are. On any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it every stream
            self._loop.call_soon_threadsafe(self._deliver, settled)

    def _deliver(self, settled: Sequence[Settled[Any]]) -> None:
        for reader in self._readers:
            reader.set()
        for ticket, outcome in settled:
            answers: _Answers = ticket
            if isinstance(outcome, tuple):
                answers.outcomes.append((outcome.offset, outcome.stamp_ms))
            else:
                answers.outcomes.append(
                    (str(outcome), "NOT_APPENDED" if outcome.reason == "NOT_APPENDED" else "OUTCOME_UNKNOWN")
                )
            answers.open -= 1
            answers.changed.set()

    async def _check(self, context: "grpc.aio.ServicerContext[bytes, bytes]") -> None:
        given = dict(context.invocation_metadata() or ()).get(wire.TOKEN_METADATA, "")
        if not hmac.compare_digest(str(given), self._token):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "the token is not this log's")

    async def append(self, requests: AsyncIterator[bytes], context: "grpc.aio.ServicerContext[bytes, bytes]") -> None:
        """Stream of lists of frames in, stream of lists of outcomes out, in the same order."""
        await self._check(context)
        await context.send_initial_metadata(())
        answers = _Answers()
        self._streams.add(answers)
        answering = asyncio.create_task(_answer(answers, context))
        try:
            async for message in requests:
                puts = wire.decode_puts(message)
                answers.open += len(puts)
                answers.idle.clear()
                self._engine.append(
                    [Append(Slice(topic, partition), frame, key, answers) for topic, partition, frame, key in puts]
                )
            answers.ended = True
            answers.changed.set()
            await answering
        finally:
            answering.cancel()
            self._streams.discard(answers)

    async def read(self, request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> None:
        """Frames of these slices from these offsets on, until the reader goes."""
        await self._check(context)
        asked = wire.decode_positions(request)
        positions = {Slice(topic, partition): offset for topic, partition, offset in asked}
        index = {slice: n for n, slice in enumerate(positions)}
        changed = asyncio.Event()
        self._readers.add(changed)
        try:
            await context.send_initial_metadata(())
            while not self._draining:
                changed.clear()
                frames = await self._gather(positions)
                if frames:
                    await context.write(wire.encode(wire.Frames([(index[row.slice], *row[1:]) for row in frames])))
                else:
                    await changed.wait()
        except PlatformError as error:
            await context.write(wire.encode(wire.refused(error)))
        finally:
            self._readers.discard(changed)

    async def _gather(self, positions: dict[Slice, int]) -> list[Fetched]:
        gathered: list[Fetched] = []
        size = 0
        for slice, offset in list(positions.items()):
            span = self._engine.span(slice)
            if span.start <= offset == span.end:
                continue
            check_possible(slice, offset, span)
            frames = self._engine.hot(slice, offset, FETCH_BYTES_MAX)
            if frames is None:
                frames = await self._fetch(slice, offset)
            if frames:
                # The slice goes to the end of the order, so that every slice has its turn.
                del positions[slice]
                positions[slice] = frames[-1].offset + 1
                gathered += frames
                size += sum(len(row.frame) for row in frames)
            if size >= wire.MESSAGE_BYTES_MAX - FETCH_BYTES_MAX:
                break
        return gathered

    async def _fetch(self, slice: Slice, offset: int) -> list[Fetched]:
        return await asyncio.wrap_future(
            self._engine.call(lambda database: self._engine.fetch(database, slice, offset, FETCH_BYTES_MAX))
        )

    async def ask(self, request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        """One question, one answer."""
        await self._check(context)
        try:
            return wire.encode(await self._answer_to(wire.decode_question(request)))
        except PlatformError as error:
            return wire.encode(wire.refused(error))

    async def _answer_to(self, question: wire.Question) -> wire.Done:
        engine = self._engine
        match question:
            case wire.Create(topics):
                await asyncio.wrap_future(engine.call(lambda database: engine.create(database, topics)))
                return wire.Done()
            case wire.TopicId(topic):
                return wire.Done(topic_id=engine.topic_id(topic))
            case wire.Spans(slices):
                return wire.Done(spans=[engine.span(Slice(*slice)) for slice in slices])
            case wire.Trim(topic, partition, below):
                slice = Slice(topic, partition)
                await asyncio.wrap_future(engine.call(lambda database: engine.trim(database, slice, below)))
                return wire.Done()


async def _answer(answers: _Answers, context: "grpc.aio.ServicerContext[bytes, bytes]") -> None:
    while answers.open or answers.outcomes or not answers.ended:
        await answers.changed.wait()
        answers.changed.clear()
        if answers.outcomes:
            outcomes, answers.outcomes = answers.outcomes, []
            await context.write(wire.encode(outcomes))
        if not answers.open:
            answers.idle.set()


def _end_process(error: BaseException) -> None:
    """A failed disk: nothing may be answered any more, and the next owner looks at what is really there."""
    print(
        f"hutong log: the disk failed, this process ends and the next one recovers: {error}",
        file=sys.stderr,
        flush=True,
    )
    os._exit(EXIT_DISK)


def _bind(server: "grpc.aio.Server", folder: Path, port: int) -> int:
    """Bind the asked port; without one, the port of the last time if it is free, so that clients find us again."""
    address = folder / ADDRESS_NAME
    before = address.read_text().rpartition(":")[2].strip() if address.exists() else ""
    for candidate in [port] if port else [*([int(before)] if before.isdigit() else []), 0]:
        try:
            return server.add_insecure_port(f"127.0.0.1:{candidate}")
        except RuntimeError:
            continue
    raise SetupError(f"the port {port} of 127.0.0.1 is in use; choose another for the log", reason="PORT_IN_USE")


def _write_address(folder: Path, port: int) -> None:
    temporary = folder / f"{ADDRESS_NAME}.{os.getpid()}"
    temporary.write_text(f"127.0.0.1:{port}\n")
    temporary.replace(folder / ADDRESS_NAME)


def _watch_parent(parent: int, gone: Callable[[], None]) -> None:
    try:
        parent_file = os.pidfd_open(parent)
    except ProcessLookupError:
        gone()
        return
    select([parent_file], [], [])
    gone()


def _server(service: LogService) -> "grpc.aio.Server":
    server = grpc.aio.server(
        options=[
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", wire.RECEIVE_BYTES_MAX),
            ("grpc.max_send_message_length", wire.RECEIVE_BYTES_MAX),
        ]
    )
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "Append": grpc.stream_stream_rpc_method_handler(service.append),
        "Read": grpc.unary_stream_rpc_method_handler(service.read),
        "Ask": grpc.unary_unary_rpc_method_handler(service.ask),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(wire.SERVICE, handlers),))
    return server


class Shared:
    """A log of this process, served to others on loopback as an owner's process would: for `dev`."""

    def __init__(self, log: LocalLog, token: str) -> None:
        self._service = LogService(token, lambda own: log.share(own.settled))
        self._server = _server(self._service)

    async def start(self) -> str:
        """Serve; returns the address."""
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return f"127.0.0.1:{port}"

    async def stop(self) -> None:
        """Serve no more; the log stays open."""
        await self._service.drain()
        await self._server.stop(STOP_GRACE_S)


async def _serve(
    folder: Path, token: str, port: int, clock_ms: Callable[[], int], ready: Callable[[str], None] | None
) -> None:
    loop = asyncio.get_running_loop()
    parent = os.getppid()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    service = LogService(token, lambda own: Engine(folder, clock_ms, own.settled, _end_process))
    server = _server(service)
    try:
        bound = _bind(server, folder, port)
        await server.start()
        _write_address(folder, bound)
        if ready is not None:
            ready(f"127.0.0.1:{bound}")
        arguments = (parent, lambda: loop.call_soon_threadsafe(stop.set))
        threading.Thread(target=_watch_parent, args=arguments, name="log-parent", daemon=True).start()
        await stop.wait()
        await service.drain()
        await server.stop(STOP_GRACE_S)
    finally:
        await service.close()


def serve(
    folder: Path,
    token: str,
    port: int = 0,
    clock_ms: Callable[[], int] = wall_clock_ms,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Own the folder's log until told to stop. The bound address is written to `log.address` in the folder.

    `ready(address)` is called once it serves. Port 0 takes the port of the last time again, or any. Raises SetupError
    if the folder is in use or not writable, or the port is taken.
    """
    assert token
    # The writer comes back from the disk often; waiting 5 ms for the event loop each time would be its whole time.
    sys.setswitchinterval(_SWITCH_S)
    asyncio.run(_serve(folder, token, port, clock_ms, ready))
