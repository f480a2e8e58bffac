"""Packages that a host loads while it serves: beside the loop, each once however many partitions wait for it."""

import asyncio
from collections.abc import Callable

from actors.adapters.hosting.observing import Report
from actors.errors import NotFound, PlatformError, Unavailable
from actors.host import HostCore
from actors.ports import Log, Packages
from actors.settings import ClusterSettings

RETRY_S = 0.2


class Packaging:
    """Loads what the core asks for, and tells it."""

    def __init__(
        self, core: HostCore, packages: Packages | None, log: Log, cluster: ClusterSettings, report: Report
    ) -> None:
        self._core = core
        self._packages = packages
        self._log = log
        self._cluster = cluster
        self._report = report
        self._loading: set[str] = set()

    async def load(self, program: str, package: str, after: Callable[[], None]) -> None:
        """Load the package, as long as a partition waits for it; `after` is called when the core was told."""
        if package in self._loading:
            return
        self._loading.add(package)
        try:
            while self._core.lacks(package):
                try:
                    if self._packages is None:
                        raise NotFound("this host was given no packages")
                    entities = await asyncio.to_thread(self._packages, package)
                    kinds = tuple(entity.kind for entity in entities)
                    await asyncio.to_thread(self._log.create, self._cluster.topics(kinds))
                except Unavailable as error:
                    self._report("waiting for a package", {"program": program, "package": package, "why": str(error)})
                    await asyncio.sleep(RETRY_S)
                except PlatformError as error:
                    self._core.package_failed(package, str(error))
                else:
                    self._core.package_loaded(package, entities)
        finally:
            self._loading.discard(package)
        after()
