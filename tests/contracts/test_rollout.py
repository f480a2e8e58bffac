"""The follower's errand to partitions: what is said in which order, what is taken back, and what is left alone."""

import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from zlib import crc32

import msgspec
import pytest

from actors.adapters import rollout
from actors.adapters.memory import MemoryLog
from actors.adapters.memory_states import MemoryObjects, MemoryRows
from actors.adapters.rollout import Rollout
from actors.adapters.shelf import program_on
from actors.clocks import wall_ms
from actors.errors import Unavailable
from actors.host import PartitionStatus
from actors.kernel.record import Position, Programs, Share, Slice, decode_frame, encode_frame, frame_records
from actors.packages import hash_of, place_of
from actors.placement import Packaged, Placed, decode_placement, encode_placement, placement_key
from actors.ports import Appended, Objects, Put
from actors.projections.switches import GRAY, HASHES, HASHES_TABLE, LIVE, SWITCHES, SWITCHES_TABLE, Switch
from actors.registry import Program
from actors.settings import ClusterSettings
from actors.shares import WHOLE
from actors.verdicts import decode_verdicts
from tests.gateway.packing import archive_of

CLUSTER = ClusterSettings(partitions=3)
PLACEMENT, CONTROL = Slice(CLUSTER.placement_topic, 0), Slice(CLUSTER.control_topic, 0)
COMMANDS = [Slice(CLUSTER.commands_topic, partition) for partition in range(CLUSTER.partitions)]
ARCHIVES = {code: archive_of(code) for code in (1, 2, 3)}
HASHES_OF = {code: hash_of(archive) for code, archive in ARCHIVES.items()}
BARS = archive_of(1, app_id="bar")
FIRST = crc32(b"cafe") % 3


class NotedLog(MemoryLog):
    """Keeps every word on the placement topic, where the last alone stays, with how far partitions were then."""

    def __init__(self) -> None:
        super().__init__(wall_ms)
        self.words: list[Packaged] = []
        self.stood: list[list[int]] = []
        """How many frames each partition had when the word was said."""
        self.deaf: Callable[[Packaged], bool] = lambda _word: False
        """Of which words the log does not take the next one."""

    def append(self, slice: Slice, frame: bytes, key: bytes | None = None) -> "Future[Appended]":
        if slice == PLACEMENT:
            (raw,) = frame_records(*PLACEMENT, 0, frame)
            word = decode_placement(raw)
            if isinstance(word, Packaged):
                if self.deaf(word):
                    self.deaf = lambda _word: False
                    raise Unavailable("the log is away", outcome="NOT_APPENDED")
                spans = self.spans(COMMANDS).values()
                self.stood.append([span.end for span in spans])
                self.words.append(word)
        return super().append(slice, frame, key)


class Stand:
    """A log, packages, and hosts that say of each partition what they are told to."""

    def __init__(self) -> None:
        self.log = NotedLog()
        self.log.create(CLUSTER.topics(()))
        self.objects = MemoryObjects()
        for archive in (*ARCHIVES.values(), BARS):
            self.objects.put(place_of(hash_of(archive)), archive)
        self.rows = MemoryRows((HASHES, SWITCHES))
        self.lacking: dict[int, str] = {}
        """The partitions whose host cannot load the package with this hash."""
        self.reports: list[str] = []
        self.is_silent = False
        """Whether hosts say nothing of themselves."""
        self.stuck: set[str] = set()
        """The packages that hosts go on loading without an end: what stands behind waits, too."""
        for partition in range(CLUSTER.partitions):
            placed = Placed(partition, 0, 1, "h", "127.0.0.1:1", 1)
            frame = encode_frame(*PLACEMENT, "c", 0, "", [encode_placement(placed)])
            self.log.append(PLACEMENT, frame, placement_key(placed)).result()

    def records(self, slice_: Slice) -> list[tuple[Position, Programs]]:
        """The packages' records of a partition."""
        return [
            (Position(slice_.partition, fetched.offset, index), record)
            for fetched in self.log.fetch(slice_, 0, 1 << 30)
            for index, record in enumerate(decode_frame(*slice_, fetched.offset, fetched.frame).records)
            if isinstance(record, Programs)
        ]

    def skipped(self) -> list[Position]:
        """What was given up."""
        fetched = self.log.fetch(CONTROL, 0, 1 << 30)
        return [
            verdict.position for one in fetched for verdict in decode_verdicts(CONTROL.topic, one.offset, one.frame)
        ]

    def ask_host(self, address: str, token: str) -> list[PartitionStatus]:
        """How the partitions stand: halted at a record that names what they lack, until it is skipped."""
        assert (address, token) == ("127.0.0.1:1", "t")
        return [] if self.is_silent else [self._status(slice_) for slice_ in COMMANDS]

    def _status(self, slice_: Slice) -> PartitionStatus:
        number, lacking, skipped = slice_.partition, self.lacking.get(slice_.partition), self.skipped()
        halted, stuck, generation = "", -1, -1
        for position, record in self.records(slice_):
            if halted or position in skipped or record.generation <= generation:
                continue
            if lacking in [share.hash for share in record.shares]:
                halted = f"halted at {position}: it cannot be loaded"
            if self.stuck.intersection(share.hash for share in record.shares):
                stuck = position.offset
                break
            generation = record.generation
        watermark = -1 if halted else stuck - 1 if stuck >= 0 else self.log.spans([slice_])[slice_].end - 1
        return PartitionStatus(number, "serving", 1, watermark, 0, 0, 0, 0, 0, 0, halted)

    @contextmanager
    def errand(self, *left_alone: str) -> Generator[Rollout]:
        made = Rollout(self.log, CLUSTER, self.objects, "t", left_alone, lambda what, _facts: self.reports.append(what))
        try:
            made.begin(self.rows)
            yield made
        finally:
            made.close()

    def until(self, fact: Callable[[], bool]) -> None:
        """Looked at after every change of the log."""
        give_up_at = time.monotonic() + 30
        with self.log.changed:
            while not fact():
                assert time.monotonic() < give_up_at, (self.log.words, self.reports)
                self.log.changed.wait(0.02)


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Stand:
    made = Stand()
    monkeypatch.setattr(rollout, "ask_host", made.ask_host)
    monkeypatch.setattr(rollout, "RETRY_S", 0.0)
    return made


