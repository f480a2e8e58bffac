"""Whatever is in memory or in the store, however often a partition is restored: the same log gives the same answers."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.kernel import layout
from actors.kernel.action import Action, NeedPackage, NeedState
from actors.kernel.record import Empty, Epoch, Fire, Incarnation, Invoke, Position, Read, Record
from actors.passivation import passivate
from tests.kernel.box import Arming, Do, Sending, encode
from tests.kernel.folding import START_MS, Fold, id_on, send, uuid4, uuid7

SHELF = id_on(0, "s")
HERE = [f"box/{id_on(0)}", f"box/{id_on(0, 'c')}", f"box.slot/{SHELF}:1", f"box.slot/{SHELF}:2", f"box.small/{SHELF}:1"]
AWAY = [f"box/{id_on(1)}", f"box/{id_on(3)}"]
TIMES_MS = [START_MS - 700_000, START_MS, START_MS + 1_000, START_MS + 400_000]
FAILS = ["", "", "", "", "reject", "poison", "long reject"]


def commands(depth: int) -> st.SearchStrategy[Do]:
    """Any command, with sends of further commands inside."""
    inner = commands(depth - 1) if depth else st.just(Do(add=1))
    return st.builds(
        Do,
        add=st.integers(0, 3),
        sends=st.lists(
            st.builds(Sending, st.sampled_from(HERE + AWAY), inner, st.none() | st.just(Do(add=7))), max_size=2
        ).map(tuple)
        if depth
        else st.just(()),
        arm=st.lists(
            st.builds(Arming, st.sampled_from("tuv"), st.sampled_from(TIMES_MS), st.just(Do(add=5))), max_size=1
        ).map(tuple),
        cancel=st.lists(st.sampled_from("tu"), max_size=1).map(tuple),
        fire=st.lists(st.sampled_from("tv"), max_size=1).map(tuple),
        push=st.none() | st.just(1),
        pad=st.sampled_from(["", "x" * 200]),
        answer=st.none() | st.just("a"),
        fail=st.sampled_from(FAILS),
    )


COMMANDS = commands(2)
REQUEST_IDS = st.sampled_from([*(uuid7(n, at_ms) for n in (1, 2) for at_ms in TIMES_MS), uuid4(1), uuid4(2)])
CALLS = st.builds(
    Invoke, st.sampled_from([*HERE, "nothing/1"]), COMMANDS.map(encode), REQUEST_IDS, st.sampled_from(["ann", ""])
)
RECORDS: st.SearchStrategy[Record] = st.one_of(
    CALLS,
    CALLS,
    CALLS,
    st.builds(
        send,
        st.integers(1, 2),
        st.integers(0, 5),
        st.sampled_from(HERE),
        COMMANDS,
        st.none() | st.just(Do(add=9)),
        st.integers(0, 1),
    ),
    st.builds(Fire, st.sampled_from(HERE), st.sampled_from("tuv"), st.integers(1, 6), st.just(START_MS)),
    st.builds(Epoch, st.just(1), st.integers(0, 3), st.sampled_from(["h1", "h2"])),
    st.builds(Read, st.sampled_from(HERE), st.just("look"), st.just(b""), st.just(b"r" * 16), st.just("ann")),
    st.just(Empty()),
    st.builds(Incarnation, st.integers(0, 1)),
)


class Given(msgspec.Struct):
    """One frame of the log, and what happens to the partition after it."""

    records: list[Record]
    at_ms: int
    producer: str
    then: str


FRAMES = st.lists(
    st.builds(
        Given,
        st.lists(RECORDS, min_size=1, max_size=4),
        st.sampled_from([*TIMES_MS, START_MS + 1_300_000]),
        st.sampled_from(["g1", "h1", "h2"]),
        st.sampled_from(["write", "wait", "wait", "passivate", "crash"]),
    ),
    max_size=14,
)


class Watchful(Fold):
    """Looks whether a record that needs a load has changed anything yet."""

    def apply(self, position: Position, record: Record) -> list[Action]:
        """Apply one record, loading what it needs."""
        while True:
            before = self._look()
            outcome = self.partition.apply(position, record)
            assert not isinstance(outcome, NeedPackage)
            if not isinstance(outcome, NeedState):
                return list(outcome)
            assert self._look() == before, "changed before the record could be decided"
            self.load(outcome.keys)

    def _look(self) -> object:
        partition = self.partition
        residents = {entity: (r.state, dict(r.timers), r.changed) for entity, r in partition.residents.items()}
        window = (partition.window.count, partition.window.floor_ms, partition.window.size_bytes)
        unsaid = repr(partition._changes), list(partition._said)  # pyright: ignore[reportPrivateUsage]
        return layout.encode(partition.meta), residents, window, unsaid


def steady(log: list[Given]) -> tuple[Fold, list[list[Action]]]:
    """Fold the log with everything in memory and every frame written at once."""
    fold = Fold()
    return fold, [fold.frame(*given.records, at_ms=given.at_ms, producer=given.producer) for given in log]


@given(FRAMES)
@settings(max_examples=150, deadline=None)
def test_cold_warm_or_restored_the_same_log_gives_the_same_actions_sums_and_bytes(log: list[Given]) -> None:
    warm, said = steady(log)
    fold = Watchful()
    for n, frame in enumerate(log):
        _catch_up(fold, log[: n + 1], said, prefetch=n % 2 == 0)
        _then(fold, frame.then)
    _catch_up(fold, log, said, prefetch=True)
    fold.write()
    assert fold.partition.meta == warm.partition.meta
    assert fold.stored() == warm.stored()


def _catch_up(fold: Fold, log: list[Given], said: list[list[Action]], *, prefetch: bool) -> None:
    """Apply what is above the watermark, and compare what is said with what was said the first time."""
    for frame in log[fold.next_offset :]:
        expected, at_ms, producer = said[fold.next_offset], frame.at_ms, frame.producer
        actions = fold.frame(*frame.records, at_ms=at_ms, producer=producer, prefetch=prefetch, write=False)
        assert actions == expected


def _then(fold: Fold, then: str) -> None:
    match then:
        case "write":
            fold.write()
        case "passivate":
            written = layout.decode_meta(found).watermark if (found := fold.store.get([layout.META])[0]) else -1
            passivate(fold.partition.residents, 2, fold.partition.meta.now_ms, written)
        case "crash":
            fold.unwritten = None
            fold.reopen()
        case _:
            pass


@given(FRAMES)
@settings(max_examples=50, deadline=None)
def test_what_the_store_holds_is_what_is_in_memory(log: list[Given]) -> None:
    warm, _ = steady(log)
    cold = Fold(store=warm.store)
    for entity in warm.partition.residents:
        assert cold.box(entity) == warm.box(entity)
        assert cold.timers(entity) == warm.timers(entity)
    window = warm.partition.window
    assert (cold.partition.window.count, cold.partition.window.size_bytes) == (window.count, window.size_bytes)
    timers = {
        layout.timer_key(timer.due_ms, entity, name): layout.encode(timer.generation)
        for entity in warm.partition.residents
        for name, timer in warm.timers(entity).items()
    }
    assert dict(warm.store.scan(*layout.timer_range(0, 1 << 60), 1_000)) == timers
