"""Makes the golden logs anew: `python -m tests.releases.record [NAME…]`. The same code makes the same bytes.

To be run for a new kind of log only, or when a format was changed before anybody relied on it. A log that today's code
decides otherwise is never made anew for that: see the README.
"""

import random
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, TypeAlias

import msgspec

from actors.kernel.record import Empty, Invoke, Programs, Share, encode_frame, encode_record
from actors.kernel.routing import partition_of
from actors.kernel.rules import Rules
from actors.ownership import Phase
from actors.shares import WHOLE
from tests.releases.golden import (
    NAMES,
    PARTITIONS,
    RELEASES,
    TOPIC,
    Host,
    Kept,
    Log,
    Rows,
    entities,
    packages,
    sums_of,
    write,
)

CALLS = {"account": 1_400, "bike": 2_000, "package": 1_400, "session": 1_400, "shop": 1_400, "tariff": 1_400}
START_MS = 1_800_000_000_000
GATEWAY, LATE_GATEWAY = "gateway-1", "gateway-2"
BATCH_MAX = 6
AGAIN = 0.03
"""How often a call is said once more, or a host's append fails though it is on the log."""
LATE = 0.05
"""How often a frame comes from a gateway that knows nothing of the newer release yet."""
ODD = 0.02
"""How often a call is one that no gateway lets through, of a kind, a type or a shape that is not known."""
STEPS_MAX = 10_000
SHARES = {"package": (0, 3_000, 6_000, 10_000)}
"""How much of a log's quarters the second package decides."""

Asked: TypeAlias = tuple[str, dict[str, Any]]
"""An entity `kind/id`, and a command as plain values."""


class Recorder:
    """Every partition of one log while it is written: real hosts, and gateways that are played."""

    def __init__(self, name: str) -> None:
        self.random = random.Random(f"golden {name}")
        self.now_ms = START_MS
        self.release = RELEASES[0]
        self.kept: list[list[Kept]] = [[] for _ in range(PARTITIONS)]
        self.hosts: list[Host] = []
        self._rules = {release: Rules(entities(), release, f"rules-{release}") for release in RELEASES}
        self._calls = 0
        self._generation = 0

    def take_over(self, term: int, before: list[Rows]) -> None:
        """Another host serves every partition, from these rows and the log."""
        rules, name = self._rules[self.release], f"host-{term}"
        self.hosts = [Host(number, rules, rows, name, (term, number + 1)) for number, rows in enumerate(before)]
        for host in self.hosts:
            host.core.tick(self.now_ms)
            for offset, kept in enumerate(self.kept[host.number]):
                host.frame(offset, kept)
        self.settle()
        assert all(host.ownership.phase is Phase.SERVING for host in self.hosts)

    def put(self, number: int, frame: bytes) -> int:
        """Append a frame, and let the partition's host read it."""
        kept, offset = Kept(self.now_ms, frame), len(self.kept[number])
        self.kept[number].append(kept)
        self.hosts[number].frame(offset, kept)
        return offset

    def settle(self) -> None:
        """Carry out what hosts append and fire what is due, until nothing follows any more."""
        for _ in range(STEPS_MAX):
            for host in self.hosts:
                host.core.tick(self.now_ms)
                host.carry_out()
            waiting = [(host, host.appends.pop(0)) for host in self.hosts if host.appends]
            if not waiting:
                return
            for host, append in waiting:
                ours = append.slice.topic == TOPIC
                if ours and self.random.random() < AGAIN:
                    self.put(append.slice.partition, append.frame)
                host.appended(append, self.put(append.slice.partition, append.frame) if ours else 0)
        raise AssertionError("it never settles")

    def call(self, asked: Asked) -> tuple[int, Invoke]:
        """The next call: its partition and its record. One in ten has an id that carries no time."""
        self._calls += 1
        entity, command = self._odd(asked) if self.random.random() < ODD else asked
        kind, entity_id = entity.split("/", 1)
        found = self._rules[self.release].kinds.get(kind)
        version = 0x40 if self._calls % 10 == 0 else 0x70
        head = self.now_ms.to_bytes(6) + bytes([version]) + bytes([self._calls % 251])
        request_id = head + (self._calls | 1 << 63).to_bytes(8)
        key = found.routing(entity_id) if found is not None else entity_id
        caller = f"caller-{self._calls % 7}"
        return partition_of(key, PARTITIONS, {}), Invoke(entity, msgspec.msgpack.encode(command), request_id, caller)

    def _odd(self, asked: Asked) -> Asked:
        entity, command = asked
        return self.random.choice(
            [
                (f"nothing.{entity}", command),
                (entity, {"type": "of.a.later.release"}),
                (entity, {**command, "of_a_later_release": [1, {"a": None}]}),
                (entity, {"type": command["type"], "amount": "x", "station": 5, "path": 1.5, "units": -1}),
            ]
        )

    def calls(self, asked: Iterator[Asked], count: int, shares: Iterator[int]) -> None:
        """Append so many calls, a few to a frame, some of them twice; where packages decide, others from here on."""
        for share in islice(shares, 1):
            self.choose(share)
        while count > 0:
            self.now_ms += self.random.randrange(2_000) if self.random.random() < 0.98 else 400_000
            batches: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
            for _ in range(self.random.randint(1, BATCH_MAX)):
                number, record = self.call(next(asked))
                batches[number] += [encode_record(record)] * (2 if self.random.random() < AGAIN else 1)
                count -= 1
            late = self.random.random() < LATE
            release, producer = (RELEASES[0], LATE_GATEWAY) if late else (self.release, GATEWAY)
            for number, records in enumerate(batches):
                if records:
                    self.put(number, encode_frame(TOPIC, number, producer, release, f"rules-{release}", records))
            self.settle()

    def choose(self, share: int) -> None:
        """So many ten thousandths of parcels are decided by the second package from here on, the rest by the first."""
        self._generation += 1
        first, second = packages()
        shares = (Share(second, 2, share), Share(first, 1, WHOLE))
        record = encode_record(Programs("parcel", self._generation, shares))
        for number in range(PARTITIONS):
            frame = encode_frame(TOPIC, number, GATEWAY, self.release, f"rules-{self.release}", [record])
            self.put(number, frame)
        self.settle()

    @property
    def rows(self) -> list[Rows]:
        """What the store of every partition holds."""
        return [host.rows for host in self.hosts]


