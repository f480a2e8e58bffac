"""`hutong demo shop`: a platform in a fresh folder, a real shop's year through its gateway, and the sums checked.

The counts are read from the platform through a view; the checksum is folded from the events topic as read back. With
--kill-hosts, hosts are ended by `kill -9` between the first answer and the last, most of them the one that owns the
shop.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from actors.adapters.logs import open_log
from actors.cli import output, wiring
from actors.cli.calling import connect
from actors.cli.running import Run
from actors.cli.supervisor import Plan, Supervisor
from actors.errors import SetupError, Unavailable
from actors.history import placement_now, read_slice
from actors.kernel.action import decode_event_frame
from actors.kernel.routing import partition_of
from actors.ports import Log, Slice
from actors.registry import shipped_programs
from actors.settings import ClusterSettings, ProcessSettings
from loadtests.shop_year import Line, Progress, checksum_part, load_lines, open_shop, play, total_checksum

LINES_A_SECOND_SHOWN = 5.0
EVENTS_S_MAX = 10.0
EVENTS_LOOK_S = 0.05
OWNER_KILLS_MIN = 2
"""At least so many of the kills hit the host that owns the shop's partition."""
OUTCOMES = {"shop.line-sold": "sold", "shop.line-returned": "returned"}
REFUSED = "shop.line-refused"


class Kill(NamedTuple):
    """One host that was killed: after how many answers, and how long until the next good answer."""

    after_line: int
    recovered_ms: int


def play_shop(file: Path | None, log: str, hosts: int, kill_hosts: int, stay: bool, as_json: bool) -> None:
    """Run the demo from beginning to end in a fresh folder."""
    lines = load_lines(file or _excerpt())
    if not lines:
        raise SetupError(f"{file} has no lines to play", reason="NO_LINES")
    folder = Path(tempfile.mkdtemp(prefix="hutong-demo-"))
    plan = Plan(folder=folder, port=0, log=log, hosts=hosts, gateways=1, partitions=None, programs=())
    try:
        asyncio.run(_demo(plan, lines, kill_hosts, stay, as_json))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _excerpt() -> Path:
    """The part of the year that ships with the shop program."""
    return next(folder / "year.csv" for folder in shipped_programs() if folder.name == "shop")


async def _demo(plan: Plan, lines: Sequence[Line], kill_hosts: int, stay: bool, as_json: bool) -> None:
    async def play(run: Run) -> None:
        _show(await _play(run, lines, kill_hosts), as_json)

    await on_own_platform(plan, play, stay)


