"""What an operator does: end a platform, answer for a halted record, make topics."""

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Literal

from actors.adapters.hosting.asking import ask_host
from actors.adapters.logs import open_log
from actors.cli import output, running, wiring
from actors.cli.archive import Archive, open_archive
from actors.cli.running import Process, Run
from actors.cli.showing import Facts
from actors.cli.tracing import position_of
from actors.errors import InvalidCommand, SetupError
from actors.history import read_slice
from actors.kernel.record import Position
from actors.placement import Move, Size
from actors.ports import Slice
from actors.settings import ClusterSettings, ProcessSettings
from actors.verdicts import Verdict, decode_verdicts, encode_verdict

STOP_S_MAX = 40.0
KILL_S_MAX = 5.0
GOES_ON_S_MAX = 15.0
SCALE_S_MAX = 60.0
LOOK_S = 0.05
WHY = "an operator's answer"

# -- stop -------------------------------------------------------------------------------------------------------------


def stop_running(folder: Path, as_json: bool) -> None:
    """End the platform of a folder, and whatever a killed one left there; returns once every process has ended."""
    main, run = running.holder(folder), running.read_run(folder)
    if main is None:
        left = running.left_over(folder)
        if not left:
            running.running(folder)  # says that nothing runs here, and what to do
        _end(left, signal.SIGKILL, KILL_S_MAX)
        running.clear_run(folder)
        _say_stopped(folder, left, as_json, "ended what a killed platform had left")
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(main.pid, signal.SIGTERM)
    processes = run.processes if run is not None else (main,)  # one that is still starting ends, too
    _end(processes, None, STOP_S_MAX)
    _say_stopped(folder, processes, as_json, "ended in good order")


def _end(processes: tuple[Process, ...], number: signal.Signals | None, seconds_max: float) -> None:
    """Wait until these have ended, after sending them a signal if one is given. Raises SetupError."""
    for process in processes if number else ():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, number or 0)
    give_up_at = time.monotonic() + seconds_max
    while alive := [process for process in processes if running.alive(process)]:
        if time.monotonic() > give_up_at:
            pids = " ".join(str(process.pid) for process in alive)
            raise SetupError(
                f"still running after {seconds_max:.0f} s: {_named(alive)}. End them with `kill -9 {pids}`: nothing "
                "that was answered is lost by that.",
                reason="STILL_RUNNING",
            )
        time.sleep(LOOK_S)


def _say_stopped(folder: Path, processes: tuple[Process, ...], as_json: bool, how: str) -> None:
    facts: Facts = {"folder": str(folder), "stopped": [{"role": p.role, "pid": p.pid} for p in processes]}
    output.result(facts, as_json, f"{how}, in {folder}: {_named(processes)}")


def _named(processes: "tuple[Process, ...] | list[Process]") -> str:
    return ", ".join(f"{process.role} {process.pid}" for process in processes)


# -- halted records ---------------------------------------------------------------------------------------------------


def answer_halt(folder: Path, position: str, word: Literal["skip", "retry"], as_json: bool) -> None:
    """Answer for the record at which a partition halted, and wait until the partition goes on or halts again."""
    where = _halted_position(position, word)
    with open_archive(folder) as archive:
        was = _halted(archive, where)
        if not was:
            raise _not_halted(archive, where)
        control = Slice(archive.run.cluster.control_topic, 0)
        key, frame = encode_verdict(control.topic, Verdict(where, word, WHY))
        offset = archive.log.append(control, frame, key).result().offset
        again = _await(archive, where, offset)
    facts: Facts = {"position": str(where), "word": word, "was": was, "goes_on": not again, "halted_again": again}
    if again:
        raise SetupError(
            f"partition {where.partition} is again {again}. Mend what is named there and `hutong retry {where}`, "
            f"or give the record up with `hutong skip {where}`.",
            reason="HALTED_AGAIN",
        )
    output.result(facts, as_json, f"partition {where.partition} goes on: {where} {_past(word)}")


def _past(word: str) -> str:
    return "will never be applied" if word == "skip" else "was tried again"


def _halted_position(text: str, word: str) -> Position:
    """A record's position; for a retry also a whole frame's, partition/offset."""
    if word == "retry" and text.count("/") == 1:
        text = f"{text}/0"
    return position_of(text)


def _halted(archive: Archive, where: Position) -> str:
    """Why the partition is halted at this record, by its host or by the control topic; "" when it is not."""
    stands = _stands(archive, where.partition)
    for place in (f"{where}", f"{where.partition}/{where.offset}"):
        if stands.startswith(f"halted at {place}:"):
            return stands
    verdict = archive.verdicts().get(where)
    return f"halted at {where}: {verdict.why}" if verdict is not None and verdict.word == "halted" else ""


def _stands(archive: Archive, partition: int) -> str:
    """What the partition's host says of a halt."""
    placed = archive.placement().placed.get(partition)
    if placed is None:
        return ""
    answer = ask_host(placed.address, wiring.token_of(Path(archive.run.folder)))
    return next((one.halted for one in answer if one.partition == partition), "") if isinstance(answer, list) else ""


def _not_halted(archive: Archive, where: Position) -> InvalidCommand:
    """To skip a record that hosts have applied would make every replay differ from what was answered."""
    halted = [str(verdict.position) for verdict in archive.verdicts().values() if verdict.word == "halted"]
    message = f"no partition is halted at {where}; halted records: {', '.join(halted) or 'none'}. See `hutong status`."
    return InvalidCommand(message, field="position", reason="NOT_HALTED")


