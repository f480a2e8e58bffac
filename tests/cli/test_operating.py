"""`status`, `skip`, `retry`, `dead-letters`, `topics apply`, `stop`, `doctor`."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.adapters.hosting.asking import ask_host
from actors.cli import doctor, running
from actors.cli.running import Process, Run
from actors.cli.status import read_status
from actors.settings import ClusterSettings
from infra.kafka.broker import Cluster
from tests.cli.running import PROGRAMS, Platform, dev, hutong

pytestmark = pytest.mark.cluster


def _traps(platform: Platform, entity: str) -> Any:
    return platform("query", f"programs/trap/traps/{entity}", "done").value["value"]["done"]


def test_status_tells_hosts_partitions_gateway_and_log(platform: Platform) -> None:
    position = platform.call("trap/traps/status", "trap.do")["position"]
    status = platform("status").value
    (host,) = status["hosts"]
    assert (host["state"], host["pid"]) == ("answers", platform.process.pid)
    assert [row["partition"] for row in status["partitions"]] == list(range(16))
    number, offset, _ = map(int, position.split("/"))
    row = status["partitions"][number]
    assert (row["host"], row["phase"], row["halted"], row["lag_records"]) == (host["name"], "Serving", "", 0)
    assert row["watermark"] >= offset
    assert row["resident"] >= 1
    (gateway,) = status["gateways"]
    assert (gateway["address"], gateway["pid"], gateway["answers"]) == (platform.run["gateway"], host["pid"], True)
    assert status["log"]["away"] == ""
    assert status["log"]["spans"][str(number)][1] > offset
    text = platform.text("status")
    assert "16 of 16 partitions served" in text
    assert host["name"] in text


def test_a_host_answers_only_to_the_token(platform: Platform) -> None:
    (host,) = platform("status").value["hosts"]
    assert ask_host(host["address"], "wrong") == "does not answer (UNAUTHENTICATED)"
    assert ask_host("127.0.0.1:1", "wrong") == "does not answer (UNAVAILABLE)"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform that may be halted and stopped."""
    with dev(tmp_path_factory.mktemp("own"), "--programs", str(PROGRAMS)) as running_:
        yield running_


def _trouble(platform: Platform) -> str:
    """The one trouble that the platform has, once it has one."""
    while not (trouble := platform("status").value["trouble"]):
        pass
    assert len(trouble) == 1
    return str(trouble[0])


def test_a_halted_partition_goes_on_once_its_record_is_skipped(own: Platform) -> None:
    before = own.call("trap/traps/deep", "trap.do", what="one")["position"]
    fields = '{"what": "recurse"}'
    late = own("call", "programs/trap/traps/deep", "trap.do", fields, "--deadline-ms", "300").error
    number = int(before.partition("/")[0])
    trouble = _trouble(own)
    position = trouble.split("halted at ")[1].split(":")[0]
    assert f"partition {number} is halted at {number}/" in trouble
    assert "RecursionError" in trouble
    assert "program.py:" in trouble
    assert trouble.count("halted at") == 1
    assert f"`hutong retry {position}`, or `hutong skip {position}`" in trouble
    call = own("why", late["request_id"]).value["calls"][0]
    assert call["copies"][0]["outcome"] == "undecided"
    assert "halted" in call["undecided"]

    refused = own("skip", before).error
    assert refused["reason"] == "NOT_HALTED"
    assert position in refused["message"]
    assert own("skip", "elephant").error["reason"] == "INVALID_POSITION"
    assert own("retry", position).error["reason"] == "HALTED_AGAIN"
    assert own("skip", position).value["goes_on"]

    assert own("status").value["trouble"] == []
    copy = own("call", "programs/trap/traps/deep", "trap.do", fields, "--request-id", late["request_id"]).error
    assert (copy["reason"], copy["position"]) == ("POISONED", position)
    own.call("trap/traps/deep", "trap.do", what="two")
    assert _traps(own, "deep") == ["one", "two"]
    assert own("why", position).value["calls"][0]["decided"]["outcome"] == "skipped"
    assert own("replay", "programs/trap/traps/deep").value["state"] == {"done": ["one", "two"]}


def test_status_says_that_hosts_are_started_later_because_they_keep_ending(tmp_path: Path) -> None:
    up = _run(tmp_path, running.this_process("up"))
    running.write_run(msgspec.structs.replace(up, trouble=("5 hosts in a row ended",)))
    assert read_status(tmp_path)["trouble"][0] == "5 hosts in a row ended"


def test_dead_letters_are_listed_and_sent_again(platform: Platform) -> None:
    sent = platform.call("trap/traps/writer", "trap.do", "--caller", "ann", what="send a reject", to="reader")
    (send,) = platform("why", sent["request_id"]).value["calls"][0]["decided"]["sends"]
    letters = platform("dead-letters list").value["letters"]
    (letter,) = [letter for letter in letters if letter["position"] == send["arrived_at"]]
    assert letter["entity"] == "programs/trap/traps/reader"
    assert letter["command"] == {"type": "trap.do", "what": "reject", "to": ""}
    assert (letter["reason"], letter["sender"], letter["caller"]) == ("as_asked", "programs/trap/traps/writer", "ann")
    assert letter["detail"] == '{"who":"ann"}'
    assert letter["position"] in platform.text("dead-letters list")
    again = platform("dead-letters retry", letter["position"]).error
    assert (again["type"], again["details"]) == ("Reject", {"who": "ann"})
    assert platform("why", again["request_id"]).value["calls"][0]["asked"]["caller"] == "ann"
    assert platform("dead-letters retry", "0/0/0").error["reason"] == "NO_SUCH_LETTER"


