"""The benchmark's own parts: what it says of a figure, and that its workers and processes end."""

import asyncio
import io
import subprocess
import sys
import time

import pytest
from rich.console import Console

from actors.errors import SetupError
from loadtests.bench import processes
from loadtests.bench.pace import closed_loop, quantile
from loadtests.bench.ratios import figures_of
from loadtests.bench.replay import Call, measure, rules_of
from loadtests.bench.replays import PROGRAMS, account_calls, shop_calls, shop_year, stocked
from loadtests.bench.report import number, print_table
from loadtests.bench.rows import ROWS, Row
from loadtests.bench.worker import Worker

MORE = Row("more", "", 10, 20, "", more=True)
LESS = Row("less", "", 10, 5, "")
MEDIANS = {
    "grpc_echo_unary_per_s": 4_000.0,
    "grpc_echo_p50_ms": 0.5,
    "grpc_bytes_echo_unary_per_s": 5_000.0,
    "grpc_bytes_echo_p50_ms": 0.4,
    "ray_async_actor_calls_per_s": 2_000.0,
    "ray_sync_actor_calls_per_s": 3_000.0,
    **{
        f"{log}.{key}": value
        for log, times in (("embedded", 1.0), ("kafka", 2.0))
        for key, value in (
            ("invoke_unary_per_s", 1_000.0 * times),
            ("invoke_unary_p50_ms", 1.0 * times),
            ("invoke_stream_per_s", 40_000.0 * times),
            ("host_cpu_us", 5.0 * times),
            ("gateway_cpu_us", 6.0 * times),
        )
    },
}


@pytest.mark.parametrize(
    ("row", "value", "verdict"),
    [
        (MORE, 9.9, "short"),
        (MORE, 10.0, "met"),
        (MORE, 20.0, "aim met"),
        (LESS, 10.1, "short"),
        (LESS, 10.0, "met"),
        (LESS, 5.0, "aim met"),
        (LESS, None, "not measured"),
    ],
)
def test_a_figure_is_short_met_or_at_its_aim_and_the_bars_belong_to_it(row: Row, value: float, verdict: str) -> None:
    assert row.verdict(value) == verdict


def test_ratios_are_those_of_the_last_log_to_what_was_measured_beside_it() -> None:
    figures = figures_of(MEDIANS, ("embedded", "kafka"))
    assert figures["stream_to_echo"] == 20
    assert figures["stream_to_ray"] == 40
    assert figures["unary_to_echo"] == 0.5
    assert figures["p50_to_echo"] == 4
    assert figures["embedded_to_kafka"] == 0.5
    assert figures["invoke_stream_per_s"] == 80_000
    assert figures["embedded_invoke_stream_per_s"] == 40_000


def test_the_embedded_log_alone_has_no_ratio_to_kafka() -> None:
    figures = figures_of(MEDIANS, ("embedded",))
    assert figures["embedded_to_kafka"] is None
    assert figures["stream_to_echo"] == 10


def test_the_table_shows_every_row_and_every_other_figure() -> None:
    said = io.StringIO()
    print_table({**figures_of(MEDIANS, ("embedded", "kafka")), "partitions": 16}, Console(file=said, width=160))
    table = said.getvalue()
    assert all(row.text in table for row in ROWS)
    assert "grpc_echo_unary_per_s" in table
    assert "16 partitions" in table


def test_a_number_has_the_digits_that_mean_something() -> None:
    assert [number(value) for value in (123_456.7, 99.51, 0.012345)] == ["123,457", "99.5", "0.0123"]


def test_a_worker_answers_and_ends_with_its_context() -> None:
    with Worker("loadtests.bench.replays") as worker:
        pid = worker.pid
        assert worker.ask("account", records=2_000)["records"] == 2_000
    assert not processes.is_running(pid)


def test_a_worker_that_fails_is_an_error_that_names_it(capfd: pytest.CaptureFixture[str]) -> None:
    with Worker("loadtests.bench.replays") as worker, pytest.raises(SetupError, match="replays ended at 'nothing'"):
        worker.ask("nothing")
    assert "KeyError" in capfd.readouterr().err


def test_ending_a_process_ends_what_it_started_even_if_that_does_not_listen() -> None:
    inner = "import signal,time; signal.signal(15, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
    outer = f"import subprocess,sys,time; subprocess.Popen([sys.executable, '-c', {inner!r}]); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", outer], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"on\n"
    pids = processes.tree(process.pid)
    assert len(pids) == 2
    processes.end(process, 0.2)
    process.stdout.close()
    assert processes.wait_gone(pids, 5) == []


def test_cpu_time_is_that_of_the_process() -> None:
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    until = time.monotonic() + 10
    while processes.cpu_s(process.pid) < 0.1 and time.monotonic() < until:
        assert process.poll() is None
    used_s = processes.cpu_s(process.pid)
    processes.end(process, 5)
    assert 0.1 <= used_s < 10
    assert processes.cpu_s(process.pid) == 0


def test_a_closed_loop_has_so_many_in_flight_and_counts_batches_by_their_calls() -> None:
    flying = [0, 0]

    async def call(_: int) -> None:
        flying[0] += 1
        flying[1] = max(flying)
        await asyncio.sleep(0)
        flying[0] -= 1

    found = asyncio.run(closed_loop(call, 7, 0.05, calls_each=600))
    assert flying == [0, 7]
    assert found["calls"] % 600 == 0
    assert found["p50_ms"] <= found["p99_ms"]


def test_a_quantile_is_one_of_the_values() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert (quantile(values, 0.5), quantile(values, 0.99), quantile([], 0.5)) == (51, 100, 0)


def test_replay_gives_every_call_once_and_serves_at_its_end() -> None:
    answer = measure(rules_of((PROGRAMS / "account",)), account_calls(1_000), account_calls(3_000))
    assert answer["records"] == 3_000
    assert answer["records_per_s"] > 0


def test_a_refused_call_does_not_count_as_replay() -> None:
    refused = Call("account/1", "1", {"type": "account.add", "amount": 0})
    with pytest.raises(AssertionError):
        measure(rules_of((PROGRAMS / "account",)), account_calls(10), [refused])


def test_the_shops_year_is_stocked_and_comes_again() -> None:
    lines = shop_year()
    calls = shop_calls(lines, len(lines) + 1)
    assert calls[-1] == calls[0]
    assert len(stocked(lines)) == len({line.sku for line in lines})
