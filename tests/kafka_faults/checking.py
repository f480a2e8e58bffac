"""The comparison: what was acknowledged is in the log once, at its offset, and nothing else was acknowledged."""

import time
from collections.abc import Mapping, Sequence

from actors.errors import Corrupt, Unavailable
from actors.ports import Fetched, Log, Slice
from tests.kafka_faults.load import WAIT_S, Follower, Load, Truth, commands_in, number_of
from tests.proof.counts import Counts

FLIPPED_ANSWERS = "flipped bits (from the broker)"
ELSEWHERE = "acknowledged at an offset that a flipped bit made (Kafka's answers have no checksum; TLS gives one)"


def spans_end(log: Log, slices: Sequence[Slice]) -> dict[Slice, int]:
    """Where the slices end; asked again while the brokers are away."""
    until = time.monotonic() + WAIT_S
    while True:
        try:
            return {slice_: span.end for slice_, span in log.spans(slices).items()}
        except Unavailable:
            if time.monotonic() > until:
                raise


def settle(counts: Counts, log: Log, load: Load, follower: Follower, slices: Sequence[Slice]) -> None:
    """End a load and its reader, and count what is wrong with what was read while faults happened, and afterwards."""
    if not load.stop():
        counts.find(f"{load.truth.asked - load.truth.settled} appends never ended")
    ends = spans_end(log, slices)
    if not follower.reached(ends):
        counts.find("the reader that followed did not come to the end")
    follower.stop()
    for corrupt in follower.corrupt:
        counts.find(f"the reader that followed stopped: {corrupt}")
    afterwards = Follower(log, slices)
    afterwards.reached(ends)
    afterwards.stop()
    truth = load.truth
    counts.acked += len(truth.acked)
    counts.figures[f"{counts.scenario}: commands in the acknowledged frames"] = commands_in(truth.acked)
    counts.unknown += len(truth.unknown)
    counts.refused += len(truth.refused)
    for name, found in (("while it happened", follower.found), ("afterwards", afterwards.found)):
        if follower.corrupt and found is follower.found:
            continue  # it stopped, and that is said
        compare(counts, truth, {slice_: frames[: ends[slice_]] for slice_, frames in found.items()}, name)
    counts.findings = list(dict.fromkeys(counts.findings))


def compare(counts: Counts, truth: Truth, found: Mapping[Slice, Sequence[Fetched]], when: str) -> None:
    """Count what is lost, twice or wrong in what was read from offset 0 on."""
    at: dict[int, tuple[Slice, int]] = {}
    for slice_, frames in found.items():
        for expected, fetched in enumerate(frames):
            place = (slice_, fetched.offset)
            try:
                number = number_of(fetched)
            except Corrupt:
                counts.effect("frame refused: damaged, or meant for another slice")
                continue
            if fetched.offset != expected:
                counts.wrong += 1
                counts.find(f"read {when}: {fetched.offset} stands where {expected} should in {slice_}")
            elif number in at:
                counts.twice += 1
                counts.find(f"read {when}: {number} is there twice, at {at[number]} and {place}")
            elif number in truth.refused:
                counts.wrong += 1
                counts.find(f"read {when}: {number} was said to be not appended and is at {place}")
            at.setdefault(number, place)
    lost = [number for number in truth.acked if number not in at]
    if lost:
        counts.lost += len(lost)
        counts.find(f"read {when}: {len(lost)} acknowledged frames are gone, such as {truth.acked[lost[0]]}")
    for number, place in truth.acked.items():
        if at.get(number, place) != place:
            if counts.faults.get(FLIPPED_ANSWERS):
                counts.effect(ELSEWHERE)
                continue
            counts.wrong += 1
            counts.find(f"read {when}: {number} was acknowledged at {place} and is at {at[number]}")
    late = [number for number in truth.unknown if number in at]
    if late:
        counts.effects["append that failed and is on the log"] = len(late)
