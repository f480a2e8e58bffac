"""What a platform cannot start with: it says why and what to do, and leaves nothing behind."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests.cluster.stage import Platform, command, environment

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]


def refused(folder: Path, *options: str, **env: str) -> str:
    """Try to start; why it is refused."""
    done = subprocess.run(
        command("up", "--dir", str(folder), *options),
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(**env),
        check=False,
    )
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_second_platform_in_one_folder_is_refused_and_names_the_first(platform: Platform) -> None:
    said = refused(platform.folder, "--port", "0")
    assert f"in use by process {platform.process.pid}" in said
    assert "hutong stop" in said


def test_the_port_of_another_platform_is_refused(platform: Platform, tmp_path: Path) -> None:
    port = platform.gateway.rpartition(":")[2]
    said = refused(tmp_path / "up", "--port", port)
    assert f"127.0.0.1:{port}" in said
    assert "--port" in said


def test_a_port_that_somebody_listens_on_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert f"127.0.0.1:{port}" in refused(tmp_path / "up", "--port", str(port))


def test_other_partitions_than_the_folder_was_made_with_are_refused(platform: Platform, tmp_path: Path) -> None:
    folder = tmp_path / "up"
    folder.mkdir()
    shutil.copy(platform.folder / "cluster.json", folder)
    said = refused(folder, "--port", "0", "--partitions", "4")
    assert "partitions: stored 16, wanted 4" in said


def test_a_log_that_was_made_anew_under_kept_states_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "up"
    (folder / "states" / "0000").mkdir(parents=True)
    (folder / "topic-id").write_text("the-one-before")
    said = refused(folder, "--port", "0")
    assert "the-one-before" in said
    assert "fresh folder" in said


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refused(tmp_path / "file" / "up", "--port", "0")


def test_a_program_that_is_none_is_refused(tmp_path: Path) -> None:
    assert "holds no program" in refused(tmp_path / "up", "--port", "0", "--programs", str(tmp_path))


def test_a_log_that_is_none_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "up"
    said = refused(folder, "--port", "0", "--log", "rabbit", "--partitions", "4")
    assert "--log is embedded, kafka or kafka://" in said
    assert not (folder / "cluster.json").exists(), "a refused start fixes nothing"


def test_without_java_kafka_is_refused_and_java_is_named(tmp_path: Path) -> None:
    said = refused(tmp_path / "up", "--port", "0", "--log", "kafka", PATH="/nonexistent", JAVA_HOME="")
    assert "Java" in said


def test_a_setting_that_is_not_understood_is_refused(tmp_path: Path) -> None:
    said = refused(tmp_path / "up", "--port", "0", HUTONG_DECIDE_MS_MAX="soon")
    assert "decide_ms_max" in said


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A file system of a few kilobytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("a small file system takes root and mount")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount: {mounted.stderr.decode()}")
    return folder


def test_a_full_disk_is_refused_and_said(small_disk: Path) -> None:
    try:
        (small_disk / "fill").write_bytes(bytes(60_000))
        said = refused(small_disk / "up", "--port", "0")
    finally:
        subprocess.run(["umount", "-l", str(small_disk)], check=True)
    assert "No space left" in said or "full" in said or "cannot be written" in said
