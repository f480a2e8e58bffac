"""Very many calls over a few streams: each is answered once, some at a time, and by one id however often it is sent."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import grpc
import pytest

from actors.errors import Overloaded, PlatformError, Reject, SetupError
from gateway.auth import AUTHORIZATION, CALLER
from gateway.client import TOKEN
from gateway.status import status_of
from gateway.v1 import program_pb2 as pb
from loadtests.city import lanes
from loadtests.city.lanes import Lanes, streamed
from loadtests.driver.naming import said_by

LANES = Lanes(streams=2, batch=5, window=10)


class Gateway:
    """Answers a call with its own payload, or as `refuse` says: of the call's payload, and how often it came before."""

    def __init__(self, refuse: Callable[[int, int], PlatformError | None] = lambda _n, _before: None) -> None:
        self.came: dict[str, list[int]] = {}
        """By request id: the call's number, each time that it came."""
        self.flying_most = 0
        self._refuse = refuse

    def dial(self) -> "Stream":
        """A stream."""
        return Stream(self)

    def answered(self, call: pb.InvokeRequest) -> pb.InvokeResult:
        """The result of one call."""
        times = self.came.setdefault(call.request_id, [])
        times.append(int(call.payload))
        result = pb.InvokeResult(request_id=call.request_id)
        error = self._refuse(times[0], len(times) - 1)
        if error is None:
            result.response.payload = call.payload
        else:
            result.error.CopyFrom(status_of(error, call.request_id))
        return result


class Stream:
    """One stream, which answers three calls at a time, the last that came first."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._open: deque[pb.InvokeRequest] = deque()

    async def write(self, message: pb.InvokeBatch) -> None:
        """Take calls in."""
        self._open.extend(message.calls)
        self._gateway.flying_most = max(self._gateway.flying_most, len(self._open))

    async def read(self) -> Any:
        """Some results."""
        await asyncio.sleep(0)
        if not self._open:
            return grpc.aio.EOF
        some = [self._open.pop() for _ in range(min(3, len(self._open)))]
        return pb.InvokeResultBatch(results=map(self._gateway.answered, some))

    async def done_writing(self) -> None:
        """Nothing more comes."""
        assert not self._open


class Ended(Stream):
    """One that the gateway ends."""

    async def read(self) -> Any:
        """The end."""
        return grpc.aio.EOF


def message(some: Mapping[str, int]) -> pb.InvokeBatch:
    return pb.InvokeBatch(calls=[pb.InvokeRequest(request_id=name, payload=b"%d" % n) for name, n in some.items()])


def answers(dial: Callable[[], Any], count: int, turned_away: int = 0) -> list[tuple[int, bytes]]:
    """What so many calls are answered, of which so many are turned away first."""
    taken: list[tuple[int, bytes]] = []
    sent = streamed(dial, count, message, lambda n, response: taken.append((n, response.payload)), LANES)
    assert asyncio.run(sent) == turned_away
    return taken


def test_every_call_is_answered_once_and_only_so_many_of_a_stream_are_on_their_way() -> None:
    gateway = Gateway()
    taken = answers(gateway.dial, 103)
    assert sorted(taken) == [(n, b"%d" % n) for n in range(103)]
    assert sorted(gateway.came.values()) == [[n] for n in range(103)]
    assert LANES.batch < gateway.flying_most <= LANES.window


def test_what_is_turned_away_comes_again_by_the_same_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "AGAIN_S", 0.0)
    busy = Overloaded("there is too much to do", retry_after_ms=1)
    gateway = Gateway(lambda n, before: busy if before < n % 3 else None)
    taken = answers(gateway.dial, 40, turned_away=sum(n % 3 for n in range(40)))
    assert sorted(taken) == [(n, b"%d" % n) for n in range(40)]
    assert sorted(gateway.came.values()) == [[n] * (1 + n % 3) for n in range(40)]


def test_what_is_refused_for_good_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "AGAIN_S", 0.0)
    with pytest.raises(SetupError, match="sold_out"):
        answers(Gateway(lambda n, _: Reject("sold_out") if n == 7 else None).dial, 40)
    busy = Overloaded("there is too much to do", retry_after_ms=1)
    with pytest.raises(SetupError, match="OVERLOADED"):
        answers(Gateway(lambda n, _: busy if n == 7 else None).dial, 40)


def test_a_stream_that_ends_too_soon_ends_it() -> None:
    with pytest.raises(SetupError, match="5 calls of it are not answered"):
        answers(lambda: Ended(Gateway()), 5)


def test_who_calls_is_proved_by_the_token_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN, raising=False)
    assert (CALLER, "edge") in said_by("edge", 5)
    monkeypatch.setenv(TOKEN, "abc")
    assert (AUTHORIZATION, "Bearer abc") in said_by("edge", 5)
    assert (CALLER, "edge") not in said_by("edge", 5)
