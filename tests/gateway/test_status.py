"""Errors there and back: what a caller is told is what was meant, and it always arrives."""

import grpc
import pytest
from google.rpc import error_details_pb2 as details

from actors import errors
from actors.errors import PlatformError
from actors.kernel.action import Code, Reply
from actors.kernel.cascade import refuse
from gateway.status import CODES, code_of, error_of, message_of, refusal_of, status_of
from tests.gateway.scene import detail

REQUEST_ID = "0190f3c2-7a4b-7c3d-8e4f-0123456789ab"
GRPC_METADATA_BYTES_MAX = 8 * 1024
OTHER_BYTES = 500

EVERY = [
    errors.Reject("sold_out", left="0"),
    errors.NotFound("there is no such kind", reason="NO_SUCH_KIND"),
    errors.InvalidCommand("it is no number", field="$.amount"),
    errors.RequestTooOld("too old"),
    errors.Unauthenticated("who?"),
    errors.PermissionDenied("no"),
    errors.Overloaded("too many", retry_after_ms=250, reason="CALLER_LIMIT"),
    errors.Unavailable("away", outcome="NOT_APPENDED", retry_after_ms=1_500),
    errors.Unavailable("away", outcome="OUTCOME_UNKNOWN"),
    errors.DeadlineExceeded("late", outcome="OUTCOME_UNKNOWN"),
    errors.Poisoned("KeyError", position="1/2/3"),
    errors.Poisoned("its state is not read", position="1/2/3", reason="STATE_UNREADABLE"),
    errors.Corrupt("damaged", position="1/2/3"),
]


def names(error: PlatformError) -> dict[str, object]:
    """All that an error says."""
    return {"type": type(error), "message": str(error), **vars(error)}


@pytest.mark.parametrize("error", EVERY, ids=lambda error: f"{type(error).__name__}-{error.reason}")
def test_an_error_arrives_as_it_was_meant(error: PlatformError) -> None:
    status = status_of(error, REQUEST_ID)
    assert names(error_of(status)) == names(error)
    assert status.code == code_of(error).value[0]
    info = detail(status, details.ErrorInfo)
    assert info is not None
    assert (info.domain, info.reason, info.metadata["request_id"]) == ("hutong", error.reason, REQUEST_ID)


def test_every_error_for_a_caller_has_a_code() -> None:
    for_operators = {errors.SetupError}
    assert set(CODES) == set(PlatformError.__subclasses__()) - for_operators
    assert {type(error) for error in EVERY} == set(CODES)
    assert code_of(errors.SetupError("not for callers")) is grpc.StatusCode.UNKNOWN


def test_who_may_come_back_is_told_when() -> None:
    retry = detail(status_of(errors.Overloaded("full", retry_after_ms=250)), details.RetryInfo)
    assert retry is not None
    assert retry.retry_delay.ToMilliseconds() == 250


def test_an_authors_detail_does_not_take_the_place_of_the_request_id() -> None:
    info = detail(status_of(errors.Reject("no", request_id="mine"), REQUEST_ID), details.ErrorInfo)
    assert info is not None
    assert info.metadata["request_id"] == REQUEST_ID


@pytest.mark.parametrize("char", ["a", "巷"])
def test_what_an_author_says_at_length_still_fits_the_metadata_of_any_client(char: str) -> None:
    long = {f"{n}": char * 1_000 for n in range(50)}
    for error in (
        errors.Reject(char * 2_000, **long),
        errors.InvalidCommand(char * 2_000, field=char * 200),
        errors.NotFound(char * 2_000),
        errors.Overloaded(char * 2_000, retry_after_ms=1),
    ):
        packed = 4 * len(status_of(error, REQUEST_ID).SerializeToString()) // 3
        escaped = 3 * len(message_of(error).encode())
        assert packed + escaped + OTHER_BYTES < GRPC_METADATA_BYTES_MAX


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.OK])
def test_every_code_of_a_host_is_an_error_of_ours(code: Code) -> None:
    payload = b'{"reason":"WHY","details":{"view":"look"}}'
    error = refusal_of(Reply("g", "ann", b"", code, payload, 7, 2, False), 1)
    assert type(error) in CODES
    if code is Code.POISONED:
        assert names(error)["position"] == "1/7/2"


def test_who_must_act_is_told_where_no_version_reads_a_state() -> None:
    payload = refuse(Code.POISONED, "STATE_UNREADABLE", {"entity": "cafe.counter/a"}).payload
    error = refusal_of(Reply("g", "ann", b"", Code.POISONED, payload, 7, 2, False), 1)
    assert (error.reason, names(error)["position"]) == ("STATE_UNREADABLE", "1/7/2")
    assert "cafe.counter/a" in str(error)
    assert "the program's team releases one that reads it" in str(error)
