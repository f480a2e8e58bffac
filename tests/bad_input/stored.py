"""What was stored and is not what was written: frames read by a host, values of its store, objects of its snapshots."""

import hashlib
import random
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from actors import snapshots
from actors.adapters.hosting.stores import Opener
from actors.adapters.memory import MemoryLog
from actors.adapters.memory_states import MemoryObjects, MemoryStates, MemoryStore
from actors.errors import Corrupt
from actors.kernel import layout
from actors.kernel.record import Empty, Epoch, Fire, Invoke, Read, Record, Slice, encode_frame, encode_record
from actors.ownership import Phase
from actors.ports import Batch, Fetched, Store
from actors.settings import ClusterSettings
from actors.snapshots import Manifest
from tests.bad_input.mutating import broken_bytes
from tests.host.driving import Driven
from tests.kernel.box import Arming, Do, encode
from tests.kernel.folding import START_MS, call, id_on, uuid4
from tests.proof.counts import Counts

BOX = f"box/{id_on(0)}"
TIMELESS = uuid4(1)
CLUSTER = ClusterSettings(partitions=1)
SLICE = Slice(CLUSTER.commands_topic, 0)
TIMER_MS = 30_000


def read_bad_records(folder: Path, seed: int, size: int) -> Counts:
    """Frames that a host reads: half broken as a disk breaks them, half with a checksum that fits what they now are."""
    del folder
    counts, chance, host = Counts("records read by a host", seed), random.Random(seed), _serving()
    records: tuple[Record, ...] = (
        call(BOX, Do(add=1, answer="a"), 1),
        Fire(BOX, "t", 1, 5),
        Read(BOX, "look", b"{}", b"i" * 16, "ann"),
        Epoch(1, 1, "h1"),
        Empty(),
    )
    for number in range(size):
        encoded = encode_record(chance.choice(records))
        signed = bool(number % 2)
        bad = encode_frame(*SLICE, "g1", 1, "", [broken_bytes(encoded, chance) if signed else encoded])
        if not signed:
            bad = broken_bytes(bad, chance)
        offset, before = len(host.frames[0]), _content(host.stores[0])
        frame = Fetched(SLICE, offset, START_MS, bad)
        host.frames[0].append(frame)
        if _survives(counts, f"frame {bad.hex()}", partial(_read, host, frame)) is None:
            host = _serving()
            continue
        if host.phase() is Phase.HALTED:
            _check_halt(counts, host, f"0/{offset}", bad)
            if _content(host.stores[0]) != before:
                counts.wrong += 1
                counts.find(f"a halted frame changed the store: {bad.hex()}")
        elif not signed:
            counts.wrong += 1
            counts.find(f"a broken frame was taken: {bad.hex()}")
        else:
            counts.effect("applied, being a record")
        if host.phase() is not Phase.SERVING or offset > 100:
            host = _serving()
    return counts


def read_bad_values(folder: Path, seed: int, size: int) -> Counts:
    """Values of a store that somebody else wrote: the host that takes the partition over halts and names the key."""
    del folder
    counts, chance = Counts("values of stores", seed), random.Random(seed)
    worked = _worked()
    good, frames = _content(worked.stores[0]), worked.frames[0]
    whole = _taken_over(good, frames, 0)
    if whole.halted or whole.phase() is not Phase.SERVING:
        counts.wrong += 1
        counts.find(f"nothing was broken, and yet {whole.halted}")
    for number in range(size):
        key = chance.choice(tuple(good))
        value = broken_bytes(good[key], chance)
        host = _survives(
            counts, f"{key!r}: {value.hex()}", partial(_taken_over, {**good, key: value}, frames, 1_000 + number)
        )
        if host is None:
            continue
        if host.halted:
            _check_halt(counts, host, "", key + b" = " + value)
        else:
            counts.effect("taken, being a value")
    return counts


def restore_bad_snapshots(folder: Path, seed: int, size: int) -> Counts:
    """Objects of two snapshots, one broken or gone: the other is restored if the log reaches it, else it halts.

    Of the manifests some have a hash that fits what they now are, or name the files of the other snapshot.
    """
    counts, chance = Counts("objects of snapshots", seed), random.Random(seed)
    states, objects, log = MemoryStates(), MemoryObjects(), MemoryLog(lambda: START_MS)
    log.create(CLUSTER.topics(("box",)))
    for _ in range(8):
        log.append(SLICE, encode_frame(*SLICE, "g", 1, "", [encode_record(Empty())])).result()
    kept = [_snapshot(objects, states, folder, watermark, log.topic_id(SLICE.topic)) for watermark in (3, 5)]
    everything = {name: objects.get(name) for name in objects.list("")}
    for number in range(size):
        if number == size // 2:
            log.trim(SLICE, 4)  # from now on, only the newer one reaches the log
        name = chance.choice(tuple(everything))
        bad = _broken_object(name, everything, chance)
        objects.put(name, bad)
        if "/files/" in name and chance.random() < 0.1:
            objects.delete(name)
        home = folder / f"states{number}"
        damaged: list[Corrupt] = []
        content = _opened(counts, Opener(states, objects, log, home, SLICE.topic, "h", damaged.append), name, bad)
        counts.refused += bool(damaged)
        if content is not None and content not in kept:
            counts.wrong += 1
            counts.find(f"neither snapshot was restored, but {content} of {name}: {bad!r:.900}")
        if content == kept[0] and not damaged:
            counts.wrong += 1
            counts.find(f"an older snapshot was restored without a word of {name}: {bad!r:.900}")
        if not all(damage.position and str(damage) for damage in damaged):
            counts.wrong += 1
            counts.find(f"damage without a place: {damaged}")
        objects.put(name, everything[name])
        shutil.rmtree(home, ignore_errors=True)
    return counts


