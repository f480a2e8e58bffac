"""`call`, `query`, `describe`, and every command given wrongly."""

import json
from pathlib import Path

import pytest

from gateway.client import uuid7
from tests.cli.running import Platform, hutong

pytestmark = pytest.mark.cluster


def test_a_call_is_answered_with_its_place_and_its_id(platform: Platform) -> None:
    answer = platform.call("trap/traps/call", "trap.do", what="send", to="x")
    assert answer["value"] == {"sent": "x"}
    assert answer["position"].count("/") == 2
    assert not answer["duplicate"]
    assert len(answer["request_id"]) == 36


def test_the_same_id_again_gives_the_same_answer_and_says_so(platform: Platform) -> None:
    name = platform.call("trap/traps/twice", "trap.do", what="once")["request_id"]
    again = platform.call("trap/traps/twice", "trap.do", "--request-id", name, what="once")
    assert again["duplicate"]
    assert platform("query", "programs/trap/traps/twice", "done").value["value"] == {"done": ["once"]}


def test_what_a_program_takes_is_described(platform: Platform) -> None:
    assert "trap.do" in platform("describe", "trap").value["trap"]["commands"]
    lives = {kind: facts["life"] for kind, facts in platform("describe").value.items()}
    assert lives["merchant"]["merchant"]["suspended"]["moves"]["resume"] == "open"
    assert [state for state, facts in lives["session"]["session"].items() if facts["terminal"]] == ["unloaded"]
    assert set(lives["session"]) == {"session", "page"}
    listed = platform.text("describe")
    assert "  programs/trap/traps/<id>: trap.do; views done" in listed
    assert "  programs/bike/stations/<id>: " in listed
    assert "  sessions/<id>: " in listed
    assert "      merchant: none → open; open → suspended, closed; suspended → open, closed; closed\n" in listed
    assert platform("describe", "nothing").error["reason"] == "NO_SUCH_PROGRAM"


def test_a_person_reads_the_value_and_what_to_do_next(platform: Platform) -> None:
    said = hutong("call", "--dir", platform.folder, "programs/trap/traps/person", "trap.do", '{"what": "send"}')
    assert said.out == '{"sent":""}\n'
    assert "hutong why" in said.err


@pytest.mark.parametrize(
    ("entity", "command", "payload", "type_", "reason"),
    [
        ("programs/trap/traps/a", "trap.do", "{what: 1}", "InvalidCommand", "INVALID_COMMAND"),
        ("programs/trap/traps/a", "trap.do", '{"what": 1}', "InvalidCommand", "INVALID_COMMAND"),
        ("programs/trap/traps/a", "trap.do", '{"other": 1}', "InvalidCommand", "INVALID_COMMAND"),
        ("programs/trap/traps/a", "trap.undo", "{}", "NotFound", "NO_SUCH_COMMAND"),
        ("programs/nothing/traps/a", "trap.do", "{}", "NotFound", "NO_SUCH_KIND"),
        ("elephants/a", "trap.do", "{}", "NotFound", "NO_SUCH_KIND"),
        ("programs/trap/traps/", "trap.do", "{}", "InvalidCommand", "INVALID_ID"),
        ("programs/trap/traps/a", "trap.do", '{"what": "reject"}', "Reject", "as_asked"),
        ("programs/trap/traps/a", "trap.do", '{"what": "raise"}', "Poisoned", "POISONED"),
        ("programs/trap/traps/a", "trap.do", '{"what": "\udcff"}', "InvalidCommand", "INVALID_COMMAND"),
    ],
)
def test_a_call_that_cannot_be_says_why(
    platform: Platform, entity: str, command: str, payload: str, type_: str, reason: str
) -> None:
    said = platform("call", entity, command, payload)
    assert (said.status, said.error["type"], said.error["reason"]) == (1, type_, reason)
    assert said.error["message"]
    assert f"hutong: {said.error['message']}" in said.err
    assert said.error["request_id"]


def test_a_field_that_is_wrong_is_named(platform: Platform) -> None:
    assert platform("call", "programs/trap/traps/a", "trap.do", '{"what": 1}').error["field"] == "$.what"


def test_a_reject_tells_its_details(platform: Platform) -> None:
    error = platform("call", "programs/trap/traps/a", "trap.do", '{"what": "reject"}', "--caller", "ann").error
    assert error["details"] == {"who": "ann"}


def test_an_id_that_is_none_or_of_the_future_is_refused(platform: Platform) -> None:
    def refused(name: str) -> str:
        return str(platform("call", "programs/trap/traps/a", "trap.do", "--request-id", name).error["reason"])

    assert refused("seven") == "INVALID_REQUEST_ID"
    assert refused(uuid7(1 << 45)) == "REQUEST_ID_IN_FUTURE"


def test_a_view_that_does_not_exist_is_told_with_those_that_do(platform: Platform) -> None:
    error = platform("query", "programs/trap/traps/a", "undone").error
    assert error["reason"] == "NO_SUCH_VIEW"
    assert "done" in error["message"]


COMMANDS = ("status", "why 3/1/0", "replay a/b", "skip 3/1/0", "dead-letters list", "stop", "describe", "query a b")


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_platform_every_command_says_so(command: str, tmp_path: Path) -> None:
    said = hutong(*command.split(), "--dir", tmp_path / "none", "--json")
    assert said.error["reason"] == "NOT_RUNNING"
    assert "--dir" in said.error["message"]


def test_a_folder_that_is_a_file_is_no_platform(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert hutong("status", "--dir", tmp_path / "file", "--json").error["reason"] == "NOT_RUNNING"
    assert hutong("dev", "--dir", tmp_path / "file", "--json").error["reason"] == "FOLDER_NOT_WRITABLE"


def test_the_folder_may_come_from_the_environment(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUTONG_DIR", str(platform.folder))
    assert hutong("query", "programs/trap/traps/nobody", "done", "--json").value["value"] == {"done": []}


@pytest.mark.parametrize("line", ["frobnicate", "call", "up --hosts none", "dev --port 70000", "topics apply", "why"])
def test_a_command_line_that_is_wrong_ends_with_2_and_one_message(line: str) -> None:
    said = hutong(*line.split(), "--json")
    assert (said.status, said.error["type"]) == (2, "UsageError")
    assert said.error["message"] in said.err
    plain = hutong(*line.split())
    assert (plain.status, plain.out) == (2, "")
    assert "--help" in plain.err


def test_help_and_version_are_no_errors() -> None:
    help_ = hutong("--help")
    assert (help_.status, help_.err) == (0, "")
    assert all(command in help_.out for command in ("up", "dev", "why", "dead-letters", "doctor", "--debug"))
    assert hutong("why", "--help").status == 0
    assert hutong("--version").out.startswith("hutong ")


def test_a_traceback_is_shown_when_asked_for(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="no platform runs"):
        hutong("--debug", "status", "--dir", tmp_path)
    with pytest.raises(Exception, match="no platform runs"):
        hutong("status", "--dir", tmp_path, "--debug")


def test_a_second_platform_in_one_folder_is_refused(platform: Platform) -> None:
    said = hutong("dev", "--dir", platform.folder, "--port", 0, "--json")
    assert said.error["reason"] == "FOLDER_IN_USE"


def test_json_is_the_last_line_even_of_a_banner(platform: Platform) -> None:
    assert platform.run["ready"]
    assert json.dumps(platform.run)
