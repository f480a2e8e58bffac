"""Hooks that metrics attach to, all empty here: a host or gateway that nobody watches runs with `Sensor()`.

A hook takes plain numbers and short words, never a user's or an entity's id. It is called once per frame, batch or
second, not once per record, except `call_done`, which is called once per unary call. Hooks may come from any thread.
"""

from typing import Protocol


class Sensor:
    """What can be observed. Subclass it and override what you watch; `adapters/prometheus.py` does."""

    # -- gateway --------------------------------------------------------------------------------------------------

    def call_done(self, method: str, code: str, seconds: float) -> None:
        """One call of a gRPC method ended with this gRPC code."""

    def stream_answered(self, method: str, code: str, calls: int) -> None:
        """So many calls within a stream were answered with this code, in one message."""

    def calls_refused(self, reason: str, calls: int) -> None:
        """Calls were turned away before the log, for this stable reason."""

    def admission_chose(self, level: int, queueing_seconds: float, admitted: int) -> None:
        """A window of the gateway's door ended: the level from now on, how long calls queued, how many it let in."""

    def frame_appended(self, records: int, size_bytes: int, seconds: float) -> None:
        """The log acknowledged a frame that was handed to it so long ago."""

    def append_failed(self, outcome: str) -> None:
        """A frame's append failed: NOT_APPENDED or OUTCOME_UNKNOWN."""

    def replies_came(self, replies: int, seconds: float) -> None:
        """A batch of answers came; the oldest of their calls was acknowledged by the log so long ago."""

    def pending_calls(self, calls: int) -> None:
        """So many calls wait for an answer now."""

    # -- host -----------------------------------------------------------------------------------------------------

    def frames_polled(self, frames: int, size_bytes: int) -> None:
        """One poll brought so many frames."""

    def frames_applied(self, frames: int, seconds: float, records: int = 0) -> None:
        """What one poll brought was applied, with all its work carried out or handed over."""

    def partition_stands(
        self, partition: int, lag_records: int, lag_seconds: float, resident: int, outbox: int, window: int
    ) -> None:
        """How an owned partition stands now; told about once a second."""

    def partition_gone(self, partition: int) -> None:
        """This host does not own the partition any more: what is known of it is not ours to show."""

    def phase_ended(self, phase: str, seconds: float) -> None:
        """A partition left this phase of its recovery after so long."""

    def commands_rejected(self, records: int) -> None:
        """So many commands were rejected by a rule."""

    def commands_poisoned(self, records: int) -> None:
        """So many commands made an author's code raise."""

    def partition_halted(self, partition: int) -> None:
        """A partition stopped for good, until an operator acts."""

    def partition_resumed(self, partition: int) -> None:
        """An operator acted: a partition that was halted goes on."""

    def dead_lettered(self, records: int) -> None:
        """So many records went to the dead letters."""

    def snapshot_taken(self, partition: int, seconds: float, size_bytes: int) -> None:
        """A snapshot was uploaded."""

    def snapshot_failed(self, partition: int) -> None:
        """A snapshot could not be uploaded; the former one stays the newest."""

    # -- follower -------------------------------------------------------------------------------------------------

    def events_followed(self, events: int, seconds: float) -> None:
        """So many events were folded into read models; the newest was appended so long before its rows were there."""

    # -- both -----------------------------------------------------------------------------------------------------

    def collector_paused(self, generation: int, seconds: float) -> None:
        """Python's garbage collector stopped the process for so long."""


class Logger(Protocol):
    """Where a sentence for an operator goes; `facts` are its numbers and names, under keys that stay the same."""

    def debug(self, event: str, **facts: object) -> None:
        """For somebody who looks for a cause."""
        ...

    def info(self, event: str, **facts: object) -> None:
        """What an operator expects to see."""
        ...

    def warning(self, event: str, **facts: object) -> None:
        """What goes on, but not as it should."""
        ...

    def error(self, event: str, **facts: object) -> None:
        """What somebody must act on."""
        ...

    def exception(self, event: str, **facts: object) -> None:
        """An error, with the traceback of the exception that is being handled."""
        ...