def _opened(counts: Counts, opener: Opener, name: str, bad: bytes) -> dict[bytes, bytes] | None:
    """What a new owner begins from, with this one object broken; None when it halts."""
    counts.bad_inputs += 1
    try:
        opened = opener.open(0)
    except Corrupt as error:
        counts.effect("halted" if error.position else "halted nowhere")
    except Exception as error:  # noqa: BLE001 - whatever else comes out is the finding
        counts.crashes += 1
        counts.find(f"{type(error).__name__}: {error!s:.200} of {name}: {bad!r:.900}")
    else:
        counts.effect(f"restored at {opened.meta.watermark if opened.meta else -1}")
        content = _content(opened.store)
        opened.store.close()
        return content
    return None


def _survives(counts: Counts, what: str, act: Callable[[], Driven]) -> Driven | None:
    """Count a bad input; whatever it raises is a crash."""
    counts.bad_inputs += 1
    try:
        return act()
    except Exception as error:  # noqa: BLE001 - whatever comes out is the finding
        counts.crashes += 1
        counts.find(f"{type(error).__name__}: {error!s:.200} of {what:.600}")
        return None


def _read(host: Driven, frame: Fetched) -> Driven:
    host.read(frame)
    return host


def _check_halt(counts: Counts, host: Driven, place: str, bad: bytes) -> None:
    """A halt names its place, and why; it is none of our own mistakes."""
    counts.refused += 1
    counts.effect("halted")
    halted = host.halted[0]
    ours = bool(place) and "mistake" in halted.why  # a number in a store that no clock shows may end in one
    if not halted.position or not halted.position.startswith(place) or not halted.why or ours:
        counts.wrong += 1
        counts.find(f"halted at {halted.position!r} instead of {place!r}: {halted.why:.200} by {bad.hex():.600}")


def _serving() -> Driven:
    host = Driven()
    host.core.linked("g1")
    host.serve()
    return host


def _settle(host: Driven) -> None:
    """All that waits is on some topic, so what was applied gets written."""
    for _ in range(len(host.appends)):
        host.acknowledge(offset=0)


def _worked() -> Driven:
    """A host whose store holds some of everything."""
    host = _serving()
    arm = Arming("ring", START_MS + TIMER_MS, Do(add=1))
    host.say(call(BOX, Do(add=5, answer="a", arm=(arm,)), 1))
    host.say(Invoke(BOX, encode(Do(add=2)), TIMELESS, "ann"))
    host.say(call("box/" + id_on(0, "c"), Do(add=1, pad="é" * 40), 2))
    _settle(host)
    return host


def _taken_over(content: dict[bytes, bytes], frames: list[Fetched], number: int) -> Driven:
    """A next host of this store: it serves, answers calls that need what the store holds, fires its timer."""
    host = Driven("h2")
    host.stores[0], host.frames[0] = MemoryStore(dict(content)), list(frames)
    host.core.linked("g1")
    host.assign(1, 2)
    if host.appends:
        host.acknowledge()
    host.read(*host.frames[0])
    host.say(call(BOX, Do(add=5, answer="a"), 1), Invoke(BOX, encode(Do(add=2)), TIMELESS, "ann"))
    host.say(call("box/" + id_on(0, "c"), Do(add=1), number))
    host.tick(START_MS + TIMER_MS + 1)
    _settle(host)
    return host


def _content(store: Store) -> dict[bytes, bytes]:
    return dict(store.scan(b"", b"\xff", 1_000_000))


def _snapshot(
    objects: MemoryObjects, states: MemoryStates, folder: Path, watermark: int, topic_id: str
) -> dict[bytes, bytes]:
    store = states.open(folder / f"made{watermark}")
    meta = layout.Meta(watermark=watermark, topic_id=topic_id)
    puts = {
        layout.META: layout.encode(meta),
        layout.entity_key(BOX): layout.stored_head(1) + b"\x80" + layout.NO_TIMERS,
    }
    puts[layout.bucket_key(watermark)] = layout.encode((1, 2))
    store.write(Batch(puts=puts))
    store.checkpoint(folder / f"checkpoint{watermark}")
    store.close()
    snapshots.upload(objects, folder / f"checkpoint{watermark}", snapshots.info_of(0, meta))
    return puts


def _broken_object(name: str, everything: dict[str, bytes], chance: random.Random) -> bytes:
    how = chance.random()
    if "/manifests/" not in name or how < 0.4:
        return broken_bytes(everything[name], chance)
    body = everything[name].partition(b"\n")[2]
    if how < 0.8:
        body = broken_bytes(body, chance)
    else:
        own = msgspec.json.decode(body, type=Manifest)
        others = (other for other in everything if "/manifests/" in other and other != name)
        files = msgspec.json.decode(everything[next(others)].partition(b"\n")[2], type=Manifest).files
        body = msgspec.json.encode(Manifest(own.info, files))
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body
