"""Steps of a partition as plain values of JSON: what a record asked, what was decided, who was told."""

import datetime as dt
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

import msgspec
from msgspec import Struct

from actors.errors import PlatformError
from actors.kernel.action import CancelTimer, Code, Event, EventRecord, Push, Reply, Send, SetTimer
from actors.kernel.partition import DEAD_LETTER, DeadLetter
from actors.kernel.record import Fire, Invoke, Read, Record, Sent
from actors.registry import Registry
from actors.replaying import Step
from actors.sealing import SHOWN, Personal, veiled

Facts: TypeAlias = dict[str, Any]
_decode_event = msgspec.msgpack.Decoder(EventRecord).decode
_decode_letter = msgspec.msgpack.Decoder(DeadLetter).decode
_decode_record: Any = msgspec.msgpack.Decoder(Record).decode
_PLAIN = frozenset((str, int, bool, float, type(None)))
"""What is in terms of JSON already."""


class Shown:
    """Shows what is on the log in the words of these programs."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._commands = {
            kind: msgspec.msgpack.Decoder[Any](entity.command) for kind, entity in registry.entities.items()
        }

    def name(self, entity: str) -> str:
        """An entity's resource name; what the log calls it, if no program here knows it."""
        try:
            return self._registry.name_of(entity)
        except PlatformError:
            return entity

    def command(self, entity: str, packed: bytes) -> Facts:
        """A command as `{"type": tag, field: value, …}`."""
        decoder = self._commands.get(entity.partition("/")[0])
        try:
            value: object = decoder.decode(packed) if decoder else _anything(packed)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            value = _anything(packed)  # not what the entity takes today, but still what was asked
        shown = plain(value)
        return cast("Facts", shown) if isinstance(shown, dict) else {"type": "", "value": shown}

    def asked(self, record: Record) -> Facts:
        """What a record asks."""
        match record:
            case Invoke(entity, command, request_id, caller):
                named = {"request_id": str(uuid.UUID(bytes=request_id)), "caller": caller}
                return {"what": "call", "entity": self.name(entity), "command": self.command(entity, command), **named}
            case Sent(source, _, seq, entity, command, sender, _, caller):
                named = {"sender": self.name(sender), "caller": caller}
                shown = {"what": "send", "entity": self.name(entity), "command": self.command(entity, command)}
                return {**shown, **named, "from_partition": source, "seq": seq}
            case Fire(entity, timer, generation, due_ms):
                due = {"timer": timer, "generation": generation, "due": time_of(due_ms)}
                return {"what": "timer", "entity": self.name(entity), **due}
            case Read(entity, view, args, request_id, caller):
                named = {"request_id": str(uuid.UUID(bytes=request_id)), "caller": caller}
                return {"what": "read", "entity": self.name(entity), "view": view, "args": from_json(args), **named}
            case _:
                return {"what": type(record).__name__.lower(), **cast("Facts", plain(record))}

    def step(self, step: Step, topic_of: Callable[[str], str]) -> Facts:
        """A record, whole: who asked what, what was decided, every state before and after.

        `topic_of` gives the topic that a kind's events are on.
        """
        events: list[Facts] = []
        sends: list[Facts] = []
        timers: list[Facts] = []
        pushes: list[Facts] = []
        letters: list[Facts] = []
        reply: Facts | None = None
        for action in step.actions:
            match action:
                case Reply():
                    reply = _reply(step, action)
                case Event(kind=kind, record=packed) if kind == DEAD_LETTER:
                    letter = _decode_letter(_decode_event(packed).payload)
                    letters.append({"entity": self.name(letter.entity), "reason": letter.reason})
                case Event(kind=kind, n=n, record=packed):
                    event = _decode_event(packed)
                    said = plain(veiled(msgspec.msgpack.decode(event.payload)))
                    where = {"kind": kind, "n": n, "topic": topic_of(kind)}
                    events.append({"entity": self.name(event.entity), "event": said, **where})
                case Send():
                    sends.append(self.send(action))
                case Push(entity, cursor, payload):
                    pushes.append({"entity": self.name(entity), "cursor": cursor, "payload": from_json(payload)})
                case SetTimer() | CancelTimer():
                    timers.append(self._timer(action))
        return {
            "position": str(step.position),
            "time": time_of(step.stamp_ms),
            "appended_by": step.frame.producer,
            "asked": self.asked(step.record),
            "outcome": _outcome(step, reply, letters),
            "reply": reply,
            **({"raised": step.raised} if step.raised else {}),
            "events": events,
            "sends": sends,
            "timers": timers,
            "pushes": pushes,
            "dead_letters": letters,
            "states": [
                {
                    "entity": self.name(entity),
                    "before": (before := plain(change.before)),
                    "after": (after := plain(change.after)),
                    "difference": difference(before, after),
                }
                for entity, change in step.states.items()
            ],
        }

    def send(self, send: Send) -> Facts:
        """A send to another partition."""
        sent: Sent = _decode_record(send.record)
        where = {"to_partition": send.destination, "seq": send.seq}
        return {"entity": self.name(sent.entity), "command": self.command(sent.entity, sent.command), **where}

    def _timer(self, action: SetTimer | CancelTimer) -> Facts:
        change = "set" if isinstance(action, SetTimer) else "gone"
        entity, due = self.name(action.entity), time_of(action.due_ms)
        return {"entity": entity, "timer": action.timer, "change": change, "due": due}


