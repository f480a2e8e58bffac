"""Kafka on this machine: it starts, says what is wrong when it cannot, loses nothing, and leaves no process behind."""

import importlib
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from actors.errors import SetupError
from infra.kafka import broker, jars
from infra.kafka.broker import Cluster, start
from infra.kafka.settings import server_properties
from infra.kafka.wire import brokers_up

REPOSITORY = Path(__file__).parents[2]


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def sees(cluster: Cluster, i: int, ports: set[int]) -> bool:
    """Whether broker i comes to see exactly the brokers at these ports within 30 s. Each look is a question to it."""
    deadline = time.monotonic() + 30
    while set(brokers_up(port_of(cluster.addresses[i]), timeout_s=2).values()) != ports:
        if time.monotonic() > deadline:
            return False
    return True


def ends(pid: int) -> bool:
    """Whether this process, which need not be a child, ends within 30 s."""
    poll = select.poll()
    descriptor = os.pidfd_open(pid)
    try:
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(30_000))
    finally:
        os.close(descriptor)


def client() -> Any:
    """kafka-python, which has no types."""
    return importlib.import_module("kafka")


def create_topic(address: str, topic: str, partitions: int, copies: int) -> None:
    with client().KafkaAdminClient(bootstrap_servers=address) as admin:
        admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": copies}})


def append(address: str, topic: str, frame: bytes) -> int:
    """Append a frame to the topic's first partition; returns its offset."""
    with client().KafkaProducer(bootstrap_servers=address, max_request_size=3 << 20) as producer:
        offset: int = producer.send(topic, frame, partition=0).get(30).offset
        return offset


def executable(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_without_java_the_message_names_it_and_the_embedded_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(SetupError, match="Java was not found") as raised:
        start(tmp_path)
    assert raised.value.reason == "JAVA_MISSING"
    assert "--log embedded" in str(raised.value)


def test_an_old_java_is_refused_with_its_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    executable(tmp_path / "java", """echo 'openjdk version "11.0.2" 2019-01-15' >&2""")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(SetupError, match=r"11\.0\.2.*Java 17 or newer"):
        start(tmp_path)


def test_without_maven_the_message_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(jars, "cache_folder", lambda: tmp_path / "lib")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match="Maven"):
        jars.jars()


