"""The RocksDB store alone, files flipped, truncated or gone: it opens with a state it once had, or names the damage."""

import shutil
from pathlib import Path
from random import Random

from actors.adapters.rocksdb import RocksStates
from actors.errors import PlatformError
from actors.ports import Batch, Store
from tests.proof.counts import Counts

BATCHES = 300
KEYS = 40
FLUSH_EVERY = 80
NUMBER = b"number"


def _batch(n: int) -> Batch:
    """The nth: all of it or nothing must be there."""
    value = Random(n).randbytes(100) + b"%06d" % n
    return Batch(puts={NUMBER: b"%d" % n, b"key %d" % (n % KEYS): value, b"also %d" % (n * 7 % KEYS): value})


def _states() -> list[dict[bytes, bytes]]:
    """What the store holds after each batch."""
    states: list[dict[bytes, bytes]] = [{}]
    for n in range(1, BATCHES + 1):
        states.append({**states[-1], **_batch(n).puts})
    return states


def _make(folder: Path) -> dict[str, bytes]:
    """A store that was killed: some of it in tables, the rest in its write-ahead log."""
    store = RocksStates().open(folder / "running")
    for n in range(1, BATCHES + 1):
        store.write(_batch(n))
        if n % FLUSH_EVERY == 0:
            store.checkpoint(folder / f"checkpoint-{n}")  # which flushes
    files = {path.name: path.read_bytes() for path in (folder / "running").iterdir() if path.name != "LOCK"}
    store.close()
    return files


def change_a_file(files: dict[str, bytes], chance: Random) -> tuple[dict[str, bytes], str, str]:
    """One file is flipped, truncated or gone: the files, the kind, what was done."""
    name = chance.choice([name for name in files if not name.startswith("LOG") and files[name]])
    content = files[name]
    match chance.randrange(8):
        case 0:
            left = {other: files[other] for other in files if other != name}
            return left, "store's file gone", f"{name} is gone"
        case 1 | 2:
            length = chance.randrange(len(content))
            return {**files, name: content[:length]}, "store's file truncated", f"{name} ends at {length}"
        case _:
            changed, at, bit = bytearray(content), chance.randrange(len(content)), chance.randrange(8)
            changed[at] ^= 1 << bit
            return {**files, name: bytes(changed)}, "store's bit flipped", f"bit {bit} of byte {at} of {name}"


def damage_stores(folder: Path, seed: int, cases: int) -> Counts:
    """So many cases of one damaged file each."""
    counts, chance = Counts("damaged stores", seed), Random(seed)
    files, states = _make(folder), _states()
    engine = RocksStates()
    for n in range(cases):
        changed, kind, what = change_a_file(files, chance)
        place = folder / "case"
        place.mkdir()
        for name, content in changed.items():
            (place / name).write_bytes(content)
        counts.bad_inputs += 1
        try:
            effect = _look(engine.open(place), states)
        except PlatformError:
            effect = "refused, named"
        except Exception as error:  # noqa: BLE001 - what is raised must be of our own errors: this is the check of that
            effect = f"wrong: {error!r} is no error that an operator is told"
        if effect.startswith("wrong"):
            counts.wrong += 1
            counts.find(f"case {n}, {what}: {effect}")
        elif effect:
            counts.fault(kind, effect)
        else:
            counts.unseen += 1
        shutil.rmtree(place)
    return counts


def _look(store: Store, states: list[dict[bytes, bytes]]) -> str:
    """What the store shows: an earlier state, which a host makes good by replaying; or something it never was."""
    try:
        found = dict(store.scan(b"", b"\xff" * 8, 10_000))
        number = int(found.get(NUMBER, b"0"))
        got = dict(zip(found, store.get(list(found)), strict=True))
    finally:
        store.close()
    if not 0 <= number < len(states) or found != states[number] or got != found:
        return f"wrong: with {number} batches it holds what it never held"
    return "" if number == BATCHES else "an earlier state"
