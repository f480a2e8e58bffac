"""A host over damaged stores, snapshots and logs: it comes back with the right states, or halts and names the cause."""

import asyncio
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec

from actors.adapters.embedded.local import LocalLog
from actors.adapters.embedded.marks import MARKS_NAME
from actors.adapters.rocksdb import RocksStates
from actors.kernel import layout
from actors.ports import Slice
from tests.hosting.stage import CLUSTER, Stage, added, play, put_all
from tests.proof.counts import Counts

ROUNDS = 3
ADDS = 30
COMMANDS = Slice(CLUSTER.commands_topic, 0)
HALTED = "halted, named"


class Kept(NamedTuple):
    """What was on the disk after each round: log, stores, snapshots; and what had been added by then."""

    folders: list[Path]
    added: list[list[int]]


def _keep(folder: Path) -> Kept:
    """A platform's life of some rounds, with a snapshot in each."""
    running, kept = folder / "running", Kept([], [])

    async def live(n: int) -> None:
        log = LocalLog(running / "log")
        log.create(CLUSTER.topics(("tally",)))
        stage = Stage(running, RocksStates(), log)
        stage.lives = n
        async with stage.host(snapshot_records=ADDS // 2) as host:
            last = put_all(log, 0, range(n * ADDS, (n + 1) * ADDS))
            await stage.serving(host, 0, last.offset - 1)
            await stage.until(host, 0, lambda _: len(_manifests(running)) > min(n, 1))
        kept.added.append(added(log, 0))
        log.close()

    for n in range(ROUNDS):
        asyncio.run(live(n))
        kept.folders.append(folder / f"round-{n}")
        shutil.copytree(running, kept.folders[-1])
    return kept


def _manifests(folder: Path) -> list[Path]:
    """The snapshots of partition 0, oldest first."""
    return sorted((folder / "objects").glob("snapshots/00000/manifests/*.json"))


# --- faults: each changes a copy of the last round; some say that going on would be wrong ---


def _store_lost(now: Path, _kept: Kept, _chance: Random) -> None:
    shutil.rmtree(now / "states")


def _store_older(now: Path, kept: Kept, chance: Random) -> None:
    _replace(now, kept.folders[chance.randrange(ROUNDS - 1)], "states")


def _store_damaged(now: Path, _kept: Kept, chance: Random) -> None:
    _damage(
        chance.choice(sorted(now.glob("states/0000/*/*.sst")) + sorted(now.glob("states/0000/*/MANIFEST*"))), chance
    )


def _log_older(now: Path, kept: Kept, chance: Random) -> None:
    """A copy of the log was brought back, stores and snapshots are newer."""
    _replace(now, kept.folders[chance.randrange(ROUNDS - 1)], "log")
    if chance.random() < 0.5:
        shutil.rmtree(now / "states")


def _log_cut(now: Path, _kept: Kept, _chance: Random) -> None:
    """Stores are gone and the log begins at the older snapshot's end: only snapshots reach back."""
    shutil.rmtree(now / "states")
    oldest = int(_manifests(now)[0].name.split("-")[1]) - 1
    log = LocalLog(now / "log")
    log.trim(COMMANDS, oldest)
    log.close()


def _newest_damaged(now: Path, kept: Kept, chance: Random) -> None:
    """Also the newest snapshot is damaged: its manifest, or a file that only it names."""
    _log_cut(now, kept, chance)
    newest, older = _manifests(now)[-1], _manifests(now)[0]
    own = [path for path in _files(now, newest) if path not in _files(now, older)]
    _damage(chance.choice([newest, *own]), chance)


def _half_uploaded(now: Path, kept: Kept, chance: Random) -> None:
    """The newest snapshot was being uploaded when its host ended: files without a manifest, and a part of one."""
    _log_cut(now, kept, chance)
    newest = _manifests(now)[-1]
    part = newest.with_name(f".part-1-{newest.name}")
    part.write_bytes(newest.read_bytes()[: chance.randrange(100)])
    newest.unlink()


def _all_damaged(now: Path, kept: Kept, chance: Random) -> None:
    _log_cut(now, kept, chance)
    for manifest in _manifests(now):
        _damage(manifest, chance)


def _log_lost(now: Path, _kept: Kept, chance: Random) -> None:
    """The log was begun anew, or its file is gone and its marks are not."""
    if chance.random() < 0.5:
        shutil.rmtree(now / "log")
    else:
        (now / "log" / "log.db").unlink()
        assert (now / "log" / MARKS_NAME).exists()


Fault = Callable[[Path, Kept, Random], None]
FAULTS: Mapping[str, tuple[Fault, bool]] = {
    "store lost": (_store_lost, False),
    "store older than the log": (_store_older, False),
    "store damaged": (_store_damaged, False),
    "store or snapshots newer than the log": (_log_older, True),
    "store lost, log cut": (_log_cut, False),
    "newest snapshot damaged": (_newest_damaged, False),
    "snapshot half uploaded": (_half_uploaded, False),
    "every snapshot damaged": (_all_damaged, True),
    "log lost": (_log_lost, True),
}
"""A kind of fault, what it does, and whether the partition must halt: what was acknowledged cannot be had any more."""


def _replace(now: Path, then: Path, name: str) -> None:
    shutil.rmtree(now / name)
    shutil.copytree(then / name, now / name)


def _files(now: Path, manifest: Path) -> list[Path]:
    body = manifest.read_bytes().partition(b"\n")[2]
    names = {file["sha256"] for file in msgspec.json.decode(body)["files"]}
    return sorted(path for path in (now / "objects").rglob("*") if path.name in names)


def _damage(path: Path, chance: Random) -> None:
    content = bytearray(path.read_bytes())
    at = chance.randrange(len(content))
    match chance.randrange(3):
        case 0:
            path.unlink()
        case 1:
            path.write_bytes(content[:at])
        case _:
            content[at] ^= 1 << chance.randrange(8)
            path.write_bytes(content)


# --- a case ---


def recover(folder: Path, seed: int, cases: int) -> Counts:
    """So many cases, the kinds in turn."""
    counts, chance = Counts("damaged stores, snapshots and logs under a host", seed), Random(seed)
    kept = _keep(folder)
    kinds = list(FAULTS)
    for n in range(cases):
        kind = kinds[n % len(kinds)]
        now = folder / f"case-{n}"
        shutil.copytree(kept.folders[-1], now)
        fault, must_halt = FAULTS[kind]
        fault(now, kept, chance)
        counts.bad_inputs += 1
        effect = play(lambda now=now, n=n: _host(now, kept.added[-1], n))  # type: ignore[misc]
        if effect.startswith("wrong") or (must_halt and not effect.startswith(HALTED)):
            counts.wrong += 1
            counts.find(f"case {n}, {kind}: {effect}; its files are in {now}")
            continue
        counts.fault(kind, effect.partition(":")[0])
        shutil.rmtree(now)
    return counts


async def _host(now: Path, before: list[int], n: int) -> str:
    """Start a host, add some more, and look at what became of the partition."""
    log = LocalLog(now / "log")
    log.create(CLUSTER.topics(("tally",)))
    stage = Stage(now, RocksStates(), log)
    stage.lives = ROUNDS + n
    more = list(range(1_000, 1_003))
    try:
        async with stage.host() as host:
            try:
                last = put_all(log, 0, more).offset - 1
            except Exception as error:  # noqa: BLE001 - an append that is refused says why
                last = 1 << 40
                refused = str(error)
            else:
                refused = ""
            standing = await stage.until(
                host, 0, lambda mine: mine["phase"] == "Halted" or mine["written"] > last or bool(refused)
            )
        if standing["phase"] == "Halted" or refused:
            return f"{HALTED}: {standing['halted'] or refused}"
        found = [number for number in added(log, 0) if number in before or number in more]
        total = _total(now)
    finally:
        log.close()
    if found != before + more or total != sum(before + more):
        return f"wrong: {len(found)} events for {len(before) + 3} and a total of {total} for {sum(before + more)}"
    return "recovered"


def _total(now: Path) -> int:
    """What the tally of partition 0 says in the newest store."""
    folders = sorted(now.glob("states/0000/[!.]*"), key=lambda path: path.stat().st_mtime_ns)
    store = RocksStates().open(folders[-1])
    try:
        stored = store.get([layout.entity_key("tally/t0")])[0]
    finally:
        store.close()
    if stored is None:
        return 0
    state = msgspec.msgpack.decode(msgspec.msgpack.decode(stored, type=layout.Stored).state)
    return int(state["total"])
