"""The files of a closed or killed log are changed at random; what is read is right, or the damage is named.

A case is one fault in one file of one log. The log is opened by the product and read whole: each slice gives exactly
what was acknowledged, or an error that names it; and after a fault that was seen, nothing is acknowledged that is lost.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from pathlib import Path
from random import Random
from typing import NamedTuple, TypeAlias
from unittest.mock import patch

from actors.adapters.embedded import engine
from actors.adapters.embedded.local import LocalLog
from actors.adapters.embedded.marks import MARKS_NAME
from actors.errors import PlatformError
from actors.ports import Appended, Fetched, Log, Slice, Topic
from tests.disk.truth import WAIT_S, frame_of
from tests.proof.counts import Counts

PAGE_BYTES = 8_192
FRAME_BYTES = PAGE_BYTES + 24
WAL_HEADER_BYTES = 32
VERSIONS = 6
FRAMES_PER_VERSION = 60
AT_ONCE = 6
KEYS = 12
DATABASE, WAL = "log.db", "log.db-wal"
FILES = (DATABASE, WAL, MARKS_NAME)
_TOPICS = (Topic("t", 3), Topic("k", 1, compacted=True), Topic("u", 2))
_KEYED = Slice("k", 0)
_TRIMMED = Slice("u", 0)
_PLAIN = (Slice("t", 0), Slice("t", 1), Slice("t", 2), _TRIMMED)

Files: TypeAlias = Mapping[str, bytes]


class Base(NamedTuple):
    """A log as it lay on the disk, now and before, and what a reader must find in it."""

    name: str
    files: Files
    older: Sequence[Files]
    held: Mapping[Slice, Sequence[Fetched]]
    topic_ids: Mapping[str, str]


def bases(folder: Path, seed: int) -> list[Base]:
    """A log that was closed, one that was killed with most of it in the WAL, one with all of it there."""
    return [
        _base(folder / "closed", "closed", seed, 100, close=True),
        _base(folder / "killed", "killed", seed + 1, 100, close=False),
        _base(folder / "young", "all in the WAL", seed + 2, 100_000, close=False),
    ]


def _base(folder: Path, name: str, seed: int, wal_pages_max: int, *, close: bool) -> Base:
    folder.mkdir(parents=True)
    chance, older = Random(seed), list[Files]()
    with patch.object(engine, "WAL_PAGES_MAX", wal_pages_max):
        log = LocalLog(folder)
        log.create(_TOPICS)
        for version in range(VERSIONS):
            for first in range(version * FRAMES_PER_VERSION, (version + 1) * FRAMES_PER_VERSION, AT_ONCE):
                _append(log, range(first, first + AT_ONCE), chance)
            if version == VERSIONS // 2:
                log.trim(_TRIMMED, 20)
            if version < VERSIONS - 1:
                older.append(_files(folder))
        held = {slice: _read(log, slice) for slice in (*_PLAIN, _KEYED)}
        ids = {topic.name: log.topic_id(topic.name) for topic in _TOPICS}
        killed = _files(folder)
        log.close()
        return Base(name, _files(folder) if close else killed, older, held, ids)


def _append(log: Log, numbers: range, chance: Random) -> None:
    """Append these at once, anywhere."""
    futures: list[Future[Appended]] = []
    for number in numbers:
        slice = chance.choice((*_PLAIN, _KEYED))
        key = b"key %d" % chance.randrange(KEYS) if slice == _KEYED else None
        futures.append(log.append(slice, frame_of(number), key))
    wait(futures, WAIT_S)
    assert all(future.exception() is None for future in futures)


def _files(folder: Path) -> Files:
    return {name: (folder / name).read_bytes() for name in FILES if (folder / name).exists()}


def _read(log: Log, slice: Slice) -> list[Fetched]:
    """All that a slice holds. Raises PlatformError where it is damaged."""
    span = log.spans([slice])[slice]
    frames: list[Fetched] = []
    reader = log.reader()
    try:
        reader.assign({slice: span.start})
        while (frames[-1].offset + 1 if frames else span.start) < span.end:
            came = reader.poll(int(WAIT_S * 1_000))
            assert came, f"no frame of {slice} came within {WAIT_S} s"
            frames += came
    finally:
        reader.close()
    return frames


# --- faults: each gives the files as it leaves them, and says what it did ---

Fault: TypeAlias = Callable[[Base, Random], tuple[Files, str] | None]


def _pick(base: Base, chance: Random) -> tuple[str, bytes]:
    """A file; the marks are so small that they would be hit too rarely by chance."""
    name = MARKS_NAME if chance.random() < 0.1 else chance.choice([name for name in base.files if name != MARKS_NAME])
    return name, base.files[name]


def flip_a_bit(base: Base, chance: Random) -> tuple[Files, str]:
    """One bit is another."""
    name, content = _pick(base, chance)
    changed, at = bytearray(content), chance.randrange(len(content))
    bit = chance.randrange(8)
    changed[at] ^= 1 << bit
    return {**base.files, name: bytes(changed)}, f"bit {bit} of byte {at} of {name}"


def truncate(base: Base, chance: Random) -> tuple[Files, str]:
    """The end of a file is gone, or the file."""
    name, content = _pick(base, chance)
    length = chance.randrange(len(content))
    if chance.random() < 0.3:
        length -= length % 512
    files = {**base.files, name: content[:length]}
    if chance.random() < 0.05:
        del files[name]
    return files, f"{name} ends at {length if name in files else 'nothing: it is gone'}"


def zero_a_sector(base: Base, chance: Random) -> tuple[Files, str]:
    """A sector holds zeros, or rubbish."""
    name, content = _pick(base, chance)
    at = chance.randrange(len(content)) // 512 * 512
    end = min(at + 512, len(content))
    rubbish = chance.randbytes(end - at) if chance.random() < 0.5 else bytes(end - at)
    return {**base.files, name: content[:at] + rubbish + content[end:]}, f"the sector at {at} of {name}"


def stale_block(base: Base, chance: Random) -> tuple[Files, str] | None:
    """A block is as it was once before: a write that the disk acknowledged and lost."""
    name, content = _pick(base, chance)
    former = [files[name] for files in base.older if name in files]
    if not former:
        return None
    before = chance.choice(former)
    start, step = _blocks(name)
    count = min(len(content), len(before)) // step
    at = start + chance.randrange(max(count, 1)) * step
    if content[at : at + step] == before[at : at + step]:
        return None
    changed = content[:at] + before[at : at + step] + content[at + step :]
    return {**base.files, name: changed[: len(content)]}, f"the block at {at} of {name} is an older one"


def misdirected_block(base: Base, chance: Random) -> tuple[Files, str] | None:
    """A block was written to another's place, within the file or from one to another."""
    name, content = _pick(base, chance)
    source = chance.choice([other for other in base.files if (other == MARKS_NAME) == (name == MARKS_NAME)])
    start, step = _blocks(name)
    from_start, from_step = _blocks(source)
    at = start + chance.randrange(max((len(content) - start) // step, 1)) * step
    of = from_start + chance.randrange(max((len(base.files[source]) - from_start) // from_step, 1)) * from_step
    block = base.files[source][of : of + from_step][-step:]
    if content[at : at + len(block)] == block:
        return None
    changed = (content[:at] + block + content[at + len(block) :])[: len(content)]
    return {**base.files, name: changed}, f"the block at {of} of {source} stands at {at} of {name}"


def _blocks(name: str) -> tuple[int, int]:
    """Where the first block of a file begins, and how long one is."""
    match name:
        case "log.db":
            return 0, PAGE_BYTES
        case "log.db-wal":
            return WAL_HEADER_BYTES, FRAME_BYTES
        case _:
            return 0, 32


FAULTS: Mapping[str, Fault] = {
    "flipped bit": flip_a_bit,
    "truncated file": truncate,
    "lost sector": zero_a_sector,
    "stale block": stale_block,
    "misdirected block": misdirected_block,
}


# --- a case ---


def damage(folder: Path, seed: int, cases: Mapping[str, int]) -> Counts:
    """So many cases of each kind of fault, over logs in different states."""
    counts = Counts("damaged files of the log", seed)
    chance = Random(seed)
    logs = bases(folder / "bases", seed)
    for kind, number in cases.items():
        for n in range(number):
            base = logs[n % len(logs)]
            changed = next(filter(None, (FAULTS[kind](base, chance) for _ in range(100))), None)
            if changed is None:
                counts.unseen += 1
                continue
            files, what = changed
            _case(folder / "case", base, files, f"{kind} in a log that was {base.name}: {what}", kind, counts)
    shutil.rmtree(folder, ignore_errors=True)
    return counts


def _case(folder: Path, base: Base, files: Files, what: str, kind: str, counts: Counts) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    counts.bad_inputs += 1
    wrong = counts.wrong
    try:
        seen = _look(folder, base, what, counts)
    except Exception as error:  # noqa: BLE001 - what is raised must be of our own errors: this is the check of that
        counts.wrong += 1
        counts.find(f"{what}: {error!r} is no error that an operator is told")
        return
    if counts.wrong > wrong:
        return
    if seen:
        counts.fault(kind, seen)
    else:
        counts.unseen += 1


def _look(folder: Path, base: Base, what: str, counts: Counts) -> str:
    """Open, read and append; what was seen of the damage."""
    try:
        log = LocalLog(folder)
    except PlatformError:
        return "refused when opened"
    seen: list[str] = []
    try:
        for topic, topic_id in base.topic_ids.items():
            if log.topic_id(topic) != topic_id:
                _wrong(counts, f"{what}: {topic} has another id and nobody was told")
        for slice, held in base.held.items():
            seen += _look_at(log, slice, held, what, counts)
    except PlatformError as error:
        seen.append("a slice is missing, which is said" if "topic" in str(error) else "named when read")
    finally:
        log.close()
    return seen[0] if seen else ""


def _look_at(log: LocalLog, slice: Slice, held: Sequence[Fetched], what: str, counts: Counts) -> list[str]:
    """Compare a slice with what it held; what of the damage was named."""
    try:
        found = _read(log, slice)
    except PlatformError:
        return ["named when read"]
    if found != held:
        have = [fetched.offset for fetched in found]
        want = [fetched.offset for fetched in held]
        _wrong(counts, f"{what}: {slice} gives {len(have)} frames {have[-3:]} for {len(want)} {want[-3:]}, unnamed")
        return []
    try:
        at = log.append(slice, b"more", b"key 0" if slice == _KEYED else None).result(WAIT_S).offset
    except PlatformError:
        return ["appends refused"]
    if at != held[-1].offset + 1:
        _wrong(counts, f"{what}: {slice} went on at {at} after {held[-1].offset}")
    return []


def _wrong(counts: Counts, what: str) -> None:
    counts.wrong += 1
    counts.find(what)