def test_a_log_of_an_unknown_kind_gets_no_topics() -> None:
    assert hutong("topics", "apply", "--log", "rabbit://x", "--json").error["reason"] == "LOG_ADDRESS"


@pytest.mark.kafka
def test_topics_are_made_once_and_compared_afterwards(kafka: Cluster) -> None:
    apply = ("topics", "apply", "--log", f"kafka://{kafka.addresses[0]}", "--json")
    made = hutong(*apply, "--partitions", 2).value["topics"]
    assert {(one["name"], one["partitions"], one["compacted"]) for one in made} >= {
        ("hutong.commands.v1", 2, False),
        ("hutong.control.v1", 1, True),
        ("hutong.events.shop.v1", 2, False),
        ("hutong.events.dead-letter.v1", 2, False),
    }
    assert hutong(*apply, "--partitions", 2).value["topics"] == made
    assert hutong(*apply, "--partitions", 3).error["reason"] == "TOPIC_DIFFERS"


# -- stop -------------------------------------------------------------------------------------------------------------


def test_stop_ends_the_platform_and_says_which_processes(own: Platform) -> None:
    assert own("stop").value["stopped"] == [{"role": "dev", "pid": own.process.pid}]
    assert own.process.wait(5) == 0
    assert own("status").error["reason"] == "NOT_RUNNING"


@pytest.fixture
def process() -> Iterator["subprocess.Popen[bytes]"]:
    """Some process that waits for ever."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as waiting:
        yield waiting
        waiting.kill()


def test_stop_ends_what_a_killed_platform_left(tmp_path: Path, process: "subprocess.Popen[bytes]") -> None:
    # The main process is of this pid too, but began at another time: it is gone.
    running.write_run(_run(tmp_path, Process("up", process.pid, 1), running.this_process("log", process.pid)))
    assert str(process.pid) in _look(doctor.platform, tmp_path)["left-overs"].found
    assert hutong("stop", "--dir", tmp_path, "--json").value["stopped"] == [{"role": "log", "pid": process.pid}]
    assert process.wait(5) == -9
    assert running.left_over(tmp_path) == ()


def test_stop_ends_a_platform_that_is_still_starting(tmp_path: Path, process: "subprocess.Popen[bytes]") -> None:
    running.write_run(_run(tmp_path, running.this_process("up", process.pid)), ready=False)
    assert hutong("stop", "--dir", tmp_path, "--json").value["stopped"] == [{"role": "up", "pid": process.pid}]
    assert process.wait(5) == -15


def _run(folder: Path, *processes: Process) -> Run:
    return Run(
        mode="up",
        folder=str(folder),
        gateway="127.0.0.1:1",
        log_url="",
        cluster=ClusterSettings(),
        processes=processes,
    )


# -- doctor -----------------------------------------------------------------------------------------------------------


def _look(look: Callable[[Path], Iterator[doctor.Finding]], folder: Path) -> dict[str, doctor.Finding]:
    """One look alone: others cost time."""
    return {finding.what: finding for finding in look(folder)}


def _findings(folder: Path) -> tuple[int, dict[str, Any]]:
    said = hutong("doctor", "--dir", folder, "--json")
    return said.status, {found["what"]: found for found in said.value["findings"]}


def test_the_doctor_finds_what_runs(platform: Platform) -> None:
    _, found = _findings(platform.folder)
    assert platform.run["gateway"] in found["platform"]["found"]
    assert found["Python"]["verdict"] == "good"
    assert found["partitions"] == {"what": "partitions", "verdict": "good", "found": "16", "then": ""}


def test_the_doctor_warns_of_many_partitions_with_what_was_measured(tmp_path: Path) -> None:
    (tmp_path / "cluster.json").write_bytes(msgspec.json.encode(ClusterSettings(partitions=256)))
    found = _look(doctor.settings, tmp_path)["partitions"]
    assert found.verdict == "look"
    assert "103 k/s at 256" in found.found


def test_the_doctor_ends_with_1_when_something_is_broken(tmp_path: Path) -> None:
    (tmp_path / "cluster.json").write_text("{")
    (tmp_path / "token").write_text("secret")
    (tmp_path / "token").chmod(0o644)
    status, found = _findings(tmp_path)
    assert status == 1
    assert {what for what, one in found.items() if one["verdict"] == "bad"} >= {"cluster settings", "token"}
    assert "chmod 600" in found["token"]["then"]


def test_the_doctor_tells_a_port_that_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(doctor, "PORT_DEFAULT", taken.getsockname()[1])
        found = _look(doctor.platform, tmp_path)["port"]
    assert found.verdict == "look"
    assert "--port" in found.then