async def on_own_platform(plan: Plan, play: Callable[[Run], Awaitable[None]], stay: bool) -> None:
    """Bring a platform up, play on it, and end it; with `stay` only when asked to."""
    output.say(f"bringing a platform up in {plan.folder} …")
    supervisor = Supervisor(plan, wiring.data_folder(plan.folder))
    up: asyncio.Future[Run] = asyncio.get_running_loop().create_future()
    running = asyncio.ensure_future(supervisor.run(as_json=False, ready=up.set_result, quiet=not stay))
    try:
        await asyncio.wait((up, running), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
            return
        await play(up.result())
        if stay:
            output.say(f"serving on {up.result().gateway} until Ctrl-C")
            await running
    finally:
        supervisor.end()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def _play(run: Run, lines: Sequence[Line], kill_hosts: int) -> dict[str, Any]:
    merchant = f"m{time.time_ns():x}"
    process = ProcessSettings()
    token = wiring.token_of(Path(run.folder))
    log = await asyncio.to_thread(open_log, run.log_url, process, token)
    try:
        async with connect(run, "demo") as client:
            await open_shop(client, merchant, (line.sku for line in lines))
            progress = Progress(len(lines))
            killer = asyncio.ensure_future(_kill(log, run.cluster, merchant, progress, kill_hosts))
            shown = asyncio.ensure_future(_show_progress(progress))
            began = time.monotonic()
            await play(client, merchant, lines, progress)
            seconds = time.monotonic() - began
            shown.cancel()
            kills = await _killed(killer, kill_hosts)
            totals = (await client.query(f"programs/shop/shops/{merchant}", "totals")).value
        checksum = await asyncio.to_thread(_checksum, log, run.cluster, merchant, len(lines))
    finally:
        await asyncio.to_thread(log.close)
    return {
        **totals,
        "seconds": round(seconds, 3),
        "host_kills": [kill._asdict() for kill in kills],
        "events_checksum": checksum,
        "log": run.log_url.partition(":")[0],
    }


async def _show_progress(progress: Progress) -> None:
    while True:
        await asyncio.sleep(LINES_A_SECOND_SHOWN)
        output.say(f"  {progress.answered:,} of {progress.lines:,} lines answered")


# -- killing hosts --------------------------------------------------------------------------------------------------


async def _kill(log: Log, cluster: ClusterSettings, merchant: str, progress: Progress, count: int) -> list[Kill]:
    """Kill hosts spread over the run: every one but the last of several that owns the shop's partition."""
    partition = partition_of(merchant, cluster.partitions, cluster.groups)
    kills: list[Kill] = []
    for number in range(count):
        due = max(1, progress.lines * (number + 1) // (count + 1))
        await progress.reached(due)
        placed = (await asyncio.to_thread(placement_now, log, cluster.placement_topic)).placed
        owner = placed[partition]
        others = [other for other in placed.values() if other.pid != owner.pid]
        victim = others[0] if others and count > OWNER_KILLS_MIN and number == count - 1 else owner
        after_line, killed_at = progress.answered, time.monotonic()
        if after_line >= progress.lines:
            raise Unavailable("the run was over before a host could be killed", outcome="NOT_APPENDED")
        os.kill(victim.pid, signal.SIGKILL)
        output.say(f"  killed {victim.host} (kill -9 {victim.pid}) after line {after_line:,}")
        recovered_at = await progress.answered_begun_after(killed_at)
        kills.append(Kill(after_line, round((recovered_at - killed_at) * 1_000)))
    return kills


async def _killed(killer: "asyncio.Task[list[Kill]]", count: int) -> list[Kill]:
    """The kills. Raises SetupError when one could not be placed between the first answer and the last."""
    if not killer.done():
        killer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await killer
        raise SetupError(f"not all of {count} kills could be placed within the run; play more lines", reason="KILLS")
    try:
        return killer.result()
    except (Unavailable, ProcessLookupError) as error:
        raise SetupError(f"a kill could not be placed within the run: {error}", reason="KILLS") from error


# -- the sums -------------------------------------------------------------------------------------------------------


def _checksum(log: Log, cluster: ClusterSettings, merchant: str, lines: int) -> int:
    """Fold the shop's events as they stand on their topic, each identity once.

    An answer does not wait for its event, so the last ones may come a moment later. Raises SetupError if some never do.
    """
    until = time.monotonic() + EVENTS_S_MAX
    while True:
        parts = _outcomes(log, cluster, merchant)
        if len(parts) >= lines:
            return total_checksum(parts)
        if time.monotonic() > until:
            raise SetupError(f"the events topic has {len(parts)} outcomes of {lines} lines", reason="EVENTS_MISSING")
        time.sleep(EVENTS_LOOK_S)


def _outcomes(log: Log, cluster: ClusterSettings, merchant: str) -> list[int]:
    partition = partition_of(merchant, cluster.partitions, cluster.groups)
    slice_ = Slice(cluster.events_topic_of("shop"), partition)
    parts: list[int] = []
    last = (-1, -1, -1, -1)
    for fetched in read_slice(log, slice_):
        for event in decode_event_frame(slice_.topic, partition, fetched.offset, fetched.frame).records:
            identity = (event.incarnation, event.offset, event.index, event.n)
            if identity <= last:
                continue
            last = identity
            if event.entity == f"shop/{merchant}":
                parts += _part(msgspec.msgpack.decode(event.payload))
    return parts


def _part(event: Mapping[str, Any]) -> list[int]:
    tag = event["type"]
    if tag != REFUSED and tag not in OUTCOMES:
        return []
    outcome = OUTCOMES.get(tag) or event["reason"]
    fields = (event["customer"], event["order"], event["sku"], event["quantity"], event["price_pence"])
    return [checksum_part(outcome, *fields)]


def _show(report: Mapping[str, Any], as_json: bool) -> None:
    output.result(report, as_json)
    if as_json:
        return
    refused = ", ".join(f"{count:,} {reason}" for reason, count in report["lines_refused"].items())
    kills = ", ".join(f"after line {k['after_line']:,}: {k['recovered_ms']:,} ms" for k in report["host_kills"])
    rows = [
        ("lines sold", f"{report['lines_sold']:,}"),
        ("lines returned", f"{report['lines_returned']:,}"),
        ("lines refused", refused),
        ("units sold / returned", f"{report['units_sold']:,} / {report['units_returned']:,}"),
        ("revenue", f"£{report['revenue_pence'] / 100:,.2f}"),
        ("customers", f"{report['customers']:,}"),
        ("hosts killed → answering again", kills or "none (try --kill-hosts 3)"),
        ("events checksum", str(report["events_checksum"])),
        ("seconds", f"{report['seconds']:.1f} on the {report['log']} log"),
    ]
    output.table("A real shop's year, each line once", ("what", "figure"), rows)
