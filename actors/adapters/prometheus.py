"""Metrics in Prometheus form: a registry of their own, served on loopback. Labels come from a fixed list only."""

import gc
import threading
import time
from collections.abc import Callable, Mapping
from socketserver import BaseServer

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, start_http_server

from actors.adapters.histograms import Histogram
from actors.errors import SetupError
from actors.sensor import Sensor

LABELS = frozenset({"method", "code", "reason", "outcome", "partition", "phase", "generation", "le"})
"""Every label there is. None of them can hold a user's or an entity's id."""

LABEL_VALUES_MAX = 64
OTHER = "other"

_LATENCY = (0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
_SHORT = (0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5)
_COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)
_BYTES = (256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 2 << 20)


class Words:
    """Lets through the first `LABEL_VALUES_MAX` different words; the rest become `other`.

    A client chooses the method it calls: without this, one client could make series without end.
    """

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def __getitem__(self, word: str) -> str:
        seen = self._seen.get(word)
        if seen is not None:
            return seen
        if len(self._seen) >= LABEL_VALUES_MAX:
            return OTHER
        return self._seen.setdefault(word, word)


class PrometheusSensor(Sensor):
    """Counts what the hooks tell. `clock` gives seconds and only serves the age of snapshots."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.registry = CollectorRegistry()
        self._clock = clock
        self._methods = Words()
        self._reasons = Words()
        self._partitions: Mapping[str, Gauge] = {}
        ProcessCollector(namespace="hutong", registry=self.registry)
        self._make_gateway()
        self._make_host()
        self._followed = self._counter("followed_events", "Events folded into read models")
        self._follow_lag = self._gauge("follow_lag_seconds", "From the newest event's append until its rows were there")
        self._collector = self._histogram(
            "gc_pause_seconds", "How long the garbage collector stopped the process", _SHORT, "generation"
        )

    def _make_gateway(self) -> None:
        self._calls = self._counter("calls", "Calls answered, by gRPC method and code", "method", "code")
        self._calls_of: dict[tuple[str, str], Counter] = {}
        self._handling = self._histogram(
            "call_handling_seconds", "From a call's arrival to its end", _LATENCY, "method"
        )
        self._refused = self._counter("calls_refused", "Calls turned away before the log", "reason")
        self._level = self._gauge("admission_level", "The level below which calls are turned away; 0: none")
        self._queueing = self._histogram("queueing_seconds", "Mean time in queues, of each window", _LATENCY)
        self._admitted = self._counter("calls_admitted", "Calls let in by admission")
        self._append = self._histogram("append_seconds", "From handing a frame to the log to its word", _LATENCY)
        self._append_failures = self._counter("append_failures", "Appends that failed, by outcome", "outcome")
        self._frame_records = self._histogram("frame_records", "Records in an appended frame", _COUNTS)
        self._frame_bytes = self._histogram("frame_bytes", "Bytes of an appended frame", _BYTES)
        self._reply = self._histogram(
            "reply_seconds", "From an append's word to the answers, the oldest of each batch", _LATENCY
        )
        self._replies = self._counter("replies", "Answers that came from hosts")
        self._pending = self._gauge("pending_calls", "Calls that wait for an answer")

    def _make_host(self) -> None:
        self._poll_frames = self._histogram("poll_frames", "Frames in a poll", _COUNTS)
        self._poll_bytes = self._histogram("poll_bytes", "Bytes in a poll", _BYTES)
        self._apply = self._histogram("apply_seconds", "Applying what one poll brought", _SHORT)
        self._applied_frames = self._counter("applied_frames", "Frames applied")
        self._applied = self._counter("applied_records", "Records applied")
        self._recovery = self._histogram("recovery_seconds", "Time spent in a phase of recovery", _LATENCY, "phase")
        self._rejected = self._counter("rejected_commands", "Commands that a rule rejected")
        self._poisoned = self._counter("poisoned_commands", "Commands that made an author's code raise")
        self._halts = self._counter("halts", "Times a partition halted")
        self._dead_letters = self._counter("dead_letters", "Records that went to the dead letters")
        self._snapshot = self._histogram("snapshot_seconds", "Making and uploading a snapshot", _LATENCY)
        self._snapshot_failures = self._counter(
            "snapshot_failures", "Snapshots that could not be uploaded", "partition"
        )
        self._owned = self._gauge("owned_partitions", "Partitions this host owns")
        self._standing: dict[int, None] = {}
        self._standing_lock = threading.Lock()
        self._partitions = {
            name: self._gauge(name, text, "partition")
            for name, text in (
                ("lag_records", "Records in the log that are not applied yet"),
                ("lag_seconds", "Age of the oldest record that is not applied yet"),
                ("resident_entities", "Entities in memory"),
                ("outbox_records", "Sends and events whose append is not acknowledged yet"),
                ("window_entries", "Request ids remembered"),
                ("halted", "1 while the partition is halted"),
                ("snapshot_bytes", "Size of the newest snapshot"),
                ("snapshot_age_seconds", "Time since the newest snapshot"),
            )
        }

    # -- gateway --------------------------------------------------------------------------------------------------

    def call_done(self, method: str, code: str, seconds: float) -> None:
        """See `Sensor.call_done`."""
        method = self._methods[method]
        self._count_calls(method, code, 1)
        self._handling.observe(seconds, method)

    def stream_answered(self, method: str, code: str, calls: int) -> None:
        """See `Sensor.stream_answered`."""
        self._count_calls(self._methods[method], code, calls)

    def _count_calls(self, method: str, code: str, calls: int) -> None:
        """To find a series by its labels costs more than to count in it."""
        counter = self._calls_of.get((method, code))
        if counter is None:
            counter = self._calls_of[method, code] = self._calls.labels(method, code)
        counter.inc(calls)

    def calls_refused(self, reason: str, calls: int) -> None:
        """See `Sensor.calls_refused`."""
        self._refused.labels(self._reasons[reason]).inc(calls)

    def admission_chose(self, level: int, queueing_seconds: float, admitted: int) -> None:
        """See `Sensor.admission_chose`."""
        self._level.set(level)
        self._queueing.observe(queueing_seconds)
        self._admitted.inc(admitted)

    def frame_appended(self, records: int, size_bytes: int, seconds: float) -> None:
        """See `Sensor.frame_appended`."""
        self._append.observe(seconds)
        self._frame_records.observe(records)
        self._frame_bytes.observe(size_bytes)

    def append_failed(self, outcome: str) -> None:
        """See `Sensor.append_failed`."""
        self._append_failures.labels(outcome).inc()

    def replies_came(self, replies: int, seconds: float) -> None:
        """See `Sensor.replies_came`."""
        self._replies.inc(replies)
        self._reply.observe(seconds)

    def pending_calls(self, calls: int) -> None:
        """See `Sensor.pending_calls`."""
        self._pending.set(calls)

    # -- host -----------------------------------------------------------------------------------------------------

    def frames_polled(self, frames: int, size_bytes: int) -> None:
        """See `Sensor.frames_polled`."""
        self._poll_frames.observe(frames)
        self._poll_bytes.observe(size_bytes)

    def frames_applied(self, frames: int, seconds: float, records: int = 0) -> None:
        """See `Sensor.frames_applied`."""
        self._apply.observe(seconds)
        self._applied_frames.inc(frames)
        self._applied.inc(records)

    def partition_stands(
        self, partition: int, lag_records: int, lag_seconds: float, resident: int, outbox: int, window: int
    ) -> None:
        """See `Sensor.partition_stands`."""
        with self._standing_lock:
            self._standing[partition] = None
            self._owned.set(len(self._standing))
        self._set(partition, "lag_records", lag_records)
        self._set(partition, "lag_seconds", lag_seconds)
        self._set(partition, "resident_entities", resident)
        self._set(partition, "outbox_records", outbox)
        self._set(partition, "window_entries", window)

    def partition_gone(self, partition: int) -> None:
        """See `Sensor.partition_gone`."""
        with self._standing_lock:
            self._standing.pop(partition, None)
            self._owned.set(len(self._standing))
        for gauge in self._partitions.values():
            gauge.remove_by_labels({"partition": str(partition)})

    def phase_ended(self, phase: str, seconds: float) -> None:
        """See `Sensor.phase_ended`."""
        self._recovery.observe(seconds, phase)

    def commands_rejected(self, records: int) -> None:
        """See `Sensor.commands_rejected`."""
        self._rejected.inc(records)

    def commands_poisoned(self, records: int) -> None:
        """See `Sensor.commands_poisoned`."""
        self._poisoned.inc(records)

    def partition_halted(self, partition: int) -> None:
        """See `Sensor.partition_halted`."""
        self._halts.inc()
        self._set(partition, "halted", 1)

    def partition_resumed(self, partition: int) -> None:
        """See `Sensor.partition_resumed`."""
        self._set(partition, "halted", 0)

    def dead_lettered(self, records: int) -> None:
        """See `Sensor.dead_lettered`."""
        self._dead_letters.inc(records)

    def snapshot_taken(self, partition: int, seconds: float, size_bytes: int) -> None:
        """See `Sensor.snapshot_taken`."""
        taken, clock = self._clock(), self._clock
        self._snapshot.observe(seconds)
        self._set(partition, "snapshot_bytes", size_bytes)
        # The age is computed when it is asked for, so that it grows while no snapshot is taken.
        self._partitions["snapshot_age_seconds"].labels(str(partition)).set_function(lambda: clock() - taken)

    def snapshot_failed(self, partition: int) -> None:
        """See `Sensor.snapshot_failed`."""
        self._snapshot_failures.labels(str(partition)).inc()

    # -- follower -------------------------------------------------------------------------------------------------

    def events_followed(self, events: int, seconds: float) -> None:
        """See `Sensor.events_followed`."""
        self._followed.inc(events)
        self._follow_lag.set(seconds)

    # -- both -----------------------------------------------------------------------------------------------------

    def collector_paused(self, generation: int, seconds: float) -> None:
        """See `Sensor.collector_paused`."""
        self._collector.observe(seconds, str(generation))

    # -- making ---------------------------------------------------------------------------------------------------

    def _set(self, partition: int, name: str, value: float) -> None:
        self._partitions[name].labels(str(partition)).set(value)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace="hutong", registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, namespace="hutong", registry=self.registry)

    def _histogram(self, name: str, text: str, bounds: tuple[float, ...], label: str = "") -> Histogram:
        return Histogram(f"hutong_{name}", text, bounds, self.registry, label)


class MetricsServer:
    """A running `/metrics` endpoint on loopback."""

    def __init__(self, server: BaseServer, thread: threading.Thread, port: int) -> None:
        self._server = server
        self._thread = thread
        self.port = port

    def stop(self) -> None:
        """Answer what was asked, then free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve_metrics(sensor: PrometheusSensor, port: int = 0) -> MetricsServer:
    """Serve the sensor's metrics on 127.0.0.1; port 0 takes any free one, `MetricsServer.port` says which."""
    try:
        server, thread = start_http_server(port, addr="127.0.0.1", registry=sensor.registry)
    except OSError as error:
        raise SetupError(
            f"cannot serve metrics on 127.0.0.1:{port}: {error}. Choose another port, or 0 for any free one.",
            reason="PORT_NOT_FREE",
        ) from error
    return MetricsServer(server, thread, server.server_port)


def watch_collector(sensor: Sensor) -> Callable[[], None]:
    """Tell the sensor of every pause by the garbage collector; returns what ends the watch."""
    began = time.perf_counter()

    def told(phase: str, info: dict[str, int]) -> None:
        nonlocal began
        if phase == "start":
            began = time.perf_counter()
        else:
            sensor.collector_paused(info["generation"], time.perf_counter() - began)

    gc.callbacks.append(told)
    return lambda: gc.callbacks.remove(told)
