"""Every campaign by its name, with its quick and its full size."""

from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import NamedTuple

from actors.ports import Slice
from tests.kafka_faults import faults
from tests.kafka_faults.holes import holes, unclean
from tests.kafka_faults.stand import TOPIC, Stand, brokers, loaded
from tests.proof.counts import Counts

STALL_S = 1.0


class Size(NamedTuple):
    """How often each fault happens."""

    kills: int = 0
    pauses: int = 0
    wire: int = 0
    rolling: int = 0
    together: int = 0
    rounds: int = 0
    pause_s: float = 8.0


def one_broker(folder: Path, seed: int, size: Size) -> Counts:
    """A broker alone: killed, stopped, and everything that a network does to it."""
    counts, chance = Counts("kafka, one broker", seed=seed), Random(seed)
    with brokers(folder, 1, seed) as (cluster, proxy), loaded(cluster, proxy, counts) as stand:
        acts: list[Callable[[], None]] = []
        acts += [lambda: faults.kill(stand, 0, alone=True)] * size.kills
        acts += [lambda: faults.pause(stand, 0, size.pause_s)] * size.pauses
        acts += _wire(stand, 0) * size.wire
        _play(stand, acts, chance)
    return counts


def three_brokers(folder: Path, seed: int, size: Size) -> Counts:
    """Three brokers: leaders killed, stopped and cut off one way; all restarted in turn; all killed at once."""
    counts, chance = Counts("kafka, three brokers", seed=seed), Random(seed)
    with brokers(folder, 3, seed) as (cluster, proxy), loaded(cluster, proxy, counts) as stand:
        first = Slice(TOPIC, 0)
        acts: list[Callable[[], None]] = []
        acts += [lambda: faults.kill(stand, faults.lead(stand, first), alone=False)] * size.kills
        acts += [lambda: faults.pause(stand, faults.lead(stand, first), size.pause_s)] * size.pauses
        acts += [
            lambda: faults.hold(stand, faults.lead(stand, first), 2 * STALL_S, "to"),
            lambda: faults.hold(stand, faults.lead(stand, first), 2 * STALL_S, "from"),
        ] * size.wire
        acts += [lambda: faults.roll(stand)] * size.rolling
        acts += [lambda: faults.kill_all(stand)] * size.together
        _play(stand, acts, chance)
    return counts


def _wire(stand: Stand, broker: int) -> list[Callable[[], None]]:
    """Everything that the proxy does, once each."""
    return [
        lambda: faults.hold(stand, broker, STALL_S, "to", "from"),
        lambda: faults.hold(stand, broker, STALL_S, "to"),
        lambda: faults.hold(stand, broker, STALL_S, "from"),
        lambda: faults.reset(stand, broker),
        lambda: faults.flip(stand, broker, "to"),
        lambda: faults.flip(stand, broker, "from"),
        lambda: faults.slow(stand, broker, STALL_S),
    ]


def _play(stand: Stand, acts: list[Callable[[], None]], chance: Random) -> None:
    """All of them in some order, each on a log that works."""
    chance.shuffle(acts)
    if not stand.load.flows():
        stand.counts.find("appends did not begin")
    for act in acts:
        act()


CAMPAIGNS: Mapping[str, tuple[Callable[[Path, int, Size], Counts], Size, Size]] = {
    "holes": (lambda folder, seed, size: holes(folder, seed, size.rounds), Size(rounds=1), Size(rounds=2)),
    "unclean-election": (lambda folder, seed, size: unclean(folder, seed, size.rounds), Size(), Size(rounds=1)),
    "one-broker": (one_broker, Size(kills=1, pauses=1, wire=1, pause_s=5.0), Size(kills=12, pauses=6, wire=8)),
    "three-brokers": (
        three_brokers,
        Size(kills=1),
        Size(kills=6, pauses=6, wire=2, rolling=1, together=1),
    ),
}
