"""The log owner's process: serves one folder's log over sockets, on loopback, to those who know the token.

It ends when it is told to (SIGTERM, SIGINT), when its parent is gone, and at once when the disk fails.
"""

import asyncio
import contextlib
import hmac
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from select import select
from typing import Any, TypeAlias

import msgspec

from actors.adapters.embedded import wire
from actors.adapters.embedded.engine import Append, Engine, Settled
from actors.adapters.embedded.local import LocalLog
from actors.adapters.reading import FETCH_BYTES_MAX, check_possible
from actors.clocks import wall_ms
from actors.errors import PlatformError, SetupError
from actors.ports import Appended, Fetched, Slice

ADDRESS_NAME = "log.address"
EXIT_DISK = 74
DRAIN_S_MAX = 2.0
HELLO_S_MAX = 2.0
PUSH_FRAMES_MAX = 1_000
_SWITCH_S = 0.0005


class _Answers:
    """The outcomes that one client's connection still has to be sent."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.taken = 0
        self.open = 0
        self.idle = asyncio.Event()
        self.idle.set()


class _Reading:
    """One reader's connection: where it is in each slice."""

    def __init__(self, writer: asyncio.StreamWriter, positions: dict[Slice, int]) -> None:
        self.writer = writer
        self.positions = positions
        self.changed = asyncio.Event()
        self.follows = False
        """Whether it was sent all there was when it last looked."""
        self._index = {slice: nth for nth, slice in enumerate(positions)}
        self._gathered: list[wire.Delivered] = []

    def push(self, row: Fetched) -> bool:
        """Take what was appended just now, for the next `send`; False when the reader is not there yet: it looks."""
        offset = self.positions[row.slice]
        if offset == row.offset:
            self.take(row)
        return offset >= row.offset

    def take(self, row: Fetched) -> None:
        """It is sent this with the next `send`, and goes on behind it; the slice comes last in the next order."""
        slice, offset, stamp_ms, frame, key = row
        del self.positions[slice]
        self.positions[slice] = offset + 1
        self._gathered.append((self._index[slice], offset, stamp_ms, frame, key))

    def send(self) -> bool:
        """Send it what it took; False when that is nothing."""
        if not self._gathered:
            return False
        self.writer.write(wire.pack(wire.Frames(self._gathered)))
        self._gathered.clear()
        return True


_Ticket: TypeAlias = tuple[_Answers, int]
"""An append: its connection, and its number there."""


class LogService:
    """What a connection can ask for. Everything but `settled` runs on the event loop's thread."""

    def __init__(self, token: str, engine_of: Callable[["LogService"], Engine[Any]]) -> None:
        """`engine_of(self)` gives an engine that tells `settled` of every append, this service's and others'."""
        self._loop = asyncio.get_running_loop()
        self._token = token
        self._readings: dict[Slice, list[_Reading]] = {}
        """Who reads a slice."""
        self._appending: set[_Answers] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self._draining = False
        self._server: asyncio.Server | None = None
        self._engine: Engine[Any] = engine_of(self)

    async def listen(self, port: int) -> int:
        """Serve on this port of loopback; returns the port. Raises OSError when it is in use."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", port, limit=wire.MESSAGE_BYTES_MAX)
        return int(self._server.sockets[0].getsockname()[1])

    async def drain(self) -> None:
        """End the readers' connections, wait within bounds until all that was taken in is answered, serve no more."""
        self._draining = True
        self._all_look()
        waiting = [asyncio.create_task(answers.idle.wait()) for answers in self._appending]
        if waiting:
            # When the disk is stuck for longer, the clients will be told that nobody knows.
            await asyncio.wait(waiting, timeout=DRAIN_S_MAX)
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def close(self) -> None:
        """Finish what was appended and free the folder."""
        await asyncio.to_thread(self._engine.close)

    def settled(self, settled: Sequence[Settled[Any]], appended: Sequence[Fetched]) -> None:
        """These appends of this service are done, and these frames are new, whoever appended them. On any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it every connection
            self._loop.call_soon_threadsafe(self._deliver, settled, appended)

    def _deliver(self, settled: Sequence[Settled[_Ticket]], appended: Sequence[Fetched]) -> None:
        if 0 < len(appended) <= PUSH_FRAMES_MAX:
            self._push(appended)
        else:
            self._all_look()
        outcomes: dict[_Answers, wire.Outcomes] = {}
        for (answers, number), outcome in settled:
            mine = outcomes.setdefault(answers, [])
            if isinstance(outcome, Appended):
                mine.append((number, outcome.offset, outcome.stamp_ms))
            else:
                refused = outcome.reason == "NOT_APPENDED"
                mine.append((number, str(outcome), "NOT_APPENDED" if refused else "OUTCOME_UNKNOWN"))
        for answers, mine in outcomes.items():
            answers.writer.write(wire.pack(mine))
            answers.open -= len(mine)
            if not answers.open:
                answers.idle.set()

    # -- connections ----------------------------------------------------------------------------------------------

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, EOFError, asyncio.CancelledError, msgspec.DecodeError, UnicodeDecodeError, TimeoutError):
            pass  # it ended, it is to end, or it is no client of ours
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = wire.decode_hello(await asyncio.wait_for(_message(reader, wire.HELLO_BYTES_MAX), HELLO_S_MAX))
        if not hmac.compare_digest(hello.token.encode(), self._token.encode()):
            writer.write(wire.pack(wire.refused(SetupError("the token is not this log's"))))
            await writer.drain()
            return
        writer.write(wire.pack(wire.Done()))
        match hello.use:
            case "append":
                await self._append(reader, writer)
            case "read":
                await self._read(reader, writer)
            case "ask":
                await self._ask(reader, writer)

    async def _append(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Lists of frames in, lists of outcomes out."""
        answers = _Answers(writer)
        self._appending.add(answers)
        try:
            while True:
                puts = wire.decode_puts(await _message(reader))
                first = answers.taken
                answers.taken += len(puts)
                answers.open += len(puts)
                answers.idle.clear()
                self._engine.append(
                    [
                        Append(Slice(topic, partition), frame, key, (answers, number))
                        for number, (topic, partition, frame, key) in enumerate(puts, first)
                    ]
                )
                await writer.drain()
        finally:
            self._appending.discard(answers)
            answers.idle.set()

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Frames of these slices from these offsets on, until the client goes."""
        asked = wire.decode_positions(await _message(reader))
        reading = _Reading(writer, {Slice(topic, partition): offset for topic, partition, offset in asked})
        for slice in reading.positions:
            self._readings.setdefault(slice, []).append(reading)
        going = asyncio.ensure_future(reader.read())
        going.add_done_callback(lambda _: reading.changed.set())
        try:
            while not self._draining and not going.done():
                reading.changed.clear()
                if await self._gather(reading):
                    await writer.drain()
                else:
                    reading.follows = True
                    await reading.changed.wait()
                    reading.follows = False
        except PlatformError as error:
            writer.write(wire.pack(wire.refused(error)))
        finally:
            for slice in reading.positions:
                self._readings[slice].remove(reading)
            going.cancel()

    def _push(self, appended: Sequence[Fetched]) -> None:
        """A reader that has all else is sent what is new at once, and asks nobody; others are told to look."""
        pushed: dict[_Reading, None] = {}
        for row in appended:
            for reading in self._readings.get(row.slice, ()):
                if reading.follows and not reading.writer.transport.get_write_buffer_size() and reading.push(row):
                    pushed[reading] = None
                else:
                    reading.changed.set()
        for reading in pushed:
            reading.send()

    def _all_look(self) -> None:
        for readings in self._readings.values():
            for reading in readings:
                reading.changed.set()

    async def _gather(self, reading: _Reading) -> bool:
        """Send the next frames, also such as are not in memory any more; False when there are none."""
        size = 0
        for slice in self._engine.ahead(reading.positions):
            offset = reading.positions[slice]
            check_possible(slice, offset, self._engine.span(slice))
            frames = self._engine.hot(slice, offset, FETCH_BYTES_MAX)
            if frames is None:
                frames = await self._fetch(slice, offset)
            for row in frames:
                reading.take(row)
            size += sum(len(row.frame) for row in frames)
            if size >= wire.MESSAGE_BYTES_MAX - FETCH_BYTES_MAX:
                break
        return reading.send()

    async def _fetch(self, slice: Slice, offset: int) -> list[Fetched]:
        return await asyncio.wrap_future(
            self._engine.call(lambda database: self._engine.fetch(database, slice, offset, FETCH_BYTES_MAX))
        )

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Questions in, an answer to each out."""
        while True:
            question = wire.decode_question(await _message(reader))
            try:
                answer: wire.Done | wire.Refused = await self._answer_to(question)
            except PlatformError as error:
                answer = wire.refused(error)
            writer.write(wire.pack(answer))
            await writer.drain()

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


