"""Who owns what, as the placement topic says it, and the one stream to each of those hosts."""

import asyncio
from collections.abc import Callable, Sequence

from actors.adapters.polling import Poller
from actors.errors import Corrupt
from actors.kernel.placement import Placed, Release, Term, decode_placement
from actors.kernel.record import frame_records
from actors.link import GATEWAY_METADATA, TOKEN_METADATA, FromGateway, FromHost
from actors.ports import Fetched, Log, Slice
from gateway.links import HostLink


class Owners:
    """Follows the placement topic and keeps a stream to every host that owns a partition."""

    def __init__(
        self,
        log: Log,
        topic: str,
        gateway: str,
        token: str,
        heard: Callable[[str, Sequence[FromHost]], None],
        moved: Callable[[int], None],
    ) -> None:
        """`heard(address, messages)` gets what hosts say; `moved(partition)` tells that an owner is gone or changed."""
        self.release = 0
        self.digest = ""
        self._placed: dict[int, Placed] = {}
        self._term = -1
        self._links: dict[str, HostLink] = {}
        self._metadata = ((TOKEN_METADATA, token), (GATEWAY_METADATA, gateway))
        self._heard = heard
        self._moved = moved
        self._slice = Slice(topic, 0)
        self._loop = asyncio.get_running_loop()
        self._poller = Poller(log.reader(), self._loop, self._fetched, self._failed)
        self._closing: set[asyncio.Task[None]] = set()

    def start(self, from_offset: int) -> None:
        """Begin to follow the topic from its first record on."""
        self._poller.start()
        self._poller.assign({self._slice: from_offset})

    async def stop(self) -> None:
        """End every stream."""
        await asyncio.to_thread(self._poller.stop)
        await asyncio.gather(*(host.close() for host in self._links.values()))

    def address_of(self, partition: int) -> str:
        """Where the partition's owner listens; empty while none is known."""
        placed = self._placed.get(partition)
        return "" if placed is None else placed.address

    def owns(self, address: str, partition: int) -> bool:
        """Whether the host at this address is the partition's owner as far as is known."""
        return self.address_of(partition) == address

    def send(self, partition: int, message: FromGateway) -> bool:
        """Say this to the partition's owner; False when none is known."""
        host = self._links.get(self.address_of(partition))
        if host is None:
            return False
        host.send(message)
        return True

    def _fetched(self, frames: Sequence[Fetched]) -> None:
        changed: dict[int, None] = {}
        for fetched in frames:
            for record in frame_records(self._slice.topic, 0, fetched.offset, fetched.frame):
                self._learn(fetched.offset, decode_placement(record), changed)
        self._poller.taken()
        wanted = {placed.address for placed in self._placed.values()}
        for address in wanted - self._links.keys():
            self._links[address] = HostLink(address, self._metadata, self._heard, self._down)
        for address in self._links.keys() - wanted:
            closing = asyncio.ensure_future(self._links.pop(address).close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        for partition in changed:
            self._moved(partition)

    def _learn(self, offset: int, placement: Term | Placed | Release, changed: dict[int, None]) -> None:
        match placement:
            case Term():
                self._term = max(self._term, offset)
            case Placed(partition, term, n) if term >= self._term:
                before = self._placed.get(partition)
                if before is None or (before.term, before.n) < (term, n):
                    self._placed[partition] = placement
                    if before is None or before.address != placement.address:
                        changed[partition] = None
            case Release(term, release, digest) if term >= self._term:
                self.release, self.digest = release, digest
            case _:
                pass  # an older term's

    def _failed(self, error: Corrupt) -> None:
        raise error

    def _down(self, address: str) -> None:
        for partition, placed in self._placed.items():
            if placed.address == address:
                self._moved(partition)
