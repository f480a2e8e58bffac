"""Latencies: counted in HDR buckets, merged without loss, told as quantiles."""

import random

from loadtests.driver import latency
from loadtests.driver.latency import HdrHistogram
from tests.load.runs import counted

SECONDS = [random.Random(7).expovariate(1 / 0.004) for _ in range(5_000)]


def test_quantiles_are_those_of_the_values_within_a_thousandth() -> None:
    told = latency.quantiles(counted(SECONDS))
    in_order = sorted(SECONDS)
    assert told.count == len(SECONDS)
    for value, part in ((told.p50_ms, 0.5), (told.p99_ms, 0.99), (told.max_ms, 1.0)):
        exact = in_order[round(part * len(in_order)) - 1] * 1_000
        assert abs(value - exact) <= exact / 500 + 0.002, (value, exact)


def test_buckets_are_those_of_hdr_histogram() -> None:
    theirs = HdrHistogram(1, latency.LONGEST_US, latency.DIGITS)
    for seconds in SECONDS:
        theirs.record_value(int(seconds * 1e6))
    ours = latency.quantiles(counted(SECONDS))
    assert HdrHistogram.decode(ours.hist).get_total_count() == len(SECONDS)
    for part, ours_ms in ((50, ours.p50_ms), (99, ours.p99_ms)):
        assert abs(theirs.get_value_at_percentile(part) - ours_ms * 1_000) <= max(2, ours_ms)


def test_two_halves_merged_are_the_whole() -> None:
    halves = [counted(SECONDS[:100]), counted(SECONDS[100:])]
    assert (latency.merged(halves) == counted(SECONDS)).all()


def test_what_is_encoded_or_sent_as_pairs_comes_back() -> None:
    counts = counted(SECONDS)
    assert (latency.decoded(latency.encoded(counts)) == counts).all()
    again = latency.no_counts()
    latency.added(again, latency.sparse(counts))
    assert (again == counts).all()


def test_whatever_took_longer_than_can_be_told_counts_as_the_longest_and_nothing_as_a_microsecond() -> None:
    told = latency.quantiles(counted([0.0, 1e9]))
    assert (told.p50_ms, told.count) == (0.001, 2)
    assert told.max_ms >= latency.LONGEST_US / 1_000 * 0.999


def test_nothing_is_told_of_nothing() -> None:
    told = latency.quantiles(latency.no_counts())
    assert (told.count, told.p99_ms, told.max_ms) == (0, 0.0, 0.0)
