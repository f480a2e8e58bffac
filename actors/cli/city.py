"""`hutong demo day-in-the-city`: one person's day through the gateway, on a platform of its own or one that runs.

Everybody in it proves who they are. Afterwards everything that was owed is looked for in the read models, and every
step on the log, as `hutong why` does.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from actors.cli import output, running, wiring
from actors.cli.archive import Archive, open_archive
from actors.cli.calling import connect
from actors.cli.demo import on_own_platform
from actors.cli.following import current_rows
from actors.cli.history import explained
from actors.cli.packing import key_of
from actors.cli.releasing import release_all
from actors.cli.running import Run
from actors.cli.supervisor import Plan
from actors.clocks import wall_ms
from actors.errors import PlatformError
from actors.ports import Keys
from actors.principal import parse
from actors.projections.owed import COLUMNS, TABLE
from actors.registry import shipped_programs
from gateway.tokens import sign
from loadtests.city.audit import audit
from loadtests.city.day import Day, Debt, Step
from loadtests.city.town import Town

DEBTS_MAX = 100
PARTITIONS = 4
"""Of a platform of its own: enough for one person, and a Kafka is ready sooner."""


def play_day(folder: Path | None, log: str, hosts: int, stay: bool, as_json: bool) -> None:
    """Play the day, on the platform of this folder or else on one of its own, and tell it; 1 when not all is ok."""
    if folder is not None:
        asyncio.run(_tell(running.running(folder), as_json, stays=True))
        return
    own = Path(tempfile.mkdtemp(prefix="hutong-day-"))
    process = replace(wiring.process_settings(), identity_required=True)
    plan = Plan(
        folder=own, port=0, log=log, hosts=hosts, gateways=1, partitions=PARTITIONS, programs=(), process=process
    )
    try:
        asyncio.run(on_own_platform(plan, lambda run: _tell(run, as_json, stays=stay), stay))
    finally:
        shutil.rmtree(own, ignore_errors=True)


async def _tell(run: Run, as_json: bool, *, stays: bool) -> None:
    began = time.monotonic()
    day, steps, wrong = await _played(run)
    whys, missing = await asyncio.to_thread(_looked_up, Path(run.folder), steps, day.debts)
    wrong += missing
    facts = [step._asdict() | {"why": why} for step, why in zip(steps, whys, strict=True)]
    is_ok = not wrong and all(step.ok for step in steps)
    report = {
        "steps": facts,
        "owed": [debt._asdict() for debt in day.debts],
        "wrong": wrong,
        "ok": is_ok,
        "log": run.log_url.partition(":")[0],
        "seconds": round(time.monotonic() - began, 3),
        "folder": run.folder,
    }
    output.result(report, as_json)
    if not as_json:
        columns = ("step", "request id", "", "what was seen")
        rows = [(step.name, step.request_id, "ok" if step.ok else "NOT OK", step.seen) for step in steps]
        output.table(f"A day in the city, on the {report['log']} log", columns, rows)
        next_ = f"hutong why {steps[-1].request_id} --dir {run.folder}"
        output.say(next_ if stays else "with --stay the platform goes on, and `hutong why` explains each step")
    for each in wrong:
        output.say(f"not as it must be: {each}")
    if not is_ok:
        raise SystemExit(1)


async def _played(run: Run) -> tuple[Day, list[Step], list[str]]:
    """A town opens, and one day goes by in it."""
    keys = wiring.keys_of(Path(run.folder))
    try:
        async with connect(run) as connection:
            town = Town(connection, proofs(keys), f"{time.time_ns():x}", drop_limit=1)
            await town.citizen(
                "the mayor"
            ).sign_in()  # where nobody proves who they are it is refused, and nothing done
            output.say("programs are released, the town opens …")
            key = key_of(Path(run.folder), "hutong")
            await release_all(town.by("operator/city"), shipped_programs(), "hutong", "other", key)
            await town.open()
            day = Day(town, "ann")
            steps: list[Step] = []
            async for step in day.play():
                output.say(f"  {step.name}: {step.seen}")
                steps.append(step)
            return day, steps, await audit(town, [day]) if steps[-1].ok else []
    finally:
        keys.close()


def proofs(keys: Keys) -> Callable[[str], str]:
    """Tokens for whatever principal, signed by the folder's own key."""

    def proof(caller: str) -> str:
        principal = parse(caller)
        assert principal is not None
        return sign(keys, principal, wall_ms())

    return proof


def _looked_up(folder: Path, steps: Sequence[Step], debts: Sequence[Debt]) -> tuple[list[Any], list[str]]:
    """What the log says of every step, and what is missing there or among what is owed."""
    with open_archive(folder) as archive:
        whys = [_why(archive, step.request_id) for step in steps]
        missing = [f"the log does not explain {step.name}" for step, why in zip(steps, whys, strict=True) if not why]
        return whys, missing + unowed(archive, debts)


def _why(archive: Archive, request_id: str) -> list[dict[str, Any]]:
    """The call and the steps it took: of whom what was asked, and what came of it. Empty when the log has nothing."""
    try:
        calls = explained(archive, request_id)
    except PlatformError:
        return []
    return [{**call["asked"], **call["copies"][0]} for call in calls]


def unowed(archive: Archive, debts: Sequence[Debt]) -> list[str]:
    """The debts that the read model has not, or has otherwise."""
    found: list[str] = []
    with current_rows(archive) as (rows, _):
        for debt in debts:
            kind, entity_id = archive.registry.entity_of(f"programs/{debt.entity}")
            stated = [
                dict(zip(COLUMNS, row[1:], strict=True))
                for row in rows.find(TABLE, {"entity": f"{kind.kind}/{entity_id}"}, DEBTS_MAX)
            ]
            owed = [(one["creditor"], one["amount_minor"]) for one in stated]
            if owed != [(debt.to, debt.amount_minor)]:
                found.append(f"{debt.entity} owes {owed}, and not {debt.amount_minor} to {debt.to}")
    return found
