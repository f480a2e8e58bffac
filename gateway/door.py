"""The gateway's door around `admission.py`: clocks, errors and metrics, and a probe that stands in line."""

import asyncio
import contextlib
import os
import secrets
import time
from typing import Any

import grpc

from actors.clocks import steady_ms, wall_ms
from actors.errors import Overloaded
from actors.sensor import Sensor
from actors.settings import ProcessSettings
from gateway.admission import ACCEPT, Admission, Limits, level_of
from gateway.auth import Caller
from gateway.status import status_of
from gateway.v1 import program_pb2 as pb
from gateway.v1 import program_pb2_grpc

PROBE_MS = 100
PROBE_MS_MAX = 1_000
SAID = {
    "OVERLOADED": "there is more to do than can be done; calls of your level are turned away for now",
    "KEY_SHARE": "this entity is asked for more than its share while there is more to do than can be done",
}
"""Why the door turns calls away; all that meet the same reason are told the same."""


class TurnedAway(Exception):
    """A call that was not let in, with all that is said to it: made beforehand, since they come by the thousand."""

    def __init__(self, error: Overloaded, status: bytes, levels: tuple[int, int]) -> None:
        super().__init__(error.reason)
        self.error = error
        self.status = status
        self.levels = levels


class Door:
    """Lets calls in or turns them away, before they cost anything."""

    def __init__(self, process: ProcessSettings, sensor: Sensor) -> None:
        limits = Limits(
            queueing_ms_max=process.queueing_ms_max,
            streamed_ms_max=process.queueing_streamed_ms_max,
            accept_ms_max=process.queueing_accept_ms_max,
            line_min=process.queueing_line_min,
            streamed_line_min=process.queueing_streamed_line_min,
            window_ms=process.queueing_window_ms,
            window_calls=process.queueing_window_calls,
        )
        self._admission = Admission(limits, steady_ms())
        self._sensor = sensor
        self._errors = {
            reason: Overloaded(said, retry_after_ms=process.overload_retry_ms, reason=reason)
            for reason, said in SAID.items()
        }
        self._statuses = {reason: status_of(error).SerializeToString() for reason, error in self._errors.items()}

    @property
    def is_choosing(self) -> bool:
        """Whether calls are chosen among; while not, `count` is all that is to be said of them."""
        return self._admission.active

    def count(self, calls: int) -> None:
        """So many calls came while the door did not choose."""
        self._admission.count(calls)

    def meet(self, caller: Caller) -> None:
        """Count a call before its message is read. Raises TurnedAway when its level does not let it in."""
        admission = self._admission
        if not admission.active:
            admission.count(1)
            return
        own = level_of(caller.priority, caller.name, wall_ms())
        passes = admission.admit_level(caller.tenant, own)
        self.look(steady_ms())
        if not passes:
            raise self._turned_away("OVERLOADED", admission.level(caller.tenant), own)

    def meet_question(self, caller: Caller) -> None:
        """Raises TurnedAway for a question of a level below the line that calls have drawn.

        It counts for nothing there: it costs no append, and how many there are at a time has bounds of its own.
        """
        level, own = self.levels(caller)
        if own < level:
            raise self._turned_away("OVERLOADED", level, own)

    def check_key(self, caller: Caller, key: str) -> None:
        """Raises TurnedAway when a call that was met is one too many for its entity."""
        if self._admission.active and not self._admission.admit_key(key):
            raise self._turned_away("KEY_SHARE", *self.levels(caller))

    def _turned_away(self, reason: str, level: int, own: int) -> TurnedAway:
        return TurnedAway(self._errors[reason], self._statuses[reason], (level, own))

    def refused(self, tenant: str, level: int, key: str) -> Overloaded | None:
        """Why a call of this level is turned away while the door chooses; None when it is let in."""
        reason = self._admission.admit(tenant, level, key)
        return self._errors[reason] if reason else None

    def levels(self, caller: Caller) -> tuple[int, int]:
        """Below which level the caller's tenant is turned away, and the caller's own; zeros while the door is open."""
        level = self._admission.level(caller.tenant) if self._admission.active else 0
        return (level, level_of(caller.priority, caller.name, wall_ms())) if level else (0, 0)

    # -- what is seen ---------------------------------------------------------------------------------------------

    def waited(self, place: str, total_ms: float, calls: int, *, streamed: bool) -> None:
        """So many calls stood in the queue of this place, so long all together."""
        self._admission.waited(place, total_ms, calls, streamed=streamed)

    def keep(self, place: str, waited_ms: float, *, streamed: bool = False) -> None:
        """How long one stood in the queue of this place; it holds until it is said anew."""
        self._admission.keep(place, waited_ms, streamed=streamed)

    def look(self, now_ms: int) -> None:
        """End the window if it is over."""
        window = self._admission.tick(now_ms)
        if window is not None:
            self._sensor.admission_chose(window.level, window.queueing_ms / 1_000, window.admitted)


class Probe:
    """Makes a call of this gateway's own, while there are others: nobody else sees the queue before us.

    gRPC accepts one call of a method per round of the event loop and keeps the others in its line, where
    no program can count them. So the probe is an `Invoke`, which the doorkeeper knows by its metadata.
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self.address = f"unix-abstract:hutong-{os.getpid()}-{id(self):x}"
        self.metadata = ("hutong-probe", secrets.token_hex(16))
        self._asking: asyncio.Task[None] | None = None
        self._asked_at = 0.0
        self._channel: grpc.aio.Channel | None = None

    def look(self) -> None:
        """Ask, unless an answer is on its way or the last question was a moment ago; to be called often."""
        since_ms = (time.perf_counter() - self._asked_at) * 1_000
        if self._asking is not None and not self._asking.done():
            if since_ms > PROBE_MS:
                self._door.keep(ACCEPT, since_ms)
        elif since_ms > PROBE_MS:
            self._asked_at = time.perf_counter()
            self._asking = asyncio.ensure_future(self._ask())

    async def _ask(self) -> None:
        if self._channel is None:
            self._channel = grpc.aio.insecure_channel(self.address)
        stub: Any = program_pb2_grpc.ProgramServiceStub(self._channel)
        call = stub.Invoke(pb.InvokeRequest(), timeout=PROBE_MS_MAX / 1_000, metadata=(self.metadata,))
        # gRPC gives a line that is too long up with CANCELLED: awaiting the call would raise that.
        code = await call.code()
        waited_ms = (time.perf_counter() - self._asked_at) * 1_000
        if code is grpc.StatusCode.UNAVAILABLE:
            waited_ms = 0.0  # not served yet, or no more
        elif code is not grpc.StatusCode.OK:
            waited_ms = PROBE_MS_MAX
        self._door.waited(ACCEPT, waited_ms, 1, streamed=False)
        self._door.keep(ACCEPT, 0.0)

    async def stop(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._asking
        if self._channel is not None:
            await self._channel.close()
