"""`hutong load`: a scenario from the command line to the report. What cannot be is refused before anything starts."""

import asyncio
import contextlib
import fcntl
import json
import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console

from actors.errors import SetupError
from actors.settings import PARTITIONS_MAX
from loadtests.driver.cluster import joined
from loadtests.driver.coordinator import Coordinator, RunOrder
from loadtests.driver.live import Progress
from loadtests.driver.messages import Play, world_and_day
from loadtests.driver.result import Run, write_run
from loadtests.driver.target import Target, check_listens, known, own, shown_command
from loadtests.driver.verdict import FEWER
from loadtests.driver.watching import MAKE_ROOM, machine, no_room
from loadtests.endings import interrupt, on_end, undisturbed
from loadtests.habits import day_named, rates
from loadtests.report.page import page
from loadtests.report.summary import summary
from loadtests.report.table import print_run
from loadtests.scenarios import CALLS_OF_AN_OPENING, Scenario, check_users, scenario_of, thresholds_of
from loadtests.schedule import busiest_per_s, window_of

GENERATORS_MAX = 64
REPORT_FILE = "report.html"
LOGS = ("embedded", "kafka")
HOSTS_MAX = 64
LOG = "embedded"
SOME = "some sessions, by asking the platform for their pages"
EVERY = "every visit, page, purchase, hire and game, by its event on the log"
"""How effects are looked for: closings, and what is sent on to other entities, are not."""
CORES_OF_A_HOST = 2
"""A platform of the run's own has a host for so many cores, where nobody says otherwise: what is sent between hosts is
a command of its own on the log, and gateway, log and generators together want as much as a host. Each host has one
partition."""
BUSIEST_MIN, BUSIEST_MAX = 1.1, 20.0
CALLS_OF_A_GENERATOR = 12_000
"""Calls a second that one generator makes without being late."""


