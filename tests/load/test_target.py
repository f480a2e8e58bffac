"""How far a platform is behind its log: what is not known of a host that is gone is not taken for nothing."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from actors.adapters.memory import MemoryLog
from actors.errors import Unavailable
from actors.history import PlacementNow
from actors.placement import Placed
from actors.ports import Slice
from actors.settings import ClusterSettings
from loadtests.bench import processes
from loadtests.bench.platform import HOST_NAME
from loadtests.driver import target
from loadtests.driver.target import TOKEN_FILE, Lag, Target

CLUSTER = ClusterSettings(partitions=2)
PLACED = {n: Placed(n, 1, 1, f"host-{n}", f"address-{n}", 1) for n in range(2)}


def test_hosts_of_a_platform_of_the_runs_own_keep_processors_unless_somebody_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(target.KEEPS_CORE, raising=False)
    assert target.shown_command(("up", "--hosts", "1")) == "HUTONG_HOST_KEEPS_CORE=true hutong up --hosts 1"
    assert target.shown_command(("dev",)) == "hutong dev"
    monkeypatch.setenv(target.KEEPS_CORE, "false")
    assert target.own_settings() == {"HUTONG_HOST_KEEPS_CORE": "false"}


def test_of_a_platform_of_which_nothing_is_known_no_process_is_taken_for_a_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def host(_pid: int) -> str:
        return HOST_NAME

    monkeypatch.setattr(processes, "name", host)
    assert Target(gateway="127.0.0.1:1").hosts() == []
    with pytest.raises(AssertionError, match="every process of the machine"):
        processes.tree(0)


def test_a_host_that_is_gone_falls_behind_and_a_log_that_is_gone_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = MemoryLog(lambda: 0)
    log.create(CLUSTER.topics(()))
    (tmp_path / TOKEN_FILE).write_text("token")
    answers: dict[str, object] = {"address-0": [SimpleNamespace(partition=0, watermark=-1)], "address-1": "is gone"}
    placed = PlacementNow(PLACED, None, {})

    def placement(*_: object) -> PlacementNow:
        if not answers:
            raise Unavailable("the log is gone", outcome="NOT_APPENDED")
        return placed

    def asked(address: str, _token: str) -> object:
        return answers[address]

    monkeypatch.setattr(target, "ask_host", asked)
    monkeypatch.setattr(target, "placement_now", placement)
    lag = Lag(Target(gateway="", folder=str(tmp_path), cluster=CLUSTER), log)

    def append(partition: int) -> None:
        log.append(Slice(CLUSTER.commands_topic, partition), b"frame").result()

    assert lag.behind() == 0
    append(0)
    append(1)
    assert lag.behind() == 1, "nobody ever spoke for the other partition"
    answers["address-1"] = [SimpleNamespace(partition=1, watermark=0)]
    answers["address-0"] = "is gone"
    append(0)
    append(1)
    assert lag.behind() == 2 + 1
    answers.clear()
    assert lag.behind() == 2 + 1
