"""A platform in trouble, real clients that note what they see, and what both checkers say of their histories."""

import asyncio
import itertools
import random
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from tests.cluster.stage import Platform
from tests.killing.campaigns import HOSTS, Trouble, kill_gateway, kill_host, kill_log, move_partitions, stop_host
from tests.killing.steady import Steady
from tests.linearizability import judging
from tests.linearizability.brokers import broker
from tests.linearizability.checker import Violation, check
from tests.linearizability.clients import HOT_KEYS, Clients
from tests.linearizability.history import Op, by_entity, write
from tests.linearizability.simulated import PLANTED
from tests.linearizability.waking import wakes_robbed
from tests.proof.counts import Counts, summed

GATEWAYS = 2
STEADY_PER_S = 20
ENOUGH_S_MAX = 20.0
UNKNOWN_SHARE_MIN = 0.005
ADDS_MIN = 3
"""Fewer make no history that one can lie about."""


class Sizes(NamedTuple):
    """How often each trouble comes on each log, and how many ops of each kind must be answered."""

    rounds: Mapping[str, int]
    moves: int
    answered_min: int


QUICK = Sizes({"embedded": 1}, moves=2, answered_min=1_000)
FULL = Sizes({"embedded": 3, "kafka": 2}, moves=6, answered_min=5_000)


def histories(folder: Path, seed: int, sizes: Sizes) -> Counts:
    """On each log: record, under faults, what clients see, and check it."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = summed("histories", [_on(log, folder, seed, sizes) for log in sizes.rounds])
    counts.seed = seed
    return counts


def _on(log: str, folder: Path, seed: int, sizes: Sizes) -> Counts:
    counts = Counts(f"histories, {log} log", seed)
    with ExitStack() as stack:
        troubles: list[Trouble] = [kill_host, stop_host, wakes_robbed(HOT_KEYS), kill_gateway]
        if log == "kafka":
            kafka = stack.enter_context(broker(folder / "broker"))
            troubles += kafka.troubles()
            address = kafka.address
        else:
            troubles.append(kill_log)
            address = log
        options = ("--hosts", str(HOSTS), "--gateways", str(GATEWAYS), "--log", address)
        platform = stack.enter_context(Platform(folder / log, *options))
        history = asyncio.run(_record(platform, counts, log, sizes, troubles))
    _check(counts, log, folder, history)
    if not counts.is_clean:
        kept = Path(tempfile.mkdtemp(prefix="hutong-history-")) / f"{log}-{seed}.jsonl"
        write(kept, history)
        counts.find(f"the history is kept in {kept}")
    return counts


async def _record(
    platform: Platform, counts: Counts, log: str, sizes: Sizes, troubles: Sequence[Trouble]
) -> Sequence[Op]:
    """What the clients saw while all the troubles came. A steady load beside them says when calls are answered."""
    chance = random.Random(counts.seed)
    async with Steady(platform.gateway, counts.seed, STEADY_PER_S) as steady:
        async with Clients(platform.gateway, counts.seed) as clients:
            await clients.enough(sizes.answered_min, ENOUGH_S_MAX)
            await _play(platform, steady, counts, chance, [*troubles] * sizes.rounds[log], sizes.moves)
            await clients.enough(4 * sizes.answered_min, ENOUGH_S_MAX)
            for entity in await clients.last_reads():
                counts.find(f"{entity} could not be read at the end")
            _count(counts, log, clients, sizes)
        await steady.settled()
        counts.unavailable_ms_max = 1_000 * steady.slowest_s(0)
        await steady.check(counts)
    return clients.history


async def _play(
    platform: Platform, steady: Steady, counts: Counts, chance: random.Random, plan: list[Trouble], moves: int
) -> None:
    """The troubles in some order; how fast the platform is then, others measure."""
    seen = Counts(counts.scenario, counts.seed)
    await move_partitions(platform, steady, seen, chance, moves)
    chance.shuffle(plan)
    for trouble in plan:
        await trouble(platform, steady, seen, chance)
    counts.kills, counts.faults, counts.findings = seen.kills, seen.faults, [*counts.findings, *seen.findings]
    counts.unseen += seen.unseen


def _count(counts: Counts, log: str, clients: Clients, sizes: Sizes) -> None:
    adds, reads, unknown = clients.answered("add"), clients.answered("read"), clients.unknown
    highest = [max(op.total for op in ops) for ops in by_entity(clients.history).values()]
    happened = sum(highest) - adds
    counts.acked += adds
    counts.unknown += unknown
    counts.refused += clients.refused
    counts.figures |= {f"{log}_adds": adds, f"{log}_reads": reads, f"{log}_unknown": unknown}
    counts.figures |= {
        f"{log}_unknown_happened": happened,
        f"{log}_unread": clients.unread,
    }
    for error in clients.errors:
        counts.find(f"a call ended with {error.reason}: {error}")
    if min(adds, reads) < sizes.answered_min:
        counts.find(f"too few calls succeeded: {adds} adds and {reads} reads, of each at least {sizes.answered_min}")
    if unknown < UNKNOWN_SHARE_MIN * adds:
        counts.find(f"too few adds went without an answer: {unknown} beside {adds}")


def _check(counts: Counts, log: str, folder: Path, history: Sequence[Op]) -> None:
    """Both checkers, each also on lies that are planted in a copy of what one counter's clients saw."""
    with_lies = [*history, *_planted(history)]
    began_s = time.monotonic()
    violations = check(with_lies)
    counts.figures[f"{log}_check_s"] = time.monotonic() - began_s
    for violation in violations:
        if violation.entity not in PLANTED:
            _blame(counts, violation)
    found = {violation.entity for violation in violations}
    counts.figures[f"{log}_lies_found"] = len(PLANTED.keys() & found)
    for kind in PLANTED.keys() - found:
        counts.find(f"a planted {kind} was not found")
    _ask_porcupine(counts, log, folder, with_lies, found)


