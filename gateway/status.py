"""One table: which error is which gRPC status, and what is said with it."""

from collections.abc import Mapping
from typing import Any

import grpc
import msgspec
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2 as details
from google.rpc import status_pb2

from actors.errors import (
    Corrupt,
    DeadlineExceeded,
    InvalidCommand,
    NotFound,
    Outcome,
    Overloaded,
    PermissionDenied,
    PlatformError,
    Poisoned,
    Reject,
    RequestTooOld,
    Unauthenticated,
    Unavailable,
)
from actors.kernel.action import Code, Reply

DOMAIN = "hutong"
STATUS_METADATA = "grpc-status-details-bin"
TIME_METADATA = "hutong-time-ms"
REQUEST_METADATA = "hutong-request-id"
LEVEL_METADATA = "hutong-level"
MESSAGE_BYTES_MAX = 800
DETAIL_BYTES_MAX = 200
DETAILS_MAX = 8
"""Clients refuse trailing metadata of over 8 KiB: an author's words are cut so that what we say arrives."""

CODES: Mapping[type[PlatformError], grpc.StatusCode] = {
    Reject: grpc.StatusCode.FAILED_PRECONDITION,
    NotFound: grpc.StatusCode.NOT_FOUND,
    InvalidCommand: grpc.StatusCode.INVALID_ARGUMENT,
    RequestTooOld: grpc.StatusCode.ABORTED,
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
    DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    Poisoned: grpc.StatusCode.INTERNAL,
    Corrupt: grpc.StatusCode.UNAVAILABLE,
}
_BY_NUMBER = {code.value[0]: code for code in grpc.StatusCode}


class _Refusal(msgspec.Struct):
    reason: str = ""
    details: dict[str, str] = {}


_decode_refusal = msgspec.json.Decoder(_Refusal).decode


def code_of(error: PlatformError) -> grpc.StatusCode:
    """The gRPC code of an error; what is not for a caller is UNKNOWN."""
    return CODES.get(type(error), grpc.StatusCode.UNKNOWN)


def message_of(error: PlatformError) -> str:
    """What is said beside the gRPC code; the status has more room."""
    return _cut(str(error), DETAIL_BYTES_MAX)


def status_of(error: PlatformError, request_id: str = "") -> status_pb2.Status:
    """The whole status of an error. Every one carries ErrorInfo with the reason and the request id."""
    metadata: dict[str, str] = {}
    extra: list[Any] = []
    message = _cut(str(error), MESSAGE_BYTES_MAX)
    said = _cut(message, DETAIL_BYTES_MAX)
    match error:
        case Reject():
            some = list(error.details.items())[:DETAILS_MAX]
            metadata |= {_cut(key, DETAIL_BYTES_MAX): _cut(value, DETAIL_BYTES_MAX) for key, value in some}
        case InvalidCommand(field=field):
            bad = details.BadRequest.FieldViolation(field=field, description=said)
            extra.append(details.BadRequest(field_violations=[bad]))
        case Overloaded(retry_after_ms=retry_after_ms):
            extra.append(_retry_info(retry_after_ms))
            violation = details.QuotaFailure.Violation(subject=error.reason, description=said)
            extra.append(details.QuotaFailure(violations=[violation]))
        case Unavailable(retry_after_ms=retry_after_ms):
            extra.append(_retry_info(retry_after_ms))
        case NotFound():
            extra.append(details.ResourceInfo(resource_type=error.reason, description=said))
        case Poisoned(position=position) | Corrupt(position=position):
            metadata["position"] = position
        case _:
            pass
    if request_id:
        metadata["request_id"] = _cut(request_id, DETAIL_BYTES_MAX)
    info = details.ErrorInfo(reason=_cut(error.reason, DETAIL_BYTES_MAX), domain=DOMAIN, metadata=metadata)
    status = status_pb2.Status(code=code_of(error).value[0], message=message)
    for detail in (info, *extra):
        status.details.add().Pack(detail)
    return status


def _cut(text: str, bytes_max: int) -> str:
    written = text.encode()
    return text if len(written) <= bytes_max else written[: bytes_max - 3].decode(errors="ignore") + "…"


