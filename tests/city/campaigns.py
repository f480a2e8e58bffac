"""Many persons' days in one town, while processes die and the keyring is held; and what all of it must come to."""

import asyncio
import contextlib
import json
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import apsw

from actors.adapters.keyfile import BUSY_MS_MAX
from actors.adapters.subjects import FILE as SUBJECTS_FILE
from actors.cli import wiring
from actors.cli.archive import open_archive
from actors.cli.city import proofs, unowed
from actors.cli.history import explained
from actors.cli.packing import key_of
from actors.cli.releasing import release_all
from actors.clocks import wall_ms
from actors.errors import InvalidCommand, Unavailable
from actors.registry import shipped_programs
from gateway.client import Client
from gateway.tokens import ROTATED_APART_MS
from gateway.v1 import webhooks_pb2
from gateway.v1.webhooks_pb2_grpc import WebhookServiceStub
from loadtests.city.audit import audit
from loadtests.city.citizen import asked
from loadtests.city.day import Day, Step
from loadtests.city.town import Town
from tests.city.rush import rush
from tests.cluster.hearing import Heard, server
from tests.cluster.stage import Platform, until
from tests.linearizability.checker import check
from tests.linearizability.history import Op
from tests.proof.counts import Counts

BACK_S_MAX = 90.0
TOLD_S_MAX = 60.0
BETWEEN_S = 0.5
HELD_S = 0.75 * BUSY_MS_MAX / 1_000
DAYS_MAX = 100
"""A town has stock and seats for so many."""
PUBLISHED = ("wear",)


class Size(NamedTuple):
    """How many days at least and at a time, and how often each trouble comes."""

    days: int
    at_once: int
    hosts: int
    gateways: int
    followers: int
    keyrings: int
    rotations: int


QUICK = Size(4, 4, 1, 1, 1, 1, 1)
FULL = Size(40, 8, 8, 4, 4, 4, 2)
Trouble: TypeAlias = Callable[[Platform, Counts], None]


def days(folder: Path, seed: int, size: Size) -> Counts:
    """Days of many persons at once, under killed hosts, gateways and followers, a keyring held and keys rotated."""
    counts, heard = Counts("days", seed), Heard()
    with server(heard) as port:
        settings = {"HUTONG_IDENTITY_REQUIRED": "true", "HUTONG_WEBHOOK_LOCAL_PORT": str(port)}
        with Platform(folder, "--hosts", "2", **settings, HUTONG_WEBHOOK_LOST_MS="2000") as platform:
            played = asyncio.run(_play(platform, counts, size, port))
            _owed_and_told(platform, counts, played, heard)
            _explained(platform, counts, random.Random(seed), played)
    return counts


class Played(NamedTuple):
    """A day that went by, and its steps."""

    day: Day
    steps: list[Step]