def uploaded() -> list[Put]:
    return [Put(HASHES_TABLE, f"cafe/{code}", (hash,)) for code, hash in HASHES_OF.items()]


def live(code: int, generation: int) -> list[Put]:
    return [
        Put(SWITCHES_TABLE, f"cafe/{LIVE}", Switch(code, WHOLE, generation)),
        Put(SWITCHES_TABLE, f"cafe/{GRAY}", Switch(0, 0, generation)),
    ]


def tell(stand: Stand, errand: Rollout, puts: Sequence[Put]) -> None:
    """The follower reads these, and then counts them as read."""
    errand.act(puts)
    stand.rows.write(puts, {})


def generations(stand: Stand) -> list[list[int]]:
    """What each partition was told, in order."""
    return [[record.generation for _, record in stand.records(slice_)] for slice_ in COMMANDS]


def whole(code: int) -> tuple[Share, ...]:
    return (Share(HASHES_OF[code], code, WHOLE),)


def test_a_newer_version_is_said_to_gateways_after_every_partition_and_an_older_one_before(stand: Stand) -> None:
    with stand.errand() as errand:
        tell(stand, errand, [*uploaded(), *live(2, 2)])
        stand.until(lambda: len(stand.log.words) == 1)
        tell(stand, errand, live(1, 4))
        stand.until(lambda: len(stand.log.words) == 3)
    assert stand.log.words == [
        Packaged("cafe", 2, whole(2)),
        Packaged("cafe", 4, whole(1), is_done=False, former=whole(2)),
        Packaged("cafe", 4, whole(1)),
    ]
    assert stand.log.stood == [[1, 1, 1], [1, 1, 1], [2, 2, 2]]


def test_where_one_partition_cannot_load_it_all_go_back_and_the_word_says_why(stand: Stand) -> None:
    with stand.errand() as errand:
        tell(stand, errand, [*uploaded(), *live(1, 2)])
        stand.until(lambda: len(stand.log.words) == 1)
        stand.lacking = {1: HASHES_OF[2]}
        tell(stand, errand, live(2, 4))
        stand.until(lambda: len(stand.log.words) == 3)
    assert [word.is_done for word in stand.log.words] == [True, False, True]
    taken_back = stand.log.words[-1]
    assert (taken_back.generation, taken_back.shares, taken_back.is_done) == (5, whole(1), True)
    assert taken_back.why.endswith("it cannot be loaded")
    assert generations(stand) == [[2, 4, 5]] * 3
    assert stand.skipped() == [position for position, record in stand.records(COMMANDS[1]) if record.generation == 4]
    assert stand.reports == ["a program's package cannot be loaded"]


@pytest.mark.parametrize("is_done", [False, True])
def test_what_was_taken_back_stays_so_when_the_log_is_away_for_the_word_of_it(stand: Stand, is_done: bool) -> None:
    with stand.errand() as errand:
        tell(stand, errand, [*uploaded(), *live(1, 2)])
        stand.until(lambda: len(stand.log.words) == 1)
        stand.lacking = {1: HASHES_OF[2]}
        stand.log.deaf = lambda word: (word.generation, word.is_done) == (5, is_done)
        tell(stand, errand, live(2, 4))
        stand.until(lambda: len(stand.log.words) >= 2 and stand.log.words[-1].is_done)
    assert (stand.log.words[-1].generation, stand.log.words[-1].shares) == (5, whole(1))
    assert [told[-1] for told in generations(stand)] == [5] * 3
    assert "a program's packages wait" in stand.reports


