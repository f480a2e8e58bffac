"""`hutong dev` as a program's author meets it: its port and folder, programs that are saved, code that is wrong."""

import contextlib
import io
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.cli.banner import Banner
from actors.cli.running import Run
from actors.settings import ClusterSettings
from tests.cli.running import PROGRAMS, Platform, dev, hutong

pytestmark = pytest.mark.cluster

SAID_S_MAX = 20.0
LOOK_S = 0.02


def until(fact: Callable[[], object], platform: Platform) -> None:
    """Wait until the fact is true."""
    end = time.monotonic() + SAID_S_MAX
    while not fact():
        assert time.monotonic() < end, platform.errors
        threading.Event().wait(LOOK_S)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program's folder that may be changed."""
    return Path(shutil.copytree(PROGRAMS / "trap", tmp_path / "trap"))


def test_the_port_of_a_platform_that_runs_is_refused(platform: Platform, tmp_path: Path) -> None:
    port = platform.run["gateway"].rpartition(":")[2]
    error = hutong("dev", "--dir", tmp_path / "other", "--port", port, "--json").error
    assert error["reason"] == "PORT_IN_USE"
    assert f"127.0.0.1:{port}" in error["message"]
    assert not (tmp_path / "other" / "cluster.json").exists(), "a refused start fixes nothing"


def test_a_folder_in_use_is_refused_and_says_how_to_end_what_uses_it(platform: Platform) -> None:
    error = hutong("dev", "--dir", platform.folder, "--port", "0", "--json").error
    assert error["reason"] == "FOLDER_IN_USE"
    assert f"process {platform.process.pid}" in error["message"]
    assert f"hutong stop --dir {platform.folder}" in error["message"]
    assert platform("status").status == 0


def test_a_program_saved_with_an_error_is_named_with_its_line_and_the_one_before_serves_on(
    program: Path, tmp_path: Path
) -> None:
    file = program / "program.py"
    good = file.read_text()
    with dev(tmp_path / "dev", "--programs", str(program)) as platform:
        platform.call("trap/traps/a", "trap.do")
        before = platform("status").value["release"]
        file.write_text(good + "\nENTITIES = (\n")
        until(lambda: "not yet: " in platform.errors, platform)
        assert f"{file}, line {good.count(chr(10)) + 2}: SyntaxError" in platform.errors
        platform.call("trap/traps/a", "trap.do")
        assert platform.process.poll() is None
        file.write_text(good + "\n")
        until(lambda: "a program was saved: starting again" in platform.errors, platform)
        assert platform.process.stdout is not None
        assert b'"ready":true' in platform.process.stdout.readline()
        platform.call("trap/traps/a", "trap.do")
        after = platform("status").value["release"]
        assert (after["release"], after["digest"] != before["digest"]) == (before["release"] + 1, True)
        assert len(platform("query", "programs/trap/traps/a", "done").value["value"]["done"]) == 3


def test_what_a_program_raises_is_shown_with_its_line(tmp_path: Path) -> None:
    with dev(tmp_path / "dev", "--programs", str(PROGRAMS)) as platform:
        error = platform("call", "programs/trap/traps/a", "trap.do", '{"what": "raise"}').error
        line = 1 + (PROGRAMS / "trap" / "program.py").read_text().split('raise ValueError("as asked")')[0].count("\n")
        place = f"ValueError: as asked; program.py:{line} in decide"
        until(lambda: place in platform.errors, platform)
        assert place in platform.text("why", error["request_id"])


def test_a_record_without_end_is_told_before_its_process_is_ended_and_status_says_why(
    program: Path, tmp_path: Path
) -> None:
    file, folder = program / "program.py", tmp_path / "dev"
    file.write_text(file.read_text().replace("deep(0)", "[0 for _ in iter(int, 1)]"))
    with dev(folder, "--programs", str(program), HUTONG_DECIDE_MS_MAX="300") as platform:
        platform("call", "programs/trap/traps/a", "trap.do", '{"what": "recurse"}', "--deadline-ms", "1000")
        platform.process.wait(SAID_S_MAX)
    assert " over 300 ms" in platform.errors
    assert "`hutong retry " in platform.errors
    with dev(folder, "--programs", str(program)) as platform:
        until(lambda: platform("status").value["trouble"], platform)
        (trouble,) = platform("status").value["trouble"]
        assert trouble.count("halted at") == 1
        assert "over 300 ms" in trouble
        error = platform("query", "programs/trap/traps/a", "done", "--deadline-ms", "500").error
        assert error["message"].count("halted at") == 1
        assert "over 300 ms" in error["message"]


def test_the_banner_begins_with_the_program_that_was_given(program: Path) -> None:
    run = Run(mode="dev", folder="f", gateway="g", log_url="", cluster=ClusterSettings())
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        Banner(run).show(as_json=False)
        Banner(replace(run, programs=(str(program),))).show(as_json=False)
    assert "hutong call --dir f programs/bike/" in shown.getvalue()
    assert "hutong describe --dir f trap\n" in shown.getvalue()


def test_a_folder_that_is_no_program_is_told_what_it_lacks(program: Path, tmp_path: Path) -> None:
    def message(folder: Path) -> str:
        return str(
            hutong("dev", "--dir", tmp_path / "d", "--port", "0", "--programs", folder, "--json").error["message"]
        )

    (program / "manifest.json").write_text("{")
    assert f"{program}/manifest.json: is not JSON" in message(program)
    (program / "manifest.json").unlink()
    assert f"{program}/manifest.json is missing" in message(program)
    assert f"there is no folder {tmp_path}/nope" in message(tmp_path / "nope")
