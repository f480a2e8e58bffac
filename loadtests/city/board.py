"""`python -m loadtests board`: everybody's score on one board, and how fast the board answers meanwhile and after."""

import contextlib
import json
import math
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

from actors.errors import SetupError
from actors.programs.jump.program import LEAVES, SCORE_MAX, UNTOLD_MAX, Leaf
from loadtests.bench import processes
from loadtests.bench.effort import Tell, telling
from loadtests.bench.platform import Platform
from loadtests.bench.report import number, rounded, shown
from loadtests.bench.rows import Row
from loadtests.bench.worker import Answer, Worker

PLAYERS_MODULE = "loadtests.city.players"
LOOKS_AFTER = 300
EVERYBODY = 100_000_000
DAY_S = 86_400
ROWS = (
    Row("million_s", "1,000,000 scores at this pace", 60, None, "s"),
    *(
        Row(f"{when}_{what}_{part}_ms", f"{text}, {part}, {moment}", 10, None, "ms")
        for when, moment in (("during", "while scores come in"), ("after", "when all is quiet"))
        for what, text in (("top", "the top 100"), ("rank", "a rank"))
        for part in ("p50", "p99")
    ),
)


class Load(NamedTuple):
    """What is played: so many players on a board of so many leaves, on a platform that `up` starts like this."""

    players: int
    leaves: int
    log: str
    hosts: int
    partitions: int
    per_s: int = 0
    """Scores a second, 0 for as many as it takes."""

    @property
    def board(self) -> str:
        """The board's name."""
        return f"bench-{self.leaves}"

    @property
    def platform(self) -> tuple[str, ...]:
        """What `up` is asked for."""
        return ("--hosts", str(self.hosts), "--partitions", str(self.partitions), "--log", self.log)


def run(load: Load, *, as_json: bool) -> None:
    """Play it, telling the progress on stderr; then a table, or one JSON object on one line, on stdout."""
    figures = measure(load, telling())
    if as_json:
        told = figures | {f"everybody_{key}": value for key, value in everybodys_cost(figures).items()}
        print(json.dumps({**load._asdict(), **{key: rounded(value) for key, value in told.items()}}), flush=True)
    else:
        print_figures(load, figures, Console())


def measure(load: Load, tell: Tell) -> Answer:
    """Every figure of one run: starts, scores with somebody looking, and looks once all is quiet."""
    with (
        tempfile.TemporaryDirectory(prefix="hutong-board-", ignore_cleanup_errors=True) as name,
        Worker(PLAYERS_MODULE) as players,
        Worker(PLAYERS_MODULE) as looker,
        Platform(Path(name), "up", *load.platform) as platform,
    ):
        platform.wait_ready(looker)
        address, empty_bytes = platform.run().gateway, size_bytes(platform.folder)
        tell(f"{load.players:,} players start their games")
        started = players.ask("start", address=address, board=load.board, count=load.players)
        tell(f"started in {started['seconds']:.1f} s; they finish them")
        figures, seen = _finished(load, platform, players, looker, address)
        tell(f"finished in {figures['seconds']:.1f} s; the board is asked when all is quiet")
        after = _look(looker, load, address, LOOKS_AFTER)
        return {
            **figures,
            "starts_s": started["seconds"],
            **{f"during_{key}": value for key, value in seen.items()},
            **{f"after_{key}": value for key, value in after.items() if key != "complete_at"},
            "disc_bytes": (size_bytes(platform.folder) - empty_bytes) / load.players,
            "leaf_bytes": leaf_bytes(load.leaves, figures["scores_per_s"]),
        }


def _look(looker: Worker, load: Load, address: str, looks_min: int) -> Answer:
    return looker.ask("look", address=address, board=load.board, players=load.players, looks_min=looks_min)


def _finished(load: Load, platform: Platform, players: Worker, looker: Worker, address: str) -> tuple[Answer, Answer]:
    """The scores, and what somebody saw who looked at the board meanwhile, until it knew all players."""
    pids = {"host": platform.hosts(), "gateway": platform.run().gateways(), "players": [players.pid]}

    def used_s() -> Answer:
        return {role: sum(processes.cpu_of_s(some).values()) for role, some in pids.items()} | {"all": platform.cpu_s()}

    before = used_s()
    with ThreadPoolExecutor(1) as beside:
        looking = beside.submit(_look, looker, load, address, 2)
        finished = players.ask("finish", address=address, board=load.board, per_s=load.per_s or math.inf)
        seen = looking.result()
    if not seen["complete_at"]:
        raise SetupError(f"the board did not get to {load.players:,} players in time")
    used_us = {f"{role}_cpu_us": 1e6 * (used - before[role]) / load.players for role, used in used_s().items()}
    scores_per_s = load.players / finished["seconds"]
    settled_s = seen.pop("complete_at") - finished["ended"]
    return {
        "seconds": finished["seconds"],
        "million_s": 1e6 / scores_per_s,
        "scores_per_s": scores_per_s,
        "turned_away": finished["turned_away"],
        "settled_s": settled_s,
        **used_us,
    }, seen


def size_bytes(folder: Path) -> int:
    """What a platform's folder takes on the disc."""
    found = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # stores drop files at any time
            found += path.stat().st_size if path.is_file() else 0
    return found


def leaf_bytes(leaves: int, scores_per_s: float) -> int:
    """The state of a leaf that has counted for a second: it holds no more than what came since it last told."""
    came = min(UNTOLD_MAX - 1, math.ceil(scores_per_s / leaves))
    entries = tuple((SCORE_MAX, 1 << 40, f"p{n:08d}") for n in range(came))
    return len(msgspec.msgpack.encode(Leaf((SCORE_MAX,) * came, (), entries)))


def everybodys_cost(figures: Answer) -> Answer:
    """What a hundred million players cost who finish a game each: all from what was measured for one."""
    cpu_s = figures["all_cpu_us"] / 1e6 * EVERYBODY
    return {
        "core_hours": cpu_s / 3_600,
        "cores_over_a_day": cpu_s / DAY_S,
        "disc_gb": figures["disc_bytes"] * EVERYBODY / 1e9,
        "leaves_mb": figures["leaf_bytes"] * max(LEAVES.values()) / 1e6,
    }


def print_figures(load: Load, figures: Answer, console: Console) -> None:
    """What must be reached and whether it is; then every other figure, and what everybody would cost."""
    title = f"{load.players:,} scores on a board of {load.leaves:,} leaves, {load.log} log, {load.hosts} hosts"
    table = Table(title=title)
    for column in ("", "measured", "must", ""):
        table.add_column(column, justify="left" if not column else "right")
    for row in ROWS:
        value = figures[row.key]
        table.add_row(row.text, shown(row, value), f"≤ {number(row.must)}", row.verdict(value))
    console.print(table)
    plain = Table(show_header=False)
    for key, value in figures.items():
        plain.add_row(key, number(value))
    console.print(plain)
    cost = Table(title=f"{EVERYBODY:,} players, one score each, at this cost (computed)", show_header=False)
    for key, value in everybodys_cost(figures).items():
        cost.add_row(key, number(value))
    console.print(cost)
