"""The follower: reads events topics and keeps read models of them. A file of read models has one follower at a time."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from actors.clocks import wall_ms
from actors.errors import Corrupt, Unavailable
from actors.ports import Change, Fetched, Log, Place, Rows, Slice
from actors.projections.reading import Projection, follow
from actors.projections.switches import SWITCHES_TABLE
from actors.sensor import Sensor

POLL_MS = 5_000
ROWS_MAX = 1_000_000
RETRY_S = 0.2


class Errand(Protocol):
    """What is done besides, upon events. Told of an event again after a kill: what it does twice must do no harm."""

    hearing: Projection
    """Its fold hears each event; it makes no row."""

    def begin(self, rows: Rows) -> None:
        """Know what the rows say."""
        ...

    def act(self, changes: Sequence[Change]) -> None:
        """Do what was heard of, before it counts as read. Raises Unavailable: then it is heard again."""
        ...

    def close(self) -> None:
        """End what is under way."""
        ...


class Follower:
    """Folds the events of these slices into rows until it is stopped. `report` tells an operator what is not well.

    The slices of `first` are read to their end before any other, whenever it begins: what is said there is known then,
    however long nobody has followed.
    `slices_of` makes those of a program that is run from packages: they are read from their begin, once one is shown.
    """

    def __init__(
        self,
        log: Log,
        rows: Rows,
        projections: Sequence[Projection],
        slices: Sequence[Slice],
        sensor: Sensor,
        report: Callable[[str, dict[str, object]], None],
        errands: Sequence[Errand] = (),
        chores: Sequence[Callable[[], None]] = (),
        first: Sequence[Slice] = (),
        slices_of: Callable[[str], Sequence[Slice]] | None = None,
    ) -> None:
        """`chores` are done every few seconds, whatever happens. They may raise Unavailable: then it is tried again."""
        self._log = log
        self._rows = rows
        self._errands = errands
        self._chores = chores
        self._folded = (*projections, *(errand.hearing for errand in errands))
        self._slices = slices
        self._first = first
        self._slices_of = slices_of
        self._is_shown: dict[str, None] = {}
        """The programs of which a package was shown to anybody."""
        self._sensor = sensor
        self._report = report
        self._reads: list[Slice] = []
        self._reader = log.reader()
        self._stopping = threading.Event()

    def run(self) -> None:
        """Follow until `stop`. Raises Corrupt when an events topic does not hold what was written there."""
        try:
            while not self._stopping.is_set():
                try:
                    self._follow()
                except Unavailable as error:
                    self._report("the follower waits", {"why": str(error)})
                    self._stopping.wait(RETRY_S)
        finally:
            for errand in self._errands:
                errand.close()
            self._reader.close()
            self._rows.close()

    def stop(self) -> None:
        """End `run` soon. May be called from any thread."""
        self._stopping.set()
        self._reader.wake()

    def _follow(self) -> None:
        """Read on from what the rows say; what they lost, or never had, is read again."""
        places = self._known()
        shown: list[str] = []
        try:
            for errand in self._errands:
                errand.begin(self._rows)
            if self._slices_of is not None:
                shown = [str(key) for key, *_ in self._rows.find(SWITCHES_TABLE, {}, ROWS_MAX)]
        except Corrupt as error:
            places, shown = self._again(error), []
        self._reader.assign({})  # what is not read any more begins anew, at what the rows say and not where it was
        self._is_shown.clear()
        ends = self._assign(self._first, places) if self._first else {}
        if self._read(places, ends):
            self._assign([*self._slices, *self._slices_more(shown)], places)
            self._read(places)

    def _read(self, places: dict[Slice, Place], ends: Mapping[Slice, int] | None = None) -> bool:
        """Take what comes, up to these ends or until it is stopped; False when all begins anew."""
        while not self._stopping.is_set():
            for chore in self._chores:
                chore()
            if ends is not None and all(places.get(one, Place()).next_offset >= end for one, end in ends.items()):
                return True
            frames = self._reader.poll(POLL_MS)
            if frames and not self._take(frames, places):
                return False
        return False

    def _known(self) -> dict[Slice, Place]:
        try:
            return self._rows.places()
        except Corrupt as error:
            return self._again(error)

    def _take(self, frames: Sequence[Fetched], places: dict[Slice, Place]) -> bool:
        """Fold and write; False when the rows were lost and all begins anew."""
        followed = follow(self._folded, places, frames)
        for errand in self._errands:
            errand.act(followed.changes)
        try:
            self._rows.write(followed.changes, followed.places)
        except Corrupt as error:
            self._again(error)
            return False
        places |= followed.places
        switched = (change.key for change in followed.changes if change.table == SWITCHES_TABLE)
        more = self._slices_more(switched)
        if more:
            self._assign([*self._reads, *more], places)
        late_ms = wall_ms() - max(fetched.stamp_ms for fetched in frames)
        self._sensor.events_followed(followed.events, max(0, late_ms) / 1_000)
        return True

    def _slices_more(self, switched: Iterable[str]) -> list[Slice]:
        """The slices of the programs that these rows are of, as far as nobody has asked for them yet."""
        if self._slices_of is None:
            return []
        programs = dict.fromkeys(key.partition("/")[0] for key in switched)
        new = [program for program in programs if program not in self._is_shown]
        self._is_shown |= dict.fromkeys(new)
        return [slice_ for program in new for slice_ in self._slices_of(program)]

    def _assign(self, slices: Sequence[Slice], places: Mapping[Slice, Place]) -> dict[Slice, int]:
        """Read these from now on, each where it was; returns the ends of those of which something is not read yet."""
        self._reads = list(dict.fromkeys(slices))
        spans = self._log.spans(self._reads)
        begins = {one: max(spans[one].start, places.get(one, Place()).next_offset) for one in self._reads}
        self._reader.assign(begins)
        return {one: spans[one].end for one in self._reads if begins[one] < spans[one].end}

    def _again(self, error: Corrupt) -> dict[Slice, Place]:
        self._report("the read models are made anew", {"why": str(error)})
        self._rows.forget()
        return {}
