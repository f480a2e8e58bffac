"""Every command of `hutong`; each is a few lines here and a module of its own."""

from pathlib import Path
from typing import Annotated

import typer

from actors.cli import running
from actors.cli.catalog import catalog
from actors.cli.codes import codes
from actors.cli.demos import demo
from actors.cli.erasing import erase
from actors.cli.links import links, shares
from actors.cli.load import load
from actors.cli.notify import notify
from actors.cli.options import PORT_DEFAULT, EntityName, Folder, Json, Port, Programs
from actors.cli.people import sign_in
from actors.cli.persons import friends, mine
from actors.cli.secrets import credentials
from actors.cli.signing import keys
from actors.cli.webhooks import webhooks

app = typer.Typer(
    name="hutong",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 120},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"hutong {version('hutong')}")
        raise typer.Exit


@app.callback()
def hutong(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; may stand anywhere on the line.")
    ] = False,
) -> None:
    """An open, self-hosted mini-program platform: virtual actors on an event log.

    Start with `hutong dev`, or `hutong up` for hosts on Ray; then `hutong status`, `hutong call`, `hutong why`.
    """


def _groups(given: list[str]) -> dict[str, int]:
    """Partition groups as they were given: NAME=PARTITIONS each."""
    groups: dict[str, int] = {}
    for each in given:
        name, _, size = each.partition("=")
        if not name or not size.isdecimal():
            raise typer.BadParameter(f"{each!r} is not NAME=PARTITIONS, such as gold=2", param_hint="--group")
        groups[name] = int(size)
    return groups


def _folders(programs: list[Path]) -> tuple[str, ...]:
    """The programs' folders by names that hold wherever a process works."""
    return tuple(str(folder.resolve()) for folder in programs)


@app.command()
def dev(folder: Folder = None, port: Port = PORT_DEFAULT, programs: Programs = [], json: Json = False) -> None:  # noqa: B006 - typer copies it
    """Run all in one process, for development.

    Needs no Ray; programs are loaded again whenever they are saved.
    """
    from actors.cli.dev import run_dev

    run_dev(running.folder_of(folder), port, _folders(programs), json)


@app.command()
def up(
    folder: Folder = None,
    port: Port = PORT_DEFAULT,
    log: Annotated[
        str, typer.Option(metavar="LOG", help="embedded, kafka (one broker, started here), or kafka://host:port,…")
    ] = "embedded",
    hosts: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, max=256, help="How many hosts (Ray actors) to run.")
    ] = 2,
    gateways: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, max=64, help="How many gateway processes to run.")
    ] = 1,
    partitions: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", min=1, max=1_024, help="For a new folder only: fixed for ever. Default 16."),
    ] = None,
    group: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=PARTITIONS",
            help="For a new folder only: NAME=PARTITIONS reserved for keys NAME~…; may be repeated.",
        ),
    ] = [],  # noqa: B006 - typer copies it
    programs: Programs = [],  # noqa: B006 - typer copies it
    json: Json = False,
) -> None:
    """Bring the platform up on this machine.

    Starts a log, hosts on Ray and gateways, and starts again whatever ends by itself.

    Bounds and times of its processes are set by $HUTONG_<SETTING>, such as HUTONG_PENDING_MAX=50000; their names and
    defaults stand in actors/settings.py (ProcessSettings).
    """
    from actors.cli.supervisor import Plan, run_up

    wanted = Plan(
        folder=running.folder_of(folder),
        port=port,
        log=log,
        hosts=hosts,
        gateways=gateways,
        partitions=partitions,
        programs=_folders(programs),
        groups=_groups(group),
    )
    run_up(wanted, json)


@app.command()
def stop(folder: Folder = None, json: Json = False) -> None:
    """End the platform of a folder, in good order."""
    from actors.cli.operate import stop_running

    stop_running(running.folder_of(folder), json)


