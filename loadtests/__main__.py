"""`python -m loadtests`: the load tests' command line."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from actors.errors import SetupError
from loadtests.endings import interrupt, on_end

app = typer.Typer(name="loadtests", no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def loadtests() -> None:
    """What the platform reaches on this machine."""


@app.command()
def bench(
    log: Annotated[str, typer.Option(help="embedded, kafka or both: the log that the calls are measured on.")] = "both",
    json: Annotated[bool, typer.Option(help="One JSON object on one line, last on stdout.")] = False,
    quick: Annotated[bool, typer.Option(help="One short round of each: to see that it works, not how fast.")] = False,
    compare: Annotated[
        str, typer.Option(metavar="REV", help="Measure quick rows on this tree and on that revision, in turn.")
    ] = "",
    rows: Annotated[list[str] | None, typer.Option(help="With --compare: this row alone; may be given again.")] = None,
    pairs: Annotated[int, typer.Option(metavar="NUMBER", max=100, help="With --compare: how many pairs.")] = 9,
) -> None:
    """Measure every figure that the platform must reach, or compare two revisions.

    Some seven minutes, at most ten, with --quick one or two; with --compare some two minutes for nine pairs of all
    rows. Those rows, for --rows: replay-account, replay-shop, unary, stream.
    """
    if compare:
        from loadtests.compare import clocks

        clocks.run(compare, rows or (), pairs, as_json=json)
        return
    if rows:
        raise typer.BadParameter("single rows are measured only with --compare REV", param_hint="--rows")
    from loadtests.bench import command

    if log not in command.LOGS:
        raise typer.BadParameter(f"{log!r} is no log; say embedded, kafka or both", param_hint="--log")
    command.run(log, as_json=json, quick=quick)


@app.command()
def instructions(
    compare: Annotated[str, typer.Option(metavar="REV", help="Count that revision too.")] = "",
    commands: Annotated[int, typer.Option(metavar="NUMBER", min=500, max=50_000, help="How many are applied.")] = 2_000,
    seed: Annotated[int, typer.Option(metavar="NUMBER", help="What the work is drawn from.")] = 1,
    json: Annotated[bool, typer.Option(help="One JSON object on one line, last on stdout.")] = False,
) -> None:
    """Count the instructions that a command costs the pure kernel, by callgrind, in about a minute."""
    from loadtests.compare import instructions

    instructions.run(compare, commands, seed, as_json=json)


@app.command()
def bars(
    only: Annotated[list[str] | None, typer.Option(help="This row alone, such as T12; may be given again.")] = None,
    bench: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What `bench --json` printed; without it the bench is run.")
    ] = None,
    proof: Annotated[Path, typer.Option(metavar="FILE", help="The proof's report.")] = Path(".proof/proof.json"),
    peers: Annotated[Path, typer.Option(metavar="FILE", help="The peers' report.")] = Path(".peers/report.json"),
    log: Annotated[str, typer.Option(help="embedded or kafka: the log of the bench's calls, if it is run.")] = "kafka",
    quick: Annotated[bool, typer.Option(help="One short round of each: to see that it works, not how fast.")] = False,
    json: Annotated[bool, typer.Option(help="One JSON object on one line, last on stdout.")] = False,
) -> None:
    """Print every bar that speed is held to: what must be, what is aimed at, what was measured, whether it is met.

    Takes under fifteen minutes, and up to ten more where the bench is run, without --bench FILE; with --quick some
    three.

    Rows for --only, of throughput and latency: T1 T2 T3 T4 T5 T6 T7 T8 T9 T11 T12; of overload: O1 O2 O3; of memory:
    M1 M2 M3 M5; of recovery: R1 R2 R3 R4 R5 R6. O1 O2 R3 R5 R6 are taken from the proof's report, T3 T4 from that of
    the peers.
    """
    from loadtests.bars.command import Asked, Reports, run

    _check_log(log)
    run(Asked(tuple(only or ()), Reports(bench, proof, peers), log == "kafka", quick), as_json=json)


@app.command()
def board(
    players: Annotated[
        int, typer.Option(metavar="NUMBER", min=1_000, max=2_000_000, help="How many players finish a game each.")
    ] = 1_000_000,
    leaves: Annotated[int, typer.Option(metavar="NUMBER", min=1, max=65_536, help="A power of two.")] = 256,
    log: Annotated[str, typer.Option(help="embedded or kafka: the log of the platform.")] = "embedded",
    hosts: Annotated[int, typer.Option(metavar="NUMBER", min=1, max=16, help="How many hosts to run.")] = 1,
    partitions: Annotated[int | None, typer.Option(metavar="NUMBER", min=1, help="One a host, if not said.")] = None,
    per_s: Annotated[
        int, typer.Option(metavar="NUMBER", min=0, help="Scores a second; 0: as many as the platform takes.")
    ] = 0,
    json: Annotated[bool, typer.Option(help="One JSON object on one line, last on stdout.")] = False,
) -> None:
    """Count everybody's score on one board, and time its top and ranks meanwhile and after, in some minutes."""
    from loadtests.city.board import Load, run

    _check_log(log)
    if leaves.bit_count() != 1:
        raise typer.BadParameter(f"{leaves} is no power of two", param_hint="--leaves")
    run(Load(players, leaves, log, hosts, partitions or hosts, per_s), as_json=json)


