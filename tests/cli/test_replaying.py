"""A partition folded again from its frames: as a host folds it, from the beginning and from a snapshot."""

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import msgspec
import pytest

from actors import snapshots
from actors.adapters.embedded.local import LocalLog
from actors.adapters.objects import open_objects
from actors.adapters.rocksdb import RocksStates
from actors.cli.archive import Archive, replaying
from actors.cli.history import tell_history
from actors.cli.running import Run
from actors.cli.showing import plain
from actors.cli.tracing import trace
from actors.domain.catalog.recent import Programs as Recents
from actors.errors import NotFound, SetupError
from actors.history import first_at, read_slice
from actors.kernel import layout
from actors.kernel.record import Invoke, Position, Record, encode_frame, encode_record
from actors.kernel.rules import Rules
from actors.ports import Batch, Fetched, Slice
from actors.registry import load_programs
from actors.replaying import Change, Replay, Step
from actors.settings import ClusterSettings
from tests.cli.running import PROGRAMS
from tests.kernel.box import RULES, Box, Do, Sending
from tests.kernel.folding import START_MS, Fold, call, id_on, route, send, uuid7

TOPIC = "commands"
BOX = f"box/{id_on(0)}"
SLOTS = f"box.slot/{id_on(0)}:1", f"box.slot/{id_on(0)}:2"


def _fetched(frames: Sequence[Sequence[Record]], first: int = 0) -> Iterator[Fetched]:
    for offset, records in enumerate(frames, first):
        frame = encode_frame(TOPIC, 0, "g1", 1, "", [encode_record(record) for record in records])
        yield Fetched(Slice(TOPIC, 0), offset, START_MS + offset, frame)


def _replayed(*frames: Sequence[Record], stop_at: Position | None = None) -> list[Step]:
    return list(Replay(TOPIC, 0, RULES, route).steps(_fetched(frames), stop_at))


FRAMES: list[list[Record]] = [
    [call(BOX, Do(add=1), 1), call(BOX, Do(add=2, fail="reject"), 2)],
    [call(SLOTS[0], Do(add=3, sends=(Sending(SLOTS[1], Do(add=4)),)), 3)],
    [call(BOX, Do(add=1), 1), call(BOX, Do(fail="poison"), 4), send(1, 0, BOX, Do(add=5))],
    [send(1, 0, BOX, Do(add=5)), call(BOX, Do(add=6), 5)],
]


def test_a_replay_takes_the_same_actions_as_a_host() -> None:
    fold = Fold()
    for offset, records in enumerate(FRAMES):
        fold.frame(*records, at_ms=START_MS + offset)
    assert [action for step in _replayed(*FRAMES) for action in step.actions] == fold.actions


def test_a_step_tells_the_states_that_its_record_touched() -> None:
    states = [dict(step.states) for step in _replayed(*FRAMES)]
    one = Box(1, 1)
    assert states[0] == {BOX: Change(Box(), one)}
    assert states[1] == {BOX: Change(one, one)}
    assert states[2] == {SLOTS[0]: Change(Box(), Box(3, 1)), SLOTS[1]: Change(Box(), Box(4, 1))}
    assert states[5] == {BOX: Change(one, Box(6, 2))}
    assert states[7] == {BOX: Change(Box(6, 2), Box(12, 3))}


def test_a_step_tells_copies_and_what_was_raised() -> None:
    steps = _replayed(*FRAMES)
    assert [step.copy for step in steps] == [False] * 6 + [True, False]
    assert [step.raised.partition(":")[0] for step in steps if step.raised] == ["ValueError"]


def test_what_is_not_set_is_not_shown() -> None:
    assert plain(Recents()) == {"recent": {}, "favourites": {}}
    assert plain(Recents(erased=True)) == {"recent": {}, "favourites": {}, "erased": True}


def test_a_replay_stops_before_the_record_it_is_told_to() -> None:
    assert [step.position for step in _replayed(*FRAMES, stop_at=Position(0, 1, 0))] == [
        Position(0, 0, 0),
        Position(0, 0, 1),
    ]


def test_a_skipped_record_changes_nothing() -> None:
    steps = list(Replay(TOPIC, 0, RULES, route, skips=[(0, 0)]).steps(_fetched(FRAMES)))
    assert (steps[0].skipped, steps[0].states) == (True, {})
    assert steps[5].states[BOX].after == Box(5, 1)  # its copy in the third frame is skipped as well


