"""One partition alone, fed with fixed work from a seed: what callgrind counts. Run as a script.

It runs over the `actors` of whichever tree PYTHONPATH names, so it imports nothing of the load tests but the entity.
What is prepared does not depend on how much of it is applied: the difference of two runs is what applying costs.
"""

import random
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import msgspec

from actors.domain import session, visit
from actors.kernel.action import NeedPackage, NeedState
from actors.kernel.partition import Partition
from actors.kernel.record import Invoke, Position, Record, decode_frame, encode_frame, encode_record
from actors.kernel.rules import Rules
from actors.programs.shop import program as shop
from loadtests.bench.programs.account import program as account

try:
    from actors.foresight import reached as _reached
except ImportError:  # a revision that loads what is sent on to when it is applied

    def _reached(partition: Partition, record: Record) -> list[bytes]:
        del partition, record
        return []


TOPIC = "kernel"
FRAME_RECORDS = 50
ACCOUNTS = 200
ARTICLES = 100
CUSTOMERS = 300
SESSIONS = 300
STACK = 10
PROGRAMS = ("bike", "shop", "jump")
STOCK = 10**9
STAMP_MS = 1_800_000_000_000
ENTITIES = (*account.ENTITIES, *shop.ENTITIES, visit.VISIT, session.SESSION)


def _uuid7(n: int) -> bytes:
    return STAMP_MS.to_bytes(6) + b"\x70\x00" + (n | 1 << 63).to_bytes(8)


def call(n: int, account: int, amount: int) -> Invoke:
    """The n-th call: so much is added to an account."""
    return _call(n, f"account/{account}", f"caller-{account % 7}", {"type": "account.add", "amount": amount})


def _call(n: int, entity: str, caller: str, command: Mapping[str, Any]) -> Invoke:
    return Invoke(entity, msgspec.msgpack.encode(command), _uuid7(n), caller)


def accepted(count: int, chance: random.Random) -> list[Invoke]:
    """Each changes a balance and emits an event."""
    return [call(n, chance.randrange(ACCOUNTS), chance.randrange(1, 1_000)) for n in range(count)]


def refused(count: int, chance: random.Random) -> list[Invoke]:
    """Each is told no by the entity's rule."""
    return [call(n, chance.randrange(ACCOUNTS), 0) for n in range(count)]


def repeated(count: int, chance: random.Random) -> list[Invoke]:
    """Every other is the one before once more, which the window knows."""
    return [one for one in accepted(count // 2, chance) for _ in range(2)]


def sold(count: int, chance: random.Random) -> list[Invoke]:
    """Each is a line of one shop, so three decisions: its own, a customer's and a filled shelf's."""
    filled = [_call(n, f"shop.sku/m/a{n}", "till", {"type": "shop.sku.stock", "units": STOCK}) for n in range(ARTICLES)]
    return filled + [_call(n, "shop/m", "till", _line(n, chance)) for n in range(ARTICLES, count)]


def _line(n: int, chance: random.Random) -> dict[str, str | int]:
    article, customer, quantity = chance.randrange(ARTICLES), chance.randrange(CUSTOMERS), chance.randrange(1, 9)
    line = {"type": "shop.buy", "order": f"o{n}", "sku": f"a{article}", "customer": f"c{customer}"}
    return {**line, "quantity": quantity, "price_pence": 250}


def opened(count: int, chance: random.Random) -> list[Invoke]:
    """Each is a person who opens a program for the first time, so two decisions, two new states and a timer."""
    return [_call(n, f"visit/{chance.choice(PROGRAMS)}/p{n}", "edge", _open(chance)) for n in range(count)]


def turned(count: int, chance: random.Random) -> list[Invoke]:
    """Each is a page that is entered in one of the first sessions, or where these are full the last one left."""
    sessions = opened(SESSIONS, chance)
    return sessions + [_turn(n, sessions[n % SESSIONS], n // SESSIONS - 1) for n in range(SESSIONS, count)]


def closed(count: int, chance: random.Random) -> list[Invoke]:
    """Every other is a session that the person of the one before closes again, so two decisions as well."""
    sessions = opened(count, chance)
    close = {"type": "visit.close", "n": 1}
    return [_call(n, sessions[n - 1].entity, "edge", close) if n % 2 else sessions[n] for n in range(count)]


def _open(chance: random.Random) -> dict[str, Any]:
    """An opening as a gateway writes it."""
    source: Any = chance.choice(("recent", "scan", "search"))
    said = visit.Open("pages/index/index", source, version="1.0.0", city=chance.choice(("Beijing", "Chengdu")))
    return cast("dict[str, Any]", msgspec.to_builtins(said))


def _turn(n: int, opening: Invoke, turn: int) -> Invoke:
    leaves = turn >= STACK - 1 and turn % 2 == (STACK - 1) % 2
    path = f"pages/{min(turn, STACK - 2)}/index"
    command = {"type": f"session.{'leave' if leaves else 'enter'}-page", "path": path}
    return _call(n, f"session/{opening.entity.partition('/')[2]}/1", "edge", command)


WORKS: dict[str, Callable[[int, random.Random], list[Invoke]]] = {
    "accepted": accepted,
    "refused": refused,
    "repeated": repeated,
    "sold": sold,
    "opened": opened,
    "turned": turned,
    "closed": closed,
}


def frames_of(calls: Sequence[Invoke]) -> list[bytes]:
    """The calls as frames of the log."""
    records = [encode_record(call) for call in calls]
    return [
        encode_frame(TOPIC, 0, "gateway", 1, "", records[start : start + FRAME_RECORDS])
        for start in range(0, len(records), FRAME_RECORDS)
    ]


class Kernel:
    """A partition whose store is empty and never asked twice."""

    def __init__(self) -> None:
        self.replies = 0
        self._partition = Partition(0, Rules(ENTITIES), lambda _: 0)

    def apply(self, offset: int, encoded: bytes) -> None:
        """Apply a frame, as a host would."""
        partition = self._partition
        frame = decode_frame(TOPIC, 0, offset, encoded)
        partition.begin(offset, STAMP_MS + offset, frame)
        for record in frame.records:
            partition.admit(dict.fromkeys(partition.keys(record)))
        for record in frame.records:
            partition.admit(dict.fromkeys(_reached(partition, record)))
        for index, record in enumerate(frame.records):
            while isinstance(outcome := partition.apply(Position(0, offset, index), record), NeedState):
                partition.admit(dict.fromkeys(outcome.keys))
            assert not isinstance(outcome, NeedPackage)
            self.replies += len(outcome) > 0
        partition.end(0)

    def settle(self) -> None:
        """The store has everything: what was kept for want of that is freed."""
        self._partition.wrote(self._partition.meta.watermark)
        self._partition.settled()

    def state_bytes(self, entity: str) -> int:
        """How long an entity's state is, packed."""
        return len(msgspec.msgpack.encode(self._partition.residents[entity].state))


def main(work: str, prepared: int, applied: int, seed: int) -> int:
    """Prepare so many calls, apply so many of them; how many were answered."""
    kernel = Kernel()
    for offset, frame in enumerate(frames_of(WORKS[work](prepared, random.Random(seed)))[: applied // FRAME_RECORDS]):
        kernel.apply(offset, frame)
    return kernel.replies


if __name__ == "__main__":
    print(main(sys.argv[1], *map(int, sys.argv[2:5])))
