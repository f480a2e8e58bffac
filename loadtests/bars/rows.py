"""Every bar that the platform's speed is held to: what must be, what is aimed at, and where the figure comes from."""

from typing import Literal, NamedTuple, TypeAlias

from loadtests.bench.rows import ROWS as BENCH
from loadtests.bench.rows import Row

Source: TypeAlias = Literal[
    "bench", "proof", "peers", "drained", "fronted", "paced", "hot", "snapshots", "memory", "capped"
]
"""Where a figure is taken from: a run of the bench, of the proof or of the peers; the others are measured here."""
TAKEN: tuple[Source, ...] = ("bench", "proof", "peers")


class Bar(NamedTuple):
    """One row under the name it is known by; several rows may share a name."""

    name: str
    row: Row
    source: Source


def _bench(name: str, key: str) -> Bar:
    return Bar(name, next(row for row in BENCH if row.key == key), "bench")


def _bar(
    name: str, source: Source, key: str, text: str, must: float, aim: float | None, unit: str, *, more: bool = False
) -> Bar:
    return Bar(name, Row(key, text, must, aim, unit, more), source)


BARS: tuple[Bar, ...] = (
    _bench("T1", "unary_to_echo"),
    _bench("T2", "stream_to_echo"),
    _bar("T3", "peers", "unary_to_restate", "unary / Restate, random keys", 3, 4, "×", more=True),
    _bar("T3", "peers", "streamed_to_restate", "streamed / Restate, random keys", 15, 30, "×", more=True),
    _bar("T4", "peers", "hot_unary_to_restate", "unary / Restate, one hot key", 15, 30, "×", more=True),
    _bar("T4", "peers", "hot_streamed_to_restate", "streamed / Restate, one hot key", 15, 30, "×", more=True),
    _bench("T5", "stream_to_ray"),
    _bar("T5", "peers", "unary_to_ray", "unary / raw Ray actor calls", 1, 1.5, "×", more=True),
    _bar("T6", "drained", "drained_to_faust", "host in a Ray actor, records/s / Faust's", 8, 15, "×", more=True),
    _bar("T6", "drained", "drained_to_quixstreams", "… / quixstreams'", 0.7, 1.3, "×", more=True),
    _bar("T6", "drained", "drained_to_bare", "… / a bare loop over the same log", 0.1, 0.25, "×", more=True),
    _bar("T7", "drained", "ray_to_plain", "host in a Ray actor / in a plain process", 0.8, 0.9, "×", more=True),
    _bench("T8", "p50_to_echo"),
    _bar("T8", "peers", "p50_to_restate", "p50 with 1 in flight / Restate's", 0.6, 0.4, "×"),
    _bar("T9", "paced", "half_p99_ms", "p99 at half of the most unary calls", 25, 10, "ms"),
    _bar("T11", "drained", "metrics_cost", "what metrics cost a host, of its throughput", 7, 5, "%"),
    _bar("T12", "fronted", "gateway_to_echo_cpu", "gateway CPU a unary call / echo's", 1.6, 1.3, "×"),
    _bar("O1", "proof", "unary 2x goodput / best", "2× unary: goodput / the best", 0.9, None, "×", more=True),
    _bar("O1", "proof", "streams 5x goodput / best", "5× streamed: goodput / the best", 0.9, None, "×", more=True),
    _bar(
        "O1", "proof", "unary refused / accepted CPU", "a refused unary call's CPU / an accepted one's", 0.3, None, "×"
    ),
    _bar("O1", "proof", "streams refused / accepted CPU", "… of streamed calls", 0.3, None, "×"),
    _bar("O2", "proof", "unary 2x top answered", "2× unary: the top priority answered", 0.99, None, "×", more=True),
    _bar(
        "O2", "proof", "streams 5x top answered", "5× streamed: the top priority answered", 0.99, None, "×", more=True
    ),
    _bar("O3", "hot", "others_served", "one key flooded: what others of its partition keep", 0.8, None, "×", more=True),
    _bar("O3", "hot", "others_p99", "… their p99 / without the flood", 2, None, "×"),
    _bar("O3", "hot", "hot_refused", "… the hot key's calls refused", 1, None, "calls", more=True),
    _bar("M1", "bench", "passive_bytes", "memory a session, 20 of 21 passive", 300, None, "B"),
    _bar("M1", "memory", "active_bytes", "memory a resident entity, beyond its state", 1_536, None, "B"),
    _bench("M2", "sessions_rss_mb"),
    _bench("M2", "sessions_gc_pause_ms_max"),
    _bar("M3", "capped", "capped_growth", "memory while entities come, 50 for each resident: growth", 10, None, "%"),
    _bar("M3", "capped", "activation_p99_ms", "… a call to one that is passive, p99", 20, None, "ms"),
    _bar("M5", "memory", "source_bytes", "memory of sends received, for each sender", 64, None, "B"),
    _bench("R1", "replay_account_per_s"),
    _bench("R1", "replay_shop_per_s"),
    _bench("R2", "recovery_store_kept_s"),
    _bench("R2", "recovery_store_deleted_s"),
    _bar("R2", "peers", "recovery_to_restate", "host killed → answers / Restate's", 0.5, None, "×"),
    _bar("R3", "proof", "move_pause_ms_p99", "planned move: the partition's pause, p99", 500, 200, "ms"),
    _bar("R3", "proof", "move_goodput_lost", "… what others lose", 0.05, None, "×"),
    _bar("R4", "snapshots", "snapshot_cost", "what snapshots cost of streamed calls", 5, None, "%"),
    _bar("R4", "snapshots", "snapshot_p99_ms", "… what they add to p99", 10, None, "ms"),
    _bar("R5", "proof", "kills", "processes killed in the proof", 100, None, "kills", more=True),
    _bar("R5", "proof", "harm", "… lost, done twice or wrong", 0, None, "effects"),
    _bar("R5", "proof", "gcs_goodput_share", "… goodput without Ray's GCS", 0.95, None, "×", more=True),
    _bar("R6", "proof", "broker restart, s until appends go on, max", "broker killed → appends go on", 5, None, "s"),
    _bar("R6", "proof", "kafka_lost", "… lost", 0, None, "records"),
)


def chosen(only: tuple[str, ...]) -> list[Bar]:
    """The rows under these names, or all; names may be given in small letters."""
    wanted = {name.upper() for name in only}
    return [bar for bar in BARS if not wanted or bar.name in wanted]


def names() -> list[str]:
    """Every name, in order."""
    return list(dict.fromkeys(bar.name for bar in BARS))