class Asked(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line; None and "" for what was left out."""

    scenario: str
    users: int | None = None
    compress: str = ""
    target: str = ""
    folder: Path | None = None
    seed: int = 1
    thresholds: tuple[str, ...] = ()
    busiest: float | None = None
    generators: int | None = None
    unary: bool = False
    log: str = ""
    hosts: int | None = None
    partitions: int | None = None
    ray_address: str = ""
    out: Path | None = None


def order_of(asked: Asked, out: Path) -> RunOrder:
    """What is to be run. Raises SetupError for what cannot be, or contradicts itself."""
    scenario = _as_busy(scenario_of(asked.scenario), asked.busiest)
    compress, users = asked.compress or scenario.compress, scenario.users if asked.users is None else asked.users
    window = window_of(compress, scenario.first_h * 3_600)
    check_users(users)
    bounds = thresholds_of(scenario, asked.thresholds)
    if asked.target and asked.folder:
        raise SetupError("--target and --dir both name a platform: give one of them", reason="CONTRADICTION")
    if scenario.kills and asked.target:
        raise SetupError(
            f"{scenario.name} kills hosts: of a platform that only has an address there are none to be found. Name its "
            "folder with --dir, or leave both out",
            reason="CONTRADICTION",
        )
    _check_sizes(asked)
    play = Play(
        users=users, seed=asked.seed, day=scenario.day, busiest=scenario.busiest, window=window, asks=scenario.asks
    )
    needed = _generators(play)
    generators = needed if asked.generators is None else asked.generators
    if not 1 <= generators <= GENERATORS_MAX:
        raise SetupError(f"--generators is 1 to {GENERATORS_MAX}, not {generators}", reason="NO_GENERATORS")
    return RunOrder(
        scenario=scenario,
        play=play,
        compress=compress,
        bounds=bounds,
        folder=out,
        generators=generators,
        unary=asked.unary,
        on_cluster=bool(asked.ray_address),
        settings=_settings(asked, scenario, generators),
        machine=machine(),
    )


def _as_busy(scenario: Scenario, busiest: float | None) -> Scenario:
    """The scenario with its busiest minute as busy as was asked for."""
    if busiest is None:
        return scenario
    least = BUSIEST_MIN * day_named(scenario.day).volume
    if not least <= busiest <= BUSIEST_MAX:
        message = f"--busiest is {least:g} to {BUSIEST_MAX:g} times a workday's mean, not {busiest:g}"
        raise SetupError(message, reason="NO_DAY")
    return replace(scenario, busiest=busiest)


def _generators(play: Play) -> int:
    """As many as the busiest minute needs. Raises SetupError where that is more than there may be."""
    per_s = CALLS_OF_AN_OPENING * busiest_per_s(rates(*world_and_day(play)), play.window)
    if per_s > GENERATORS_MAX * CALLS_OF_A_GENERATOR:
        message = (
            f"{play.users:,} persons in {play.window.run_s:g} s are {per_s:,.0f} calls in the busiest second, more "
            f"than {GENERATORS_MAX} generators make: {FEWER}"
        )
        raise SetupError(message, reason="NO_TIME")
    return math.ceil(per_s / CALLS_OF_A_GENERATOR)


def _sizes(asked: Asked) -> dict[str, str]:
    """What was said of the platform that is brought up."""
    given = {"--log": asked.log, "--hosts": asked.hosts, "--partitions": asked.partitions}
    return {option: str(value) for option, value in given.items() if value not in (None, "")}


def _check_sizes(asked: Asked) -> None:
    named = "--target" if asked.target else "--dir" if asked.folder else ""
    if named and (given := _sizes(asked)):
        message = f"{', '.join(given)} would be of a platform that is brought up, and {named} names one that runs"
        raise SetupError(f"{message}: leave one of them out", reason="CONTRADICTION")
    if asked.log not in ("", *LOGS):
        raise SetupError(f"--log is {' or '.join(LOGS)}, not {asked.log!r}", reason="LOG_ADDRESS")
    bounded = (("--hosts", asked.hosts, HOSTS_MAX), ("--partitions", asked.partitions, PARTITIONS_MAX))
    for option, value, most in bounded:
        if value is not None and not 1 <= value <= most:
            raise SetupError(f"{option} is 1 to {most:,}, not {value:,}", reason="NO_SIZE")


def brought_up(asked: Asked, scenario: Scenario) -> tuple[str, ...]:
    """The command by which a platform of the run's own is brought up, as large as was asked for.

    What is small enough for one process is played on `dev`, unless somebody says what the platform is to be made of.
    Where hosts are killed, another is there to take over.
    """
    given = _sizes(asked)
    if scenario.mode == "dev" and not given:
        return ("dev",)
    least = 2 if scenario.kills else 1
    hosts = given.get("--hosts", str(max(least, (os.cpu_count() or 1) // CORES_OF_A_HOST)))
    sizes = {"--log": LOG, "--hosts": hosts, "--partitions": hosts} | given
    return ("up", *(word for option in sizes.items() for word in option))


def _settings(asked: Asked, scenario: Scenario, generators: int) -> dict[str, str]:
    place = asked.target or (str(asked.folder) if asked.folder else "")
    return {
        "platform": place or f"of its own: {shown_command(brought_up(asked, scenario))}",
        "generators": f"{generators}{f' on the Ray cluster {asked.ray_address}' if asked.ray_address else ''}",
        "calls": "one by one" if asked.unary else "over streams",
        "busiest minute": f"{scenario.busiest:g} times the mean" if scenario.busiest else "as the day says",
        "ask the platform for the way": f"{scenario.asks:.0%} of openings",
        "audit": SOME if asked.target else EVERY,
    }


def run(asked: Asked, release: Callable[[Path], None], token: str = "", *, as_json: bool = False) -> Run:
    """Play it, by this token if callers must prove who they are, and tell it.

    `release` brings what ships to everybody on the platform of a folder; only one of the run's own is changed so.

    Raises SetupError when it could not begin, KeyboardInterrupt when it was ended before, OSError when it could not be
    kept. Whatever was started has ended by then.
    """
    out = asked.out or Path("hutong-load") / f"{asked.scenario}-{time.strftime('%Y%m%d-%H%M%S')}"
    order = order_of(asked, out)
    with on_end(interrupt):
        with (
            alone(),
            _folder(out),
            _cluster(asked, order.generators),
            on_end(interrupt),  # Ray takes SIGTERM over
            _target(asked, order.scenario, token, release) as target,
        ):
            title = f"{order.scenario.name}: {order.play.users:,} persons, {order.compress}"
            with Progress(title, order.play.window.run_s) as progress:
                found = asyncio.run(Coordinator(order, target, progress.tell, progress.see).run())
            with undisturbed():  # what was played for so long is kept, whoever is tired of waiting
                keep(found, out)
        with undisturbed():
            tell(found, out, as_json=as_json)
    return found


@contextmanager
def _folder(out: Path) -> Generator[None]:
    """Where the run is kept; taken away again when nothing came to be there.

    Raises SetupError when it cannot be written to, or its disk has no room.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / ".writable").write_bytes(b"")
        (out / ".writable").unlink()
    except OSError as error:
        raise SetupError(
            f"{out} cannot be written to: {error.strerror}; name another with --out", reason="NO_FOLDER"
        ) from error
    try:
        if full := no_room(out):
            raise SetupError(f"{full}: {MAKE_ROOM}", reason="NO_ROOM")
        yield
    finally:
        with contextlib.suppress(OSError):
            out.rmdir()


