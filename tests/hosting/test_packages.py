"""Packages that a host meets while it serves: loaded by content hash, decided by at once, refused by name."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from actors.entity import AnyEntity
from actors.errors import NotFound, Unavailable
from actors.kernel.record import Position, Programs, Share, Slice, encode_frame, encode_record
from actors.ports import Topic
from actors.registry import load_programs
from actors.shares import WHOLE
from tests.hosting.stage import CLUSTER, TALLY, Stage, added, play, put, say, verdicts

TENFOLD = (b"accept(Added(n), reply={", b"accept(Added(n * 10), reply={")
NEWS = (b'"tally', b'"news')


class Shelf:
    """Packages made from the tally, by name; what is not there is not found, and all are away a few times."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.away = 0
        self.asked: list[str] = []

    def keep(self, package: str, change: tuple[bytes, bytes]) -> str:
        """The tally with this change; its name."""
        (self.folder / package).mkdir(parents=True)
        for name in ("manifest.json", "program.py"):
            (self.folder / package / name).write_bytes((TALLY / name).read_bytes().replace(*change))
        return package

    def load(self, package: str) -> Sequence[AnyEntity]:
        """See `Packages`."""
        self.asked.append(package)
        self.away -= 1
        if self.away >= 0:
            raise Unavailable("they are away", outcome="NOT_APPENDED", retry_after_ms=1)
        if not (self.folder / package).exists():
            raise NotFound(f"nobody has {package}")
        (program,) = load_programs([self.folder / package], ()).programs.values()
        return program.entities


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Hosts that load packages from a shelf."""
    return Stage(tmp_path)


@pytest.fixture
def shelf(stage: Stage) -> Shelf:
    """The shelf that the stage's hosts load from."""
    shelf = Shelf(stage.folder / "shelf")
    stage.packages = shelf.load
    return shelf


def choose(stage: Stage, partition: int, package: str, program: str = "tally") -> Position:
    """From here on this package decides all of the program; where the record stands."""
    record = encode_record(Programs(program, 1, (Share(package, 2, WHOLE),)))
    slice_ = Slice(CLUSTER.commands_topic, partition)
    offset = stage.log.append(slice_, encode_frame(*slice_, "gateway", 1, "rules", [record])).result().offset
    return Position(partition, offset, 0)


def test_a_package_decides_without_a_restart_and_a_later_host_loads_it_too(stage: Stage, shelf: Shelf) -> None:
    async def act() -> None:
        tenfold = shelf.keep("tenfold", TENFOLD)
        async with stage.host() as host:
            put(stage.log, 0, "tally.add", n=1)
            for partition in range(CLUSTER.partitions):
                choose(stage, partition, tenfold)
            written = [put(stage.log, partition, "tally.add", n=2) for partition in range(CLUSTER.partitions)]
            for position in written:
                await stage.serving(host, position.partition, position.offset - 1)
        assert shelf.asked == [tenfold]
        async with stage.host() as host:
            last = put(stage.log, 0, "tally.add", n=4)
            await stage.serving(host, 0, last.offset - 1)
        assert shelf.asked == [tenfold] * 2
        assert (added(stage.log, 0), added(stage.log, 1)) == ([1, 20, 40], [20])
        assert stage.reports == []

    play(act)


def test_a_package_that_nobody_has_halts_the_partition_at_its_record_until_it_is_there(
    stage: Stage, shelf: Shelf
) -> None:
    async def act() -> None:
        async with stage.host() as host:
            bad = choose(stage, 0, "tenfold")
            put(stage.log, 0, "tally.add", n=1)
            why = await stage.halted(host, 0)
            last = put(stage.log, 1, "tally.add", n=3)
            await stage.serving(host, 1, last.offset - 1)
            await stage.until(host, 0, lambda _: bad in verdicts(stage.log))
            shelf.keep("tenfold", TENFOLD)
            say(stage.log, bad, "retry")
            await stage.serving(host, 0, 1)
        assert why == f"halted at {bad}: the package tenfold of tally cannot be loaded: nobody has tenfold"
        assert added(stage.log, 0) == [10]

    play(act)


def test_a_choice_that_an_operator_skips_changes_nothing(stage: Stage, shelf: Shelf) -> None:
    async def act() -> None:
        async with stage.host() as host:
            broken = shelf.keep("broken", (b"ENTITIES =", b"ENTITIES = 1 / 0,"))
            bad = choose(stage, 0, broken)
            put(stage.log, 0, "tally.add", n=1)
            why = await stage.halted(host, 0)
            say(stage.log, bad, "skip")
            await stage.serving(host, 0, 1)
        assert f"halted at {bad}: the package broken of tally cannot be loaded: " in why
        assert "ZeroDivisionError" in why
        assert added(stage.log, 0) == [1]

    play(act)


def test_while_packages_are_away_the_partition_waits_and_says_so(stage: Stage, shelf: Shelf) -> None:
    async def act() -> None:
        shelf.keep("tenfold", TENFOLD)
        shelf.away = 2
        async with stage.host() as host:
            choose(stage, 0, "tenfold")
            last = put(stage.log, 0, "tally.add", n=1)
            await stage.serving(host, 0, last.offset - 1)
        assert [event for event, _ in stage.reports] == ["waiting for a package"] * 2
        assert added(stage.log, 0) == [10]

    play(act)


def test_a_program_that_the_platform_never_had_is_served_and_its_events_have_a_topic(
    stage: Stage, shelf: Shelf
) -> None:
    async def act() -> None:
        async with stage.host() as host:
            choose(stage, 0, shelf.keep("news", NEWS), program="news")
            last = put(stage.log, 0, "news.add", n=5)
            await stage.serving(host, 0, last.offset - 1)
        topic = CLUSTER.events_topic_of("news")
        stage.log.create((Topic(topic, CLUSTER.partitions),))
        assert stage.log.spans([Slice(topic, 0)])[Slice(topic, 0)].end == 1

    play(act)


def test_a_host_without_packages_halts_where_it_needs_one(stage: Stage) -> None:
    async def act() -> None:
        async with stage.host() as host:
            choose(stage, 0, "tenfold")
            assert "this host was given no packages" in await stage.halted(host, 0)

    play(act)