def record(name: str) -> None:
    """Write one golden log: four hosts after one another, and in its middle the barrier, with snapshots taken there."""
    recorder = Recorder(name)
    asked, part = ASKED[name](recorder.random), CALLS[name] // 4
    shares = iter(SHARES.get(name, ()))
    recorder.take_over(1, [[] for _ in range(PARTITIONS)])
    recorder.calls(asked, part, shares)
    recorder.take_over(2, recorder.rows)
    recorder.calls(asked, part, shares)
    recorder.release = RELEASES[1]
    for number in range(PARTITIONS):
        barrier = [encode_record(Empty())]
        recorder.put(number, encode_frame(TOPIC, number, GATEWAY, RELEASES[1], f"rules-{RELEASES[1]}", barrier))
    assert all(host.ownership.phase is Phase.STOPPED for host in recorder.hosts), "a release stops at the next one"
    snapshots = recorder.rows
    recorder.take_over(3, snapshots)
    recorder.calls(asked, part, shares)
    recorder.take_over(4, recorder.rows)
    recorder.calls(asked, part, shares)
    before, rules = (Rules(entities(), release) for release in RELEASES)
    sums = [sums_of(number, frames, before, rules) for number, frames in enumerate(recorder.kept)]
    for host, summed in zip(recorder.hosts, sums, strict=True):
        assert host.sum() == summed.end, f"{name}: the host that wrote it holds something else than its replay"
    write(name, Log(recorder.kept, snapshots), sums)
    print(name, [one.records for one in sums], "records")


# -- what is asked ----------------------------------------------------------------------------------------------------


def _account(rng: random.Random) -> Iterator[Asked]:
    while True:
        yield f"account/a{rng.randrange(40)}", {"type": "account.add", "amount": rng.randint(-1, 90)}


def _bike(rng: random.Random) -> Iterator[Asked]:
    stations = [f"s{n}" for n in range(6)]
    for station in stations:
        yield f"bike.station/{station}", {"type": "bike.station.open", "name": station, "docks": 4, "bikes": 2}
    while True:
        what = rng.choice(["bike.hire", "bike.return"])
        yield f"bike.rider/r{rng.randrange(15)}", {"type": what, "station": rng.choice(stations)}


def _package(rng: random.Random) -> Iterator[Asked]:
    while True:
        command = {"type": "parcel.weigh", "grams": rng.randint(-1, 9), "neighbour": f"p{rng.randrange(40)}"}
        yield f"parcel/p{rng.randrange(40)}", command


def _session(rng: random.Random) -> Iterator[Asked]:
    paths = ["pages/home", "pages/cart", "pages/号"]
    while True:
        what = rng.choice(["open", "show", "hide", "close", "enter-page", "render-page", "leave-page", "push", "push"])
        command: dict[str, Any] = {"type": f"session.{what}"}
        if what == "open":
            command |= {"program": "shop", "path": rng.choice(paths)}
        elif what.endswith("-page"):
            command["path"] = rng.choice(paths)
        elif what == "push":
            command["payload"] = {"n": rng.randrange(1_000), "x": rng.random(), "of": {"b": 1, "a": [None, True]}}
        # Its sessions are opened and left for ever: new ones come slowly.
        yield f"session/{rng.randrange(60)}", command


def _shop(rng: random.Random) -> Iterator[Asked]:
    skus = [(merchant, sku) for merchant in ("m1", "m2", "m3", "m4") for sku in ("ink", "pen", "tea")]
    for merchant, sku in skus:
        yield f"shop.sku/{merchant}/{sku}", {"type": "shop.sku.stock", "units": 400}
    for order in range(1 << 30):
        merchant, sku = rng.choice(skus)
        line = {"order": str(order), "sku": sku, "customer": f"c{rng.randrange(25)}", "price_pence": 125}
        what = "shop.buy" if rng.random() < 0.8 else "shop.return"
        units = rng.randint(1, 9) * (1 if what == "shop.buy" else -1)
        yield f"shop/{merchant}", {"type": what, **line, "quantity": units}


def _tariff(rng: random.Random) -> Iterator[Asked]:
    while True:
        command = {"type": "tariff.count", "units": rng.randint(-1, 9), "neighbour": f"m{rng.randrange(30)}"}
        yield f"tariff/m{rng.randrange(30)}", command


ASKED: dict[str, Callable[[random.Random], Iterator[Asked]]] = {
    "account": _account,
    "bike": _bike,
    "package": _package,
    "session": _session,
    "shop": _shop,
    "tariff": _tariff,
}


def main() -> None:
    """Write those that are named, or all of them."""
    for name in sys.argv[1:] or NAMES:
        record(name)


if __name__ == "__main__":
    main()
