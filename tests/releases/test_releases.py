"""What releases promise: golden logs come to their checksums, and nobody applies what is of another release's."""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from actors.errors import NotFound
from actors.kernel import layout
from actors.kernel.record import Slice
from actors.kernel.routing import partition_of
from actors.kernel.rules import Rules
from actors.ownership import Phase
from actors.ports import Fetched
from actors.replaying import Replay
from tests.releases import campaigns, interpreters
from tests.releases.campaigns import golden as golden_campaign
from tests.releases.golden import (
    CHAIN_EVERY,
    NAMES,
    PARTITIONS,
    RELEASES,
    TOPIC,
    Host,
    Kept,
    Rows,
    Sums,
    entities,
    packages,
    read,
    sums_of,
)
from tests.releases.interpreters import THIS, others, sums_by
from tests.releases.planted import Planted, former_price

KINDS = entities()
OLDER, NEWER = (Rules(KINDS, release) for release in RELEASES)
ALL = [(name, number) for name in NAMES for number in range(2)]
SOME = [("bike", 1), ("package", 0), ("tariff", 0)]


class Golden(NamedTuple):
    """One partition of a golden log: its frames, its snapshot at the barrier, and what it must come to."""

    number: int
    frames: list[Kept]
    at_barrier: Rows
    sums: Sums


@pytest.fixture(params=SOME, ids=lambda param: f"{param[0]}-{param[1]}")
def golden(request: pytest.FixtureRequest) -> Golden:
    return _golden(*request.param)


def _golden(name: str, number: int) -> Golden:
    log, sums = read(name)
    return Golden(number, log.frames[number], log.snapshots[number], sums[number])


@pytest.mark.parametrize(("name", "number"), ALL)
def test_a_golden_log_comes_to_its_checksums(name: str, number: int) -> None:
    golden = _golden(name, number)
    assert sums_of(golden.number, golden.frames, OLDER, NEWER) == golden.sums


def test_the_newest_release_alone_comes_to_the_same_from_the_beginning(golden: Golden) -> None:
    host = Host(golden.number, NEWER).replay(golden.frames)
    assert (host.sum(), host.chains) == (golden.sums.end, golden.sums.chains)


def test_the_replay_that_tells_history_comes_to_the_same_chain_as_a_host(golden: Golden) -> None:
    slice_ = Slice(TOPIC, golden.number)
    frames = [Fetched(slice_, offset, kept.stamp_ms, kept.frame) for offset, kept in enumerate(golden.frames)]
    route = partial(partition_of, partitions=PARTITIONS, groups={})
    replay = Replay(*slice_, NEWER, route, packages=lambda package: packages()[package])
    records = sum(1 for _ in replay.steps(frames))
    assert (records, f"{replay.chain:08x}") == (golden.sums.records, golden.sums.end.chain)
    stored = Host(golden.number, NEWER).replay(golden.frames).store
    differing = [key for key in replay.changed() if stored.get([key]) != [replay.stored(key)]]
    assert (differing, len(replay.changed())) == ([], len(stored.scan(*layout.ENTITIES, limit=1_000_000)))


def test_an_older_release_stops_just_before_the_first_frame_of_a_newer_one(golden: Golden) -> None:
    host = Host(golden.number, OLDER).replay(golden.frames)
    assert (host.ownership.phase, host.sum()) == (Phase.STOPPED, golden.sums.before)
    assert host.rows == golden.at_barrier
    host.frame(golden.sums.before.offset + 1, golden.frames[golden.sums.before.offset + 1])
    assert host.sum() == golden.sums.before


def test_the_snapshot_at_the_barrier_brings_an_older_release_no_further_and_a_newer_one_to_the_end(
    golden: Golden,
) -> None:
    older = Host(golden.number, OLDER, golden.at_barrier).replay(golden.frames)
    assert (older.ownership.phase, older.sum()) == (Phase.STOPPED, golden.sums.before)
    assert Host(golden.number, NEWER, golden.at_barrier).replay(golden.frames).sum() == golden.sums.end


def test_a_snapshot_between_serves_every_release_that_can_read_it(golden: Golden) -> None:
    barrier = golden.sums.before.offset
    before = Host(golden.number, OLDER).replay(golden.frames[: barrier // 2]).rows
    assert Host(golden.number, OLDER, before).replay(golden.frames).sum() == golden.sums.before
    assert Host(golden.number, NEWER, before).replay(golden.frames).sum() == golden.sums.end
    after = Host(golden.number, NEWER, golden.at_barrier).replay(golden.frames[: barrier + 20]).rows
    assert Host(golden.number, NEWER, after).replay(golden.frames).sum() == golden.sums.end


def test_a_snapshot_of_a_newer_release_is_refused_by_an_older_one_which_names_both(golden: Golden) -> None:
    first = golden.sums.before.offset + 2
    rows = Host(golden.number, NEWER, golden.at_barrier).replay(golden.frames[:first]).rows
    host = Host(golden.number, OLDER, rows).replay(golden.frames)
    assert host.ownership.phase is Phase.HALTED
    assert host.ownership.halted.startswith(f"halted at {golden.number}/{first - 1}: these states were written under")
    assert "release 2, this host has release 1" in host.ownership.halted
    assert (host.rows, host.ownership.applied_records) == (rows, 0)


def test_a_snapshot_of_another_log_is_refused() -> None:
    frames, rows = read("account")[0].frames[0], read("shop")[0].snapshots[0]
    host = Host(0, NEWER, rows).replay(frames)
    assert (host.ownership.phase, host.rows) == (Phase.HALTED, rows)
    assert "acknowledged records are gone" in host.ownership.halted


# -- the checksums can fail -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("account", "account"),
        ("bike", "bike.station"),
        ("bike", "bike.rider"),
        ("session", "session"),
        ("shop", "shop.sku"),
        ("tariff", "tariff"),
    ],
)
def test_a_rule_that_forgets_a_few_events_is_found_and_placed(name: str, kind: str) -> None:
    log, sums = read(name)
    planted = Planted(kind, nth=90)
    host = Host(1, Rules(planted.kinds, RELEASES[-1])).replay(log.frames[1])
    assert planted.asked > 100, "the rule was not asked"
    assert host.sum().states != sums[1].end.states
    same = [offset for offset, chain in sums[1].chains.items() if host.chains.get(offset) == chain]
    assert 0 < len(same) < len(sums[1].chains), "the chain agrees up to the change, and never again"
    assert max(map(int, same)) == (len(same) - 1) * CHAIN_EVERY


