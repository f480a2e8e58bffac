"""What our client raises: the error that a call's end stands for, and what a former try makes of it."""

from collections.abc import Iterable
from typing import Any

import grpc
from google.rpc import status_pb2

from actors.errors import DeadlineExceeded, Outcome, Overloaded, PlatformError, Unavailable
from gateway.shedding import HOLD_MS
from gateway.status import STATUS_METADATA, error_of

COME_BACK = ("OVERLOADED", "KEY_SHARE", "CALLER_LIMIT", "TENANT_LIMIT")
"""Reasons of an Overloaded that pass with time."""
UNKNOWN: Outcome = "OUTCOME_UNKNOWN"


def error_from(error: grpc.aio.AioRpcError) -> PlatformError:
    """The error that a gRPC failure stands for."""
    return error_from_call(error.code(), error.details(), error.trailing_metadata())


def error_from_call(
    code: grpc.StatusCode, message: str | None, metadata: Iterable[tuple[str, Any]] | None
) -> PlatformError:
    """The error that a call's end stands for. One that no gateway described is the transport's: nobody knows more."""
    for key, value in metadata or ():
        if key == STATUS_METADATA:
            return error_of(status_pb2.Status.FromString(value))
    text = message or code.name
    match code:
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            text = "no answer came before the call's deadline (deadline_ms)"
            return DeadlineExceeded(text, outcome="OUTCOME_UNKNOWN")
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            too_big = "larger" in text or "metadata" in text
            return Overloaded(text, retry_after_ms=0, reason="TOO_BIG" if too_big else "OVERLOADED")
        case grpc.StatusCode.UNIMPLEMENTED | grpc.StatusCode.INVALID_ARGUMENT | grpc.StatusCode.UNAUTHENTICATED:
            return error_of(status_pb2.Status(code=code.value[0], message=text))
        case _:  # gone, cut off in the middle, ended as it was stopped
            return Unavailable(text, outcome="OUTCOME_UNKNOWN", retry_after_ms=0)


def kept_back() -> Overloaded:
    """The outcome of a try that was not made."""
    return Overloaded("kept back: the gateway turns such calls away for now", retry_after_ms=HOLD_MS // 2)


def doubted(error: PlatformError) -> PlatformError:
    """What to raise when this try came to nothing and an earlier one may have been appended."""
    told = f"{error}; an earlier try may have been appended: ask with the same id"
    match error:
        case Unavailable(reason="NOT_APPENDED", retry_after_ms=retry_after_ms):
            return Unavailable(told, outcome=UNKNOWN, retry_after_ms=retry_after_ms)
        case DeadlineExceeded(reason="NOT_APPENDED"):
            return DeadlineExceeded(told, outcome=UNKNOWN)
        case Overloaded(retry_after_ms=retry_after_ms) if error.reason in COME_BACK:
            return Unavailable(told, outcome=UNKNOWN, retry_after_ms=retry_after_ms)
        case _:
            return error
