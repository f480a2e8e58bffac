"""`hutong replay --verify`: is what a platform holds what its log says? Live partitions against their replays.

Compared are the chain sum, which covers every answer, event, send, timer and state since the log's start, and the
states at rest, byte by byte. A partition is compared at the watermark that its host answered for and at that of its
store, so calls may go on meanwhile; snapshots at theirs. Nothing is written, and no host is stopped.
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from actors import snapshots
from actors.adapters.hosting import stores
from actors.adapters.hosting.asking import ask_host
from actors.adapters.rocksdb import RocksStates, RocksStore
from actors.cli import output, wiring
from actors.cli.archive import Archive, Begin, open_archive, progress
from actors.cli.showing import Facts
from actors.errors import Corrupt, InvalidCommand, NotFound, SetupError
from actors.history import read_slice
from actors.host import PartitionStatus
from actors.kernel import layout
from actors.kernel.record import decode_frame
from actors.ports import Slice, Span
from actors.replaying import Replay
from actors.verdicts import standing

SCAN_LIMIT = 4_096
OPEN_TRIES = 3
NAMED_MAX = 3
WINDOW_RANGES = tuple((prefix, prefix + b"\xff" * 64) for prefix in (layout.WINDOW, layout.TIMELESS))


class Point(NamedTuple):
    """Something that holds a partition as it stood at a watermark; a host's answer has no states to look at.

    One with `buckets` is a snapshot, and a replay may begin from it.
    """

    name: str
    watermark: int
    chain: int
    buckets: Mapping[int, tuple[int, int]] | None = None
    store: RocksStore | None = None


class Compared(NamedTuple):
    """A point at which a replay was compared, and how many states were."""

    point: Point
    entities: int | None


class Difference(NamedTuple):
    """Where a replay and a point differ: at or before `offset`, and after `agreed`."""

    point: Point
    offset: int
    agreed: int
    why: str


class Verified(NamedTuple):
    """What became of one replay."""

    begin: Point | None
    compared: list[Compared]
    difference: Difference | None


def verify(folder: Path, partition: int | None, as_json: bool) -> None:
    """Compare one partition or all. Raises Corrupt, after all was told, when any differs from its replay."""
    with open_archive(folder) as archive:
        count = archive.run.cluster.partitions
        if partition is not None and partition >= count:
            raise InvalidCommand(f"there are {count} partitions, the last is {count - 1}", field="partition")
        live = _live(archive)
        numbers = range(count) if partition is None else [partition]
        rows: list[Facts] = []
        for number in numbers:
            rows.append(_partition(archive, number, live.get(number)))
            if not as_json:
                print("\n".join(_lines(rows[-1])), flush=True)
    differing = [row for row in rows if row["difference"]]
    if differing:
        first = differing[0]
        position = f"{first['partition']}/{first['difference']['offset']}"
        output.refuse(Corrupt(_message(differing), position=position), as_json, partitions=rows)
    damaged = [row for row in rows if row["damaged"]]
    if damaged:
        output.refuse(Corrupt(_damaged(damaged), position=str(damaged[0]["partition"])), as_json, partitions=rows)
    compared = sum(len(replay["compared"]) for row in rows for replay in row["replays"])
    text = f"{len(rows)} partitions are what their log says: {compared} comparisons, no difference"
    output.result({"partitions": rows, "comparisons": compared}, as_json, text)


def _live(archive: Archive) -> dict[int, PartitionStatus]:
    """What the host of each partition answers. Those without an answer are left out."""
    placed = archive.placement().placed
    token = wiring.token_of(Path(archive.run.folder))
    live: dict[int, PartitionStatus] = {}
    for name, address in {(one.host, one.address) for one in placed.values()}:
        answer = ask_host(address, token)
        mine = {number for number, one in placed.items() if one.host == name}
        live |= {one.partition: one for one in answer if one.partition in mine} if isinstance(answer, list) else {}
    return live


# -- one partition ----------------------------------------------------------------------------------------------------


def _partition(archive: Archive, number: int, live: PartitionStatus | None) -> Facts:
    with contextlib.ExitStack() as stack:
        room = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hutong-verify-")))
        notes: list[str] = []
        damaged: list[Corrupt] = []
        points = list(_points(archive, number, live, room, stack, notes, damaged.append))
        slice_ = archive.commands(number)
        span = archive.log.spans([slice_])[slice_]
        usable = [point for point in points if point.buckets is not None and point.watermark >= span.start - 1]
        usable.sort(key=lambda point: point.watermark)
        begins: list[Point | None] = [*([None] if span.start == 0 else []), *usable]
        if span.start > 0:
            notes.append(_trimmed(number, span, usable, damaged))
        replays = [_verified(archive, slice_, begin, points) for begin in begins]
        found = [one.difference for one in replays if one.difference is not None]
        first = min(found, key=lambda one: one.offset, default=None)
        if first is not None:
            first = first._replace(why=first.why + _rules_note(archive, slice_, first.offset))
        return {
            "partition": number,
            "phase": live.phase if live else "",
            "log": list(span),
            "notes": notes,
            "damaged": [str(damage) for damage in damaged],
            "replays": [_replay_facts(one) for one in replays],
            "difference": None if first is None else _difference_facts(first),
        }


def _trimmed(number: int, span: Span, usable: Sequence[Point], damaged: Sequence[Corrupt]) -> str:
    if not usable:
        why = "".join(f" {damage}." for damage in damaged)
        raise SetupError(
            f"the log of partition {number} begins at offset {span.start}, and no snapshot reaches back to it: "
            f"there is nothing to replay from.{why}",
            reason="HISTORY_TRIMMED",
        )
    oldest = min(point.watermark for point in usable)
    return f"the log was trimmed below offset {span.start}: replayed from the snapshot at {oldest}, not from 0"


def _points(
    archive: Archive,
    number: int,
    live: PartitionStatus | None,
    room: Path,
    stack: contextlib.ExitStack,
    notes: list[str],
    damaged: Callable[[Corrupt], None],
) -> Iterator[Point]:
    """The host's answer, its store, and the snapshots kept, each as it stands now; `damaged` is told of the others."""
    if live is None or live.watermark < 0:
        notes.append("no host answered for it: only what is stored is compared")
    else:
        yield Point("the host", live.watermark, live.chain)
    states = RocksStates()
    store = _followed(states, Path(archive.run.folder) / "states" / f"{number:04}", room / "log")
    if store is None:
        notes.append("its store is not on this machine")
    else:
        stack.callback(store.close)
        meta = stores.meta_of(store, number)
        if meta is not None:
            yield Point("its store", meta.watermark, meta.chain, None, store)
    objects = wiring.objects_of(Path(archive.run.folder))
    topic_id = archive.log.topic_id(archive.run.cluster.commands_topic)
    for manifest in snapshots.newest(objects, number, unreadable=damaged):
        if manifest.info.topic_id != topic_id:
            continue
        folder = room / f"{manifest.info.watermark}-{manifest.info.epoch}"
        try:
            snapshots.restore(objects, manifest, folder)
        except NotFound:
            continue  # pruned since it was listed
        except Corrupt as damage:
            damaged(damage)
            continue
        taken = states.open(folder)
        stack.callback(taken.close)
        held, buckets, _ = stores.held(taken, number)
        assert held is not None, "a snapshot is taken of a store that was written"
        yield Point(f"snapshot {held.watermark}", held.watermark, held.chain, buckets, taken)


