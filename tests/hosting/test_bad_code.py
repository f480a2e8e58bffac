"""An author's code that raises, recurses, or halts its partition; what an operator says of it."""

from pathlib import Path

from actors.history import read_slice
from actors.kernel.record import Slice
from tests.hosting.stage import CLUSTER, Phases, Stage, added, play, put, say, verdicts


def test_code_that_raises_is_dead_lettered_and_the_partition_goes_on(tmp_path: Path) -> None:
    async def act() -> None:
        stage = Stage(tmp_path)
        async with stage.host() as host:
            bad = put(stage.log, 0, "tally.break", how="raise")
            last = put(stage.log, 0, "tally.add", n=3)
            await stage.serving(host, 0, last.offset - 1)
            await stage.until(host, 0, lambda _: bool(stage.reports))
        assert added(stage.log, 0) == [3]
        assert [(event, facts["position"]) for event, facts in stage.reports] == [("a program's code raised", str(bad))]
        assert len(list(read_slice(stage.log, Slice(CLUSTER.events_topic_of("dead-letter"), 0)))) == 1

    play(act)


def test_code_that_recurses_halts_its_partition_alone_and_names_the_record(tmp_path: Path) -> None:
    async def act() -> None:
        stage = Stage(tmp_path)
        async with stage.host() as host:
            bad = put(stage.log, 0, "tally.break", how="recurse")
            last = put(stage.log, 1, "tally.add", n=3)
            why = await stage.halted(host, 0)
            await stage.serving(host, 1, last.offset - 1)
            await stage.until(host, 0, lambda _: bad in verdicts(stage.log))
        assert str(bad) in why
        assert "RecursionError" in why
        assert verdicts(stage.log)[bad].word == "halted"

    play(act)


def test_the_next_host_stops_at_a_halted_record_without_trying_it(tmp_path: Path) -> None:
    async def act() -> None:
        stage = Stage(tmp_path)
        put(stage.log, 0, "tally.add", n=3)
        bad = put(stage.log, 0, "tally.break", how="loop")
        say(stage.log, bad, "halted")
        async with stage.host() as host:
            why = await stage.halted(host, 0)
        assert why == f"halted at {bad}: {verdicts(stage.log)[bad].why}"
        assert added(stage.log, 0) == [3]

    play(act)


def test_a_record_that_is_skipped_is_passed_over_for_ever(tmp_path: Path) -> None:
    async def act() -> None:
        stage, phases = Stage(tmp_path), Phases()
        put(stage.log, 0, "tally.add", n=2)
        bad = put(stage.log, 0, "tally.break", how="recurse")
        last = put(stage.log, 0, "tally.add", n=3)
        async with stage.host(phases) as host:
            await stage.halted(host, 0)
            say(stage.log, bad, "skip")
            await stage.serving(host, 0, last.offset - 1)
        assert min(phases.applied) >= 0
        async with stage.host() as host:
            last = put(stage.log, 0, "tally.add", n=4)
            await stage.serving(host, 0, last.offset - 1)
        assert added(stage.log, 0) == [2, 3, 4]

    play(act)


def test_a_record_that_is_tried_again_and_passes_lets_the_partition_go_on(tmp_path: Path) -> None:
    async def act() -> None:
        stage = Stage(tmp_path)
        good = put(stage.log, 0, "tally.add", n=3)
        say(stage.log, good, "halted")
        async with stage.host() as host:
            await stage.halted(host, 0)
            say(stage.log, good, "retry")
            await stage.serving(host, 0, good.offset)
        assert added(stage.log, 0) == [3]

    play(act)
