"""The one place where parts are put together: which log, which stores, which programs, which metrics."""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from actors.adapters.hosting import HostConfig, Hosting, Parts
from actors.adapters.keyring import FILE as KEYRING_FILE
from actors.adapters.keyring import FileKeys
from actors.adapters.logging import get_logger, set_up_logging
from actors.adapters.logs import open_log
from actors.adapters.objects import open_objects
from actors.adapters.prometheus import PrometheusSensor, serve_metrics, watch_collector
from actors.adapters.rocksdb import RocksStates
from actors.adapters.shelf import packages_on
from actors.adapters.subjects import FileSubjects
from actors.adapters.tallies import FileTallies
from actors.cli.errorfile import write_errors_to
from actors.errors import SetupError
from actors.kernel.record import encode_frame
from actors.kernel.rules import Rules
from actors.placement import Move, Size, encode_placement, placement_key
from actors.ports import Keys, Log, Objects, Slice, Subjects, Tallies
from actors.quotas import check_quotas
from actors.registry import Registry, load_programs, programs_in, shipped_programs
from actors.settings import ClusterSettings, ProcessSettings, check_same, read_cluster

if TYPE_CHECKING:
    from actors.adapters.ray_actors import ControllerConfig

SETTINGS_FILE = "cluster.json"
TOKEN_FILE = "token"
KEYS_FOLDER = "keys"
KEYS = "HUTONG_KEYS"
"""Where a keyring is that does not lie in its data folder, such as on a disk of which no copies are made."""
OBJECTS_FOLDER = "objects"
FAILED = 70
"""The status of a host's process that ended because a step of it failed: another host goes on from its store."""


def registry_of(folders: Iterable[str]) -> Registry:
    """The programs that ship, and those in these folders: each is a program's own folder or a folder of such."""
    found: list[Path] = list(shipped_programs())
    for name in folders:
        folder = Path(name)
        programs = [folder] if (folder / "manifest.json").exists() else list(programs_in(folder))
        if not programs:
            missing = f"{folder}/manifest.json is missing" if (folder / "program.py").exists() else ""
            missing = missing or (f"{folder} holds no program" if folder.is_dir() else f"there is no folder {folder}")
            raise SetupError(
                f"{missing}: a program is a folder with manifest.json and program.py. "
                "Name such a folder, or one that contains some, with --programs.",
                reason="NO_PROGRAMS",
            )
        found += programs
    return load_programs(found)


def app_of(programs: tuple[str, ...]) -> str:
    """The name of a program in the first of these folders, which were loaded; "" when there are none."""
    return [*registry_of(programs[:1]).programs][-1] if programs else ""


def hosting_of(
    config: HostConfig,
    registry: Registry,
    log: Log | None = None,
    sensor: PrometheusSensor | None = None,
    failed: Callable[[], None] | None = None,
) -> Hosting:
    """A host on the running event loop, wired for this machine."""
    rules = Rules(registry.entities.values(), config.release, registry.digest)
    objects = open_objects(config.objects_url)
    return Hosting(
        config,
        Parts(
            log or open_log(config.log_url, config.process, config.token),
            RocksStates(),
            objects,
            rules,
            sensor or PrometheusSensor(),
            packages_on(objects),
        ),
        report,
        failed,
    )


class DriverPlan(Struct, frozen=True, kw_only=True):
    """What a Ray driver needs to know."""

    folder: str
    host: HostConfig
    hosts: int

    @property
    def controller(self) -> "ControllerConfig":
        """The controller's part."""
        from actors.adapters.ray_actors import ControllerConfig

        digest = registry_of(self.host.programs).digest
        return ControllerConfig(host=self.host, hosts=self.hosts, digest=digest)


def host_of(config: HostConfig) -> Hosting:
    """A host in a process of its own: with its logs and its metrics server."""
    write_errors_to(Path(config.data_dir), "hosts")
    set_up_logging()
    sensor = PrometheusSensor()
    serve_metrics(sensor, max(config.metrics_port, 0))
    watch_collector(sensor)
    return hosting_of(config, registry_of(config.programs), None, sensor, lambda: os._exit(FAILED))


def log_of(config: HostConfig) -> Log:
    """The log that a host of this platform uses."""
    return open_log(config.log_url, config.process, config.token)


def order(log: Log, cluster: ClusterSettings, wanted: Move | Size) -> None:
    """Tell the controller what is wanted. Raises Unavailable."""
    topic = Slice(cluster.placement_topic, 0)
    frame = encode_frame(*topic, "operator", 0, "", [encode_placement(wanted)])
    log.append(topic, frame, placement_key(wanted)).result()