def test_a_host_that_decides_otherwise_halts_at_the_next_check_on_the_log() -> None:
    log, _ = read("bike")
    host = Host(1, Rules(Planted("bike.rider", nth=90).kinds, RELEASES[-1])).replay(log.frames[1])
    assert host.ownership.phase is Phase.HALTED
    assert "replay diverged at or before offset 1024 of partition 1" in host.ownership.halted
    assert host.meta.watermark == 1024


def test_a_price_of_another_release_is_found() -> None:
    log, sums = read("tariff")
    host = Host(0, Rules(former_price(), RELEASES[-1])).replay(log.frames[0])
    late = [int(offset) for offset, chain in sums[0].chains.items() if host.chains[offset] != chain]
    assert min(late) > sums[0].before.offset, "the former price was right before the barrier"
    assert host.sum() != sums[0].end


def test_a_replay_crosses_every_choice_of_packages_by_those_that_were_in_force() -> None:
    golden = _golden("package", 0)
    host = Host(0, Rules(KINDS, RELEASES[-1])).replay(golden.frames)
    assert (host.sum(), set(host.ownership.partition.rules.packages if host.ownership.partition else ())) == (
        golden.sums.end,
        set(packages()),
    )
    assert dict(golden.at_barrier).keys() >= {layout.program_key("parcel")}


def test_another_package_under_the_same_name_is_found() -> None:
    golden = _golden("package", 0)
    first, second = packages()
    rules = Rules(KINDS, RELEASES[-1])
    for name in (first, second):
        rules.add(name, packages()[first])
    host = Host(0, rules).replay(golden.frames)
    late = [int(offset) for offset, chain in golden.sums.chains.items() if host.chains[offset] != chain]
    assert min(late) > 50, "the second package decides nothing in the beginning"
    assert host.sum() != golden.sums.end


def test_a_replay_without_a_package_says_which_is_missing() -> None:
    golden = _golden("package", 0)
    slice_ = Slice(TOPIC, 0)
    frames = [Fetched(slice_, offset, kept.stamp_ms, kept.frame) for offset, kept in enumerate(golden.frames)]
    replay = Replay(*slice_, Rules(KINDS, RELEASES[-1]), partial(partition_of, partitions=PARTITIONS, groups={}))
    with pytest.raises(NotFound, match=f"the package {next(reversed(packages()))} of parcel is not at hand"):
        list(replay.steps(frames))


# -- other processes --------------------------------------------------------------------------------------------------


@pytest.mark.proved
@pytest.mark.slow
@pytest.mark.parametrize("seed", ["0", "1", "random"])
def test_the_order_of_hashes_changes_nothing(seed: str) -> None:
    assert sums_by(THIS, seed) == {name: read(name)[1] for name in NAMES}


@pytest.mark.slow
def test_a_rule_that_shows_the_order_of_hashes_is_found() -> None:
    assert sums_by(THIS, "0", ["account", "--plant-a-set"]) != sums_by(THIS, "1", ["account", "--plant-a-set"])


@pytest.mark.proved
@pytest.mark.slow
def test_another_python_comes_to_the_same() -> None:
    pythons, why_not = others()
    if not pythons:
        pytest.skip(f"*** {'; '.join(why_not)}. `python -m tests.releases` installs it where it can. ***")
    for python in pythons:
        assert sums_by(python, "random") == {name: read(name)[1] for name in NAMES}


def test_a_machine_without_another_python_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreters, "_found", dict)
    assert others() == ([], ["other Pythons are SKIPPED: this machine has no CPython of another version from 3.11 on"])
    monkeypatch.setattr(interpreters, "_found", lambda: {99: "/bin/false"})
    assert others() == ([], ["Python 3.99 (/bin/false) is SKIPPED: it has no msgspec, and none was installed for it"])


# -- the campaigns ----------------------------------------------------------------------------------------------------


@pytest.mark.proved
@pytest.mark.slow
def test_a_share_of_the_campaign_finds_nothing_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaigns, "NAMES", ("account", "tariff"))
    counts = golden_campaign(tmp_path, seed=1, snapshots=1)
    assert counts.is_clean, "\n".join(counts.findings)
    assert counts.effects["the newer release went on from a snapshot"] == 8
    assert counts.effects["a changed rule was found by its checksums"] == 3


def test_a_checksum_that_differs_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = Planted("account", nth=7).kinds
    monkeypatch.setattr(campaigns, "NAMES", ("account", "tariff"))
    monkeypatch.setattr(campaigns, "entities", lambda: kinds)
    counts = golden_campaign(tmp_path, seed=1, snapshots=0)
    assert counts.findings
    assert all("account, partition" in finding for finding in counts.findings)
