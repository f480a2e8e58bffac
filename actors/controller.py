"""Who owns what: pure. Fed with hosts that come and go, answers with what to append, assign, start and end.

A controller begins a term by a record on the placement topic, whose offset is the term; assignments are numbered
(term, n), and a later one fences a former one in the log itself. So a controller may be wrong or late, and two may
run: nothing that is decided here can make two owners count.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from actors.kernel.routing import groups_of
from actors.placement import Placed, Release, Term
from actors.settings import ClusterSettings

GATHER_MS_MAX = 2_000
STEADY_MS = 10_000
"""A host that ends sooner after its start ends quickly."""
QUICK_ENDS_FREE = 10
"""So many quick ends in a row are answered at once: kills come in rows, too, and ten starts in vain cost little."""
BACKOFF_MS = 500
BACKOFF_MS_MAX = 30_000


class Say(NamedTuple):
    """Append this to the placement topic."""

    placement: Term | Placed | Release


class Assign(NamedTuple):
    """Tell this host the whole set of partitions that it should own, each with its assignment."""

    host: str
    wanted: Mapping[int, tuple[int, int]]


class StartHost(NamedTuple):
    """Start one more host."""


class EndHost(NamedTuple):
    """End this host: by force when it is silent, in good order when there are more than are wanted."""

    host: str
    force: bool


Action: TypeAlias = Say | Assign | StartHost | EndHost


class Host(NamedTuple):
    """A host that serves."""

    name: str
    address: str
    pid: int
    heard_ms: int
    up_ms: int


def place(
    partitions: Collection[int], hosts: Collection[str], current: Mapping[int, str], kept: Sequence[int] = ()
) -> dict[int, str]:
    """Spread partitions over hosts: as even as can be, moving as few as can be. Empty without hosts.

    A partition stays where it is unless its host is gone or has more than its share; those in `kept` are the last to
    go, the first of them never.
    """
    if not hosts:
        return {}
    rank = {partition: number for number, partition in enumerate(kept)}
    least, more = divmod(len(partitions), len(hosts))
    held: dict[str, list[int]] = {host: [] for host in sorted(hosts)}
    homeless: list[int] = []
    for partition in sorted(partitions, key=lambda number: (rank.get(number, len(rank)), number)):
        host = current.get(partition)
        if host in held:
            held[host].append(partition)
        else:
            homeless.append(partition)
    # Who has most keeps the larger shares; of two with as many, the one that has more of those to be kept.
    keeps = Counter(current.get(partition) for partition in kept)
    by_load = sorted(held, key=lambda host: (-len(held[host]), -keeps[host], host))
    shares = {host: least + (1 if n < more else 0) for n, host in enumerate(by_load)}
    for host in by_load:
        homeless += held[host][shares[host] :]
        del held[host][shares[host] :]
    for host in by_load:
        take = shares[host] - len(held[host])
        held[host] += homeless[:take]
        del homeless[:take]
    return {partition: host for host, mine in held.items() for partition in mine}


def pools(
    cluster: ClusterSettings, hosts: Collection[str], current: Mapping[int, str]
) -> list[tuple[Collection[int], Collection[str]]]:
    """Which partitions share which hosts: with a host for every group, each group has hosts of its own."""
    groups = groups_of(cluster.partitions, cluster.groups)
    if len(hosts) < len(groups):
        return [(range(cluster.partitions), hosts)]
    counts = dict.fromkeys(groups, 1)
    for _ in range(len(hosts) - len(groups)):
        # The next host goes to whoever has most partitions a host.
        counts[max(groups, key=lambda name: (len(groups[name]) / counts[name], name))] += 1
    reserved: dict[str, list[str]] = {name: [] for name in groups}
    free = set(hosts)
    # Greedily, whoever owns most of a group's partitions already stays with it.
    for _, host, name in sorted(
        (-sum(current.get(partition) == host for partition in groups[name]), host, name)
        for name in groups
        for host in hosts
    ):
        if host in free and len(reserved[name]) < counts[name]:
            reserved[name].append(host)
            free.discard(host)
    return [(groups[name], mine) for name, mine in reserved.items()]


def place_groups(
    cluster: ClusterSettings, hosts: Collection[str], current: Mapping[int, str], kept: Sequence[int] = ()
) -> dict[int, str]:
    """Place every partition, each group on its own hosts when there are enough; see `place` and `pools`."""
    placed: dict[int, str] = {}
    for partitions, mine in pools(cluster, hosts, current):
        placed |= place(partitions, mine, current, kept)
    return placed


class Controller:
    """One controller's life. Call an input, then carry out `actions()`."""

    def __init__(
        self,
        name: str,
        cluster: ClusterSettings,
        hosts: int,
        silence_ms_max: int,
        release: int,
        digest: str,
        *,
        spares: int = 0,
    ) -> None:
        """So many hosts should own partitions, and so many spare ones be there to take the place of one."""
        self.name = name
        self.term = -1
        self.hosts: dict[str, Host] = {}
        self.spares: dict[str, Host] = {}
        """Hosts that serve nothing yet, the eldest first."""
        self.placed: dict[int, str] = {}
        self.hosts_wanted = hosts
        self._spares_wanted = spares
        self._cluster = cluster
        self._silence_ms_max = silence_ms_max
        self._release = release
        self._digest = digest
        self._assignments: dict[int, tuple[int, int]] = {}
        self._moved: list[int] = []
        """What an operator has moved, the latest first."""
        self._starting = 0
        self._quick_ends = 0
        self._last_end_ms = 0
        self._now_ms = 0
        self._gathering_until_ms = 0
        self._n = 0
        self._actions: list[Action] = [Say(Term(name))]
        self._start_missing()

    # -- inputs ---------------------------------------------------------------------------------------------------

    def term_begun(self, offset: int) -> None:
        """Our Term record is on the topic."""
        self.term = offset
        self._say_release()
        self._place()

    def superseded(self, offset: int) -> bool:
        """A Term record was read: whether a later controller than us is at work."""
        return 0 <= self.term < offset

    def said_late(self, placement: Placed | Release) -> None:
        """A word of some controller was read: where one of an older term took the place of ours, we say ours again.

        Nobody heeds an older term; but the topic is compacted, and whoever reads it later would find no other word.
        """
        if placement.term >= self.term:
            return
        if isinstance(placement, Release):
            self._say_release()
        elif self.placed.get(placement.partition) in self.hosts:
            self._say_placed(placement.partition)

    def host_up(self, name: str, address: str, pid: int, now_ms: int) -> None:
        """A host serves, or is a spare one; one more than are wanted is ended again."""
        self._starting = max(self._starting - 1, 0)
        self._now_ms = max(self._now_ms, now_ms)
        if len(self.hosts) + len(self.spares) >= self.hosts_wanted + self._spares_wanted:
            self._actions.append(EndHost(name, force=False))
            return
        if not self.hosts and not self.placed:
            self._gathering_until_ms = now_ms + GATHER_MS_MAX
        self.spares[name] = Host(name, address, pid, now_ms, now_ms)
        self._fill()
        self._place()
        self._start_missing()

    def start_failed(self) -> None:
        """A host that was to be started did not come up."""
        self._starting = max(self._starting - 1, 0)
        self._place()
        self._start_missing()

    def heard(self, name: str, now_ms: int) -> None:
        """A host answered."""
        for some in (self.hosts, self.spares):
            if name in some:
                some[name] = some[name]._replace(heard_ms=now_ms)

    def host_down(self, name: str, now_ms: int = 0) -> None:
        """A host has ended: its partitions move at once, to a spare one if there is one, and another is started, later
        if they keep ending quickly.
        """
        self._now_ms = max(self._now_ms, now_ms)
        host = self.hosts.pop(name, None) or self.spares.pop(name, None)
        if host is None:
            return
        if self._now_ms - host.up_ms < STEADY_MS:
            self._quick_ends += 1
            self._last_end_ms = self._now_ms
        self._fill()
        self._place()
        self._start_missing()

    def tick(self, now_ms: int) -> None:
        """Time goes on: a host that was silent for too long is ended and replaced."""
        self._now_ms = max(self._now_ms, now_ms)
        if self._now_ms - self._last_end_ms > STEADY_MS + self._backoff_ms():
            self._quick_ends = 0
        if not self.placed:
            self._place()
        self._start_missing()
        for host in [*self.hosts.values(), *self.spares.values()]:
            if now_ms - host.heard_ms > self._silence_ms_max:
                self._actions.append(EndHost(host.name, force=True))
                self.host_down(host.name, now_ms)

    def move(self, partition: int, host: str) -> bool:
        """An operator wants the partition on this host; later it is among the last to go from there.

        For balance another partition may go in exchange. False when there is no such host or partition, or the
        host belongs to another group.
        """
        if host not in self.hosts or partition not in self.placed:
            return False
        if not any(partition in numbers and host in mine for numbers, mine in self._pools()):
            return False
        self._moved = [partition, *(other for other in self._moved if other != partition)]
        self._place_as(place_groups(self._cluster, self.hosts.keys(), {**self.placed, partition: host}, self._moved))
        return True

    def _pools(self) -> list[tuple[Collection[int], Collection[str]]]:
        return pools(self._cluster, self.hosts.keys(), self.placed)

    def resize(self, hosts: int) -> None:
        """So many hosts should run from now on; those beyond, the youngest first, let go of what they own and end."""
        self.hosts_wanted = hosts
        excess = list(self.hosts)[hosts:][::-1]
        for name in excess:
            del self.hosts[name]
        self._fill()
        self._place()
        self._actions += [EndHost(name, force=False) for name in excess]
        self._start_missing()

    # -- decisions ------------------------------------------------------------------------------------------------

    def actions(self) -> list[Action]:
        """What to carry out now, in this order."""
        actions, self._actions = self._actions, []
        return actions

    @property
    def slowed(self) -> str:
        """Why hosts are not started at once, for an operator; empty when they are."""
        backoff_ms = self._backoff_ms()
        if not backoff_ms:
            return ""
        return (
            f"{self._quick_ends} hosts in a row ended within {STEADY_MS // 1_000} s of their start; "
            f"the next one is started {backoff_ms / 1_000:g} s after the last end"
        )

    def _backoff_ms(self) -> int:
        beyond = self._quick_ends - QUICK_ENDS_FREE
        return min(BACKOFF_MS << min(beyond - 1, 10), BACKOFF_MS_MAX) if beyond > 0 else 0

    def _start_missing(self) -> None:
        if self._now_ms < self._last_end_ms + self._backoff_ms():
            return  # the tick after that time starts them
        wanted = self.hosts_wanted
        if len(self.hosts) >= wanted:
            wanted += self._spares_wanted
        for _ in range(wanted - len(self.hosts) - len(self.spares) - self._starting):
            self._starting += 1
            self._actions.append(StartHost())

    def _fill(self) -> None:
        """Spare hosts take the place of those that are missing, the eldest first."""
        while self.spares and len(self.hosts) < self.hosts_wanted:
            name = next(iter(self.spares))
            self.hosts[name] = self.spares.pop(name)._replace(up_ms=self._now_ms)

    def _place(self) -> None:
        if self.term < 0 or not self.hosts or self._is_gathering():
            return
        self._moved = [partition for partition in self._moved if self.placed.get(partition) in self.hosts]
        self._place_as(place_groups(self._cluster, self.hosts.keys(), self.placed, self._moved))

    def _is_gathering(self) -> bool:
        """Whether to wait for the first hosts that are on their way: what the first one took would soon move again."""
        return not self.placed and self._starting > 0 and self._gathering_until_ms > self._now_ms

    def _place_as(self, wanted: Mapping[int, str]) -> None:
        moved = [partition for partition in sorted(wanted) if wanted[partition] != self.placed.get(partition)]
        if not moved:
            return
        told: dict[str, None] = {}
        for partition in moved:
            before = self.placed.get(partition)
            if before in self.hosts:
                told[str(before)] = None
        for partition in moved:
            self._n += 1
            self.placed[partition] = wanted[partition]
            self._assignments[partition] = (self.term, self._n)
            told[wanted[partition]] = None
            self._say_placed(partition)
        for name in told:
            mine = {p: self._assignments[p] for p, owner in self.placed.items() if owner == name}
            self._actions.append(Assign(name, mine))

    def _say_placed(self, partition: int) -> None:
        host = self.hosts[self.placed[partition]]
        self._actions.append(Say(Placed(partition, *self._assignments[partition], host.name, host.address, host.pid)))

    def _say_release(self) -> None:
        self._actions.append(Say(Release(self.term, self._release, self._digest)))
