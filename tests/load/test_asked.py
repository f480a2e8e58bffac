"""What a load run is asked for: what a platform of its own is made of, and what contradicts itself."""

import signal
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.errors import SetupError
from loadtests.driver import command
from loadtests.driver.command import EVERY, REPORT_FILE, SOME, Asked, brought_up, keep, order_of, run, tell
from loadtests.driver.result import Run, read_run
from loadtests.driver.target import Target
from loadtests.scenarios import SCENARIOS
from tests.load.runs import run_of

SMOKE, DAY = Asked(scenario="smoke"), Asked(scenario="day")


def platform(asked: Asked) -> str:
    return " ".join(brought_up(asked, SCENARIOS[asked.scenario]))


def test_smoke_is_played_on_one_process_unless_somebody_says_what_the_platform_is_made_of() -> None:
    assert platform(SMOKE) == "dev"
    assert platform(replace(SMOKE, hosts=3)) == "up --log embedded --hosts 3 --partitions 3"
    assert platform(replace(SMOKE, log="kafka", hosts=1)) == "up --log kafka --hosts 1 --partitions 1"
    assert platform(replace(DAY, partitions=64, hosts=2)) == "up --log embedded --hosts 2 --partitions 64"


@pytest.mark.parametrize(
    ("cores", "hosts", "with_one_killed"), [(None, 1, 2), (1, 1, 2), (2, 1, 2), (3, 1, 2), (8, 4, 4)]
)
def test_a_platform_of_the_runs_own_leaves_half_of_the_cores_to_all_but_hosts(
    monkeypatch: pytest.MonkeyPatch, cores: int | None, hosts: int, with_one_killed: int
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    assert platform(DAY) == f"up --log embedded --hosts {hosts} --partitions {hosts}"
    killed = f"up --log embedded --hosts {with_one_killed} --partitions {with_one_killed}"
    assert platform(replace(DAY, scenario="host-loss")) == killed


def test_the_report_says_what_was_really_used() -> None:
    used = order_of(SMOKE, Path()).settings
    assert used["platform"] == "of its own: hutong dev"
    assert used["generators"] == "1"
    assert used["busiest minute"] == "2 times the mean"
    assert order_of(replace(SMOKE, busiest=3.0), Path()).settings["busiest minute"] == "3 times the mean"
    assert order_of(SMOKE, Path()).play.users == SCENARIOS["smoke"].users


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (replace(SMOKE, log="kafka", folder=Path("x")), "--log would be of a platform that is brought up, and --dir"),
        (replace(SMOKE, hosts=2, partitions=8, target="x:1"), "--hosts, --partitions would be .* --target"),
        (replace(DAY, log="paper"), "--log is embedded or kafka, not 'paper'"),
        (replace(DAY, hosts=0), "--hosts is 1 to 64, not 0"),
        (replace(DAY, partitions=5_000), "--partitions is 1 to 1,024, not 5,000"),
        (replace(DAY, users=0), "--users is 1 to"),
        (replace(DAY, busiest=1.0), "--busiest is 1.1 to 20 times a workday's mean, not 1"),
        (replace(DAY, scenario="new-year", busiest=1.5), "--busiest is 1.76 to 20 times a workday's mean, not 1.5"),
        (replace(DAY, busiest=float("nan")), "--busiest is 1.1 to 20 times a workday's mean, not nan"),
        (replace(DAY, users=10_000_000, compress="24h:1s"), "calls in the busiest second, more than 64 generators"),
        (replace(DAY, generators=0), "--generators is 1 to 64, not 0"),
    ],
)
def test_sizes_that_cannot_be_or_that_nobody_would_heed_are_refused_by_name(asked: Asked, says: str) -> None:
    with pytest.raises(SetupError, match=says):
        order_of(asked, Path())


@pytest.mark.parametrize(
    ("scenario", "generators"), [("day", 10), ("host-loss", 17), ("flash-sale", 3), ("new-year", 7)]
)
def test_there_are_as_many_generators_as_the_days_own_busiest_minute_needs(scenario: str, generators: int) -> None:
    assert order_of(Asked(scenario=scenario, users=1_000_000), Path()).generators == generators
    assert order_of(Asked(scenario=scenario, users=1_000), Path()).generators == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_who_is_ended_while_the_platform_is_made_ready_leaves_nothing(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[Path] = []

    @contextmanager
    def own(folder: Path, *_: str) -> Generator[Target]:
        try:
            yield Target(gateway="127.0.0.1:1")
        finally:
            ended.append(folder)

    def release(folder: Path) -> None:
        assert folder.is_dir()
        signal.raise_signal(number)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(command, "own", own)
    with pytest.raises(KeyboardInterrupt):
        run(replace(SMOKE, out=tmp_path / "out"), release)
    assert len(ended) == 1
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


def test_beside_a_run_lies_its_own_report_or_none_and_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, report = replace(run_of(), lost=1), tmp_path / REPORT_FILE
    report.write_text("a former run has PASSED")
    keep(bad, tmp_path)
    pages = iter(("\ud800", "it has FAILED"))

    def page(_: Run) -> str:
        return next(pages)

    monkeypatch.setattr(command, "page", page)
    with pytest.raises(UnicodeEncodeError):
        tell(bad, tmp_path, as_json=True)
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
    assert not read_run(tmp_path / "run.json").passed
    tell(bad, tmp_path, as_json=True)
    assert report.read_text() == "it has FAILED"


def test_the_report_says_how_lost_and_doubled_effects_were_looked_for() -> None:
    assert order_of(SMOKE, Path()).settings["audit"] == EVERY
    assert order_of(replace(SMOKE, target="x:1"), Path()).settings["audit"] == SOME
