"""What a host needs to know to run; plain values, so that it can cross a process border as bytes."""

from pathlib import Path

from msgspec import Struct

from actors.settings import ClusterSettings, ProcessSettings


class HostConfig(Struct, frozen=True, kw_only=True):
    """One life of one host: `name` is new each time, since it is what fences.

    `programs` are folders beside the ones that ship; `objects` is a folder or an object store's address;
    `metrics_port` is 0 for any free one and -1 for none.
    """

    name: str
    log_url: str
    token: str
    data_dir: str
    objects: str = ""
    programs: tuple[str, ...] = ()
    release: int = 1
    metrics_port: int = -1
    watchdog: bool = True
    cluster: ClusterSettings = ClusterSettings()
    process: ProcessSettings = ProcessSettings()

    @property
    def states_dir(self) -> Path:
        """Where this machine keeps its stores."""
        return Path(self.data_dir) / "states"

    @property
    def notes_dir(self) -> Path:
        """Where watchdogs of this machine leave their notes."""
        return Path(self.data_dir) / "watchdog"

    @property
    def objects_url(self) -> str:
        """Where snapshots go."""
        return self.objects or str(Path(self.data_dir) / "objects")
