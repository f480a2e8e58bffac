"""A host's thread keeps a processor that no other host of the machine keeps, for as long as its process lives."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from actors.adapters.hosting import cores

MANY = pytest.mark.skipif(len(os.sched_getaffinity(0)) == 1, reason="there is one processor, which nobody keeps")
A_HOST = """
import json, os, sys, msgspec
from actors.adapters.hosting import HostConfig, cores
from actors.adapters.ray_actors import HostActor
from actors.settings import ProcessSettings

class Idle:
    async def start(self): return ""
    def assign(self, wanted): pass

def tied(): return sum(len(os.sched_getaffinity(int(thread))) == 1 for thread in os.listdir("/proc/self/task"))

cores.HELD = chr(0) + sys.argv[1]
process = ProcessSettings(host_keeps_core=sys.argv[2] == "keeps")
config = HostConfig(name="host-1", log_url="", token="", data_dir="", process=process)
host = HostActor(lambda _: Idle(), msgspec.msgpack.encode(config))
host.start()
said = [tied()]
for number, wanted in enumerate(({}, {0: (1, 1)}, {0: (1, 1), 1: (1, 1)}), 1):
    host.assign(number, msgspec.msgpack.encode(wanted))
    said.append(tied())
print(json.dumps(said))
"""
"""A host's process without Ray: how many of its threads are tied, once it has begun and with 0, 1 and 2 partitions."""


@pytest.fixture
def thread_id() -> Iterator[int]:
    """A thread that may run everywhere, of this process."""
    ends, begun = threading.Event(), threading.Event()

    def stay() -> None:
        begun.set()
        ends.wait()

    thread = threading.Thread(target=stay)
    thread.start()
    begun.wait()
    assert thread.native_id is not None
    yield thread.native_id
    ends.set()
    thread.join()


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Names of the test's own: platforms that other tests run keep processors, too."""
    monkeypatch.setattr(cores, "HELD", f"\0hutong-{os.getpid()}-{request.node.name}/{{}}")


def test_each_keeps_another_until_there_are_none(thread_id: int) -> None:
    """The thread is tied to one processor, others of its process to none; none is kept twice, and the first never."""
    everywhere = os.sched_getaffinity(threading.get_native_id())
    kept: list[socket.socket | None] = []
    where: list[set[int]] = []
    free = sorted(everywhere)[1:]
    for _ in free:
        kept.append(cores.keep_core(thread_id))
        where.append(os.sched_getaffinity(thread_id))
        os.sched_setaffinity(thread_id, everywhere)
    assert None not in kept
    assert sorted(where, key=min) == [{core} for core in free]
    assert os.sched_getaffinity(threading.get_native_id()) == everywhere

    assert cores.keep_core(thread_id) is None
    assert os.sched_getaffinity(thread_id) == everywhere
    for held in kept:
        assert held is not None
        held.close()


@MANY
def test_a_processor_is_free_again_when_whoever_kept_it_is_gone(thread_id: int) -> None:
    """Nothing is left behind that somebody would have to clear away."""
    first = cores.keep_core(thread_id)
    assert first is not None
    where = os.sched_getaffinity(thread_id)
    first.close()
    again = cores.keep_core(thread_id)
    assert again is not None
    assert os.sched_getaffinity(thread_id) == where
    again.close()


@MANY
def test_where_the_system_does_not_let_us_nothing_is_kept(thread_id: int) -> None:
    """A host serves all the same, and whoever is let can have the processor."""
    gone = threading.Thread(target=str)
    gone.start()
    gone.join()
    assert gone.native_id is not None
    assert cores.keep_core(gone.native_id) is None
    held = cores.keep_core(thread_id)
    assert held is not None
    held.close()


@MANY
@pytest.mark.parametrize(("setting", "tied"), [("keeps", [0, 0, 1, 1]), ("goes about", [0, 0, 0, 0])])
def test_a_host_keeps_one_once_it_owns_partitions_and_only_where_it_is_told_to(setting: str, tied: list[int]) -> None:
    """A spare host has nothing to do; the threads that a host had before go where there is room."""
    done = subprocess.run([sys.executable, "-c", A_HOST, cores.HELD[1:], setting], capture_output=True, check=True)
    assert json.loads(done.stdout) == tied
