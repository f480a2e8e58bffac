"""Dead letters: what could not be carried out and had nobody to be told; read back from their topic."""

from pathlib import Path
from typing import cast

import msgspec

from actors.cli import output
from actors.cli.archive import Archive, open_archive, progress
from actors.cli.calling import CALLER, call_entity
from actors.cli.showing import Facts, Shown, compact, from_json, time_of
from actors.cli.tracing import position_of
from actors.errors import InvalidCommand, NotFound
from actors.history import read_slice
from actors.kernel.action import EventRecord, decode_event_frame
from actors.kernel.partition import DEAD_LETTER, DeadLetter
from actors.ports import Slice
from actors.sealing import SHOWN

_decode_letter = msgspec.msgpack.Decoder(DeadLetter).decode


def show_letters(folder: Path, as_json: bool) -> None:
    """List every dead letter, oldest first."""
    with open_archive(folder) as archive:
        letters = read_letters(archive)
    if as_json or not letters:
        output.result({"letters": letters}, as_json, "no dead letters")
        return
    rows = [
        (one["position"], one["time"], one["entity"], compact(one["command"]), one["reason"], one["detail"])
        for one in letters
    ]
    output.table("Dead letters", ("position", "time", "entity", "command", "reason", "detail"), rows)
    output.say(f"hutong why POSITION explains one, hutong dead-letters retry POSITION sends it again (--dir {folder})")


def read_letters(archive: Archive) -> list[Facts]:
    """Every dead letter by time. A letter may stand on its topic twice after a host's death; it is told once."""
    topic = archive.run.cluster.events_topic_of(DEAD_LETTER)
    shown = Shown(archive.registry)
    slices = [Slice(topic, number) for number in range(archive.run.cluster.partitions)]
    letters: list[tuple[int, Facts]] = []
    for slice_, span in archive.log.spans(slices).items():
        if span.start == span.end:
            continue
        last = (-1, -1, -1, -1)
        for fetched in progress(read_slice(archive.log, slice_), f"dead letters of {slice_.partition}", span.end):
            for event in decode_event_frame(*slice_, fetched.offset, fetched.frame).records:
                identity = (event.incarnation, event.offset, event.index, event.n)
                if identity > last:
                    last = identity
                    letters.append((event.stamp_ms, _facts(shown, event)))
    return [facts for _, facts in sorted(letters, key=lambda letter: letter[0])]


def _facts(shown: Shown, event: EventRecord) -> Facts:
    letter = _decode_letter(event.payload)
    return {
        "position": f"{event.partition}/{event.offset}/{event.index}",
        "time": time_of(event.stamp_ms),
        "entity": shown.name(letter.entity),
        "command": shown.command(letter.entity, letter.command),
        "caller": letter.caller,
        "sender": shown.name(letter.sender) if letter.sender else "",
        "reason": letter.reason,
        "detail": _detail(letter.detail),
    }


def _detail(text: str) -> str:
    """The details of a refusal, without what stands in `reason` already."""
    told = from_json(text.encode())
    return compact(cast("Facts", told).get("details", {})) if isinstance(told, dict) else text


def send_again(folder: Path, position: str, as_json: bool) -> None:
    """Send a letter's command again, as a new call by whoever called first."""
    where = str(position_of(position))
    with open_archive(folder) as archive:
        found = [letter for letter in read_letters(archive) if letter["position"] == where]
    if not found:
        message = f"there is no dead letter at {where}; see `hutong dead-letters list`"
        raise NotFound(message, reason="NO_SUCH_LETTER")
    command = dict(found[0]["command"])
    if SHOWN in command.values():
        message = "this letter says what only its person may read: they, or the program's server, must say it again"
        raise InvalidCommand(message, field="command", reason="SEALED")
    tag = command.pop("type", "")
    caller = found[0]["caller"] or CALLER
    call_entity(folder, found[0]["entity"], tag, msgspec.json.encode(command).decode(), caller, "", as_json)
