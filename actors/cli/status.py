"""`hutong status`: hosts, partitions, gateways and the log, as they are now."""

import socket
from pathlib import Path

from actors.adapters.hosting.asking import ask_host
from actors.cli import output, running, wiring
from actors.cli.archive import Archive, open_archive
from actors.cli.running import Run
from actors.cli.showing import Facts
from actors.clocks import wall_ms
from actors.errors import PlatformError
from actors.history import read_slice
from actors.host import PartitionStatus
from actors.kernel.record import Position, frame_records
from actors.placement import Placed
from actors.ports import Span

ANSWER_S_MAX = 2.0
LAG_FRAMES_MAX = 1_000


def show_status(folder: Path, as_json: bool) -> None:
    """Ask everybody, and say who did not answer: a part that is away is no error of this command."""
    facts = read_status(folder)
    if as_json:
        output.result(facts, as_json=True)
        return
    print(f"{facts['mode']} in {facts['folder']}: {facts['serving']} of {len(facts['partitions'])} partitions served")
    log = facts["log"]["away"] or f"answers, {facts['log']['frames']:,} frames of commands"
    print(f"log      {facts['log']['address']}  {log}")
    for gateway in facts["gateways"]:
        print(f"gateway  {gateway['address']}  {gateway['name']} {_state(gateway)}")
    output.table("Processes", ("role", "pid", "state"), _rows(facts["processes"], ("role", "pid", "state")))
    output.table(
        "Hosts", ("name", "address", "pid", "state"), _rows(facts["hosts"], ("name", "address", "pid", "state"))
    )
    stands = ("phase", "epoch", "start", "watermark", "lag_records", "lag_s", "resident", "outbox")
    columns = ("partition", "host", *stands)
    output.table("Partitions", columns, _rows(facts["partitions"], columns))
    for trouble in facts["trouble"]:
        output.say(f"trouble: {trouble}")


def _state(gateway: Facts) -> str:
    return "answers" if gateway["answers"] else "does not answer"


def _rows(items: list[Facts], columns: tuple[str, ...]) -> list[list[object]]:
    return [["" if item[column] is None else item[column] for column in columns] for item in items]


def read_status(folder: Path) -> Facts:
    """Everything that `status` tells. Raises SetupError when nothing runs in this folder."""
    run = running.running(folder)
    facts: Facts = {
        "mode": run.mode,
        "folder": run.folder,
        "processes": [
            {"role": p.role, "pid": p.pid, "state": "runs" if running.alive(p) else "ended"} for p in run.processes
        ],
        "gateways": _gateways(run),
        "log": {"address": run.log_url, "away": "", "frames": 0, "spans": {}},
        "hosts": [],
        "partitions": [],
        "release": None,
    }
    try:
        with open_archive(folder) as archive:
            _read_log(archive, facts)
    except PlatformError as error:
        facts["log"]["away"] = str(error)
    facts["serving"] = sum(row["phase"] == "Serving" for row in facts["partitions"])
    facts["trouble"] = [*run.trouble, *_trouble(facts)]
    return facts


def _gateways(run: Run) -> list[Facts]:
    """Every gateway process; they share one port, so each is asked on its own, the one for metrics."""
    pids = {process.role: process.pid for process in run.processes}
    names = [name for name in run.metrics if name.startswith("gateway") or name == run.mode]
    return [
        {
            "name": name,
            "address": run.gateway,
            "pid": pids.get(name),
            "metrics": run.metrics[name],
            "answers": _answers(run.gateway) and _answers(run.metrics[name]),
        }
        for name in names
    ]


def _read_log(archive: Archive, facts: Facts) -> None:
    """What the log says, and the hosts that it names."""
    spans = {slice_.partition: span for slice_, span in archive.spans().items()}
    facts["log"]["spans"] = {str(number): list(span) for number, span in spans.items()}
    facts["log"]["frames"] = sum(span.end - span.start for span in spans.values())
    placed, release, _ = archive.placement()
    facts["release"] = release and {"release": release.release, "digest": release.digest}
    token = wiring.token_of(Path(archive.run.folder))
    stands: dict[int, PartitionStatus] = {}
    for name, address, pid in dict.fromkeys((one.host, one.address, one.pid) for one in placed.values()):
        answer = ask_host(address, token)
        state = "answers" if isinstance(answer, list) else answer
        facts["hosts"].append({"name": name, "address": address, "pid": pid, "state": state})
        mine = {number for number, one in placed.items() if one.host == name}
        stands |= {one.partition: one for one in answer if one.partition in mine} if isinstance(answer, list) else {}
    now_ms = wall_ms()
    behind = {
        n: records_behind(archive, n, one.watermark) for n, one in stands.items() if one.watermark < spans[n].end - 1
    }
    facts["partitions"] = [
        _row(number, placed.get(number), stands.get(number), spans[number], behind.get(number, 0), now_ms)
        for number in spans
    ]


def records_behind(archive: Archive, partition: int, watermark: int) -> int:
    """How many records lie beyond a watermark, counted in at most `LAG_FRAMES_MAX` frames; those further are as one."""
    slice_ = archive.commands(partition)
    end = archive.log.spans([slice_])[slice_].end
    counted = min(end, watermark + 1 + LAG_FRAMES_MAX)
    frames = read_slice(archive.log, slice_, watermark + 1, counted)
    return sum(len(frame_records(*slice_, one.offset, one.frame)) for one in frames) + max(end - counted, 0)


def _row(
    number: int, placed: Placed | None, stands: PartitionStatus | None, span: Span, behind: int, now_ms: int
) -> Facts:
    row: Facts = {
        "partition": number,
        "host": placed.host if placed else "",
        "phase": "",
        "epoch": None,
        "watermark": None,
        "start": span.start,
        "end": span.end,
        "lag_records": None,
        "lag_s": None,
        "resident": None,
        "outbox": None,
        "halted": "",
    }
    if stands is None:
        return row
    lag_s = round(max(now_ms - stands.now_ms, 0) / 1_000, 1) if behind and stands.now_ms else 0.0
    told = {name: getattr(stands, name) for name in ("phase", "epoch", "watermark", "resident", "outbox", "halted")}
    return {**row, **told, "lag_records": behind, "lag_s": lag_s}


def _trouble(facts: Facts) -> list[str]:
    trouble = [f"{one['role']} {one['pid']} ended" for one in facts["processes"] if one["state"] == "ended"]
    if facts["log"]["away"]:
        trouble.append(f"the log is away: {facts['log']['away']}")
    trouble += [
        f"the gateway {one['name']} at {one['address']} does not answer"
        for one in facts["gateways"]
        if not one["answers"]
    ]
    trouble += [f"the host {one['name']} {one['state']}" for one in facts["hosts"] if one["state"] != "answers"]
    for row in facts["partitions"]:
        if row["halted"]:
            trouble.append(f"partition {row['partition']} is {row['halted']}{_next_step(row['halted'])}")
        elif not row["phase"]:
            trouble.append(f"partition {row['partition']} has no host that knows of it")
    return trouble


def _next_step(halted: str) -> str:
    """What answers for a halt: a record's may be given up, a damaged frame's only be tried again."""
    position = halted.removeprefix("halted at ").partition(":")[0]
    is_record = position.count("/") == len(Position.__struct_fields__) - 1
    given_up = f", or `hutong skip {position}` to give the record up" if is_record else ""
    return f". Mend that, then `hutong retry {position}`{given_up}" if "/" in position else ""


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), ANSWER_S_MAX).close()
    except OSError:
        return False
    return True
