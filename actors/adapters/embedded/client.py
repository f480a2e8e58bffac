"""The embedded log over its owner's port. It finds the owner again by itself after a restart."""

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future

from actors.adapters.appends import (
    APPEND_BYTES_MAX,
    Overdue,
    new_future,
    not_appended,
    outcome_unknown,
    settle,
)
from actors.adapters.embedded import wire
from actors.adapters.embedded.connection import Connection, away
from actors.adapters.embedded.reader import RemoteReader
from actors.errors import PlatformError, Unavailable
from actors.ports import Appended, Reader, Slice, Span, Topic
from actors.settings import ProcessSettings

MESSAGES_IN_FLIGHT_MAX = 2
RECONNECT_S = 0.1


class _Entry:
    """An append on its way."""

    __slots__ = ("future", "message", "put")

    def __init__(self, put: wire.Put) -> None:
        self.put = put
        self.future = new_future()
        self.message: list[int] = []


class _Line:
    """One connection for appends: what was sent over it and is not answered. Its socket is written by one thread."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.over = False
        self.sent = 0
        self.flying: dict[int, _Entry] = {}
        """By number: the owner numbers what comes in likewise."""
        self.messages = 0
        """How many messages have appends that are not answered."""


class RemoteLog:
    """A Log whose owner is another process of this machine."""

    def __init__(self, address: str, token: str, settings: ProcessSettings) -> None:
        """`address` is host:port. Connects in the background; nothing is raised if the owner is away."""
        self._address = address
        self._token = token
        self._deadline_ms = settings.append_deadline_ms
        self._asking = threading.Lock()
        self._asked: Connection | None = None
        self._changed = threading.Condition()
        self._waiting: deque[_Entry] = deque()
        self._line: _Line | None = None
        self._why_away = "not connected yet"
        self._closing = False
        self._closed = False
        self._overdue: Overdue[_Entry] = Overdue(self._deadline_ms, lambda entry: entry.future.done(), self._expire)
        self._thread = threading.Thread(target=self._run, name="log-client", daemon=True)
        self._thread.start()

    def append(self, slice: Slice, frame: bytes, key: bytes | None = None) -> "Future[Appended]":
        assert len(frame) <= APPEND_BYTES_MAX
        entry = _Entry((slice.topic, slice.partition, frame, key))
        self._overdue.add(entry)
        with self._changed:
            if not self._closing:
                self._waiting.append(entry)
                if len(self._waiting) == 1:
                    self._changed.notify_all()
                return entry.future
        settle(entry.future, not_appended("the log is closed"))
        return entry.future

    def create(self, topics: Sequence[Topic]) -> None:
        self._question(wire.Create(list(topics)))

    def topic_id(self, topic: str) -> str:
        return self._question(wire.TopicId(topic)).topic_id

    def spans(self, slices: Sequence[Slice]) -> dict[Slice, Span]:
        spans = self._question(wire.Spans(wire.places(slices))).spans
        return {slice: Span(*span) for slice, span in zip(slices, spans, strict=True)}

    def trim(self, slice: Slice, below: int) -> None:
        self._question(wire.Trim(slice.topic, slice.partition, below))

    def reader(self) -> Reader:
        return RemoteReader(self._address, self._token)

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            self._changed.wait_for(self._is_idle, self._deadline_ms / 1000)
            self._closed = True
            if self._line is not None:
                self._line.connection.close()
        self._thread.join()
        self._overdue.close()
        with self._asking:
            if self._asked is not None:
                self._asked.close()

    def _is_idle(self) -> bool:
        return not self._waiting and (self._line is None or not self._line.flying)

    def _question(self, question: wire.Question) -> wire.Done:
        with self._asking:
            try:
                connection = self._asked
                if connection is None:
                    connection = self._asked = Connection(self._address, self._token, "ask")
                    connection.socket.settimeout(self._deadline_ms / 1000)
                connection.send(wire.pack(question))
                answer = wire.decode_answer(connection.receive())
            except (OSError, PlatformError) as error:
                if self._asked is not None:
                    self._asked.close()
                    self._asked = None
                raise away(self._address, error) from error
        if isinstance(answer, wire.Refused):
            raise wire.to_error(answer)
        return answer

    # The connection of appends: a thread of ours hears the answers, another says the messages.

    def _run(self) -> None:
        while True:
            try:
                self._carry()
            except (OSError, PlatformError) as error:
                self._why_away = str(away(self._address, error))
            with self._changed:
                if not self._closing:
                    self._changed.wait(RECONNECT_S)
                if self._closing:
                    return

    def _carry(self) -> None:
        """One connection's life. Raises what ended it."""
        line = _Line(Connection(self._address, self._token, "append"))
        with self._changed:
            if self._closed:  # it was, while we connected: nobody would end this connection
                line.connection.close()
                return
            self._line = line
        saying = threading.Thread(target=self._say, args=(line,), name="log-client-out", daemon=True)
        saying.start()
        try:
            while True:
                self._heard(line, wire.decode_outcomes(line.connection.receive()))
        finally:
            line.connection.close()
            with self._changed:
                line.over = True
                self._line = None
                self._changed.notify_all()
            saying.join()
            for entry in line.flying.values():
                settle(entry.future, outcome_unknown("the log's owner went while this was appended"))

    def _heard(self, line: _Line, outcomes: Sequence[tuple[int, int | str, int | str]]) -> None:
        entries: list[_Entry] = []
        with self._changed:
            for number, *_ in outcomes:
                entry = line.flying.pop(number)
                entries.append(entry)
                entry.message[0] -= 1
                line.messages -= not entry.message[0]
            if self._waiting or self._closing:
                self._changed.notify_all()
        for entry, (_, *outcome) in zip(entries, outcomes, strict=True):
            settle(entry.future, _outcome(*outcome))

    def _say(self, line: _Line) -> None:
        try:
            while entries := self._next(line):
                line.connection.send(wire.pack([entry.put for entry in entries]))
        except OSError:
            line.connection.close()  # whoever hears on it tells why

    def _next(self, line: _Line) -> list[_Entry]:
        """What goes into the next message, once one may go; nothing when the connection is over."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: line.over or (self._waiting and line.messages < MESSAGES_IN_FLIGHT_MAX))
                if line.over:
                    return []
                entries = self._take()
                if entries:
                    break
            message = [len(entries)]
            for entry in entries:
                entry.message = message
                line.flying[line.sent] = entry
                line.sent += 1
            line.messages += 1
            return entries

    def _take(self) -> list[_Entry]:
        """Entries whose time is over were told NOT_APPENDED and stay out."""
        taken: list[_Entry] = []
        size = 0
        while self._waiting and size < wire.MESSAGE_BYTES_MAX:
            entry = self._waiting.popleft()
            if not entry.future.done():
                taken.append(entry)
                size += len(entry.put[2])
        return taken

    def _expire(self, entries: list[_Entry]) -> None:
        with self._changed:
            waiting = set(self._waiting)
            late = [entry for entry in entries if entry in waiting]
            for entry in late:
                # Settled under the lock, so that it cannot be sent after this was said.
                settle(entry.future, not_appended(f"the log's owner is away: {self._why_away}"))
            self._waiting = deque(entry for entry in self._waiting if not entry.future.done())
        for entry in entries:
            settle(entry.future, outcome_unknown(f"the log did not answer within {self._deadline_ms} ms"))


def _outcome(first: int | str, second: int | str) -> Appended | Unavailable:
    if isinstance(first, int) and isinstance(second, int):
        return Appended(first, second)
    return not_appended(str(first)) if second == "NOT_APPENDED" else outcome_unknown(str(first))
