"""Every campaign by its name, with its quick and its full size: so many bad inputs."""

import random
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import msgspec

from actors.adapters.memory_keys import MemorySubjects
from actors.errors import Corrupt, InvalidCommand, NotFound
from actors.kernel.action import Code
from actors.kernel.record import (
    Check,
    Empty,
    Epoch,
    Fire,
    Read,
    Record,
    Sent,
    decode_frame,
    encode_frame,
    encode_record,
)
from actors.packages import read_package
from actors.settings import ClusterSettings, ProcessSettings
from gateway.auth import caller_of
from gateway.client import uuid7
from gateway.routes import Routes
from gateway.sealing import Sealing
from tests.bad_input.halts import halt_partitions
from tests.bad_input.messages import mutate_messages
from tests.bad_input.mutating import broken_bytes, odd_text
from tests.bad_input.stored import read_bad_records, read_bad_values, restore_bad_snapshots
from tests.bad_input.strangers import break_tokens, cross_tenants
from tests.bad_input.typed import mutate_typed
from tests.bad_input.wire import send_messages
from tests.gateway.packing import archive_of
from tests.gateway.scene import registry
from tests.kernel.box import Do
from tests.kernel.folding import Fold, call, id_on, reason, replied
from tests.proof.counts import Counts

BOX = f"box/{id_on(0)}"
POISONS = {
    "poison": "POISONED",
    "unspeakable": "POISONED",
    "assertion": "POISONED",
    "exit": "POISONED",
    "odd reject": "POISONED",
    "number reject": "POISONED",
    "number in reject": "POISONED",
    "unencodable reply": "POISONED",
    "wrong decision": "POISONED",
    "wrong state": "POISONED",
    "odd timer": "POISONED",
    "odd action": "POISONED",
    "many events": "TOO_MANY_EVENTS",
}


def routes() -> Routes:
    """What a gateway checks calls by."""
    return Routes(registry(), ClusterSettings(partitions=2), ProcessSettings(), Sealing(MemorySubjects()))


def _refused(counts: Counts, what: str, act: Callable[[], object]) -> None:
    """Count one bad input: taken, or refused with a reason and a text; anything else that is raised is a crash."""
    counts.bad_inputs += 1
    try:
        act()
    except (InvalidCommand, NotFound) as error:
        counts.refused += 1
        counts.effect(error.reason)
        if not error.reason or not str(error):
            counts.wrong += 1
            counts.find(f"refused without a reason: {what}")
    except Exception as error:  # noqa: BLE001 - whatever else comes out is the finding
        counts.crashes += 1
        counts.find(f"{type(error).__name__}: {error!s:.200} of {what:.300}")


def break_names(_: Path, seed: int, size: int) -> Counts:
    """Metadata, request ids and resource names with something odd in them."""
    counts, chance, taking = Counts("names", seed), random.Random(seed), routes()
    for _number in range(size):
        text = odd_text(chance.choice(("ann", "64", "jars/j1", uuid7(0))), chance)
        key = chance.choice(("hutong-caller", "hutong-tenant", "hutong-priority"))
        acts: tuple[Callable[[], object], ...] = (
            partial(caller_of, ((key, text),)),
            partial(taking.request_id, text),
            partial(taking.to, text),
        )
        _refused(counts, repr(text), chance.choice(acts))
    return counts


def break_packages(_: Path, seed: int, size: int) -> Counts:
    """Archives with some bytes changed, half of them in their directory: what is taken holds the same files."""
    counts, chance = Counts("packages", seed), random.Random(seed)
    whole = archive_of(1, more={"pages/counter/index.js": b"page " * 50, "logo.svg": b"<svg/>"})
    files = read_package(whole).files
    directory_at = whole.index(b"PK\x01\x02")

    def read(archive: bytes) -> None:
        if read_package(archive).files != files:
            counts.wrong += 1
            counts.find(f"other files were taken: {archive.hex()}")

    for _number in range(size):
        broken = bytearray(whole)
        for _change in range(chance.randrange(1, 4)):
            place = chance.randrange(chance.choice((0, directory_at)), len(whole))
            broken[place] = chance.choice((0, 1, 255, chance.randrange(256)))
        archive = broken_bytes(whole, chance) if chance.random() < 0.2 else bytes(broken)
        _refused(counts, archive.hex(), partial(read, archive))
    return counts