@app.command()
def call(
    entity: EntityName,
    command: Annotated[str, typer.Argument(metavar="COMMAND", help="The command's tag, such as bike.station.open.")],
    payload: Annotated[str, typer.Argument(metavar="PAYLOAD", help="The command's fields as JSON.")] = "{}",
    caller: Annotated[
        str, typer.Option(help="Who calls: the namespace of request ids; a principal, where identity is required.")
    ] = "hutong-cli",
    request_id: Annotated[str, typer.Option(help="A UUID; the same one again gives the same answer.")] = "",
    deadline_ms: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, max=60_000, help="How long to wait for the answer.")
    ] = 10_000,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Ask an entity for a command.

    `hutong describe` says which commands there are. For example:

        hutong call programs/bike/stations/42 bike.station.open '{"name": "Sogn", "docks": 18}'
    """
    from actors.cli.calling import call_entity

    call_entity(running.folder_of(folder), entity, command, payload, caller, request_id, json, deadline_ms)


@app.command()
def query(
    entity: EntityName,
    view: Annotated[
        str, typer.Argument(metavar="VIEW", help="The view's name; `hutong describe` says which there are.")
    ],
    args: Annotated[str, typer.Argument(metavar="ARGS", help="The view's arguments as JSON.")] = "{}",
    deadline_ms: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, max=60_000, help="How long to wait for the answer.")
    ] = 10_000,
    caller: Annotated[str, typer.Option(help="Who asks; where identity is required, such as person/bike/ann.")] = (
        "hutong-cli"
    ),
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Ask an entity's view; this changes nothing."""
    from actors.cli.calling import query_entity

    query_entity(running.folder_of(folder), entity, view, args, json, deadline_ms, caller)