@app.command()
def opens(
    opens: Annotated[
        int,
        typer.Option("--opens", metavar="NUMBER", min=10, max=100_000, help="Persons in each of two rounds."),
    ] = 2_000,
    log: Annotated[str, typer.Option(help="embedded or kafka: the log of the platform.")] = "embedded",
    json: Annotated[bool, typer.Option(help="One JSON object on one line, last on stdout.")] = False,
) -> None:
    """Time cold opens: a code is resolved, a session launched, the first page answered."""
    from loadtests.city.opens import run

    _check_log(log)
    run(opens, log, as_json=json)


@app.command()
def search(
    programs: Annotated[
        int, typer.Option(metavar="NUMBER", min=1_000, max=10_000_000, help="How many programs are in the index.")
    ] = 2_000_000,
    queries: Annotated[int, typer.Option(metavar="NUMBER", min=100, max=1_000_000)] = 5_000,
    json: Annotated[bool, typer.Option(help="One JSON object on one line, last on stdout.")] = False,
) -> None:
    """Make the search index of a city's programs, in some minutes, and time what people type."""
    from loadtests.city.search import run

    run(programs, queries, as_json=json)


@app.command()
def costs(
    log: Annotated[str, typer.Option(help="embedded or kafka: the log of the platform.")] = "embedded",
    json: Annotated[bool, typer.Option(help="One JSON object on one line, last on stdout.")] = False,
) -> None:
    """Measure what every kind of call costs, in some minutes, and keep it for `hutong load plan`."""
    from loadtests.plan.command import run_costs

    _check_log(log)
    run_costs(log, as_json=json)


@app.command()
def validate(
    log: Annotated[str, typer.Option(help="embedded or kafka: the log of the platforms.")] = "embedded",
    json: Annotated[bool, typer.Option(help="One JSON object on one line, last on stdout.")] = False,
) -> None:
    """Make short load runs, some ten minutes in all, and say how well `hutong load plan` predicts them."""
    from loadtests.plan.command import run_validate

    _check_log(log)
    run_validate(log, as_json=json)


@app.command()
def speed(
    seconds: Annotated[float, typer.Option(metavar="NUMBER", min=0.1, max=600, help="For how long it is looked.")] = 5,
    json: Annotated[bool, typer.Option(help="One JSON object on one line, last on stdout.")] = False,
) -> None:
    """Say how quick this machine is now, in processors of which the cores of a plan are counted."""
    from loadtests.bench.yardstick import run

    run(seconds, as_json=json)


def _check_log(log: str) -> None:
    if log not in ("embedded", "kafka"):
        raise typer.BadParameter(f"{log!r} is no log; say embedded or kafka", param_hint="--log")


@app.command()
def peers(
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="This contestant alone; may be repeated.")
    ] = None,
    json: Annotated[bool, typer.Option(help="One JSON object on one line, last on stdout.")] = False,
    quick: Annotated[bool, typer.Option(help="One short round and two kills: to see that it works.")] = False,
) -> None:
    """Measure the platform beside its peers, in at most thirty minutes; `infra/peers.sh` makes what they need."""
    from loadtests.peers.command import run

    run(only or (), as_json=json, quick=quick)


if __name__ == "__main__":
    try:
        with on_end(interrupt):
            app()
    except SetupError as error:
        sys.exit(str(error))
