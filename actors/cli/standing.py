"""What stands on a running platform's log under keys of its keyring, read for `hutong keys` and `hutong doctor`."""

from pathlib import Path

from actors.adapters.logs import open_log
from actors.cli import running, wiring
from actors.history import read_slice
from actors.kernel.action import EventRecord
from actors.ports import Log, Place, Put, Slice
from actors.projections.reading import Projection, follow
from actors.projections.standing import KINDS, Standing, stand
from actors.settings import ClusterSettings


def standing_in(folder: Path, frames_max: int | None = None) -> Standing:
    """What stands by now, as all events say it, or those in the last so many frames of each slice.

    Raises SetupError when no platform runs in the folder, Unavailable when its log is away.
    """
    run = running.running(folder)
    log = open_log(run.log_url, wiring.process_settings(), wiring.token_of(Path(run.folder)))
    try:
        return standing_on(log, run.cluster, frames_max)
    finally:
        log.close()


def standing_on(log: Log, cluster: ClusterSettings, frames_max: int | None = None) -> Standing:
    """What stands by now on this log."""
    heard: list[EventRecord] = []

    def hear(event: EventRecord) -> tuple[Put, ...]:
        heard.append(event)
        return ()

    hearing, standing = Projection("", (), KINDS, "", hear), Standing()
    topics = dict.fromkeys(map(cluster.events_topic_of, KINDS))
    slices = [Slice(topic, partition) for topic in topics for partition in range(cluster.partitions)]
    for slice_, span in log.spans(slices).items():
        places: dict[Slice, Place] = {}
        begin = span.start if frames_max is None else span.end - frames_max
        for fetched in read_slice(log, slice_, begin, span.end):
            places |= follow((hearing,), places, [fetched]).places
            stand(standing, heard)
            heard.clear()
    return standing
