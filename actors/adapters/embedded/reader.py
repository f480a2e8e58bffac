"""Reading the embedded log over its owner's port: the owner pushes, this side holds a bounded amount."""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import cast

import grpc

from actors.adapters.embedded import wire
from actors.errors import PlatformError, SetupError, Unavailable
from actors.ports import Fetched, Slice

HELD_BYTES_MAX = 2 << 20
RECONNECT_S = 0.1


class RemoteReader:
    """A Reader. The place of each slice is what `poll` handed out, so a new stream begins exactly there."""

    def __init__(self, channel: grpc.Channel, metadata: tuple[tuple[str, str], ...], address: str) -> None:
        self._read = cast("grpc.UnaryStreamMultiCallable[bytes, bytes]", channel.unary_stream(wire.method("Read")))
        self._metadata = metadata
        self._address = address
        self._changed = threading.Condition()
        self._positions: dict[Slice, int] = {}
        self._generation = 0
        self._held: deque[list[Fetched]] = deque()
        self._held_bytes = 0
        self._trouble: PlatformError | None = None
        self._call: grpc.Call | None = None
        self._woken = False
        self._closed = False
        self._thread: threading.Thread | None = None

    def assign(self, positions: Mapping[Slice, int]) -> None:
        with self._changed:
            self._positions = {slice: self._positions.get(slice, offset) for slice, offset in positions.items()}
            self._trouble = None
            self._restart()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log-reader", daemon=True)
                self._thread.start()

    def poll(self, timeout_ms: int) -> Sequence[Fetched]:
        with self._changed:
            self._changed.wait_for(
                lambda: self._held or self._woken or self._closed or _is_final(self._trouble), timeout_ms / 1000
            )
            self._woken = False
            if self._held:
                return self._take()
            if self._trouble is not None:
                raise self._trouble
            return ()

    def wake(self) -> None:
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._restart()
        if self._thread is not None:
            self._thread.join()

    def _take(self) -> list[Fetched]:
        frames = self._held.popleft()
        while self._held:
            frames += self._held.popleft()
        self._held_bytes = 0
        for fetched in frames:
            self._positions[fetched.slice] = fetched.offset + 1
        self._changed.notify_all()
        return frames

    def _restart(self) -> None:
        """Forget what is held and begin a new stream from the positions; the caller holds the lock."""
        self._generation += 1
        self._held.clear()
        self._held_bytes = 0
        if self._call is not None:
            self._call.cancel()
        self._changed.notify_all()

    # Our thread: one stream after the other.

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or (self._positions and not _is_final(self._trouble)))
                if self._closed:
                    return
                # Frames that are held and not handed out would come twice: a new stream begins where `poll` stands.
                self._held.clear()
                self._held_bytes = 0
                generation = self._generation
                positions = dict(self._positions)
            trouble = self._follow(generation, positions)
            with self._changed:
                if generation == self._generation and not self._closed:
                    self._trouble = trouble
                    self._changed.notify_all()
                    if not _is_final(trouble):
                        self._changed.wait(RECONNECT_S)

    def _follow(self, generation: int, positions: dict[Slice, int]) -> PlatformError:
        """Hold what one stream brings, until it ends; what ended it."""
        slices = list(positions)
        request = wire.encode([(*slice, offset) for slice, offset in positions.items()])
        try:
            call = self._read(request, metadata=self._metadata)
            with self._changed:
                self._call = call
                if generation != self._generation:
                    call.cancel()
            for message in call:
                read = wire.decode_read(message)
                if isinstance(read, wire.Refused):
                    return wire.to_error(read)
                if not self._hold(generation, slices, read.frames, len(message)):
                    call.cancel()
        except (grpc.RpcError, ValueError) as error:  # ValueError: the channel was closed
            if isinstance(error, grpc.Call) and error.code() is grpc.StatusCode.UNAUTHENTICATED:
                return SetupError(f"the log at {self._address} does not know this token")
            details = error.details() if isinstance(error, grpc.Call) else error
            return Unavailable(f"the log at {self._address} is away ({details})", outcome="NOT_APPENDED")
        finally:
            with self._changed:
                self._call = None
        return Unavailable(f"the log at {self._address} ended the stream", outcome="NOT_APPENDED")

    def _hold(self, generation: int, slices: list[Slice], frames: list[wire.Delivered], size: int) -> bool:
        """Keep a message for `poll` once there is room; False if this stream is not the current one any more."""
        fetched = [Fetched(slices[index], offset, stamp, frame, key) for index, offset, stamp, frame, key in frames]
        with self._changed:
            self._changed.wait_for(lambda: self._held_bytes < HELD_BYTES_MAX or generation != self._generation)
            if generation != self._generation:
                return False
            self._trouble = None
            self._held.append(fetched)
            self._held_bytes += size
            self._changed.notify_all()
            return True


def _is_final(trouble: PlatformError | None) -> bool:
    """Whether only `assign` or an operator can help; away is not final."""
    return trouble is not None and not isinstance(trouble, Unavailable)
