"""Watches a host from a process of its own, since a hung decide holds the interpreter and a killed one says nothing.

Run as a script, on the standard library alone: `watchdog.py PROGRESS_FILE HOST_PID NOTES_FOLDER DECIDE_MS_MAX`.
The host maps PROGRESS_FILE: four 64-bit numbers, partition, offset, index, and what is done: 1 while a record is being
applied, 2 while questions are answered. When one record takes too long the host is ended, and a note of the position is
left; when the host ends by itself in the middle of a record, a note says so too. The next host on this machine carries
the notes to the control topic. Questions that take too long end the host as well, but no record is to blame.
"""

import json
import mmap
import os
import select
import signal
import struct
import sys
import time
from pathlib import Path

PROGRESS = struct.Struct("=4q")
LOOK_EVERY_MS_MAX = 1_000
LOOKS_MIN = 5
APPLYING = 1


def main(progress_file: str, host_pid: int, notes: Path, decide_ms_max: int) -> None:
    """Watch until the host has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal comes to us too, and is the host's to answer
    with (
        Path(progress_file).open("rb") as file,
        mmap.mmap(file.fileno(), PROGRESS.size, access=mmap.ACCESS_READ) as view,
    ):
        try:
            host = os.pidfd_open(host_pid)
        except ProcessLookupError:  # it has ended before we began
            _note_death(view, host_pid, notes)
            return
        seen = PROGRESS.unpack(view[: PROGRESS.size])
        same_ms = 0
        look_every_ms = min(LOOK_EVERY_MS_MAX, max(decide_ms_max // LOOKS_MIN, 1))
        ended = select.poll()
        ended.register(host, select.POLLIN)
        while not ended.poll(look_every_ms):
            now = PROGRESS.unpack(view[: PROGRESS.size])
            same_ms = same_ms + look_every_ms if now == seen and now[3] else 0
            seen = now
            if same_ms > decide_ms_max:
                if now[3] == APPLYING:
                    why = f"one record took process {host_pid} over {decide_ms_max} ms"
                    _note(notes, host_pid, now, why, died=False)
                    _tell(_halt(now, why))
                else:
                    _tell(f"a view of partition {now[0]} took process {host_pid} over {decide_ms_max} ms: it is ended")
                signal.pidfd_send_signal(host, signal.SIGKILL)
                return
        _note_death(view, host_pid, notes)


def _note_death(view: mmap.mmap, host_pid: int, notes: Path) -> None:
    """Leave a note if the host has ended in the middle of a record."""
    last = PROGRESS.unpack(view[: PROGRESS.size])
    if last[3] == APPLYING:
        why = f"process {host_pid} ended while it applied this record, at {time.time():.0f}"
        _note(notes, host_pid, last, why, died=True)


def _halt(progress: tuple[int, ...], why: str) -> str:
    position = "/".join(map(str, progress[:3]))
    return (
        f"partition {progress[0]} halted at {position}: {why}, which is ended. Mend the program, start it again if it "
        f"does not run, then `hutong retry {position}`, or `hutong skip {position}` to give the record up"
    )


def _tell(what: str) -> None:
    """One line for whoever reads the host's stderr: a person on a terminal, or its log file."""
    as_json = json.dumps({"event": what, "level": "error"})
    print(what if sys.stderr.isatty() else as_json, file=sys.stderr, flush=True)


def _note(notes: Path, host_pid: int, progress: tuple[int, ...], why: str, *, died: bool) -> None:
    partition, offset, index, _ = progress
    note = {"partition": partition, "offset": offset, "index": index, "why": why, "died": died}
    draft = notes / f".{host_pid}"
    draft.write_text(json.dumps(note))
    draft.rename(notes / f"{host_pid}.json")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