def _followed(states: RocksStates, home: Path, beside: Path) -> RocksStore | None:
    """The store that a host writes now; its files may change under the reader while it opens, so it tries again."""
    folders = [path for path in home.glob("[!.]*") if path.is_dir()]
    if not folders:
        return None
    newest = max(folders, key=lambda path: (path.stat().st_mtime_ns, path.name))
    for attempt in range(OPEN_TRIES):
        with contextlib.suppress(Corrupt, SetupError):
            return states.follow(newest, beside / str(attempt))
    return states.follow(newest, beside / "last")


# -- one replay -------------------------------------------------------------------------------------------------------


def _verified(archive: Archive, slice_: Slice, begin: Point | None, points: Sequence[Point]) -> Verified:
    """Replay from here, and compare at every point above it as the replay comes there."""
    skips, halted = standing(archive.verdicts().values(), slice_.partition)
    start = Begin()
    if begin is not None and begin.store is not None:
        start = Begin(*stores.held(begin.store, slice_.partition), begin.store.get)
    replayed = archive.replay(slice_.partition, skips, start)
    agreed = replayed.next_offset - 1
    compared: list[Compared] = []
    for point in sorted(points, key=lambda one: one.watermark):
        if point.watermark < agreed or point is begin:
            continue
        frames = read_slice(archive.log, slice_, replayed.next_offset, point.watermark + 1)
        told = progress(frames, f"replaying partition {slice_.partition}", point.watermark + 1)
        try:
            for _ in replayed.steps(told, halted.position if halted else None):
                pass
            found = _compare(replayed, point, points, agreed)
        except Corrupt as error:
            if archive.log.spans([slice_])[slice_].start > replayed.next_offset:
                message = f"the log of partition {slice_.partition} was trimmed while it was replayed. Ask again."
                raise SetupError(message, reason="HISTORY_TRIMMED") from error
            offset, why = _offset_of(error, replayed.next_offset), f"the replay stops: {error}"
            found = Difference(point, offset, agreed, why)
        if isinstance(found, Difference):
            return Verified(begin, compared, found)
        compared.append(Compared(point, found))
        agreed = point.watermark
    return Verified(begin, compared, None)