def report(event: str, facts: Mapping[str, object]) -> None:
    """Tell an operator; the facts become fields of a log line."""
    get_logger("host").warning(event, **facts)


def data_folder(path: Path) -> Path:
    """Make the data folder, for its owner only, and see that it can be written. Raises SetupError."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = path / ".writable"
        probe.write_bytes(b"1")
        probe.unlink()
    except OSError as error:
        raise SetupError(
            f"the data folder {path} cannot be written: {error.strerror}. Choose another with --dir, or make room.",
            reason="FOLDER_NOT_WRITABLE",
        ) from error
    return path.resolve()


def process_settings() -> ProcessSettings:
    """How processes run here: the defaults, but for what $HUTONG_<NAME> says. Raises SetupError."""
    said = {name: os.environ.get(f"HUTONG_{name.upper()}") for name in ProcessSettings.__struct_fields__}
    try:
        read = msgspec.convert({name: value for name, value in said.items() if value}, ProcessSettings, strict=False)
    except msgspec.ValidationError as error:
        raise SetupError(f"a setting in the environment is not understood: {error}", reason="SETTINGS") from error
    check_quotas(read)
    return read


def token_of(folder: Path) -> str:
    """The secret that this folder's processes know each other by; made once, readable by its owner only."""
    path = folder / TOKEN_FILE
    with contextlib.suppress(FileNotFoundError):
        return path.read_text()
    token = secrets.token_hex(32)
    path.touch(mode=0o600)
    path.write_text(token)
    return token


def keys_of(folder: Path) -> Keys:
    """The keyring of this folder, or the one in $HUTONG_KEYS; made when there is none. Raises SetupError."""
    return FileKeys(_keys_in(folder))


def objects_of(folder: Path) -> Objects:
    """What this folder keeps of snapshots and packages. Raises SetupError."""
    return open_objects(folder / OBJECTS_FOLDER)


def subjects_of(folder: Path) -> Subjects:
    """The keys of persons in the same place; the file is made when it is needed."""
    return FileSubjects(_keys_in(folder))


def tallies_of(folder: Path) -> Tallies:
    """What this machine's gateways count together, in the same place."""
    return FileTallies(_keys_in(folder))


def has_keys(folder: Path) -> bool:
    """Whether this folder has a keyring already."""
    return (_keys_in(folder) / KEYRING_FILE).exists()


def _keys_in(folder: Path) -> Path:
    return Path(os.environ.get(KEYS) or folder / KEYS_FOLDER)


def roots_of(folder: Path) -> list[bytes]:
    """The root keys of this folder's keyring that are in use, the current one first. Raises SetupError, Unavailable."""
    keys = keys_of(folder)
    try:
        in_use = (keys.root_of(key.kid) for key in reversed(keys.roots()))
        return [secret for secret in in_use if secret is not None]
    finally:
        keys.close()


def settled_cluster(
    folder: Path, partitions: int | None = None, groups: Mapping[str, int] | None = None
) -> ClusterSettings:
    """The cluster settings of this folder: what is given, or the defaults, if it is new. `keep` writes them down.

    Raises SetupError when something is given that differs from what the folder was made with.
    """
    path = folder / SETTINGS_FILE
    stored = path.read_bytes() if path.exists() else None
    cluster = ClusterSettings() if stored is None else read_cluster(stored)
    wanted = msgspec.structs.replace(
        cluster,
        partitions=cluster.partitions if partitions is None else partitions,
        groups=dict(groups) if groups else cluster.groups,
    )
    if stored is not None:
        check_same(stored, wanted)
    return wanted


def keep(folder: Path, cluster: ClusterSettings) -> None:
    """Fix the settings of this folder, once it has a log: a start that was refused before has fixed nothing."""
    path = folder / SETTINGS_FILE
    if not path.exists():
        draft = path.with_suffix(".draft")
        draft.write_bytes(msgspec.json.encode(cluster))
        draft.replace(path)


def check_topics(folder: Path, log: Log, cluster: ClusterSettings) -> None:
    """See that the commands topic is the one that this folder's states were made from. Raises SetupError."""
    path = folder / "topic-id"
    topic_id = log.topic_id(cluster.commands_topic)
    if path.exists() and path.read_text() != topic_id:
        raise SetupError(
            f"the topic {cluster.commands_topic} is not the one that {folder} was used with: it was made anew "
            f"(was {path.read_text()}, is {topic_id}). Start in a fresh folder, or bring the former log back.",
            reason="LOG_RECREATED",
        )
    path.write_text(topic_id)