@app.command()
def describe(
    program: Annotated[
        str, typer.Argument(metavar="PROGRAM", help="A program's name; without one, a list of all.")
    ] = "",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Tell what a program takes and tells.

    Its commands, events and views, with their JSON Schemas; without a program, which programs and entities there are.
    """
    from actors.cli.calling import describe_program

    describe_program(running.folder_of(folder), program, json)


@app.command()
def status(folder: Folder = None, json: Json = False) -> None:
    """Tell how hosts, partitions and the log stand."""
    from actors.cli.status import show_status

    show_status(running.folder_of(folder), json)


@app.command()
def why(
    request_id: Annotated[
        str, typer.Argument(metavar="REQUEST_ID", help="A call's request id, or a record's position such as 3/17/0.")
    ],
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Explain a call, from the log alone.

    Who called, where it was appended, what was decided, the states before and after, and who was told.
    """
    from actors.cli.history import explain

    explain(running.folder_of(folder), request_id, json)


@app.command()
def replay(
    entity: EntityName = "",
    at: Annotated[
        str, typer.Option(help="Show the state after this position (partition/offset/index) or time (ISO 8601, UTC).")
    ] = "",
    from_: Annotated[str, typer.Option("--from", help="With --at: show what changed from this place to that.")] = "",
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare live partitions with their replays; exits with 1 if any differs.")
    ] = False,
    partition: Annotated[
        int | None, typer.Option(min=0, metavar="PARTITION", help="With --verify: this partition alone.")
    ] = None,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Tell an entity's history, from the log alone.

    Every record that touched it, what was decided, and the state it left; or its state at a place in between.
    With --verify, no entity: each live partition, its store and its snapshots are compared with the log, replayed
    from 0 and from each snapshot, while calls go on.
    """
    if verify == bool(entity):
        raise typer.BadParameter("Name an entity, or give --verify for partitions.")
    if verify:
        from actors.cli.verifying import verify as verify_partitions

        verify_partitions(running.folder_of(folder), partition, json)
        return
    from actors.cli.history import replay_entity

    replay_entity(running.folder_of(folder), entity, at, json, from_)


@app.command()
def move(
    partition: Annotated[int, typer.Argument(metavar="PARTITION", help="Its number, as `hutong status` shows it.")],
    host: Annotated[str, typer.Argument(metavar="HOST", help="A host's name, or its beginning, such as host-2.")],
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Have a partition served by another host.

    For balance another partition may go in exchange. Calls wait for some tens of milliseconds, none is lost.
    """
    from actors.cli.operate import move_partition

    move_partition(running.folder_of(folder), partition, host, json)


@app.command()
def scale(
    hosts: Annotated[int, typer.Argument(min=1, max=256, metavar="HOSTS", help="How many hosts should run.")],
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Run so many hosts from now on, until this `up` ends."""
    from actors.cli.operate import scale_hosts

    scale_hosts(running.folder_of(folder), hosts, json)


@app.command()
def search(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="A name or parts of it; slips are understood.")] = "",
    category: Annotated[str, typer.Option(metavar="CATEGORY", help="Only programs of this category.")] = "",
    city: Annotated[str, typer.Option(metavar="CITY", help="Only programs of this city.")] = "",
    near: Annotated[
        str, typer.Option(metavar="LATITUDE,LONGITUDE", help="What is around this position instead, the nearest first.")
    ] = "",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Find released programs by name, the most used first.

    The catalogue lists a program from its first release on.
    """
    from actors.cli.searching import show_found

    show_found(running.folder_of(folder), text, category, city, near, json)


@app.command()
def owed(
    entity: Annotated[str, typer.Option(metavar="ENTITY", help="Only what this entity states.")] = "",
    to: Annotated[str, typer.Option(metavar="MERCHANT", help="Only what is owed to this merchant.")] = "",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Tell what is owed, as programs have stated it.

    By whom, to whom, how much in the currency's smallest unit, and for what. Nothing is charged.
    """
    from actors.cli.owed import show_owed

    show_owed(running.folder_of(folder), entity, to, json)


HaltedAt = Annotated[
    str, typer.Argument(help="Where the partition halted: partition/offset/index.", metavar="POSITION")
]


@app.command()
def skip(position: HaltedAt, folder: Folder = None, json: Json = False) -> None:
    """Give up the record a partition halted at.

    It is never applied, and the partition goes on. This cannot be undone.
    """
    from actors.cli.operate import answer_halt

    answer_halt(running.folder_of(folder), position, "skip", json)


@app.command()
def retry(position: HaltedAt, folder: Folder = None, json: Json = False) -> None:
    """Try the record a partition halted at again.

    The partition goes on if that works now.
    """
    from actors.cli.operate import answer_halt

    answer_halt(running.folder_of(folder), position, "retry", json)


@app.command("open")
def open_way(
    way: Annotated[str, typer.Argument(metavar="WAY", help="A code, link or card, a URL, or a name.")],
    caller: Annotated[str, typer.Option(help="Who opens: a name, or person/PROGRAM/OPENID.")] = "hutong-cli",
    device: Annotated[str, typer.Option(help="On which device: one session is open on each.")] = "",
    city: Annotated[str, typer.Option(help="Where the person is.")] = "",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Open a program as a person would: scan a code, follow a link, look for a name; print the session."""
    from actors.cli.opening import open_program

    open_program(running.folder_of(folder), way, caller, device, city, json)


letters = typer.Typer(help="Show and retry what nobody could be told of.", no_args_is_help=True)
app.add_typer(letters, name="dead-letters")


@letters.command("list")
def list_letters(folder: Folder = None, json: Json = False) -> None:
    """Every dead letter, oldest first."""
    from actors.cli.letters import show_letters

    show_letters(running.folder_of(folder), json)


@letters.command("retry")
def retry_letter(
    position: Annotated[str, typer.Argument(metavar="POSITION", help="The letter's position, as `list` shows it.")],
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Send the command of the dead letter at this position again, as a new call."""
    from actors.cli.letters import send_again

    send_again(running.folder_of(folder), position, json)


app.add_typer(keys, name="keys")
for name, group in {
    "catalog": catalog,
    "codes": codes,
    "credentials": credentials,
    "demo": demo,
    "friends": friends,
    "links": links,
    "mine": mine,
    "notify": notify,
    "shares": shares,
    "webhooks": webhooks,
}.items():
    app.add_typer(group, name=name)
app.command()(sign_in)
app.command()(erase)

topics = typer.Typer(help="Make the topics of a log.", no_args_is_help=True)
app.add_typer(topics, name="topics")


@topics.command("apply")
def apply_topics(
    log: Annotated[str, typer.Option(help="kafka://host:port,… of the cluster.")],
    partitions: Annotated[int, typer.Option(metavar="NUMBER", min=1, max=1_024, help="Fixed for ever.")] = 16,
    programs: Programs = [],  # noqa: B006 - typer copies it
    json: Json = False,
) -> None:
    """Make the topics of a platform on a Kafka cluster, and check those that exist."""
    from actors.cli.operate import make_topics

    make_topics(log, partitions, _folders(programs), json)


app.add_typer(load, name="load")
programs = typer.Typer(help="Make a program of your own.", no_args_is_help=True)
app.add_typer(programs, name="programs")


@programs.command("new")
def new_program(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Its name for ever: lower-case letters, digits and hyphens.")
    ],
    where: Annotated[Path, typer.Option("--in", metavar="FOLDER", help="Where its folder is made.")] = Path(),
    json: Json = False,
) -> None:
    """Make a program that runs, is tested and tells its author how to go on.

    A folder of that name: manifest.json, program.py, a test, and a README of ten minutes.
    """
    from actors.cli.making import make_program

    make_program(name, where, json)


@app.command()
def doctor(folder: Folder = None, json: Json = False) -> None:
    """Check this machine, and say what to do.

    What is missing, what is set badly; ends with 1 when something is broken.
    """
    from actors.cli.doctor import examine

    examine(running.folder_of(folder), json)
