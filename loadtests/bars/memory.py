"""M1 and M5: what an entity in memory and a sender cost, counted by allocation in this process."""

import gc
import tracemalloc

import msgspec

from actors.kernel.inbox import Sources
from loadtests.bench.rows import Figures
from loadtests.compare.kernel import Kernel, call, frames_of

WARM, ENTITIES = 2_000, 20_000
SENDERS, SENDS = 1_000, 100


def measure() -> Figures:
    """Bytes for each."""
    return {"active_bytes": active_bytes(), "source_bytes": source_bytes()}


def active_bytes() -> float:
    """What an entity in memory takes beyond its packed state, once the store has all of it."""
    kernel = Kernel()
    frames = frames_of([call(n, n, 1) for n in range(WARM + ENTITIES)])
    warm = len(frames) * WARM // (WARM + ENTITIES)
    for offset, frame in enumerate(frames[:warm]):
        kernel.apply(offset, frame)
    kernel.settle()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for offset, frame in enumerate(frames[warm:], warm):
            kernel.apply(offset, frame)
        kernel.settle()
        gc.collect()
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    return held / ENTITIES - kernel.state_bytes("account/1")


def source_bytes() -> float:
    """What is kept of all that one sender ever sent: it does not grow with what it sends."""
    sources = Sources({})
    for seq in range(SENDS):
        for sender in range(SENDERS):
            assert sources.is_new(sender, 0, seq)
            sources.note(sender, 0, seq)
    return len(msgspec.msgpack.encode(sources.by_partition)) / SENDERS