def _retry_info(retry_after_ms: int) -> details.RetryInfo:
    delay = duration_pb2.Duration()
    delay.FromMilliseconds(retry_after_ms)
    return details.RetryInfo(retry_delay=delay)


def refusal_of(reply: Reply, partition: int) -> PlatformError:
    """The error that a host's answer stands for; its code is not OK."""
    refusal = _decode_refusal(reply.payload)
    reason, position = refusal.reason, f"{partition}/{reply.offset}/{reply.index}"
    match reply.code:
        case Code.REJECTED:
            return Reject(reason, **refusal.details)
        case Code.POISONED:
            if reason == "SKIPPED":
                message = f"an operator gave this call up at {position}: it was never applied; see `hutong why`"
                return Poisoned(message, position=position)
            if reason == "STATE_UNREADABLE":
                entity = refusal.details["entity"]
                message = (
                    f"the version that decides {entity} now does not read its state, which another version wrote and "
                    "which stays as it is: the program's team releases one that reads it; then call with a new id"
                )
                return Poisoned(message, position=position, reason=reason)
            raised = refusal.details.get("error", reason)
            return Poisoned(f"the program's code raised {raised} at {position}; see `hutong why`", position=position)
        case Code.REQUEST_ID_REUSED:
            message = "this request id was used before with another command or payload"
            return InvalidCommand(message, field="request_id", reason=reason)
        case Code.REQUEST_ID_TOO_OLD:
            return RequestTooOld("the request id is older than the window reaches; this copy will never run")
        case Code.BOUND_PASSED:
            limits = ", ".join(f"{name} {value}" for name, value in refusal.details.items())
            return Overloaded(f"the call passed a bound: {reason} ({limits})", retry_after_ms=0, reason=reason)
        case Code.NO_SUCH_VIEW:
            return NotFound(f"there is no view {refusal.details.get('view', '')!r}", reason=reason)
        case _:
            return InvalidCommand("the position is beyond the log's end", field="at_least", reason="BEYOND_END")


def error_of(status: status_pb2.Status) -> PlatformError:
    """The error that a status stands for: the way back, for our client."""
    info, bad, retry = details.ErrorInfo(), details.BadRequest(), details.RetryInfo()
    for packed in status.details:
        for detail in (info, bad, retry):
            packed.Unpack(detail)  # does nothing when it is of another type
    field = bad.field_violations[0].field if bad.field_violations else ""
    retry_after_ms = retry.retry_delay.ToMilliseconds()
    return _made(_BY_NUMBER.get(status.code, grpc.StatusCode.UNKNOWN), status.message, info, field, retry_after_ms)


def _made(
    code: grpc.StatusCode, message: str, info: details.ErrorInfo, field: str, retry_after_ms: int
) -> PlatformError:
    reason, metadata = info.reason, dict(info.metadata)
    position = metadata.get("position", "")
    outcome: Outcome = "NOT_APPENDED" if reason == "NOT_APPENDED" else "OUTCOME_UNKNOWN"
    match code:
        case grpc.StatusCode.FAILED_PRECONDITION:
            metadata.pop("request_id", None)
            return Reject(reason, **metadata)
        case grpc.StatusCode.NOT_FOUND:
            return NotFound(message, reason=reason)
        case grpc.StatusCode.INVALID_ARGUMENT:
            return InvalidCommand(message, field=field, reason=reason)
        case grpc.StatusCode.ABORTED:
            return RequestTooOld(message)
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return Overloaded(message, retry_after_ms=retry_after_ms, reason=reason or "OVERLOADED")
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineExceeded(message, outcome=outcome)
        case grpc.StatusCode.UNAUTHENTICATED:
            return Unauthenticated(message, reason=reason or code.name)
        case grpc.StatusCode.PERMISSION_DENIED:
            return PermissionDenied(message)
        case grpc.StatusCode.INTERNAL if position:
            return Poisoned(message, position=position, reason=reason)
        case grpc.StatusCode.UNAVAILABLE if position:
            return Corrupt(message, position=position)
        case grpc.StatusCode.UNAVAILABLE:
            return Unavailable(message, outcome=outcome, retry_after_ms=retry_after_ms)
        case _:
            return PlatformError(f"{code.name}: {message}", reason=reason or code.name)