def break_records(_: Path, seed: int, size: int) -> Counts:
    """Frames that are broken: half as a disk breaks them, half with a checksum that fits what they now are."""
    counts, chance, fold = Counts("records", seed), random.Random(seed), Fold()
    records: tuple[Record, ...] = (
        call(BOX, Do(add=1, answer="a"), 1),
        Sent(1, 0, 0, BOX, msgspec.msgpack.encode(Do(add=1)), "box/b", b"", ""),
        Fire(BOX, "t", 1, 5),
        Read(BOX, "look", b"{}", b"i" * 16, "ann"),
        Epoch(1, 2, "h"),
        Check(1_024, 7),
        Empty(),
    )
    for number in range(size):
        encoded = encode_record(chance.choice(records))
        signed = bool(number % 2)
        bad = encode_frame("t", 0, "g", 1, "", [broken_bytes(encoded, chance) if signed else encoded])
        if not signed:
            bad = broken_bytes(bad, chance)
        counts.bad_inputs += 1
        before = fold.stored()
        try:
            frame = decode_frame("t", 0, fold.next_offset, bad)
            if not signed:
                counts.wrong += 1
                counts.find(f"a broken frame was taken: {bad.hex()}")
            fold.frame(*frame.records)
            counts.effect("applied, being a record")
        except Corrupt:
            counts.refused += 1
            if fold.stored() != before:
                counts.wrong += 1
                counts.find(f"a refused frame changed the store: {bad.hex()}")
            fold = Fold()
        except Exception as error:  # noqa: BLE001 - whatever else comes out is the finding
            counts.crashes += 1
            counts.find(f"{type(error).__name__}: {error!s:.200} of frame {bad.hex()}")
            fold = Fold()
    return counts


def poison(_: Path, seed: int, size: int) -> Counts:
    """Commands whose code raises: each is refused once by its reason, changes no state, and its neighbour goes on."""
    counts, chance, fold = Counts("poison", seed), random.Random(seed), Fold()
    for number in range(size):
        how = chance.choice(tuple(POISONS))
        before = fold.box(BOX)
        reply = replied(fold.frame(call(BOX, Do(add=7, fail=how), 2 * number), after_ms=1))
        counts.bad_inputs += 1
        counts.refused += 1
        counts.effect(how)
        if reply.code is Code.OK or reason(reply) != POISONS[how] or fold.box(BOX) != before:
            counts.wrong += 1
            counts.find(f"{how}: {reply}, {before} became {fold.box(BOX)}")
        good = replied(fold.frame(call(BOX, Do(add=1), 2 * number + 1)))
        counts.acked += 1
        if good.code != Code.OK or fold.box(BOX).count != before.count + 1:
            counts.lost += 1
            counts.find(f"the call after {how} was not applied: {good}")
    return counts


CAMPAIGNS: Mapping[str, tuple[Callable[[Path, int, int], Counts], int, int]] = {
    "messages": (mutate_messages, 20_000, 400_000),
    "typed messages": (mutate_typed, 5_000, 200_000),
    "wire": (send_messages, 300, 10_000),
    "names": (break_names, 5_000, 100_000),
    "tokens": (break_tokens, 20_000, 200_000),
    "tenants": (cross_tenants, 100_000, 500_000),
    "packages": (break_packages, 5_000, 200_000),
    "records": (break_records, 5_000, 200_000),
    "host records": (read_bad_records, 2_000, 60_000),
    "values": (read_bad_values, 2_000, 60_000),
    "snapshots": (restore_bad_snapshots, 500, 20_000),
    "poison": (poison, 200, 2_000),
    "halts": (halt_partitions, 3, 18),
}
