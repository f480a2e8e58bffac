"""A host on a thread of its own, for a process whose main thread belongs to somebody else, such as Ray."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future

from actors.adapters.hosting.shell import Hosting

STATUS_S_MAX = 5.0
STOP_S_MAX = 10.0


class HostThread:
    """Runs what `make` makes in its own event loop. All methods block their caller, not the host."""

    def __init__(self, make: Callable[[], Hosting]) -> None:
        self._make = make
        self._started: Future[tuple[Hosting, str]] = Future()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="host", daemon=True)

    def start(self) -> str:
        """Begin; returns the address of the link server."""
        self._thread.start()
        return self._started.result()[1]

    @property
    def thread_id(self) -> int:
        """By which the system knows the thread, once it has begun."""
        assert self._thread.native_id is not None
        return self._thread.native_id

    def assign(self, wanted: Mapping[int, tuple[int, int]]) -> None:
        """See `Hosting.assign`."""
        self._started.result()[0].assign(wanted)

    def status(self) -> bytes:
        """See `Hosting.status`."""
        return self._started.result()[0].status().result(STATUS_S_MAX)

    def drain(self) -> int | None:
        """See `Hosting.drain`; the host bounds it itself."""
        return asyncio.run_coroutine_threadsafe(self._started.result()[0].drain(), self._loop).result()

    def stop(self) -> None:
        """Let every partition go and end."""
        hosting = self._started.result()[0]
        asyncio.run_coroutine_threadsafe(hosting.stop(), self._loop).result(STOP_S_MAX)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._started.set_result(self._loop.run_until_complete(self._begin()))
        except BaseException as error:
            self._started.set_exception(error)
            raise
        self._loop.run_forever()

    async def _begin(self) -> tuple[Hosting, str]:
        hosting = self._make()
        return hosting, await hosting.start()