def test_a_replay_from_a_store_goes_on_as_one_from_the_beginning() -> None:
    fold = Fold()
    for offset, records in enumerate(FRAMES[:2]):
        fold.frame(*records, at_ms=START_MS + offset)
    meta = layout.decode_meta(fold.stored()[layout.META])
    buckets = {second: (count, size) for second, (count, size) in fold.partition.window.buckets.items()}
    replay = Replay(TOPIC, 0, RULES, route, meta=meta, buckets=buckets, base=fold.store.get)
    assert replay.state_of(BOX) == Box(1, 1)
    steps = list(replay.steps(_fetched(FRAMES[replay.next_offset :], replay.next_offset)))
    # What the poison raised names an address in memory.
    expected = [step._replace(raised="") for step in _replayed(*FRAMES) if step.position.offset >= 2]
    assert [step._replace(raised="") for step in steps] == expected


# -- a log that was trimmed -------------------------------------------------------------------------------------------


class Trimmed(NamedTuple):
    """An archive of ten frames, of which a snapshot covers the first six, and the first four were trimmed away."""

    archive: Archive
    slice: Slice


@pytest.fixture
def trimmed(tmp_path: Path) -> Iterator[Trimmed]:
    """Its entity notes the numbers of its frames."""
    cluster = ClusterSettings(partitions=1)
    registry = load_programs([PROGRAMS / "trap"])
    log = LocalLog(tmp_path / "log")
    log.create(cluster.topics(tuple(registry.entities)))
    slice_ = Slice(cluster.commands_topic, 0)
    fold = Fold(rules=Rules(registry.entities.values()), route=lambda _: 0)
    for n in range(10):
        command = msgspec.msgpack.encode({"type": "trap.do", "what": str(n)})
        record = Invoke("trap/a", command, uuid7(n), "ann")
        frame = encode_frame(*slice_, "g1", 1, registry.digest, [encode_record(record)])
        stamp_ms = log.append(slice_, frame).result().stamp_ms
        if n < 6:
            fold.frame(record, at_ms=stamp_ms)
    _snapshot(tmp_path, fold, log.topic_id(slice_.topic))
    log.trim(slice_, 4)
    run = Run(mode="dev", folder=str(tmp_path), gateway="", log_url="", cluster=cluster)
    yield Trimmed(Archive(run, log, registry, registry), slice_)
    log.close()


def _snapshot(folder: Path, fold: Fold, topic_id: str) -> None:
    store = RocksStates().open(folder / "store")
    store.write(Batch(fold.stored()))
    store.checkpoint(folder / "checkpoint")
    store.close()
    meta = fold.partition.meta
    info = snapshots.Info(
        partition=0,
        watermark=meta.watermark,
        epoch=0,
        topic_id=topic_id,
        frame_crc=zlib.crc32(b""),
        release=1,
        digest="",
        incarnation=0,
        created_ms=0,
    )
    snapshots.upload(open_objects(str(folder / "objects")), folder / "checkpoint", info)


def test_a_trimmed_log_is_explained_from_its_snapshot(trimmed: Trimmed) -> None:
    with replaying(trimmed.archive, 0, wanted=7) as (replay, steps):
        assert replay.next_offset == 6
        assert plain(replay.state_of("trap/a")) == {"done": list("012345")}
        last = list(steps)[-1]
    assert plain(last.states["trap/a"].after) == {"done": list("0123456789")}


def test_a_replay_ends_where_it_is_told_to(trimmed: Trimmed) -> None:
    with replaying(trimmed.archive, 0, end=8) as (_, steps):
        assert [step.position.offset for step in steps] == [6, 7]


def test_what_was_trimmed_away_is_not_made_up(trimmed: Trimmed) -> None:
    with pytest.raises(SetupError, match="trimmed away"), replaying(trimmed.archive, 0, wanted=5):
        pass


def test_the_history_of_an_entity_says_where_the_log_begins(
    trimmed: Trimmed, capsys: pytest.CaptureFixture[str]
) -> None:
    tell_history(trimmed.archive, trimmed.archive.registry.name_of("trap/a"), "", as_json=False)
    assert (
        "4 records; told from offset 6 of the log on, since what lies before was trimmed away"
        in capsys.readouterr().out
    )


def test_a_call_that_may_have_been_trimmed_away_is_not_said_to_be_undecided(trimmed: Trimmed) -> None:
    with pytest.raises(NotFound, match="trimmed from partitions 0") as missing:
        trace(trimmed.archive, str(UUID(bytes=uuid7(1))))
    assert missing.value.reason == "HISTORY_TRIMMED"


def test_a_time_is_found_by_halving(trimmed: Trimmed) -> None:
    log, slice_ = trimmed.archive.log, trimmed.slice
    for fetched in read_slice(log, slice_):
        found = first_at(log, slice_, fetched.stamp_ms)
        assert found <= fetched.offset
        assert next(read_slice(log, slice_, found)).stamp_ms == fetched.stamp_ms
    assert first_at(log, slice_, 0) == 4
    assert first_at(log, slice_, 1 << 50) == 10
