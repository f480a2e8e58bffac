"""The one tree of errors; each class says who must act. Assertions are ours and are never caught.

PlatformError                        gRPC                  who acts
├─ Reject(reason)                    FAILED_PRECONDITION   the caller; a rule's no: final, the same on replay
├─ NotFound                          NOT_FOUND             the caller; unknown kind, program, command, view
├─ InvalidCommand(field)             INVALID_ARGUMENT      the caller; before the log, but for REQUEST_ID_REUSED
├─ RequestTooOld                     ABORTED               the caller; this copy never runs, an earlier one is unknown
├─ Unauthenticated                   UNAUTHENTICATED       the caller
├─ PermissionDenied                  PERMISSION_DENIED     the caller
├─ Overloaded(retry_after_ms)        RESOURCE_EXHAUSTED    the caller, later; refused before the log
├─ Unavailable(retry_after_ms)       UNAVAILABLE           the caller, later, with the same request id
├─ DeadlineExceeded                  DEADLINE_EXCEEDED     the caller, with the same request id
├─ Poisoned(position)                INTERNAL              the program's author; recorded, state untouched
├─ Corrupt(position)                 UNAVAILABLE (halted)  an operator; the partition stops and says where
└─ SetupError                        (command line)        the operator; says what to change and how to go on
AssertionError in the kernel         UNAVAILABLE (halted)  us; the partition stops

A reason says whose it is: that of a Reject is in small letters (`sold_out`), any other in capitals (`NO_SUCH_KIND`).
"""

from typing import Literal, TypeAlias

Outcome: TypeAlias = Literal["NOT_APPENDED", "OUTCOME_UNKNOWN"]
"""Whether a call that failed can have had an effect: certainly not, or nobody knows yet."""


class PlatformError(Exception):
    """The root. `reason` is stable and machine-readable; the message is for a person."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Reject(PlatformError):
    """A rule's no, raised by an author's `decide`: final, and the same on every replay.

    `details` travels to the caller beside the reason.
    """

    def __init__(self, reason: str, **details: str) -> None:
        super().__init__(reason, reason=reason)
        self.details = details


class NotFound(PlatformError):
    """The caller named a kind, program, command or view that does not exist."""

    def __init__(self, message: str, *, reason: str = "NOT_FOUND") -> None:
        super().__init__(message, reason=reason)


class InvalidCommand(PlatformError):
    """The payload does not fit the command; `field` is the path of the first field that is wrong."""

    def __init__(self, message: str, *, field: str = "", reason: str = "INVALID_COMMAND") -> None:
        super().__init__(message, reason=reason)
        self.field = field


class RequestTooOld(PlatformError):
    """The window no longer reaches back to this request id: this copy never runs, an earlier one may have."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="REQUEST_ID_TOO_OLD")


class Unauthenticated(PlatformError):
    """The caller did not say, or could not prove, who it is."""

    def __init__(self, message: str, *, reason: str = "UNAUTHENTICATED") -> None:
        super().__init__(message, reason=reason)


class PermissionDenied(PlatformError):
    """The caller is known and may not do this."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="PERMISSION_DENIED")


class Overloaded(PlatformError):
    """A bound was reached before the log; come back after `retry_after_ms`."""

    def __init__(self, message: str, *, retry_after_ms: int, reason: str = "OVERLOADED") -> None:
        super().__init__(message, reason=reason)
        self.retry_after_ms = retry_after_ms


class Unavailable(PlatformError):
    """A part is away; send the same request id again after `retry_after_ms`. The reason is the outcome."""

    def __init__(self, message: str, *, outcome: Outcome, retry_after_ms: int = 200) -> None:
        super().__init__(message, reason=outcome)
        self.retry_after_ms = retry_after_ms


class DeadlineExceeded(PlatformError):
    """The caller's time is over. The reason is the outcome."""

    def __init__(self, message: str, *, outcome: Outcome) -> None:
        super().__init__(message, reason=outcome)


class Poisoned(PlatformError):
    """An author's code raised, or reads no state; the rejection is recorded at `position`, the state is untouched."""

    def __init__(self, message: str, *, position: str, reason: str = "POISONED") -> None:
        super().__init__(message, reason=reason)
        self.position = position


class Corrupt(PlatformError):
    """Stored bytes are not what was written, or history diverged: the partition stops at `position`."""

    def __init__(self, message: str, *, position: str) -> None:
        super().__init__(message, reason="CORRUPT")
        self.position = position


class SetupError(PlatformError):
    """The platform cannot start or go on as it was told to; the message names the cause and the next step."""

    def __init__(self, message: str, *, reason: str = "SETUP") -> None:
        super().__init__(message, reason=reason)
