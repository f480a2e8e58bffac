"""`hutong dev`: log, host, gateway, follower in one process, no Ray; programs are loaded again when they are saved."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

from actors.adapters.embedded.local import LocalLog
from actors.adapters.embedded.server import Shared
from actors.adapters.hosting import HostConfig
from actors.adapters.prometheus import PrometheusSensor, serve_metrics
from actors.cli import output, running, wiring
from actors.cli.banner import Banner
from actors.cli.following import following_of, programs_of
from actors.cli.holding import lock, reserved
from actors.errors import PlatformError
from actors.history import placements
from actors.kernel.record import Slice, encode_frame
from actors.placement import Placed, Release, Term, encode_placement, placement_key, release_of
from actors.ports import Appended, Log
from actors.settings import ClusterSettings
from gateway.server import Gateway, GatewayConfig, GatewayParts, new_name
from gateway.tls import check_address

LOOK_S = 0.5
AGAIN = 75
"""The exit status by which a `dev` process asks to be started again with the programs as they are now."""


class Place:
    """Plays the controller for one host: says on the placement topic that it owns everything."""

    def __init__(self, log: Log, cluster: ClusterSettings, host: str) -> None:
        self._log = log
        self._cluster = cluster
        self._host = host

    def take_all(self, address: str, release: int, digest: str) -> dict[int, tuple[int, int]]:
        """Begin a term and place every partition here; returns the assignments."""
        term = self._say(Term(self._host)).offset
        self._say(Release(term, release, digest))
        for partition in range(self._cluster.partitions):
            self._say(Placed(partition, term, 1, self._host, address, os.getpid()))
        return dict.fromkeys(range(self._cluster.partitions), (term, 1))

    def _say(self, placement: Term | Placed | Release) -> Appended:
        topic = self._cluster.placement_topic
        frame = encode_frame(topic, 0, self._host, 0, "", [encode_placement(placement)])
        return self._log.append(Slice(topic, 0), frame, placement_key(placement)).result()


async def _run(folder: Path, port: int, programs: tuple[str, ...], as_json: bool) -> int:
    ended = _on_signals()
    cluster = wiring.settled_cluster(folder)
    process = wiring.process_settings()
    registry = wiring.registry_of(programs)
    sensor = PrometheusSensor()
    log = LocalLog(folder / "log", process.append_deadline_ms)
    keys = wiring.keys_of(folder) if process.identity_required else None
    name, token = new_name().replace("gateway", "dev"), wiring.token_of(folder)
    try:
        log.create(cluster.topics(tuple(registry.entities)))
        wiring.keep(folder, cluster)
        wiring.check_topics(folder, log, cluster)
        release = release_of((said for _, said in placements(log, cluster.placement_topic)), registry.digest)
        host_config = HostConfig(
            name=name,
            release=release,
            log_url="",
            token=token,
            data_dir=str(folder),
            programs=programs,
            cluster=cluster,
            process=process,
        )
        hosting = wiring.hosting_of(host_config, registry, log, sensor)
        address = await hosting.start()
        hosting.assign(Place(log, cluster, name).take_all(address, release, registry.digest))
        config = GatewayConfig(
            name=name, log_url="", token=token, host=process.gateway_host, port=port, cluster=cluster, process=process
        )
        found, subjects = programs_of(folder), wiring.subjects_of(folder)
        objects, tallies = wiring.objects_of(folder), wiring.tallies_of(folder)
        parts = GatewayParts(log, registry, sensor, objects, keys, found, subjects, tallies)
        gateway = Gateway(config, parts)
        bound = await gateway.start()
        shared = Shared(log, token)
        log_url = f"embedded://{await shared.start()}"
        await gateway.ready(cluster.partitions)
        following = following_of(folder, log, cluster, registry, process, sensor, _follower_failed)
        metrics = serve_metrics(sensor)
        run = running.Run(
            mode="dev",
            folder=str(folder),
            gateway=running.dialled(process.gateway_host, bound),
            log_url=log_url,
            cluster=cluster,
            programs=programs,
            metrics={"dev": f"127.0.0.1:{metrics.port}"},
            processes=(running.this_process("dev"),),
            identity=process.identity_required,
            tls_cert=process.tls_cert,
        )
        running.write_run(run)
        Banner(run).show(as_json)
        status = await _until_ended(ended, programs)
        await gateway.stop()
        await shared.stop()
        await hosting.drain()
        await hosting.stop()
        await asyncio.to_thread(following.stop)
        metrics.stop()
        return status
    finally:
        running.clear_run(folder)
        log.close()


def _follower_failed(error: PlatformError) -> None:
    output.say(f"the follower ended, and read models stay as they are: {error}")


def _on_signals() -> asyncio.Event:
    """Set on Ctrl-C and SIGTERM, from now on: also one that comes while we start ends us in good order."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    return ended


async def _until_ended(ended: asyncio.Event, programs: tuple[str, ...]) -> int:
    """Wait for the end, or until programs were saved that can be loaded; what cannot be is said, and not taken."""
    folders = [Path(program) for program in programs]
    before = _stamps(folders)
    while not ended.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), LOOK_S if folders else None)
        now = _stamps(folders)
        if not ended.is_set() and now != before:
            before = now
            if _can_be_loaded(programs):
                return AGAIN
    return 0


def _can_be_loaded(programs: tuple[str, ...]) -> bool:
    try:
        wiring.registry_of(programs)
    except PlatformError as error:
        output.say(f"not yet: {error}; the version before goes on serving")
        return False
    return True


def _stamps(folders: list[Path]) -> dict[str, int]:
    files = (path for folder in folders for pattern in ("**/*.py", "**/manifest.json") for path in folder.glob(pattern))
    stamps: dict[str, int] = {}
    for path in files:
        with contextlib.suppress(OSError):
            stamps[str(path)] = path.stat().st_mtime_ns
    return stamps


def run_dev(folder: Path, port: int, programs: tuple[str, ...], as_json: bool) -> None:
    """Run until ended; when a program was saved, start again in the same process's place."""
    place, process = wiring.data_folder(folder), wiring.process_settings()
    check_address(process.gateway_host, process)
    with lock(place), reserved(process.gateway_host, port) as bound:
        status = asyncio.run(_run(place, bound, programs, as_json))
        if status == AGAIN:
            output.say("a program was saved: starting again")
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - no shell is wanted