def _planted(history: Sequence[Op]) -> list[Op]:
    """Each lie in a counter of its own, after what was seen of one until a call of it went without an answer."""
    seen = max(map(_calm, by_entity(history).values()), key=lambda ops: sum(op.kind == "add" for op in ops), default=())
    if sum(op.kind == "add" for op in seen) < ADDS_MIN:
        return []
    return [replace(op, entity=kind) for kind, plant in PLANTED.items() for op in plant(seen)]


def _calm(ops: Sequence[Op]) -> Sequence[Op]:
    """What ended before the first call without an answer began, as far as all totals are there."""
    until_ns = min((op.began_ns for op in ops if not op.answered), default=None)
    ended = [op for op in ops if op.answered and (until_ns is None or op.ended_ns < until_ns)]
    totals = {op.total for op in ended if op.kind == "add"}
    last = next(total for total in itertools.count() if total + 1 not in totals)
    return [op for op in ended if op.total <= last]


def _blame(counts: Counts, violation: Violation) -> None:
    match violation.kind:
        case "repeated total":
            counts.lost += 1
        case "gap":
            counts.twice += 1
        case _:
            counts.wrong += 1
    counts.find(str(violation))


def _ask_porcupine(counts: Counts, log: str, folder: Path, history: Sequence[Op], illegal: set[str]) -> None:
    """A second opinion, where it is to be had. What the two say differs only when one of them is wrong."""
    began_s = time.monotonic()
    try:
        verdicts = judging.judge(judging.build(folder), history)
    except judging.Away as away:
        counts.skipped.append(f"PORCUPINE WAS NOT ASKED of the {log} log's history: {away}; our own check ran")
        return
    counts.figures[f"{log}_porcupine_s"] = time.monotonic() - began_s
    said = Counter(one.verdict for entity, one in verdicts.items() if entity not in PLANTED)
    counts.figures |= {f"{log}_porcupine_{verdict.lower()}": number for verdict, number in said.items()}
    counts.figures[f"{log}_porcupine_ordered"] = sum(one.ordered for one in verdicts.values())
    if len(verdicts) != len(by_entity(history)):
        counts.find(f"Porcupine spoke of {len(verdicts)} entities only")
    for entity, one in verdicts.items():
        if one.verdict == "Unknown":
            counts.skipped.append(f"Porcupine found no answer within {judging.ENTITY_S_MAX} s for {entity}")
        elif (one.verdict == "Illegal") != (entity in illegal):
            counts.wrong += 1
            counts.find(f"Porcupine says of {entity}: {one.verdict}; our check says the opposite")
