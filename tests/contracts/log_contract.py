"""What every log must do. A subclass says how to open one; everything else is inherited."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from time import monotonic

import pytest

from actors.errors import Corrupt, SetupError, Unavailable
from actors.ports import Appended, Fetched, Log, Reader, Slice, Span, Topic

WAIT_S = 20.0
PARTITIONS = 4


def read(reader: Reader, count: int) -> list[Fetched]:
    """The next `count` frames at least; fails if they do not come in time."""
    frames: list[Fetched] = []
    due = monotonic() + WAIT_S
    while len(frames) < count:
        assert monotonic() < due, f"only {len(frames)} of {count} frames came"
        frames += reader.poll(1_000)
    return frames


def read_through(reader: Reader, count: int) -> list[Fetched]:
    """As `read`, of a log that may be away for a while."""
    frames: list[Fetched] = []

    def enough() -> bool:
        with contextlib.suppress(Unavailable):
            frames.extend(reader.poll(500))
        return len(frames) >= count

    eventually(enough)
    return frames


def append_all(log: Log, slice: Slice, frames: Sequence[bytes]) -> list[Appended]:
    """Append frames one after the other, all in flight at once."""
    futures: list[Future[Appended]] = [log.append(slice, frame) for frame in frames]
    return [future.result(WAIT_S) for future in futures]


def bodies(frames: Sequence[Fetched]) -> list[bytes]:
    return [fetched.frame for fetched in frames]


class LogContract:
    """Subclasses give `log`: a fresh log. `topic` is a new name in each test, so logs may be shared."""

    @pytest.fixture
    def slice(self, log: Log, topic: str) -> Slice:
        log.create([Topic(topic, PARTITIONS)])
        return Slice(topic, 1)

    @pytest.fixture
    def keyed(self, log: Log, topic: str) -> Slice:
        log.create([Topic(topic + ".keyed", 1, compacted=True)])
        return Slice(topic + ".keyed", 0)

    @pytest.fixture
    def reader(self, log: Log) -> Iterator[Reader]:
        reader = log.reader()
        yield reader
        reader.close()

    # Topics.

    def test_creating_a_topic_again_changes_nothing(self, log: Log, slice: Slice) -> None:
        before = log.topic_id(slice.topic)
        append_all(log, slice, [b"kept"])
        log.create([Topic(slice.topic, PARTITIONS)])
        assert log.topic_id(slice.topic) == before
        assert log.spans([slice]) == {slice: Span(0, 1)}

    def test_every_topic_has_an_id_of_its_own(self, log: Log, slice: Slice, keyed: Slice) -> None:
        assert log.topic_id(slice.topic) != log.topic_id(keyed.topic)

    def test_a_topic_that_exists_otherwise_is_refused_and_both_values_are_named(self, log: Log, slice: Slice) -> None:
        with pytest.raises(SetupError, match=rf"partitions.*{PARTITIONS}.*{PARTITIONS + 1}"):
            log.create([Topic(slice.topic, PARTITIONS + 1)])
        with pytest.raises(SetupError, match=r"compact"):
            log.create([Topic(slice.topic, PARTITIONS, compacted=True)])

    def test_a_missing_topic_is_named(self, log: Log, topic: str) -> None:
        with pytest.raises(SetupError, match=topic):
            log.topic_id(topic)
        with pytest.raises(SetupError, match=topic):
            log.spans([Slice(topic, 0)])
        with pytest.raises(Unavailable, match=topic) as refused:
            log.append(Slice(topic, 0), b"nowhere").result(WAIT_S)
        assert refused.value.reason == "NOT_APPENDED"

    # Appending and reading.

    def test_frames_come_back_as_they_were_appended(self, log: Log, slice: Slice, reader: Reader) -> None:
        frames = [b"%d" % n for n in range(300)]
        appended = append_all(log, slice, frames)
        assert [at.offset for at in appended] == list(range(300))
        reader.assign({slice: 0})
        found = read(reader, 300)
        assert bodies(found) == frames
        assert [Appended(row.offset, row.stamp_ms) for row in found] == appended
        assert {row.slice for row in found} == {slice}

    def test_empty_and_large_frames_are_frames(self, log: Log, slice: Slice, reader: Reader) -> None:
        frames = [b"", bytes(range(256)) * 4_096, b"\0"]
        append_all(log, slice, frames)
        reader.assign({slice: 0})
        assert bodies(read(reader, 3)) == frames

    def test_stamps_never_go_back_within_a_slice(self, log: Log, slice: Slice) -> None:
        stamps = [log.append(slice, b"x").result(WAIT_S).stamp_ms for _ in range(20)]
        assert stamps == sorted(stamps)

    def test_partitions_have_offsets_of_their_own(self, log: Log, slice: Slice, reader: Reader) -> None:
        slices = [Slice(slice.topic, partition) for partition in range(PARTITIONS)]
        for each in slices:
            append_all(log, each, [b"%d-%d" % (each.partition, n) for n in range(each.partition + 1)])
        assert log.spans(slices) == {each: Span(0, each.partition + 1) for each in slices}
        reader.assign(dict.fromkeys(slices, 0))
        found = read(reader, sum(each.partition + 1 for each in slices))
        for each in slices:
            mine = [row for row in found if row.slice == each]
            assert bodies(mine) == [b"%d-%d" % (each.partition, n) for n in range(each.partition + 1)]

    def test_frames_of_one_slice_keep_the_order_of_the_calls_of_each_thread(
        self, log: Log, slice: Slice, reader: Reader
    ) -> None:
        def append(name: int) -> None:
            append_all(log, slice, [b"%d %d" % (name, n) for n in range(200)])

        threads = [threading.Thread(target=append, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        reader.assign({slice: 0})
        found = read(reader, 800)
        assert [row.offset for row in found] == list(range(800))
        for name in range(4):
            mine = [row.frame for row in found if row.frame.startswith(b"%d " % name)]
            assert mine == [b"%d %d" % (name, n) for n in range(200)]

    def test_a_reader_begins_where_it_is_told_and_follows_the_end(self, log: Log, slice: Slice, reader: Reader) -> None:
        append_all(log, slice, [b"a", b"b", b"c"])
        reader.assign({slice: 2})
        assert bodies(read(reader, 1)) == [b"c"]
        append_all(log, slice, [b"d"])
        assert bodies(read(reader, 1)) == [b"d"]

    def test_a_reader_may_wait_at_the_end_of_an_empty_slice(self, log: Log, slice: Slice, reader: Reader) -> None:
        reader.assign({slice: 0})
        assert not reader.poll(10)
        append_all(log, slice, [b"first"])
        assert bodies(read(reader, 1)) == [b"first"]

    def test_two_readers_read_the_same(self, log: Log, slice: Slice) -> None:
        readers = [log.reader(), log.reader()]
        for each in readers:
            each.assign({slice: 0})
        append_all(log, slice, [b"a", b"b"])
        assert [bodies(read(each, 2)) for each in readers] == [[b"a", b"b"]] * 2
        for each in readers:
            each.close()

    def test_who_reads_some_of_it_while_others_append_is_sent_each_frame_once_and_in_order(
        self, log: Log, slice: Slice, reader: Reader
    ) -> None:
        slices = [Slice(slice.topic, partition) for partition in range(PARTITIONS)]

        def append(each: Slice) -> None:
            for n in range(40):
                append_all(log, each, [b"%d" % (3 * n + some) for some in range(3)])

        threads = [threading.Thread(target=append, args=(each,)) for each in slices]
        for thread in threads:
            thread.start()
        reader.assign({slices[0]: 0})
        found = list(read(reader, 10))
        reader.assign({slices[0]: 0, slices[1]: 0, slices[2]: 0})  # the first one keeps its place
        found += read(reader, 3 * 120 - len(found))
        for thread in threads:
            thread.join()
        for each in slices[:3]:
            assert bodies([row for row in found if row.slice == each]) == [b"%d" % n for n in range(120)]
        assert not [row for row in found if row.slice == slices[3]]

    def test_a_slice_that_is_kept_keeps_its_place_when_others_come_and_go(
        self, log: Log, slice: Slice, reader: Reader
    ) -> None:
        other = Slice(slice.topic, 2)
        append_all(log, slice, [b"a", b"b"])
        append_all(log, other, [b"o"])
        reader.assign({slice: 0})
        assert bodies(read(reader, 2)) == [b"a", b"b"]
        reader.assign({slice: 0, other: 0})
        append_all(log, slice, [b"c"])
        assert sorted(bodies(read(reader, 2))) == [b"c", b"o"]
        reader.assign({other: 0})
        append_all(log, slice, [b"d"])
        append_all(log, other, [b"p"])
        assert bodies(read(reader, 1)) == [b"p"]
        reader.assign({slice: 1})
        assert bodies(read(reader, 3)) == [b"b", b"c", b"d"]

    def test_a_long_log_is_read_in_bounded_pieces(self, log: Log, slice: Slice, reader: Reader) -> None:
        append_all(log, slice, [bytes(500_000)] * 24)
        reader.assign({slice: 0})
        offsets: list[int] = []
        due = monotonic() + WAIT_S
        while len(offsets) < 24 and monotonic() < due:
            piece = reader.poll(1_000)
            assert sum(len(row.frame) for row in piece) <= 6 << 20
            offsets += [row.offset for row in piece]
        assert offsets == list(range(24))

    def test_wake_ends_a_poll_that_waits(self, slice: Slice, reader: Reader) -> None:
        reader.assign({slice: 0})
        waker = threading.Timer(0.05, reader.wake)
        waker.start()
        begun = monotonic()
        assert not reader.poll(30_000)
        assert monotonic() - begun < WAIT_S
        waker.join()

    # Bounds of the log.

    def test_reading_beyond_the_end_is_corrupt(self, log: Log, slice: Slice, reader: Reader) -> None:
        append_all(log, slice, [b"a"])
        with pytest.raises(Corrupt, match=slice.topic) as corrupt:
            _assign_and_poll(reader, slice, 5)
        assert corrupt.value.position == f"{slice.topic}/{slice.partition}/5"

    def test_a_trimmed_slice_begins_later_and_goes_on(self, log: Log, slice: Slice, reader: Reader) -> None:
        append_all(log, slice, [b"%d" % n for n in range(10)])
        log.trim(slice, 4)
        assert log.spans([slice]) == {slice: Span(4, 10)}
        reader.assign({slice: 4})
        assert bodies(read(reader, 6)) == [b"%d" % n for n in range(4, 10)]
        with pytest.raises(Corrupt) as corrupt:
            _assign_and_poll(log.reader(), slice, 3)
        assert corrupt.value.position == f"{slice.topic}/{slice.partition}/3"

    def test_trimming_all_keeps_the_offsets_and_trimming_less_does_nothing(self, log: Log, slice: Slice) -> None:
        append_all(log, slice, [b"a", b"b"])
        log.trim(slice, 2)
        log.trim(slice, 1)
        assert log.spans([slice]) == {slice: Span(2, 2)}
        assert log.append(slice, b"c").result(WAIT_S).offset == 2

    # Compacted topics.

    def test_a_compacted_slice_keeps_the_last_frame_of_each_key(self, log: Log, keyed: Slice, reader: Reader) -> None:
        for n in range(12):
            log.append(keyed, b"%d" % n, key=b"key-%d" % (n % 3)).result(WAIT_S)
        reader.assign({keyed: 0})
        found: list[Fetched] = []
        while not found or found[-1].offset < 11:
            found += read(reader, 1)
        assert [row.offset for row in found] == sorted({row.offset for row in found})
        last = {row.key: row.frame for row in found}
        assert last == {b"key-0": b"9", b"key-1": b"10", b"key-2": b"11"}

    def test_a_compacted_slice_refuses_frames_without_a_key(self, log: Log, keyed: Slice) -> None:
        with pytest.raises(Unavailable, match="key") as refused:
            log.append(keyed, b"no key").result(WAIT_S)
        assert refused.value.reason == "NOT_APPENDED"

    # The end.

    def test_after_close_nothing_is_appended(self, log: Log, slice: Slice) -> None:
        log.close()
        with pytest.raises(Unavailable, match="closed") as refused:
            log.append(slice, b"late").result(WAIT_S)
        assert refused.value.reason == "NOT_APPENDED"

    def test_what_was_appended_before_close_is_finished(self, log: Log, slice: Slice) -> None:
        futures = [log.append(slice, b"%d" % n) for n in range(50)]
        log.close()
        assert [future.result(0).offset for future in futures] == list(range(50))


def _assign_and_poll(reader: Reader, slice: Slice, offset: int) -> None:
    """Provoke what `assign` or the `poll` after it has to say."""
    try:
        reader.assign({slice: offset})
        for _ in range(int(WAIT_S)):
            reader.poll(1_000)
    finally:
        reader.close()


def eventually(fact: Callable[[], bool]) -> None:
    """Wait for a fact that another process or thread brings about."""
    due = monotonic() + WAIT_S
    pause = threading.Event()
    while not fact():
        assert monotonic() < due
        pause.wait(0.01)
