"""Whether anything was lost or doubled: accepted calls are held against the events on the log, all of them.

An accepted call says where it was decided, an event where it came from. An accepted call without its event is lost;
an event of this run that belongs to no accepted call is doubled. Reads the log itself, as the platform's operator may;
where it cannot, some sessions are drawn, and the platform is asked for these.
"""

import time
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec import Struct

from actors.errors import PlatformError, SetupError
from actors.history import read_slice
from actors.kernel.action import decode_event_frame
from actors.ports import Log, Slice
from actors.settings import ClusterSettings
from gateway.client import Client
from loadtests.driver.ledger import OPENED, Places, place

SAME = {"visit.continued": OPENED[0]}
"""Tags that stand for the same effect as another one."""
SETTLE_S_MAX = 60.0
LOOK_S = 0.5
NO_DOUBTS: Mapping[str, int] = {}
_NOTHING: Places = np.zeros(0, np.int64)


class _Tagged(Struct):
    type: str


_tag = msgspec.msgpack.Decoder(_Tagged).decode


class Found(NamedTuple):
    """What an audit found, and how many effects it looked at."""

    lost: int
    doubled: int
    effects: int


def effects(accepted: Mapping[str, Places]) -> dict[str, Places]:
    """Where events of each tag must be. An opening leaves two: its visit's, and its first page's."""
    found = dict(accepted)
    opened = found.get(OPENED[0], _NOTHING)
    if len(opened):
        found[OPENED[1]] = np.sort(np.concatenate((found.get(OPENED[1], _NOTHING), opened)))
    return found


def compared(
    accepted: Mapping[str, Places], shown: Mapping[str, Places], doubted: Mapping[str, int] = NO_DOUBTS
) -> Found:
    """What is missing and what is too much, when both say where the effects are, by tag.

    Of calls that were given up nobody knows whether they were accepted: of each tag so many events too much as are
    `doubted` are theirs.
    """
    lost = extra = count = 0
    for tag in {*accepted, *shown}:
        wanted, there = np.sort(accepted.get(tag, _NOTHING)), np.sort(shown.get(tag, _NOTHING))
        known = np.unique(wanted)
        both = int(np.isin(known, there, assume_unique=False).sum())
        lost += len(wanted) - both
        extra += max(len(there) - both - doubted.get(tag, 0), 0)
        count += len(wanted)
    return Found(lost, extra, count)


async def asked(client: Client, drawn: Mapping[str, int]) -> Found:
    """What the platform says of these sessions, held against the pages that were turned in each.

    The second best: of a platform whose log nobody can read. Raises what it refuses to say it with.
    """
    lost = doubled = 0
    for session, pages in drawn.items():
        loaded = _loaded(session, (await client.query(session, "session")).value)
        lost += max(pages - loaded, 0)
        doubled += max(loaded - pages, 0)
    return Found(lost, doubled, sum(drawn.values()))


def _loaded(session: str, view: Any) -> int:
    """How many pages a session says it has loaded. Raises PlatformError when it says nothing of the kind."""
    match view:
        case {"pages_loaded": int(loaded)}:
            return loaded
        case _:
            raise PlatformError(f"{session} does not say how many pages were turned in it", reason="NO_SESSION")


class Reader:
    """Reads the events of one run, whose entities carry its mark, as far as they have come."""

    def __init__(self, log: Log, cluster: ClusterSettings, mark: str, tags: Sequence[str]) -> None:
        self._log = log
        self._mark = mark
        self._tags = {*tags, *(other for other, same in SAME.items() if same in tags)}
        topics = dict.fromkeys(cluster.events_topic_of(tag) for tag in tags)
        self._next: dict[Slice, int | None] = {
            Slice(topic, partition): None for topic in topics for partition in range(cluster.partitions)
        }
        self._last: defaultdict[Slice, tuple[int, int, int, int]] = defaultdict(lambda: (-1, -1, -1, -1))
        self._shown: defaultdict[str, array[int]] = defaultdict(lambda: array("q"))

    @property
    def count(self) -> int:
        """How many events were shown so far."""
        return sum(map(len, self._shown.values()))

    def read(self, is_over: Callable[[], bool]) -> dict[str, Places]:
        """Read on; returns where all events are that were shown so far, by tag. Raises SetupError once it is over."""
        for slice_ in self._next:
            for tag, at in self._events(slice_, is_over):
                self._shown[SAME.get(tag, tag)].append(at)
        return {tag: np.array(places, np.int64) for tag, places in self._shown.items()}

    def _events(self, slice_: Slice, is_over: Callable[[], bool]) -> Iterator[tuple[str, int]]:
        mark, tags, last = self._mark, self._tags, self._last[slice_]
        for fetched in read_slice(self._log, slice_, self._next[slice_]):
            if is_over():
                raise SetupError("somebody ended the audit", reason="CUT")
            self._next[slice_] = fetched.offset + 1
            for event in decode_event_frame(slice_.topic, slice_.partition, fetched.offset, fetched.frame).records:
                identity = (event.incarnation, event.offset, event.index, event.n)
                if identity <= last:
                    continue
                last = identity
                if mark in event.entity:
                    tag = _tag(event.payload).type
                    if tag in tags:
                        yield tag, place(event.partition, event.offset, event.index)
        self._last[slice_] = last


def audited(
    reader: Reader, accepted: Mapping[str, Places], doubted: Mapping[str, int], is_over: Callable[[], bool]
) -> Found:
    """Read until nothing is missing and nothing more comes, or for so long as events may still be on their way.

    What is too much comes last: it is looked for once more after all that is wanted was there. Raises SetupError when
    somebody ends it before.
    """
    wanted, until, before = effects(accepted), time.monotonic() + SETTLE_S_MAX, -1
    while True:
        found = compared(wanted, reader.read(is_over), doubted)
        if (not found.lost and reader.count == before) or time.monotonic() > until:
            return found
        before = reader.count
        time.sleep(LOOK_S)
