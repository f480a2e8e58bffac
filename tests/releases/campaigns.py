"""Golden logs by the dozen: every release from snapshots anywhere, and every Python under many hash seeds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from random import Random

from actors.entity import AnyEntity
from actors.kernel.rules import Rules
from actors.ownership import Phase
from tests.proof.counts import Counts
from tests.releases.golden import (
    NAMES,
    RELEASES,
    Host,
    Kept,
    Log,
    Rows,
    Sum,
    Sums,
    entities,
    read,
    sums_of,
    watermark_of,
)
from tests.releases.interpreters import THIS, others, sums_by
from tests.releases.planted import KINDS_OF, Planted, former_price

FIXED_SEEDS = ("0", "1")
EVENT_MAX = 100
"""A planted rule begins to forget within so many first events."""


class _Partition:
    """One partition of a golden log, and what was found wrong with it."""

    def __init__(self, counts: Counts, name: str, number: int, log: Log, sums: Sums) -> None:
        self.counts, self.name, self.number, self.sums = counts, name, number, sums
        self.frames: Sequence[Kept] = log.frames[number]
        self.at_barrier: Rows = log.snapshots[number]

    def replay(self, release: int, rows: Rows, kinds: Iterable[AnyEntity]) -> Host:
        """A host of this release goes on from these rows."""
        host = Host(self.number, Rules(kinds, release), rows).replay(self.frames)
        self.counts.figures["records replayed"] += host.ownership.applied_records
        return host

    def expect(self, host: Host, phase: Phase, wanted: Sum, effect: str) -> None:
        """It came to this, or that is told."""
        if host.ownership.phase is phase and host.sum() == wanted:
            self.counts.effect(effect)
        else:
            found = f"{host.ownership.phase.value} at {host.sum()}, not {phase.value} at {wanted}"
            self.counts.find(f"{self.name}, partition {self.number}: no {effect!r}: {found} {host.ownership.halted}")
        self.counts.figures["checksums compared"] += 1


def golden(_: Path, seed: int, snapshots: int) -> Counts:
    """Every log from its beginning, from its barrier and from so many snapshots between, by the older and the newer."""
    counts = Counts("golden logs", seed)
    counts.figures |= {"records replayed": 0, "checksums compared": 0}
    random, kinds = Random(seed), entities()
    for name in NAMES:
        log, all_sums = read(name)
        for number, sums in enumerate(all_sums):
            partition = _Partition(counts, name, number, log, sums)
            _from_the_beginning(partition, kinds)
            offsets = sorted(random.sample(range(len(partition.frames)), snapshots))
            for rows in [partition.at_barrier, *_snapshots(partition, kinds, offsets)]:
                _from_a_snapshot(partition, kinds, rows)
            _from_another_log(partition, kinds, random)
        _changed_rules(counts, name, log, all_sums, random)
    return counts


def _from_the_beginning(partition: _Partition, kinds: Sequence[AnyEntity]) -> None:
    older, newer = (Rules(kinds, release) for release in RELEASES)
    counts, sums = partition.counts, partition.sums
    mine = sums_of(partition.number, partition.frames, older, newer)
    counts.figures["records replayed"] += mine.records
    counts.figures["checksums compared"] += len(sums.chains) + 2
    if mine == sums:
        counts.effect("a log came to all its checksums")
    else:
        counts.find(f"{partition.name}, partition {partition.number}: {mine} instead of {sums}")


def _snapshots(partition: _Partition, kinds: Sequence[AnyEntity], offsets: Sequence[int]) -> Iterable[Rows]:
    """The store just after each of these offsets."""
    host = Host(partition.number, Rules(kinds, RELEASES[-1]))
    for offset in offsets:
        yield host.replay(partition.frames[: offset + 1]).rows


def _from_a_snapshot(partition: _Partition, kinds: Sequence[AnyEntity], rows: Rows) -> None:
    before, end = partition.sums.before, partition.sums.end
    newer = partition.replay(RELEASES[-1], rows, kinds)
    partition.expect(newer, Phase.FENCING, end, "the newer release went on from a snapshot")
    older = partition.replay(RELEASES[0], rows, kinds)
    if watermark_of(rows) <= before.offset:
        partition.expect(older, Phase.STOPPED, before, "the older release stopped at the barrier")
        return
    halted = older.ownership.halted
    named = all(f"release {release}" in halted for release in RELEASES)
    if older.ownership.phase is Phase.HALTED and named and older.rows == rows:
        partition.counts.fault("an older release met a newer one's states", "refused, both releases named")
    else:
        partition.counts.find(f"{partition.name}, partition {partition.number}: not refused: {halted!r}")


def _from_another_log(partition: _Partition, kinds: Sequence[AnyEntity], random: Random) -> None:
    """A snapshot beyond the log's end is refused where it is opened; one within it, by the frame at its watermark."""
    stores = {name: read(name)[0].snapshots[partition.number] for name in NAMES if name != partition.name}
    other = random.choice([name for name, rows in stores.items() if watermark_of(rows) < len(partition.frames)])
    rows = stores[other]
    host = partition.replay(RELEASES[-1], rows, kinds)
    if host.ownership.phase is Phase.HALTED and host.rows == rows:
        partition.counts.fault("a snapshot of another log", "halted, nothing changed")
    else:
        partition.counts.find(f"{partition.name}, partition {partition.number}: went on from a snapshot of {other}")


