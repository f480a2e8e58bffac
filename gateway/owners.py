"""Who owns what, as the placement topic says it, and the one stream to each of those hosts."""

import asyncio
from collections.abc import Callable, Sequence

from actors.adapters.polling import Poller
from actors.errors import Corrupt, PlatformError
from actors.kernel.record import frame_records
from actors.link import GATEWAY_METADATA, TOKEN_METADATA, FromGateway, FromHost
from actors.placement import Packaged, Placed, Placement, Release, Term, decode_placement
from actors.ports import Fetched, Log, Slice
from gateway.links import HostLink
from gateway.rolling import Hears

RETRY_S = 0.2


class Owners:
    """Follows the placement topic and keeps a stream to every host that owns a partition."""

    def __init__(
        self,
        log: Log,
        topic: str,
        gateway: str,
        token: str,
        heard: Callable[[str, Sequence[FromHost]], None],
        down: Callable[[str], None],
        hears: Hears,
    ) -> None:
        """`heard(address, messages)` gets what hosts say; `down(address)` tells that a host's stream ended.

        `hears` is told of programs.
        """
        self.release = 0
        self.digest = ""
        self._placed: dict[int, Placed] = {}
        self._term = -1
        self._links: dict[str, HostLink] = {}
        self._metadata = ((TOKEN_METADATA, token), (GATEWAY_METADATA, gateway))
        self._heard = heard
        self._down = down
        self._hears = hears
        self._unread_end: int | None = None
        """Where the topic ended when it was opened, until it is read so far."""
        self._log = log
        self._slice = Slice(topic, 0)
        self._poller = Poller(log.reader(), asyncio.get_running_loop(), self._fetched, self._failed)
        self._following: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to follow the topic, from its first record on, as soon as the log and the topic are there."""
        self._poller.start()
        self._following = asyncio.ensure_future(self._follow())

    async def stop(self) -> None:
        """End every stream."""
        if self._following is not None:
            self._following.cancel()
        await asyncio.to_thread(self._poller.stop)
        await asyncio.gather(*(host.close() for host in self._links.values()), *self._closing)

    def address_of(self, partition: int) -> str:
        """Where the host listens that is placed to own the partition; empty while none is known."""
        placed = self._placed.get(partition)
        return "" if placed is None else placed.address

    def send(self, address: str, message: FromGateway) -> None:
        """Say this to the host at this address; forgotten when there is no stream to it."""
        host = self._links.get(address)
        if host is not None:
            host.send(message)

    async def _follow(self) -> None:
        """Read the topic from its start; what is read twice changes nothing."""
        while True:
            try:
                spans = await asyncio.to_thread(self._log.spans, [self._slice])
            except PlatformError:
                await asyncio.sleep(RETRY_S)  # the log is away, or nobody has made its topics yet
            else:
                start, end = spans[self._slice]
                self._unread_end = end
                self._poller.assign({self._slice: start})
                self._check_read(start)
                await asyncio.sleep(RETRY_S)  # if that place is cut meanwhile, the next try begins no sooner
                return

    def _failed(self, error: Corrupt) -> None:
        """A compacted topic is cut at its start while we read it, or its bytes are damaged: begin again."""
        del error
        if self._following is None or self._following.done():
            self._following = asyncio.ensure_future(self._follow())

    def _fetched(self, frames: Sequence[Fetched]) -> None:
        for fetched in frames:
            for record in frame_records(self._slice.topic, 0, fetched.offset, fetched.frame):
                self._learn(fetched.offset, decode_placement(record))
        self._check_read(max((fetched.offset + 1 for fetched in frames), default=0))
        wanted = {placed.address for placed in self._placed.values()}
        for address in sorted(wanted - self._links.keys()):
            self._links[address] = HostLink(address, self._metadata, self._heard, self._down)
        for address in sorted(self._links.keys() - wanted):
            closing = asyncio.ensure_future(self._links.pop(address).close())
            self._down(address)
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    def _check_read(self, reached: int) -> None:
        if self._unread_end is not None and reached >= self._unread_end:
            self._unread_end = None
            self._hears.all_read()

    def _learn(self, offset: int, placement: Placement) -> None:
        match placement:
            case Term():
                self._term = max(self._term, offset)
            case Placed(partition, term, n) if term >= self._term:
                before = self._placed.get(partition)
                if before is None or (before.term, before.n) < (term, n):
                    self._placed[partition] = placement
            case Release(term, release, digest) if term >= self._term:
                self.release, self.digest = release, digest
            case Packaged():
                self._hears.packaged(placement)
            case _:
                pass  # an older term's, or an order to the controller