def _offset_of(error: Corrupt, otherwise: int) -> int:
    parts = error.position.split("/")
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else otherwise


def _compare(replayed: Replay, point: Point, points: Sequence[Point], agreed: int) -> Difference | int | None:
    """What differs, or else how many states were compared."""
    if replayed.next_offset != point.watermark + 1:
        end = f"{point.name} is at offset {point.watermark}, the log is replayed up to {replayed.next_offset - 1} only"
        return Difference(point, replayed.next_offset, agreed, end)
    states: dict[bytes, int] = {}
    count: int | None = None
    if point.store is not None:
        states, count = _states(replayed, point.store)
    why = [] if point.chain == replayed.chain else [f"chain {point.chain:08x} there, {replayed.chain:08x} replayed"]
    if states:
        first = sorted(states, key=lambda key: (states[key], key))
        more = f" and {len(first) - NAMED_MAX} more" if len(first) > NAMED_MAX else ""
        why.append("states differ: " + ", ".join(map(layout.entity_of, first[:NAMED_MAX])) + more)
    if not why:
        return count
    seen = [point.watermark, *(offset for offset in states.values() if offset >= 0)]
    if point.chain != replayed.chain:
        seen += [offset for one in points if one.store is not None for offset in _answers(replayed, one.store)]
    return Difference(point, min(seen), agreed, "; ".join(why))


def _states(replayed: Replay, store: RocksStore) -> tuple[dict[bytes, int], int]:
    """The entities that differ, by the offset that changed them last (-1: before the replay began); how many there are.

    One that only the replay knows differs too.
    """
    changed = replayed.changed()
    differing: dict[bytes, int] = {}
    count = 0
    for key, value in _scanned(store, *layout.ENTITIES):
        count += 1
        if replayed.stored(key) != value:
            differing[key] = changed.get(key, -1)
    keys = list(changed)
    for at in range(0, len(keys), SCAN_LIMIT):
        some = keys[at : at + SCAN_LIMIT]
        pairs = zip(some, store.get(some), strict=True)
        differing |= {key: changed[key] for key, value in pairs if value is None}
    return differing, count