def _changed_rules(counts: Counts, name: str, log: Log, sums: Sequence[Sums], random: Random) -> None:
    """Each kind forgets some events: some checksum of some partition must differ."""
    for kind in KINDS_OF[name]:
        planted = Planted(kind, random.randint(1, EVENT_MAX))
        _expect_found(counts, name, f"{kind} forgets events from {planted.nth} on", planted.kinds, log, sums)
    if name == "tariff":
        _expect_found(counts, name, "the former release's price", former_price(), log, sums)


def _expect_found(
    counts: Counts, name: str, what: str, kinds: Sequence[AnyEntity], log: Log, sums: Sequence[Sums]
) -> None:
    rules = Rules(kinds, RELEASES[-1])
    hosts = [Host(number, rules).replay(frames) for number, frames in enumerate(log.frames)]
    if any((host.sum(), host.chains) != (sum_.end, sum_.chains) for host, sum_ in zip(hosts, sums, strict=True)):
        counts.effect("a changed rule was found by its checksums")
    else:
        counts.find(f"{name}: a changed rule was not found: {what}")


def pythons(folder: Path, seed: int, hash_seeds: int) -> Counts:
    """Every log under every Python of this machine: this one under so many hash seeds besides 0 and 1, others fewer."""
    counts = Counts("golden logs, other Pythons", seed)
    random = Random(seed)
    wanted = {name: read(name)[1] for name in NAMES}
    usable, counts.skipped = others(folder)
    runs: list[str] = []
    for python in (THIS, *usable):
        fixed = FIXED_SEEDS if python is THIS else ()
        for hash_seed in (*fixed, *(str(random.randrange(1 << 32)) for _ in range(hash_seeds))):
            said = sums_by(python, hash_seed)
            runs.append(python.version)
            for name in NAMES:
                if said[name] != wanted[name]:
                    found = f"{said[name]} instead of {wanted[name]}"
                    counts.find(f"{name} under Python {python.version} and hash seed {hash_seed}: {found}")
                else:
                    counts.effect(f"a log came to its checksums under Python {python.version}")
    counts.figures |= {"Pythons": len(set(runs)), "hash seeds": len(runs)}
    return counts


CAMPAIGNS: Mapping[str, tuple[Callable[[Path, int, int], Counts], int, int]] = {
    "golden": (golden, 3, 24),
    "pythons": (pythons, 1, 4),
}
"""Each with its quick and its full size: snapshots of each partition; hash seeds of each Python."""
