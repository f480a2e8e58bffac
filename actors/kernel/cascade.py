"""One record's decisions: the command itself, and every local send that follows from it, all or nothing.

Runs authors' code. What it raises is an outcome, except what depends on the machine (RecursionError, MemoryError):
that halts the partition, since another machine might have decided otherwise.
"""

from typing import Any, NamedTuple

import msgspec

from actors import entity as author
from actors.entity import Context
from actors.errors import Corrupt, Reject
from actors.kernel import layout
from actors.kernel.action import Code, NeedState
from actors.kernel.layout import Timer
from actors.kernel.passivation import Resident
from actors.kernel.record import Position
from actors.kernel.rules import Kind, Rules

STEPS_MAX = 256
EVENTS_MAX = 1_024
_encode = msgspec.msgpack.Encoder().encode
_encode_json = msgspec.json.Encoder().encode


class Task(NamedTuple):
    """One command for one entity. `command` is the author's value, or still msgpack when it came off the log."""

    entity: str
    command: object
    sender: str
    encoded: bool


class Staged:
    """An entity as this record leaves it, until all of the record is accepted."""

    __slots__ = ("kind", "resident", "state", "timers")

    def __init__(self, kind: Kind, resident: Resident) -> None:
        self.kind = kind
        self.resident = resident
        self.state = resident.state
        self.timers = resident.timers


class Remote(NamedTuple):
    """A send that leaves this record: to be numbered and put on the log."""

    kind: Kind
    entity: str
    command: bytes
    sender: str
    on_reject: bytes


class Accepted(NamedTuple):
    """Everything one record did. `events` are (kind, entity, msgpack); `timers` are (entity, name, old, new)."""

    staged: dict[str, Staged]
    stored: dict[str, bytes]
    events: list[tuple[str, str, bytes]]
    remotes: list[Remote]
    pushes: list[tuple[str, int, bytes]]
    timers: list[tuple[str, str, Timer | None, Timer | None]]
    reply: bytes
    generation: int


class Refused(NamedTuple):
    """The record changed nothing; `payload` is the JSON that tells the caller why.

    `note` is for the host's log only: an exception's text may differ on replay, so it is never folded.
    """

    code: Code
    reason: str
    payload: bytes
    note: str = ""


class _Poison(Exception):
    """An author's value that cannot be used; its message says which."""


def refuse(code: Code, reason: str, details: dict[str, str] | None = None) -> Refused:
    """A refusal with its JSON payload."""
    return Refused(code, reason, _encode_json({"reason": reason, "details": details or {}}))