async def _play(platform: Platform, counts: Counts, size: Size, port: int) -> list[Played]:
    """Days go by until there were enough and every trouble has come; then the town adds up."""
    keys = wiring.keys_of(platform.folder)
    async with Client(platform.gateway) as connection:
        town = Town(connection, proofs(keys), f"{counts.seed:x}", drop_limit=max(1, size.days * 2 // 3))
        published = [folder for folder in shipped_programs() if folder.name in PUBLISHED]
        await release_all(town.by("operator/city"), published, "hutong", "other", key_of(platform.folder, "hutong"))
        await town.open()
        endpoint = webhooks_pb2.SetEndpointRequest(program="food", endpoint="main", events=["owed"])
        endpoint.url = f"http://127.0.0.1:{port}/in"
        await asked(town.by("server/food"), WebhookServiceStub, "SetEndpoint", endpoint)
        troubles = asyncio.ensure_future(asyncio.to_thread(_trouble, platform, counts, size))
        names = (f"person {n}" for n in range(DAYS_MAX))
        played: list[Played] = []

        def is_enough() -> bool:
            return troubles.done() and len(played) >= size.days

        playing = (_days(town, names, is_enough, played) for _ in range(size.at_once))
        await asyncio.gather(rush(town, counts, is_enough), *playing)
        await troubles
        _count(counts, played)
        if not counts.findings:
            for wrong in await audit(town, [one.day for one in played]):
                counts.find(wrong)
    keys.close()
    return played


async def _days(town: Town, names: Iterator[str], is_enough: Callable[[], bool], played: list[Played]) -> None:
    """One day after the other."""
    while not is_enough() and (name := next(names, "")):
        day = Day(town, name)
        played.append(Played(day, [step async for step in day.play()]))


def _count(counts: Counts, played: list[Played]) -> None:
    for day, steps in played:
        counts.acked += sum(step.ok for step in steps)
        for step in steps:
            if not step.ok:
                counts.find(f"{day.me.name}: {step.name} ({step.request_id}): {step.seen}")
    counts.figures["days"] = len(played)
    claims = (
        Op(
            entity="drop",
            kind="add",
            client=n,
            began_ns=day.claimed_ns[0],
            ended_ns=day.claimed_ns[1],
            total=int(day.item.rpartition("/")[2]),
        )
        for n, (day, _) in enumerate(played)
        if day.item
    )
    for violation in check(claims):
        counts.find(str(violation))


# -- what goes wrong --------------------------------------------------------------------------------------------------


def _trouble(platform: Platform, counts: Counts, size: Size) -> None:
    """Every trouble so often as it comes, in an order drawn from the seed, each when the last one is over."""
    troubles: list[tuple[int, Trouble]] = [
        (size.hosts, _kills("host-", "host killed")),
        (size.gateways, _kills("gateway-0", "gateway killed")),
        (size.followers, _kills("follower", "follower killed")),
        (size.keyrings, _hold_keyring),
        (size.rotations, _rotate),
    ]
    plan = [trouble for times, trouble in troubles for _ in range(times)]
    random.Random(counts.seed).shuffle(plan)
    for trouble in plan:
        threading.Event().wait(BETWEEN_S)
        trouble(platform, counts)


def _kills(role: str, kind: str) -> Trouble:
    def kill(platform: Platform, counts: Counts) -> None:
        victim = platform.kill(role)
        platform.replaced(victim, role, BACK_S_MAX)
        counts.kills += 1
        counts.fault(kind)

    return kill


def _hold_keyring(platform: Platform, counts: Counts) -> None:
    """Somebody else writes into both of its files for most of the time that whoever needs them waits."""
    folder = platform.folder / wiring.KEYS_FOLDER
    databases: list[Any] = [apsw.Connection(str(folder / name)) for name in ("keys.db", SUBJECTS_FILE)]
    for database in databases:
        database.set_busy_timeout(round(1_000 * BACK_S_MAX))  # those who sign in write there, too
        database.execute("BEGIN EXCLUSIVE")
    threading.Event().wait(HELD_S)
    for database in databases:
        database.execute("ROLLBACK")
        database.close()
    counts.fault("keyring held")


def _rotate(platform: Platform, counts: Counts) -> None:
    """The next key signs from now on, and what is new follows from another root key."""
    keys = wiring.keys_of(platform.folder)
    rotations: dict[str, Callable[[int], str]] = {
        "keys rotated": lambda now_ms: keys.rotate(now_ms, ROTATED_APART_MS),
        "root key rotated": keys.rotate_root,
    }
    for kind, rotate in rotations.items():

        def is_rotated(rotate: Callable[[int], str] = rotate) -> bool:
            with contextlib.suppress(Unavailable, InvalidCommand):  # the keyring is held, or they were just rotated
                return rotate(wall_ms()) != ""
            return False

        until(is_rotated, BACK_S_MAX, kind)
        counts.fault(kind)
    keys.close()


# -- afterwards -------------------------------------------------------------------------------------------------------


def _owed_and_told(platform: Platform, counts: Counts, played: list[Played], heard: Heard) -> None:
    """What was owed stands in the read models, each once; the food program was told of each meal, by one name."""
    debts = [debt for day, _ in played for debt in day.debts]
    with open_archive(platform.folder) as archive:
        for missing in unowed(archive, debts):
            counts.find(missing)
    meals = sorted(debt.entity.removeprefix("food/orders/") for debt in debts if debt.entity.startswith("food/"))
    until(lambda: len(heard.bodies) >= len(meals), TOLD_S_MAX, f"{len(meals)} meals are told of; {platform.errors}")
    told = sorted(json.loads(bodies[0])["data"]["reference"] for bodies in heard.bodies.values())
    if told != meals:
        counts.find(f"the meals {meals} were owed, and {told} told")
    if any(len(set(bodies)) > 1 for bodies in heard.bodies.values()):
        counts.find("a delivery's name stands for two things")


def _explained(platform: Platform, counts: Counts, chance: random.Random, played: list[Played]) -> None:
    """The log explains every step of some day, and says that each call of it was decided once."""
    steps = chance.choice(played).steps
    with open_archive(platform.folder) as archive:
        for step in steps:
            calls = explained(archive, step.request_id)
            outcomes = [[copy["outcome"] for copy in call["copies"]] for call in calls]
            if any(of_call.count("accepted") != 1 for of_call in outcomes):
                counts.find(f"{step.name} ({step.request_id}) is on the log as {outcomes}")
