"""Two releases over one log, whenever the first one's host dies: each call is decided once, by its own rules.

The older rules add, the newer add tenfold: what was decided by which shows in the sum.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.kernel.rules import Rules
from actors.ownership import Ownership, Phase
from tests.host.driving import Driven
from tests.kernel.box import BOX, Do, Sending
from tests.kernel.folding import call, id_on
from tests.kernel.test_programs import BARE

ID = f"box/{id_on(0)}"
FAR = f"box/{id_on(1)}"
OLD, NEW = "old", "new"
KINDS = {OLD: (BOX,), NEW: BARE}
WORTH = {OLD: 1, NEW: 10}


def new_host(release: int, digest: str, former: Driven | None = None) -> Driven:
    """A host of this release, of which nobody asked anything; with the log and the stores of a former one."""
    host = Driven(f"h{release}", rules=Rules(KINDS[digest], release, digest))
    if former is not None:
        host.frames, host.stores = former.frames, former.stores
    return host


def takes_over(host: Driven, n: int) -> Driven:
    """It takes partition 0 over and reads all that the log has."""
    host.assign(1, n)
    host.acknowledge()
    for frame in host.frames[0]:
        host.read(frame)
    return host


def settle(host: Driven) -> None:
    """All that it appended is on the log."""
    while host.appends:
        host.acknowledge(offset=0)


def total(host: Driven) -> Any:
    """What the box holds that is asked."""
    assert host.ownership.partition is not None
    state: Any = host.ownership.partition.residents[ID].state
    return state.total


class Story:
    """A host of the older release; then calls, acknowledgements, and perhaps the newer release, until it dies."""

    def __init__(self, steps: list[str], calls_after: int) -> None:
        self.worth = 0
        self.calls = 0
        self.host = new_host(3, OLD)
        self.host.serve()
        for step in steps:
            if step == "call":
                self.call(3, OLD)
            elif self.host.appends:
                self.host.acknowledge(offset=0)
        for _ in range(calls_after):
            self.call(4, NEW)

    def call(self, release: int, digest: str) -> None:
        """One is added, and something is sent that must be acknowledged."""
        self.calls += 1
        self.worth += WORTH[digest]
        record = call(ID, Do(add=1, sends=(Sending(FAR, Do(add=1)),) if digest == OLD else ()), self.calls)
        self.host.say(record, release=release, digest=digest)

    @property
    def is_written(self) -> bool:
        """Whether all that the host decided is in its store."""
        partition = self.host.ownership.partition
        return partition is not None and self.host.ownership.written == partition.meta.watermark


STEPS = st.lists(st.sampled_from(["call", "call", "acknowledged"]), min_size=1, max_size=14)


@given(STEPS, st.integers(0, 3), st.booleans())
def test_each_call_is_decided_once_by_the_rules_that_it_stands_under(
    steps: list[str], calls_after: int, settled: bool
) -> None:
    story = Story(steps, calls_after)
    if settled:
        settle(story.host)
    was_written = story.is_written
    assert was_written or not settled
    assert (story.host.phase() is Phase.STOPPED) == (was_written and calls_after > 0)
    newer, release = takes_over(new_host(4, NEW, story.host), 2), 4
    if was_written:
        assert newer.phase() is Phase.SERVING, newer.ownership.halted
    else:
        assert "OTHER_RULES" in newer.ownership.halted
        former = takes_over(new_host(5, OLD, newer), 3)
        settle(former)
        assert former.phase() is (Phase.HALTED if calls_after else Phase.SERVING)
        newer, release = takes_over(new_host(6, NEW, former), 4), 6
        assert newer.phase() is Phase.SERVING, newer.ownership.halted
    newer.say(call(ID, Do(add=1), 99), release=release, digest=NEW)
    assert total(newer) == story.worth + WORTH[NEW]


def test_a_host_that_leaves_nothing_at_the_barrier_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def at_once(ownership: Any) -> None:
        if ownership._is_barred and not ownership.ended:
            ownership.stop()

    monkeypatch.setattr(Ownership, "_leave", at_once)
    story = Story(["call", "acknowledged", "call"], 1)
    settle(story.host)
    assert story.host.phase() is Phase.STOPPED
    newer = takes_over(new_host(4, NEW, story.host), 2)
    assert newer.ownership.halted.startswith("halted at 0/1: OTHER_RULES")