@contextmanager
def alone() -> Generator[None]:
    """One load run at a time on this machine: two would measure each other. Raises SetupError."""
    path = Path(tempfile.gettempdir()) / f"hutong-load-{os.getuid()}.lock"
    with path.open("a+") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            held.seek(0)
            who = held.read().strip() or "another process"
            message = f"a load run goes on here already ({who}): two at once would measure each other. Wait for its end"
            raise SetupError(message, reason="RUN_GOES_ON") from None
        held.truncate(0)
        held.write(f"process {os.getpid()}")
        held.flush()
        yield
        held.truncate(0)


@contextmanager
def _target(asked: Asked, scenario: Scenario, token: str, release: Callable[[Path], None]) -> Generator[Target]:
    """The platform that was named, or one of the run's own, in a folder that goes with it."""
    if asked.target:
        check_listens("--target", asked.target, "NO_GATEWAY")
        yield Target(gateway=asked.target, identity=bool(token), token=token)
    elif asked.folder:
        target = known(asked.folder)
        if scenario.kills and target.mode == "dev":
            message = f"{scenario.name} kills hosts, and `hutong dev` is one process: name one that `hutong up` runs"
            raise SetupError(message, reason="CONTRADICTION")
        yield replace(target, token=token)
    else:
        folder, arguments = Path(tempfile.mkdtemp(prefix="hutong-load-")), brought_up(asked, scenario)
        print(f"bringing a platform up in {folder}: {shown_command(arguments)} …", file=sys.stderr, flush=True)
        try:
            with own(folder, *arguments) as target:
                print("releasing what ships, so that searches find it …", file=sys.stderr, flush=True)
                release(folder)
                yield target
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _cluster(asked: Asked, generators: int) -> AbstractContextManager[None]:
    """Where the generators run, if that is not here."""
    return joined(asked.ray_address, generators) if asked.ray_address else nullcontext()


def keep(found: Run, out: Path) -> None:
    """The run alone, without the report of a former one: no page says of this run what it is not."""
    (out / REPORT_FILE).unlink(missing_ok=True)
    write_run(found, out)


def tell(found: Run, out: Path, *, as_json: bool) -> None:
    """The report beside the run; tables on stdout, or one JSON object on one line."""
    report = out / REPORT_FILE
    draft = report.with_suffix(".draft")
    try:
        draft.write_text(page(found))
        draft.replace(report)
    finally:
        draft.unlink(missing_ok=True)
    if as_json:
        facts = {
            "passed": found.passed,
            "ended": found.ended,
            "invalid_because": found.invalid_because,
            "advice": found.advice,
            "thresholds": msgspec.to_builtins(found.thresholds),
            "report": str(report),
        }
        print(json.dumps(summary(found) | facts), flush=True)
    else:
        print_run(found, Console())
        print(f"the whole report: {report}", flush=True)