def _reply(step: Step, reply: Reply) -> Facts:
    payload = from_json(reply.payload)
    place = f"{step.position.partition}/{reply.offset}/{reply.index}"
    to = {"to": reply.producer, "caller": reply.caller, "decided_at": place, "duplicate": reply.duplicate}
    if reply.code:
        refused = cast("Facts", payload) if isinstance(payload, dict) else {}
        return {**to, "code": Code(reply.code).name, "reason": "", "details": {}, **refused}
    return {**to, "code": "OK", "value": payload}


def _outcome(step: Step, reply: Facts | None, letters: list[Facts]) -> str:
    """One word for what became of a record."""
    if step.skipped:
        return "skipped"
    if step.copy or (reply is not None and reply["duplicate"]):
        return "duplicate"
    if reply is not None:
        return "accepted" if reply["code"] == "OK" else str(reply["code"]).lower()
    if letters:
        return "dead-lettered"
    if isinstance(step.record, Fire) and not step.actions:
        return "ignored"
    return "applied"


def difference(before: object, after: object, path: str = "") -> list[Facts]:
    """The values that differ, each by its path; what is not there is null."""
    if isinstance(before, dict) and isinstance(after, dict):
        old, new = cast("Facts", before), cast("Facts", after)
        return [
            found
            for key in {**old, **new}
            if old.get(key) != new.get(key)
            for found in difference(old.get(key), new.get(key), f"{path}.{key}" if path else key)
        ]
    return [] if before == after else [{"path": path, "before": before, "after": after}]


def plain(value: object) -> object:
    """A value in terms of JSON; structs by the names of their fields, however they are stored, their tag as `type`.

    A field that is not set is left out, as it is where the struct is stored.
    What is sealed is shown as `<sealed>`: whoever may read the log may not read that.
    """
    if type(value) in _PLAIN:  # most of what there is, and a state may have thousands
        return value
    if isinstance(value, Personal):
        return SHOWN
    if isinstance(value, Struct):
        tag = value.__struct_config__.tag
        named = {} if tag is None else {"type": tag}
        said = ((field, getattr(value, field)) for field in value.__struct_fields__)
        return {**named, **{field: plain(item) for field, item in said if item is not msgspec.UNSET}}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in cast("list[object]", value)]
    return msgspec.to_builtins(value, str_keys=True)


def _anything(packed: bytes) -> object:
    """What this says, whatever it is; its hex digits when it says nothing."""
    try:
        return veiled(msgspec.msgpack.decode(packed))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return packed.hex()


def from_json(payload: bytes) -> object:
    """JSON as values; nothing for no bytes."""
    return veiled(msgspec.json.decode(payload)) if payload else None


def time_of(stamp_ms: int) -> str:
    """A time of the log, in UTC."""
    return dt.datetime.fromtimestamp(stamp_ms / 1_000, dt.UTC).isoformat(timespec="milliseconds")


def compact(value: object) -> str:
    """A value on one line."""
    return msgspec.json.encode(value).decode()
