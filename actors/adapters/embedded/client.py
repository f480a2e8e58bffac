"""The embedded log over its owner's grpc port. It finds the owner again by itself after a restart."""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import cast

import grpc

from actors.adapters.appends import (
    APPEND_BYTES_MAX,
    Overdue,
    new_future,
    not_appended,
    outcome_unknown,
    settle,
)
from actors.adapters.embedded import wire
from actors.adapters.embedded.reader import RemoteReader
from actors.errors import SetupError, Unavailable
from actors.ports import Appended, Reader, Slice, Span, Topic
from actors.settings import ProcessSettings

MESSAGES_IN_FLIGHT_MAX = 2
RECONNECT_S = 0.1
_CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", wire.RECEIVE_BYTES_MAX),
    ("grpc.max_send_message_length", wire.RECEIVE_BYTES_MAX),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
]


class _Entry:
    """An append on its way."""

    __slots__ = ("future", "put")

    def __init__(self, put: wire.Put) -> None:
        self.put = put
        self.future = new_future()


class _Stream:
    """One Append call: what was sent over it and is not answered, message by message."""

    def __init__(self) -> None:
        self.ready = False
        self.over = False
        self.flying: deque[_Entry] = deque()
        self.messages: deque[int] = deque()


class RemoteLog:
    """A Log whose owner is another process of this machine."""

    def __init__(self, address: str, token: str, settings: ProcessSettings) -> None:
        """`address` is host:port. Connects in the background; nothing is raised if the owner is away."""
        self._address = address
        self._deadline_ms = settings.append_deadline_ms
        self._metadata = ((wire.TOKEN_METADATA, token),)
        self._channel = grpc.insecure_channel(address, options=_CHANNEL_OPTIONS)
        self._append = cast(
            "grpc.StreamStreamMultiCallable[bytes, bytes]", self._channel.stream_stream(wire.method("Append"))
        )
        self._ask = cast("grpc.UnaryUnaryMultiCallable[bytes, bytes]", self._channel.unary_unary(wire.method("Ask")))
        self._changed = threading.Condition()
        self._waiting: deque[_Entry] = deque()
        self._stream = _Stream()
        self._why_away = "not connected yet"
        self._closing = False
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
        return RemoteReader(self._channel, self._metadata, self._address)

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not (self._waiting or self._stream.flying), self._deadline_ms / 1000)
            self._changed.notify_all()
        self._channel.close()
        self._thread.join()
        self._overdue.close()

    def _question(self, question: wire.Question) -> wire.Done:
        try:
            message = self._ask(wire.encode(question), timeout=self._deadline_ms / 1000, metadata=self._metadata)
        except grpc.RpcError as error:
            raise away(self._address, error) from error
        answer = wire.decode_answer(message)
        if isinstance(answer, wire.Refused):
            raise wire.to_error(answer)
        return answer

    # The stream of appends. Its requests are made on a thread of grpc, its answers are read on ours.

    def _run(self) -> None:
        while True:
            stream = _Stream()
            with self._changed:
                self._stream = stream
            try:
                self._carry(stream)
            except (grpc.RpcError, ValueError) as error:  # ValueError: the channel was closed
                self._why_away = str(away(self._address, error))
            if self._end(stream):
                return

    def _carry(self, stream: _Stream) -> None:
        call = self._append(self._requests(stream), metadata=self._metadata, wait_for_ready=True)
        call.initial_metadata()
        with self._changed:
            stream.ready = True
            self._changed.notify_all()
        for message in call:
            outcomes = wire.decode_outcomes(message)
            with self._changed:
                entries = [stream.flying.popleft() for _ in outcomes]
                _answered(stream.messages, len(entries))
                if self._waiting or self._closing:
                    self._changed.notify_all()
            for entry, outcome in zip(entries, outcomes, strict=True):
                settle(entry.future, _outcome(outcome))

    def _end(self, stream: _Stream) -> bool:
        """Fail what was in flight; whether this was the last stream."""
        with self._changed:
            stream.over = True
            lost, stream.flying = stream.flying, deque()
            self._changed.notify_all()
            closing = self._closing
            if not closing:
                self._changed.wait(RECONNECT_S)
        for entry in lost:
            settle(entry.future, outcome_unknown(f"the log's owner went while this was appended ({self._why_away})"))
        return closing

    def _requests(self, stream: _Stream) -> Iterator[bytes]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: stream.over or self._may_send(stream) or self._finished(stream))
                if stream.over or self._finished(stream):
                    return
                entries = self._take()
                stream.flying.extend(entries)
                stream.messages.append(len(entries))
            if entries:
                yield wire.encode([entry.put for entry in entries])
            else:
                stream.messages.pop()

    def _may_send(self, stream: _Stream) -> bool:
        return stream.ready and bool(self._waiting) and len(stream.messages) < MESSAGES_IN_FLIGHT_MAX

    def _finished(self, stream: _Stream) -> bool:
        return self._closing and not self._waiting and not stream.flying

    def _take(self) -> list[_Entry]:
        """What goes into the next message; entries whose time is over were told NOT_APPENDED and stay out."""
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


def _answered(messages: deque[int], count: int) -> None:
    """Take `count` answered appends off the messages in flight, oldest first."""
    while count:
        if messages[0] > count:
            messages[0] -= count
            return
        count -= messages.popleft()


def _outcome(outcome: tuple[int | str, int | str]) -> Appended | Unavailable:
    first, second = outcome
    if isinstance(first, int) and isinstance(second, int):
        return Appended(first, second)
    return not_appended(str(first)) if second == "NOT_APPENDED" else outcome_unknown(str(first))


def away(address: str, error: BaseException) -> Unavailable | SetupError:
    """What an error of the connection means."""
    if isinstance(error, grpc.Call) and error.code() is grpc.StatusCode.UNAUTHENTICATED:
        return SetupError(f"the log at {address} does not know this token; use the one it was started with")
    details = error.details() if isinstance(error, grpc.Call) else str(error)
    return Unavailable(f"the log at {address} is away ({details})", outcome="OUTCOME_UNKNOWN")
