"""What holds of log lines."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from actors.adapters.logging import REDACTED, get_logger, request, set_up_logging

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(out: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_is_one_json_object_when_nobody_reads_along() -> None:
    out = io.StringIO()
    set_up_logging(stream=out)
    get_logger("host").warning("partition halted", partition=3, why="a\nb")
    (line,) = lines(out)
    assert line.pop("timestamp")
    assert line == {
        "event": "partition halted",
        "partition": 3,
        "why": "a\nb",
        "level": "warning",
        "logger": "hutong.host",
    }


def test_a_line_is_for_a_person_on_a_terminal() -> None:
    out = io.StringIO()
    set_up_logging(stream=out, as_json=False)
    get_logger("host").info("partition halted", partition=3)
    assert "partition halted" in out.getvalue()
    assert "partition" in out.getvalue()
    assert not out.getvalue().startswith("{")


def test_lines_within_a_request_carry_its_id() -> None:
    out = io.StringIO()
    set_up_logging(stream=out)
    with request("0198c0de"):
        get_logger("gateway").info("inside")
    get_logger("gateway").info("outside")
    inside, outside = lines(out)
    assert inside["request_id"] == "0198c0de"
    assert "request_id" not in outside


@pytest.mark.parametrize("as_json", [True, False])
def test_secrets_never_reach_a_line_at_any_depth(as_json: bool) -> None:
    out = io.StringIO()
    set_up_logging(stream=out, as_json=as_json)
    get_logger("gateway").info(
        "call",
        token="canary",
        Authorization="canary",
        link_token="canary",
        metadata={"session-key": "canary", "inner": [{"PASSWORD": "canary"}, {"fine": "kept"}]},
        client_secret=b"canary",
    )
    assert "canary" not in out.getvalue()
    assert out.getvalue().count(REDACTED) == 6
    assert "kept" in out.getvalue()


@pytest.mark.parametrize("as_json", [True, False])
def test_a_traceback_is_written_without_the_values_of_variables(as_json: bool) -> None:
    out = io.StringIO()
    set_up_logging(stream=out, as_json=as_json)
    word = "can" + "ary"
    try:
        raise ValueError("broken" if word else "")
    except ValueError:
        get_logger("host").exception("it failed")
    assert "ValueError: broken" in out.getvalue()
    assert "canary" not in out.getvalue()


def test_lines_of_libraries_go_the_same_way_and_only_from_warning_on() -> None:
    out = io.StringIO()
    set_up_logging(stream=out)
    logging.getLogger("kafka.client").info("connecting")
    logging.getLogger("kafka.client").warning("broker %s is away", "b1")
    (line,) = lines(out)
    assert (line["event"], line["logger"]) == ("broker b1 is away", "kafka.client")


def test_the_level_says_what_is_left_out() -> None:
    out = io.StringIO()
    set_up_logging(level="warning", stream=out)
    get_logger("host").info("quiet")
    get_logger("host").error("loud")
    assert [line["event"] for line in lines(out)] == ["loud"]


def test_making_a_logger_imports_nothing_heavy() -> None:
    code = (
        "import sys; from actors.adapters.logging import get_logger; get_logger('x');"
        "sys.exit('structlog' in sys.modules or 'logging' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_lines_go_to_stderr_even_before_anything_was_set_up() -> None:
    code = "from actors.adapters.logging import get_logger; get_logger('x').warning('early')"
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == ""
    assert json.loads(done.stderr)["event"] == "early"