def test_the_first_partition_that_cannot_load_it_keeps_it_from_the_others(stand: Stand) -> None:
    stand.lacking = {FIRST: HASHES_OF[1]}
    with stand.errand() as errand:
        tell(stand, errand, [*uploaded(), *live(1, 2)])
        stand.until(lambda: len(stand.log.words) == 2)
    assert [word.shares for word in stand.log.words] == [(), ()]
    assert generations(stand) == [[2, 3] if partition == FIRST else [3] for partition in range(CLUSTER.partitions)]


def test_an_errand_that_begins_again_finishes_what_was_begun_and_repeats_nothing(stand: Stand) -> None:
    stand.rows.write([*uploaded(), *live(1, 2)], {})
    with stand.errand():
        stand.until(lambda: len(stand.log.words) == 1)
    with stand.errand() as errand:
        tell(stand, errand, live(2, 4))
        stand.until(lambda: len(stand.log.words) == 2)
        tell(stand, errand, live(1, 2))  # read once more, by a follower whose rows were lost
        tell(stand, errand, live(3, 6))
        stand.until(lambda: len(stand.log.words) == 3)
    assert [word.generation for word in stand.log.words] == [2, 4, 6]
    assert generations(stand) == [[2, 4, 6]] * 3


def test_what_runs_from_a_folder_is_left_alone(stand: Stand) -> None:
    with stand.errand("cafe") as errand:
        tell(stand, errand, [*uploaded(), *live(1, 2)])
    assert (stand.log.words, stand.records(COMMANDS[0])) == ([], [])


def test_a_try_again_after_a_rollbacks_first_word_takes_nobody_to_the_package_that_cannot_be_loaded(
    stand: Stand,
) -> None:
    with stand.errand() as errand:
        tell(stand, errand, [*uploaded(), *live(2, 2)])
        stand.until(lambda: len(stand.log.words) == 1)
        stand.is_silent = True
        tell(stand, errand, live(1, 4))
        stand.until(lambda: len(stand.log.words) == 2)
    stand.is_silent, stand.lacking = False, dict.fromkeys(range(CLUSTER.partitions), HASHES_OF[1])
    with stand.errand():
        stand.until(lambda: len(stand.log.words) >= 4)
    begun, *_, last = stand.log.words[1:]
    assert (begun.shares, begun.former, begun.is_done) == (whole(1), whole(2), False)
    assert (last.shares, last.is_done) == (whole(2), True)
    assert {told[-1].shares for told in ([record for _, record in stand.records(one)] for one in COMMANDS)} == {
        whole(2)
    }


def bar() -> list[Put]:
    """The first version of another program is shown to everybody."""
    return [
        Put(HASHES_TABLE, "bar/1", (hash_of(BARS),)),
        Put(SWITCHES_TABLE, f"bar/{LIVE}", Switch(1, WHOLE, 2)),
        Put(SWITCHES_TABLE, f"bar/{GRAY}", Switch(0, 0, 2)),
    ]


def test_a_program_whose_package_loads_without_an_end_keeps_no_other_waiting(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout, "REST_S_MAX", 0.0)
    assert crc32(b"bar") % 3 != FIRST
    stand.stuck = {HASHES_OF[1]}
    with stand.errand() as errand:
        tell(stand, errand, [*uploaded(), *live(1, 2)])
        stand.until(lambda: generations(stand)[FIRST] == [2])
        tell(stand, errand, bar())
        stand.until(lambda: len(stand.log.words) == 1)
        assert stand.log.words[0].program == "bar"
        stand.stuck = set()
        stand.until(lambda: len(stand.log.words) == 2)
    assert [word.is_done for word in stand.log.words] == [True, True]


def test_a_package_is_tried_where_a_partition_is_served(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask_host(address: str, token: str) -> list[PartitionStatus]:
        said = stand.ask_host(address, token)
        return [
            msgspec.structs.replace(one, halted="halted at 9/9/9: x") if one.partition == FIRST else one for one in said
        ]

    monkeypatch.setattr(rollout, "ask_host", ask_host)
    with stand.errand() as errand:
        tell(stand, errand, [*uploaded(), *live(1, 2)])
        stand.until(lambda: generations(stand)[(FIRST + 1) % 3] == [2])


def test_a_package_that_raises_whatever_while_it_is_loaded_keeps_no_other_waiting(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(objects: Objects, hash: str) -> Program:
        if hash == HASHES_OF[1]:
            raise ZeroDivisionError
        return program_on(objects, hash)

    monkeypatch.setattr(rollout, "program_on", load)
    with stand.errand() as errand:
        tell(stand, errand, [*uploaded(), *live(1, 2), *bar()])
        stand.until(lambda: len(stand.log.words) == 3)
    found = {word.program: (word.shares != (), word.why) for word in stand.log.words}
    assert found == {"cafe": (False, "ZeroDivisionError while it was loaded"), "bar": (True, "")}
