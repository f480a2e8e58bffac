"""The proxy does what it says, and the comparison finds what is planted."""

import socket
from collections.abc import Iterator

import pytest

from actors.kernel.record import decode_frame
from actors.ports import Fetched, Slice
from tests.kafka_faults.checking import compare
from tests.kafka_faults.load import Truth, commands_in, frame_of
from tests.kafka_faults.proxy import Proxy
from tests.proof.counts import Counts

SLICE = Slice("frames", 0)
WAIT_S = 10.0


class Ends:
    """Both ends of one connection through the proxy."""

    def __init__(self, proxy: Proxy, server: socket.socket) -> None:
        self.client = socket.create_connection(("127.0.0.1", proxy.ports[0]), WAIT_S)
        self.broker, _ = server.accept()
        self.broker.settimeout(WAIT_S)

    def close(self) -> None:
        """Close both."""
        self.client.close()
        self.broker.close()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy(1, seed=1) as proxy:
        yield proxy


@pytest.fixture
def ends(proxy: Proxy) -> Iterator[Ends]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(WAIT_S)
        proxy.aim([server.getsockname()[1]])
        ends = Ends(proxy, server)
        yield ends
        ends.close()


def held(proxy: Proxy) -> int:
    """How many chunks were held so far."""
    return proxy.on(0, lambda link: link.held)


def test_what_is_held_one_way_passes_the_other_way_and_comes_after_the_healing(proxy: Proxy, ends: Ends) -> None:
    ends.client.sendall(b"before")
    assert ends.broker.recv(100) == b"before"
    proxy.on(0, lambda link: link.hold("to"))
    ends.client.sendall(b"held")
    ends.broker.sendall(b"back")
    assert ends.client.recv(100) == b"back"
    ends.broker.settimeout(0.05)
    with pytest.raises(TimeoutError):
        ends.broker.recv(100)
    ends.broker.settimeout(WAIT_S)
    proxy.on(0, lambda link: link.heal())
    assert ends.broker.recv(100) == b"held"
    assert held(proxy) == 1


def test_one_bit_is_flipped_in_each_of_so_many_chunks(proxy: Proxy, ends: Ends) -> None:
    proxy.on(0, lambda link: link.flip("from", 1))
    ends.broker.sendall(b"\x00" * 10)
    assert sum(byte.bit_count() for byte in ends.client.recv(100)) == 1
    ends.broker.sendall(b"\x00" * 10)
    assert ends.client.recv(100) == b"\x00" * 10
    assert proxy.on(0, lambda link: link.flips) == 1


def test_a_reset_ends_both_ends(proxy: Proxy, ends: Ends) -> None:
    ends.client.sendall(b"before")
    assert ends.broker.recv(100) == b"before"
    proxy.on(0, lambda link: link.reset())
    for end in (ends.client, ends.broker):
        with pytest.raises(ConnectionResetError):
            end.recv(100)
    assert proxy.on(0, lambda link: link.resets) == 1


def test_what_is_slow_arrives_whole(proxy: Proxy, ends: Ends) -> None:
    proxy.on(0, lambda link: link.slow(0.01))
    ends.client.sendall(b"slow")
    assert ends.broker.recv(100) == b"slow"
    assert proxy.on(0, lambda link: link.slowed) == 1


def counted(numbers: list[int], truth: Truth, offsets: list[int] | None = None) -> Counts:
    """What the comparison says of a slice that holds these numbers."""
    found = [
        Fetched(SLICE, offset, 0, frame_of(SLICE, number))
        for offset, number in zip(offsets or range(len(numbers)), numbers, strict=True)
    ]
    counts = Counts("planted")
    compare(counts, truth, {SLICE: found}, "now")
    return counts


def acked(*numbers: int) -> Truth:
    """These were acknowledged, in this order, from offset 0 on."""
    return Truth(asked=9, acked={number: (SLICE, offset) for offset, number in enumerate(numbers)})


def test_what_is_as_acknowledged_is_clean() -> None:
    assert counted([5, 6, 7], acked(5, 6)).is_clean


@pytest.mark.parametrize(
    ("numbers", "truth", "name"),
    [
        ([5], acked(5, 6), "lost"),
        ([5, 6, 5], acked(5, 6), "twice"),
        ([6, 5], acked(5, 6), "wrong"),
        ([5, 6], Truth(acked=acked(5).acked, refused={6}), "wrong"),
    ],
)
def test_a_planted_fault_is_found(numbers: list[int], truth: Truth, name: str) -> None:
    counts = counted(numbers, truth)
    assert getattr(counts, name) > 0
    assert not counts.is_clean


def test_a_hole_in_the_offsets_is_found() -> None:
    assert counted([5, 6], acked(5), offsets=[0, 2]).wrong == 1


def test_a_frame_of_another_slice_does_not_count_as_there() -> None:
    counts = Counts("planted")
    moved = Fetched(SLICE, 0, 0, frame_of(Slice("frames", 1), 5))
    compare(counts, acked(5), {SLICE: [moved]}, "now")
    assert counts.lost == 1


def test_the_calls_of_frames_are_counted_as_they_are_made() -> None:
    frames = [decode_frame(*SLICE, 0, frame_of(SLICE, number)) for number in range(50)]
    assert commands_in(range(50)) == sum(len(frame.records) for frame in frames)