async def _message(reader: asyncio.StreamReader, bytes_max: int = wire.RECEIVE_BYTES_MAX) -> bytes:
    """The next message. Raises EOFError when there is none any more, or it is larger than may be."""
    (length,) = wire.LENGTH.unpack(await reader.readexactly(wire.LENGTH.size))
    if length > bytes_max:
        raise EOFError
    return await reader.readexactly(length)


def _end_process(error: BaseException) -> None:
    """A failed disk: nothing may be answered any more, and the next owner looks at what is really there."""
    print(
        f"hutong log: the disk failed, this process ends and the next one recovers: {error}",
        file=sys.stderr,
        flush=True,
    )
    os._exit(EXIT_DISK)


async def _listen(service: LogService, folder: Path, port: int) -> int:
    """Bind the asked port; without one, the port of the last time if it is free, so that clients find us again."""
    address = folder / ADDRESS_NAME
    before = address.read_text().rpartition(":")[2].strip() if address.exists() else ""
    for candidate in [port] if port else [*([int(before)] if before.isdigit() else []), 0]:
        with contextlib.suppress(OSError):
            return await service.listen(candidate)
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


class Shared:
    """A log of this process, served to others on loopback as an owner's process would: for `dev`."""

    def __init__(self, log: LocalLog, token: str) -> None:
        self._service = LogService(token, lambda own: log.share(own.settled))

    async def start(self) -> str:
        """Serve; returns the address."""
        return f"127.0.0.1:{await self._service.listen(0)}"

    async def stop(self) -> None:
        """Serve no more; the log stays open."""
        await self._service.drain()


async def _serve(
    folder: Path, token: str, port: int, clock_ms: Callable[[], int], ready: Callable[[str], None] | None
) -> None:
    loop = asyncio.get_running_loop()
    parent = os.getppid()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    service = LogService(token, lambda own: Engine(folder, clock_ms, own.settled, _end_process))
    try:
        bound = await _listen(service, folder, port)
        _write_address(folder, bound)
        if ready is not None:
            ready(f"127.0.0.1:{bound}")
        arguments = (parent, lambda: loop.call_soon_threadsafe(stop.set))
        threading.Thread(target=_watch_parent, args=arguments, name="log-parent", daemon=True).start()
        await stop.wait()
        await service.drain()
    finally:
        await service.close()


def serve(
    folder: Path,
    token: str,
    port: int = 0,
    clock_ms: Callable[[], int] = wall_ms,
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