class Cascade:
    """Runs one record against the residents of a partition."""

    __slots__ = (
        "_caller",
        "_events",
        "_fired",
        "_generation",
        "_now_ms",
        "_position",
        "_pushes",
        "_release",
        "_remotes",
        "_reply",
        "_residents",
        "_rules",
        "_staged",
        "_tasks",
        "_timers",
    )

    def __init__(
        self,
        rules: Rules,
        residents: dict[str, Resident],
        position: Position,
        now_ms: int,
        release: int,
        generation: int,
        caller: str,
        fired: str = "",
    ) -> None:
        """`fired` names the timer of the first task's entity that set this off; it is gone before `decide`."""
        self._fired = fired
        self._rules = rules
        self._residents = residents
        self._position = position
        self._now_ms = now_ms
        self._release = release
        self._generation = generation
        self._caller = caller
        self._staged: dict[str, Staged] = {}
        self._tasks: list[Task] = []
        self._events: list[tuple[str, str, bytes]] = []
        self._remotes: list[Remote] = []
        self._pushes: list[tuple[str, int, bytes]] = []
        self._timers: list[tuple[str, str, Timer | None, Timer | None]] = []
        self._reply: bytes = b""

    def run(self, task: Task) -> Accepted | Refused | NeedState:
        """Decide the task and all local sends that follow. Raises Corrupt for what depends on the machine."""
        self._tasks.append(task)
        try:
            for step, current in enumerate(self._tasks):
                if step >= STEPS_MAX:
                    return refuse(Code.BOUND_PASSED, "CASCADE_TOO_LONG", {"steps_max": str(STEPS_MAX)})
                need = self._step(step, current)
                if need is not None:
                    return need
            stored = {entity: self._store(entity, staged) for entity, staged in self._staged.items()}
        except Reject as reject:
            return refuse(Code.REJECTED, reject.reason, reject.details)
        except (RecursionError, MemoryError) as error:
            where = str(self._position)
            name = type(error).__name__
            raise Corrupt(f"{name} in the code of {task.entity.partition('/')[0]}", position=where) from error
        except Exception as error:  # noqa: BLE001 - an author's code may raise anything, also its own AssertionError
            refused = refuse(Code.POISONED, "POISONED", {"error": type(error).__name__})
            return refused._replace(note=f"{type(error).__name__}: {error}"[:500])
        return Accepted(
            self._staged,
            stored,
            self._events,
            self._remotes,
            self._pushes,
            self._timers,
            self._reply,
            self._generation,
        )

    def _step(self, step: int, task: Task) -> NeedState | None:
        entity = task.entity
        staged = self._staged.get(entity)
        if staged is None:
            resident = self._residents.get(entity)
            if resident is None:
                return NeedState((layout.entity_key(entity),))
            found = self._rules.of(entity)
            if found is None:
                raise _Poison(f"no such kind: {entity}")
            staged = self._staged[entity] = Staged(found[0], resident)
            if step == 0 and self._fired:
                self._cancel(staged, entity, self._fired)
        kind = staged.kind
        command: Any = kind.decode_command(task.command) if task.encoded else task.command  # type: ignore[arg-type]
        position = self._position
        context = Context(
            entity[len(kind.name) + 1 :],
            self._now_ms,
            self._caller,
            task.sender,
            self._release,
            (position.partition, position.offset, position.index, step),
        )
        decision = kind.decide(staged.state, command, context)
        if decision.events:
            state: Any = staged.state
            for event in decision.events:
                state = kind.evolve(state, event)
                self._events.append((kind.name, entity, _encode(event)))
            if type(state) is not kind.state_type:
                raise _Poison(f"evolve of {kind.name} returned {type(state).__name__}")
            if len(self._events) > EVENTS_MAX:
                raise _Poison(f"more than {EVENTS_MAX} events in one record")
            staged.state = state
        if decision.reply is not None:
            self._reply = _encode_json(decision.reply)
        for action in decision.actions:
            self._act(staged, entity, action)
        return None

    def _act(self, staged: Staged, entity: str, action: author.Action) -> None:
        match action:
            case author.Send(to, command, on_reject):
                self._send(staged.kind, entity, to, command, on_reject)
            case author.Push(cursor, payload):
                self._pushes.append((entity, cursor, _encode_json(payload)))
            case author.SetTimer(name, due_ms, command):
                self._generation += 1
                timer = Timer(self._generation, due_ms, _encode(command))
                self._timers.append((entity, name, staged.timers.get(name), timer))
                staged.timers = {**staged.timers, name: timer}
                if len(staged.timers) > staged.kind.entity.timers_max:
                    raise _Poison(f"more than {staged.kind.entity.timers_max} timers of one {staged.kind.name}")
            case author.CancelTimer(name):
                if name in staged.timers:
                    self._cancel(staged, entity, name)

    def _cancel(self, staged: Staged, entity: str, name: str) -> None:
        rest = dict(staged.timers)
        self._timers.append((entity, name, rest.pop(name), None))
        staged.timers = rest

    def _send(self, kind: Kind, entity: str, to: author.Ref[Any], command: object, on_reject: object | None) -> None:
        target = self._rules.kinds.get(to.kind)
        if target is None:
            raise _Poison(f"a send to {to.kind}, which is no kind here")
        if target.routing(to.id) == kind.routing(entity[len(kind.name) + 1 :]):
            self._tasks.append(Task(f"{to.kind}/{to.id}", command, entity, False))
            return
        back = b"" if on_reject is None else _encode(on_reject)
        self._remotes.append(Remote(target, f"{to.kind}/{to.id}", _encode(command), entity, back))

    def _store(self, entity: str, staged: Staged) -> bytes:
        state = _encode(staged.state)
        if len(state) > staged.kind.entity.state_bytes_max:
            raise _Poison(f"the state of {entity} is over {staged.kind.entity.state_bytes_max} bytes")
        return _encode(layout.Stored(self._release, msgspec.Raw(state), staged.timers))