def _answers(replayed: Replay, store: RocksStore) -> Iterator[int]:
    """The offsets of calls that a store remembers another answer of than the replay gave."""
    for start, end in WINDOW_RANGES:
        for key, value in _scanned(store, start, end):
            mine = replayed.stored(key)
            if mine is not None and mine != value:
                yield min(layout.decode_entry(mine).offset, layout.decode_entry(value).offset)


def _scanned(store: RocksStore, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
    while pairs := store.scan(start, end, SCAN_LIMIT):
        yield from pairs
        start = pairs[-1][0] + b"\0"


def _rules_note(archive: Archive, slice_: Slice, below: int) -> str:
    """Whether frames up to a difference were decided under other programs than those loaded now."""
    mine = archive.registry.digest
    for fetched in read_slice(archive.log, slice_, None, below + 1):
        digest = decode_frame(*slice_, fetched.offset, fetched.frame).digest
        if digest and digest != mine:
            return (
                f"; the frame at {fetched.offset} was decided under the programs {digest}, those loaded now are {mine}:"
                " a difference from there on may be theirs"
            )
    return ""


# -- telling ----------------------------------------------------------------------------------------------------------


def _begin_text(begin: Point | None) -> str:
    return "0" if begin is None else begin.name


def _replay_facts(one: Verified) -> Facts:
    return {
        "from": _begin_text(one.begin),
        "compared": [
            {
                "with": point.name,
                "watermark": point.watermark,
                "chain": f"{point.chain:08x}",
                "entities": entities,
            }
            for point, entities in one.compared
        ],
        "difference": None if one.difference is None else _difference_facts(one.difference),
    }


def _difference_facts(difference: Difference) -> Facts:
    return {
        "with": difference.point.name,
        "watermark": difference.point.watermark,
        "offset": difference.offset,
        "agreed_up_to": difference.agreed,
        "why": difference.why,
    }


def _lines(row: Facts) -> Iterator[str]:
    """One partition for a person."""
    word = "DIFFERS" if row["difference"] else "a snapshot is DAMAGED" if row["damaged"] else "the same"
    if word == "the same":
        compared = [one["watermark"] for replay in row["replays"] for one in replay["compared"]]
        begins = ", ".join(str(replay["from"]) for replay in row["replays"])
        yield f"partition {row['partition']}: the same as its log from {begins}, at offset {max(compared, default=-1)}"
        yield from (f"  {note}" for note in row["notes"])
        return
    yield f"partition {row['partition']}: {word}"
    for replay in row["replays"]:
        for one in replay["compared"]:
            states = "" if one["entities"] is None else f", {one['entities']} states"
            yield f"  from {replay['from']}: {one['with']} at offset {one['watermark']}: chain {one['chain']}{states}"
        if replay["difference"]:
            told = replay["difference"]
            yield f"  from {replay['from']}: differs from {told['with']} at or before offset {told['offset']}"
    yield from (f"  {note}" for note in (*row["damaged"], *row["notes"]))


def _message(differing: Sequence[Facts]) -> str:
    first = differing[0]
    told = first["difference"]
    more = f" (and {len(differing) - 1} more partitions differ)" if len(differing) > 1 else ""
    after = f"they agree up to {told['agreed_up_to']}" if told["agreed_up_to"] >= 0 else "nothing before was compared"
    return (
        f"partition {first['partition']} is not what its log says: {told['with']} differs from the replay "
        f"at or before offset {told['offset']} ({after}): {told['why']}{more}. "
        "A store that is damaged is rebuilt from its snapshot and the log when its folder is moved away."
    )


def _damaged(rows: Sequence[Facts]) -> str:
    first, count = rows[0], sum(len(row["damaged"]) for row in rows)
    return (
        f"all that could be compared is the same, but snapshots are damaged: {count}, the first of partition "
        f"{first['partition']}: {first['damaged'][0]}. A recovery takes an older one instead, if there is one."
    )
