"""A histogram whose observations cost a fraction of those of prometheus_client's: there are several for each frame.

Knows no metric. Any thread may observe.
"""

import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any, cast

from prometheus_client import CollectorRegistry, utils
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

_text_of = cast("Any", utils).floatToGoString


class _Series:
    """The counts of one value of the label: of each bucket alone, the last for what is above all bounds."""

    __slots__ = ("counts", "total")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.total = 0.0


class Histogram(Collector):
    """Counts by upper bounds, in one series or in one for each value of a label."""

    def __init__(
        self, name: str, text: str, bounds: Sequence[float], registry: CollectorRegistry, label: str = ""
    ) -> None:
        """`bounds` are in order; above the last there is one bucket more."""
        self._name = name
        self._text = text
        self._bounds = bounds
        self._les = [*map(_text_of, bounds), "+Inf"]
        self._labels = [label] if label else []
        self._lock = threading.Lock()
        self._series: dict[str, _Series] = {} if label else {"": _Series(len(self._les))}
        registry.register(self)

    def observe(self, value: float, word: str = "") -> None:
        """Count a value; `word` is the label's, which must be one of few."""
        with self._lock:
            series = self._series.get(word)
            if series is None:
                series = self._series[word] = _Series(len(self._les))
            series.counts[bisect_left(self._bounds, value)] += 1
            series.total += value

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """All series, as prometheus_client shows them."""
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        with self._lock:
            for word, series in self._series.items():
                buckets: list[tuple[str, float]] = []
                below = 0
                for le, count in zip(self._les, series.counts, strict=True):
                    below += count
                    buckets.append((le, below))
                family.add_metric([word] if self._labels else [], buckets, series.total)
        yield family
