"""Every campaign by its name, in its quick and its full size. All full ones take about 12 minutes of one core."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from tests.disk.cutting import cut_power
from tests.disk.damage import damage
from tests.disk.failing import fail_calls, fail_syncs, fill_the_disk
from tests.disk.killing import kill_at_random, kill_at_syncs
from tests.disk.recovering import recover
from tests.disk.stores import damage_stores
from tests.proof.counts import Counts

Campaign: TypeAlias = Callable[[Path, int, bool], Counts]
"""Given an empty place, a seed, and whether the full size is wanted."""

DAMAGE_FULL = {
    "flipped bit": 4_500,
    "truncated file": 1_000,
    "lost sector": 400,
    "stale block": 300,
    "misdirected block": 300,
}

CAMPAIGNS: Mapping[str, Campaign] = {
    "kills": lambda folder, seed, full: kill_at_random(folder, seed, 1_000 if full else 25),
    "kills-at-syncs": lambda folder, seed, full: kill_at_syncs(folder, seed, range(1, 301, 1 if full else 75)),
    "power-cuts": lambda folder, seed, full: cut_power(folder, seed, 2_000 if full else 100),
    "damage": lambda folder, seed, full: damage(folder, seed, DAMAGE_FULL if full else dict.fromkeys(DAMAGE_FULL, 30)),
    "failed-syncs": lambda folder, seed, full: fail_syncs(folder, seed, range(1, 201 if full else 41)),
    "full-disk": lambda folder, seed, full: fill_the_disk(folder, seed, 20_000 if full else 1_000),
    "stores": lambda folder, seed, full: damage_stores(folder, seed, 150 if full else 10),
    "recovery": lambda folder, seed, full: recover(folder, seed, 270 if full else 18),
    "failing-calls": lambda folder, seed, full: fail_calls(folder, seed, full=full),
}
