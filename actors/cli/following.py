"""The follower of a folder's read models, wired, in a thread of its own; and the rows, opened to be read beside it."""

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from msgspec import Struct

from actors.adapters.errands import Names, Schedule, Webhooks
from actors.adapters.following import Follower
from actors.adapters.readmodels import SqliteRows
from actors.adapters.rollout import Rollout
from actors.adapters.shelf import packages_on
from actors.adapters.shredding import Shredding
from actors.adapters.webhooks import Sender
from actors.cli import wiring
from actors.cli.archive import Archive
from actors.errors import PlatformError, Unavailable
from actors.ports import Log, Place, Slice
from actors.projections.deliveries import DELIVERIES
from actors.projections.endpoints import ENDPOINTS
from actors.projections.listed import DESCRIBED, LISTED, USED
from actors.projections.owed import DEBTS
from actors.projections.reading import ANY, Projection, terms_of
from actors.projections.switches import HASHES, SWITCHES
from actors.quotas import waits_ms_of
from actors.registry import Registry
from actors.sensor import Sensor
from actors.settings import ClusterSettings, ProcessSettings

FILE = "readmodels.db"
CURRENT_S_MAX = 5.0
LOOK_S = 0.02
ROOTS_FRESH_S = 1.0


class FollowerPlan(Struct, frozen=True, kw_only=True):
    """What a follower's process needs to know."""

    folder: str
    log_url: str
    token: str
    programs: tuple[str, ...]
    cluster: ClusterSettings
    process: ProcessSettings


PROJECTIONS = (DEBTS, HASHES, SWITCHES, LISTED, DESCRIBED, USED, ENDPOINTS, DELIVERIES)
"""Every read model of a platform."""


def slices_of(projections: Iterable[Projection], programs: Iterable[str], cluster: ClusterSettings) -> list[Slice]:
    """The slices that hold the events of these read models, and of these programs."""
    kinds = (kind for one in projections for kind in one.kinds if kind != ANY)
    topics = dict.fromkeys(cluster.events_topic_of(kind) for kind in (*kinds, *programs))
    return [Slice(topic, partition) for topic in topics for partition in range(cluster.partitions)]


def slices_made(log: Log, cluster: ClusterSettings, program: str) -> list[Slice]:
    """The slices of a program's events, made if no host has had its package yet."""
    log.create(cluster.topics((program,)))
    return slices_of((), (program,), cluster)


def programs_of(folder: Path) -> Callable[[], SqliteRows]:
    """What opens the read models to look for programs. It raises Unavailable where no follower has made them."""
    return partial(SqliteRows, folder / FILE, PROJECTIONS)


class Following:
    """A follower that runs in a thread. `failed` is called from it when the follower cannot go on."""

    def __init__(self, follower: Follower, failed: Callable[[PlatformError], None]) -> None:
        self._follower = follower
        self._failed = failed
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it; returns when its thread has."""
        self._follower.stop()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._follower.run()
        except PlatformError as error:
            self._failed(error)


class _Roots:
    """The root keys in use, read again when they are not fresh. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._read: tuple[float, list[bytes]] | None = None

    def __call__(self) -> list[bytes]:
        with self._lock:
            now = time.monotonic()
            if self._read is None or now - self._read[0] > ROOTS_FRESH_S:
                self._read = (now, wiring.roots_of(self._folder))
            return self._read[1]


def following_of(
    folder: Path,
    log: Log,
    cluster: ClusterSettings,
    registry: Registry,
    process: ProcessSettings,
    sensor: Sensor,
    failed: Callable[[PlatformError], None],
) -> Following:
    """Begin to follow. Raises Unavailable when the file of the rows or the log cannot be used."""
    objects = wiring.objects_of(folder)
    roots, sender = _Roots(folder), Sender(process.webhook_local_port, deadline_s=process.webhook_try_ms / 1_000)
    names = Names(registry, packages_on(objects))
    schedule = Schedule(waits_ms_of(process), process.webhook_lost_ms)
    webhooks = Webhooks(log, cluster, names, roots, sender, schedule, wiring.report)
    shredding = Shredding(log, cluster, wiring.subjects_of(folder), process.unnamed_kept_ms)
    slices = slices_of((*PROJECTIONS, webhooks.hearing, shredding.hearing), registry.programs, cluster)
    ids = {log.topic_id(one.topic) for one in slices}
    rows = SqliteRows(folder / FILE, PROJECTIONS, terms_of(PROJECTIONS, ids))
    rollout = Rollout(log, cluster, objects, wiring.token_of(folder), registry.programs, wiring.report)
    errands, chores = (webhooks, shredding, rollout), (shredding.tend,)
    first, more = slices_of((ENDPOINTS,), (), cluster), partial(slices_made, log, cluster)
    follower = Follower(log, rows, PROJECTIONS, slices, sensor, wiring.report, errands, chores, first, more)
    return Following(follower, failed)


@contextmanager
def current_rows(archive: Archive) -> Generator[tuple[SqliteRows, int]]:
    """The rows, once everything that was appended before is in them, and how many frames are missing after 5 s.

    Raises Unavailable when no follower has made them in that time.
    """
    slices = slices_of(PROJECTIONS, archive.registry.programs, archive.run.cluster)
    ends = {one: span.end for one, span in archive.log.spans(slices).items()}
    until = time.monotonic() + CURRENT_S_MAX
    rows = _opened(Path(archive.run.folder) / FILE, until)
    try:
        while (missing := _missing(_places(rows), ends)) and time.monotonic() < until:
            time.sleep(LOOK_S)
        yield rows, missing
    finally:
        rows.close()


def _opened(path: Path, until: float) -> SqliteRows:
    while True:
        with contextlib.suppress(Unavailable):
            return SqliteRows(path, PROJECTIONS)
        if time.monotonic() > until:
            message = f"no follower has made {path} yet; `hutong status` and the platform's own words say why"
            raise Unavailable(message, outcome="NOT_APPENDED")
        time.sleep(LOOK_S)


def _places(rows: SqliteRows) -> dict[Slice, Place]:
    """None while the tables are being made."""
    with contextlib.suppress(Unavailable):
        return rows.places()
    return {}


def _missing(places: dict[Slice, Place], ends: dict[Slice, int]) -> int:
    return sum(max(0, end - places.get(one, Place()).next_offset) for one, end in ends.items())