def with_a_maven_that(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> Path:
    """Have `jars()` find only these two tools, and an empty cache; returns where the cache shall be."""
    executable(folder / "java", """echo 'openjdk version "17.0.1"' >&2""")
    executable(folder / "mvn", script)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(jars, "cache_folder", lambda: folder / "cache" / "lib")
    return folder / "cache"


def test_what_maven_says_is_shown_and_nothing_half_fetched_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cache = with_a_maven_that(monkeypatch, tmp_path, "echo '[ERROR] Unknown host'; exit 1")
    with pytest.raises(SetupError, match="Unknown host"):
        jars.jars()
    assert list(cache.iterdir()) == []


def test_other_jars_than_the_locked_ones_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = 'for a; do case "$a" in -DoutputDirectory=*) echo evil >"${a#*=}/kafka-clients-4.3.0.jar";; esac; done'
    cache = with_a_maven_that(monkeypatch, tmp_path, script)
    with pytest.raises(SetupError) as raised:
        jars.jars()
    assert raised.value.reason == "KAFKA_JARS_DIFFER"
    assert list(cache.iterdir()) == []


def test_what_the_project_keeps_in_kafka_is_never_dropped_by_a_default(tmp_path: Path) -> None:
    for ports in ([1], [1, 2, 3]):
        settings = dict(
            line.split("=", 1) for line in server_properties(1, ports, ports, tmp_path).splitlines() if "=" in line
        )
        assert settings["log.retention.ms"] == settings["log.retention.bytes"] == "-1"
        assert settings["auto.create.topics.enable"] == settings["unclean.leader.election.enable"] == "false"
        assert settings["min.insync.replicas"] == ("1" if len(ports) == 1 else "2")
        assert int(settings["message.max.bytes"]) > 2 * 1024 * 1024
        assert "0.0.0.0" not in settings["listeners"]


def test_a_broker_that_is_away_answers_nothing() -> None:
    (port,) = broker._free_ports(1, avoid=[])  # pyright: ignore[reportPrivateUsage]
    assert brokers_up(port, timeout_s=1) == {}


@pytest.mark.kafka
@pytest.mark.timeout(180)
def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    with start(tmp_path) as cluster:
        address = cluster.addresses[0]
        create_topic(address, "frames", partitions=1, copies=1)
        first = append(address, "frames", b"x" * (2 << 20))
        before = cluster.pids[0]
        cluster.kill(0)
        assert not alive(before)
        assert brokers_up(port_of(address), timeout_s=1) == {}
        cluster.restart(0)
        assert cluster.pids[0] != before
        assert (first, append(address, "frames", b"y")) == (0, 1)
        pid = cluster.pids[0]
    assert not alive(pid)


@pytest.mark.kafka
def test_a_broker_maps_in_the_classes_that_were_kept(kafka: Cluster) -> None:
    assert str(jars.classes(jars.java(), jars.jars())) in Path(f"/proc/{kafka.pids[0]}/maps").read_text()


@pytest.mark.kafka
def test_a_cluster_of_another_size_or_a_second_one_in_the_folder_is_refused(tmp_path: Path) -> None:
    with start(tmp_path) as cluster:
        with pytest.raises(SetupError, match="already running"):
            start(tmp_path)
        with pytest.raises(SetupError, match="is in use"):
            start(tmp_path / "other", port=port_of(cluster.addresses[0]))
    with pytest.raises(SetupError, match="holds a cluster of 1"):
        start(tmp_path, brokers=3)


@pytest.mark.kafka
def test_a_broker_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    start(tmp_path).stop()
    (tmp_path / "broker-1" / "data" / "meta.properties").write_text("version=1\nnode.id=7\n")
    with pytest.raises(SetupError, match=r"(?s)broker 1 ended with code.*ERROR.*meta.properties"):
        start(tmp_path)


@pytest.mark.kafka
@pytest.mark.timeout(240)
def test_of_three_brokers_one_may_die_or_stand_still(tmp_path: Path) -> None:
    with start(tmp_path, brokers=3) as cluster:
        ports = {port_of(address) for address in cluster.addresses}
        create_topic(cluster.addresses[0], "frames", partitions=1, copies=3)
        assert append(cluster.addresses[0], "frames", b"x") == 0
        cluster.kill(0)
        assert sees(cluster, 1, ports - {port_of(cluster.addresses[0])})
        assert append(cluster.addresses[1], "frames", b"y") == 1
        cluster.restart(0)
        assert sees(cluster, 1, ports)
        cluster.pause(2)
        assert sees(cluster, 1, ports - {port_of(cluster.addresses[2])})
        cluster.resume(2)
        assert sees(cluster, 1, ports)
        cluster.pause(1)
        pids = cluster.pids
    assert not any(alive(pid) for pid in pids)


@pytest.mark.kafka
def test_a_broker_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from infra.kafka.broker import start;"
        "print(start(Path(sys.argv[1])).pids[0], flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
        assert ends(pid)


@pytest.mark.kafka
def test_the_command_line_starts_a_broker_that_stays_and_stops_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (port,) = broker._free_ports(1, avoid=[])  # pyright: ignore[reportPrivateUsage]
    command = [sys.executable, "-m", "infra.kafka.broker", "start", "--dir", str(tmp_path), "--port", str(port)]
    started = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert started.stdout == f"127.0.0.1:{port}\n"
    assert brokers_up(port, timeout_s=5) == {1: port}
    assert broker.main(["stop", "--dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "stopped: 1\n"
    assert brokers_up(port, timeout_s=1) == {}
    assert broker.main(["stop", "--dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "stopped: 0\n"
