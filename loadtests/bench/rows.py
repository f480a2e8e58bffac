"""The figures that the platform must reach: what each is, what it must be, and what is aimed at."""

from typing import Literal, NamedTuple, TypeAlias

Figures: TypeAlias = dict[str, float | None]
Verdict: TypeAlias = Literal["met", "aim met", "short", "not measured"]


class Row(NamedTuple):
    """One row: the figure under `key`, which must not be worse than `must`; `more` says which way is better."""

    key: str
    text: str
    must: float
    aim: float | None
    unit: str
    more: bool = False

    def verdict(self, value: float | None) -> Verdict:
        """How a measured value stands. None of these can be below nothing: what is was lost in the noise."""
        if value is None or not value >= 0:
            return "not measured"
        sign = 1 if self.more else -1
        if sign * value < sign * self.must:
            return "short"
        return "aim met" if self.aim is not None and sign * value >= sign * self.aim else "met"


ROWS = (
    Row("stream_to_echo", "streamed calls / echo unary calls", 15, 30, "×", more=True),
    Row("stream_to_ray", "streamed calls / raw Ray actor calls", 20, 40, "×", more=True),
    Row("unary_to_echo", "unary calls, 64 in flight / echo", 0.5, 0.8, "×", more=True),
    Row("p50_to_echo", "unary p50, 1 in flight / echo p50", 4.5, 3, "×"),
    Row("embedded_to_kafka", "embedded log / Kafka, streamed", 0.5, 1, "×", more=True),
    Row("recovery_store_kept_s", "host killed → good answers, store kept", 3, 1.5, "s"),
    Row("recovery_store_deleted_s", "host killed → good answers, store deleted, 200,000 commands", 5, 3, "s"),
    Row("replay_account_per_s", "replay of the bench's entity", 100_000, 150_000, "records/s a core", more=True),
    Row("replay_shop_per_s", "replay of the shop's lines", 50_000, 80_000, "records/s a core", more=True),
    Row("sessions_rss_mb", "1,000,000 passive and 50,000 resident sessions", 700, None, "MB"),
    Row("sessions_gc_pause_ms_max", "the longest pause of the collector meanwhile", 10, None, "ms"),
    Row("idle_up_percent", "idle `up`, embedded", 6, 4.5, "% of a core"),
    Row("idle_dev_percent", "idle `dev`", 1, None, "% of a core"),
    Row("ready_dev_s", "`dev` ready", 1, None, "s"),
    Row("ready_up_s", "`up` ready", 12, None, "s"),
)