def _await(archive: Archive, where: Position, offset: int) -> str:
    """Wait until the host has taken the answer; why the partition halted again, or "" when it goes on."""
    give_up_at = time.monotonic() + GOES_ON_S_MAX
    control = Slice(archive.run.cluster.control_topic, 0)
    while True:
        for fetched in read_slice(archive.log, control, offset + 1):
            for verdict in decode_verdicts(control.topic, fetched.offset, fetched.frame):
                if verdict.position == where and verdict.word == "halted":
                    return f"halted at {where}: {verdict.why}"
        stands = _stands(archive, where.partition)
        if stands and not stands.startswith((f"halted at {where}:", f"halted at {where.partition}/{where.offset}:")):
            return stands
        # Not halted is not enough: a host that is taking the partition over may have read what stood before the answer.
        if _serves(archive, where.partition):
            return ""
        if time.monotonic() > give_up_at:
            return stands
        time.sleep(LOOK_S)


# -- hosts ------------------------------------------------------------------------------------------------------------


def move_partition(folder: Path, partition: int, host: str, as_json: bool) -> None:
    """Have a partition served by another host, and wait until it is."""
    with open_archive(folder) as archive:
        _check_hosts(archive)
        hosts = _hosts(archive.run)
        chosen = [name for name in hosts if name == host or name.startswith(f"{host}-")]
        if len(chosen) != 1:
            message = f"there is no host {host!r}; there are {', '.join(hosts) or 'none'}"
            raise InvalidCommand(message, field="host", reason="NO_SUCH_HOST")
        if not 0 <= partition < archive.run.cluster.partitions:
            message = f"partitions go from 0 to {archive.run.cluster.partitions - 1}"
            raise InvalidCommand(message, field="partition", reason="NO_SUCH_PARTITION")
        began = time.monotonic()
        wiring.order(archive.log, archive.run.cluster, Move(partition, chosen[0]))
        while not _serves(archive, partition, chosen[0]):
            if time.monotonic() - began > GOES_ON_S_MAX:
                raise SetupError(
                    f"partition {partition} did not come to {chosen[0]} within {GOES_ON_S_MAX:.0f} s. It stays where "
                    "`hutong status` says, and is served there; a host of another group takes it never.",
                    reason="NOT_MOVED",
                )
            time.sleep(LOOK_S)
    facts: Facts = {"partition": partition, "host": chosen[0], "seconds": round(time.monotonic() - began, 3)}
    output.result(facts, as_json, f"partition {partition} is served by {chosen[0]}")


def scale_hosts(folder: Path, hosts: int, as_json: bool) -> None:
    """Have so many hosts run, and wait until they do."""
    with open_archive(folder) as archive:
        _check_hosts(archive)
        began = time.monotonic()
        wiring.order(archive.log, archive.run.cluster, Size(hosts))
        while len(running_ := _hosts(running.running(folder))) != hosts:
            if time.monotonic() - began > SCALE_S_MAX:
                raise SetupError(
                    f"{len(running_)} hosts run, not {hosts}, after {SCALE_S_MAX:.0f} s; more may come. "
                    "See `hutong status`, and ray-driver.err in the data folder.",
                    reason="NOT_SCALED",
                )
            time.sleep(LOOK_S)
    facts: Facts = {"hosts": list(running_), "seconds": round(time.monotonic() - began, 3)}
    output.result(facts, as_json, f"{hosts} hosts run: {', '.join(running_)}")


def _check_hosts(archive: Archive) -> None:
    if archive.run.mode != "up":
        message = "`hutong dev` is one process and one host; `hutong up` has hosts to move partitions between"
        raise SetupError(message, reason="ONE_HOST")


def _hosts(run: Run) -> list[str]:
    return [process.role for process in run.processes if process.role.startswith("host-") and running.alive(process)]


def _serves(archive: Archive, partition: int, host: str = "") -> bool:
    """Whether the partition is served, by this host if one is named."""
    placed = archive.placement().placed.get(partition)
    if placed is None or placed.host != (host or placed.host):
        return False
    answer = ask_host(placed.address, wiring.token_of(Path(archive.run.folder)))
    mine = (one for one in answer if one.partition == partition) if isinstance(answer, list) else ()
    return any(one.phase == "Serving" for one in mine)


# -- topics -----------------------------------------------------------------------------------------------------------


def make_topics(log_url: str, partitions: int, programs: tuple[str, ...], as_json: bool) -> None:
    """Make the topics of a platform on a log, and check those that exist. Raises SetupError when one differs."""
    cluster = ClusterSettings(partitions=partitions)
    registry = wiring.registry_of(programs)
    log = open_log(log_url, ProcessSettings())
    try:
        topics = cluster.topics(tuple(registry.entities))
        log.create(topics)
        made = [
            {"name": t.name, "partitions": t.partitions, "compacted": t.compacted, "id": log.topic_id(t.name)}
            for t in topics
        ]
    finally:
        log.close()
    if as_json:
        output.result({"log": log_url, "topics": made}, as_json=True)
        return
    columns = ("name", "partitions", "compacted", "id")
    output.table(f"Topics of {log_url}, made or as they must be", columns, [list(one.values()) for one in made])
