"""One record's decisions: the command itself, and every local send that follows from it, all or nothing; and views.

Runs authors' code. What it raises is an outcome, except what depends on the machine (RecursionError, MemoryError,
KeyboardInterrupt): that halts the partition, since another machine might have decided otherwise.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

import msgspec
from msgspec import Struct

from actors import entity as author
from actors.entity import Context, Decision, View
from actors.errors import Corrupt, Reject
from actors.kernel import layout
from actors.kernel.action import Code, Event, NeedState
from actors.kernel.layout import Meta, Timer
from actors.kernel.record import Position, Programs
from actors.kernel.resident import UNREADABLE, Resident
from actors.kernel.rules import Kind, Rules
from actors.raised import WrongValue, note_of, place_of

STEPS_MAX = 256
EVENTS_MAX = 1_024
SENDS_MAX = 1_024
PAYLOAD_BYTES_MAX = 256 * 1024
ANSWER_BYTES_MAX = 2 << 20
"""A view's answer is one message on its way through host and gateway."""
DUE_MS_MAX = 1 << 48
_encode = msgspec.msgpack.Encoder().encode
_encode_json = msgspec.json.Encoder().encode
_decode_json = msgspec.json.Decoder().decode


Task: TypeAlias = tuple[str, Any, str, bool]
"""One command for one entity: (entity, command, sender, encoded). The command is the author's value, or still msgpack
when it came off the log."""


class Staged(Struct, gc=False):
    """An entity as this record leaves it, until all of the record is accepted; `stored` is how it is written.

    `tail` is the end of that: the timers, which most records leave as they were.
    """

    resident: Resident
    state: Any
    timers: dict[str, Timer]
    tail: bytes
    stored: bytes = b""


class Remote(Struct, frozen=True, gc=False):
    """A send that leaves this record, to be numbered and put on the log; `key` is the target's routing key."""

    key: str
    entity: str
    command: bytes
    sender: str
    on_reject: bytes


class Refused(NamedTuple):
    """The record changed nothing; `payload` is the JSON that tells the caller why.

    `note` is for the host's log only: an exception's text may differ on replay, so it is never folded.
    """

    code: Code
    reason: str
    payload: bytes
    note: str = ""


def refuse(code: Code, reason: str, details: dict[str, str] | None = None, note: str = "") -> Refused:
    """A refusal with its JSON payload."""
    return Refused(code, reason, _encode_json({"reason": reason, "details": details or {}}), note)


def unreadable(entity: str) -> Refused:
    """The refusal of whatever asks an entity whose state what decides now does not read."""
    note = f"the package that decides {entity} does not read its state, which another wrote"
    return refuse(Code.POISONED, "STATE_UNREADABLE", {"entity": entity}, note)


def shown(view: View[Any], state: object, args: bytes) -> bytes | Refused:
    """A view's answer as JSON. Nothing is folded from it, so whatever it raises is poison here."""
    try:
        answer = _encode_json(view(state, _decode_json(args) if args else {}))
    except BaseException as error:  # noqa: BLE001 - an author's view may raise anything
        return refuse(Code.POISONED, "VIEW_RAISED", {"error": type(error).__name__}, note_of(error))
    if len(answer) > ANSWER_BYTES_MAX:
        return refuse(Code.BOUND_PASSED, "ANSWER_TOO_LONG", {"bytes_max": str(ANSWER_BYTES_MAX)})
    return answer


class Cascade:
    """What one record does, gathered against the residents of a partition; nothing is changed until it is committed.

    A partition has one, that begins anew for each record: to make all its parts takes longer than to clear some.
    `pushes` are (entity, cursor, JSON), `timers` (entity, name, old, new), `generation` that of the last timer set.
    """

    def __init__(
        self, rules: Rules, programs: Mapping[str, Programs], residents: Mapping[str, Resident], meta: Meta
    ) -> None:
        self._rules, self._programs, self._residents, self._meta = rules, programs, residents, meta
        self._position, self.caller, self.generation, self.reply = Position(-1, -1, -1), "", 0, b""
        self._tasks: list[Task] = []
        self.staged: dict[str, Staged] = {}
        self.events: list[Event] = []
        self.remotes: list[Remote] = []
        self.pushes: list[tuple[str, int, bytes]] = []
        self.timers: list[tuple[str, str, Timer | None, Timer | None]] = []

    def begin(self, position: Position, caller: str) -> None:
        """Forget the record before; this one is at `position`, and set off by a call of `caller`."""
        self._position, self.caller, self.generation, self.reply = position, caller, self._meta.generation, b""
        self._tasks, self.staged, self.events = [], {}, []
        if self.timers:
            self.timers = []
        if self.remotes or self.pushes:
            self.remotes, self.pushes = [], []

    def run(self, task: Task) -> Refused | NeedState | None:
        """Decide the task and all local sends that follow; None when all were accepted.

        Raises Corrupt for what depends on the machine.
        """
        tasks = self._tasks
        tasks.append(task)
        try:
            try:
                for step, each in enumerate(tasks):
                    stopped = self._step(step, each)
                    if stopped is not None:
                        return stopped
                self.store()
            except Reject as reject:
                said: list[object] = [reject.reason, *reject.details.values()]
                if not all(isinstance(word, str) for word in said):
                    raise WrongValue(f"a Reject says {said!r}, which is not all text") from None
                return refuse(Code.REJECTED, reject.reason, reject.details)
        except (RecursionError, MemoryError, KeyboardInterrupt) as error:
            name, kind = type(error).__name__, task[0].partition("/")[0]
            raise Corrupt(f"{name} in the code of {kind}: {place_of(error)}", position=str(self._position)) from error
        except BaseException as error:  # noqa: BLE001 - an author's code may raise anything, also AssertionError, SystemExit
            return refuse(Code.POISONED, "POISONED", {"error": type(error).__name__}, note=note_of(error))
        return None

    def _step(self, step: int, task: Task) -> NeedState | Refused | None:
        if step >= STEPS_MAX:
            return refuse(Code.BOUND_PASSED, "CASCADE_TOO_LONG", {"steps_max": str(STEPS_MAX)})
        entity, command, sender, encoded = task
        staged = self.staged.get(entity)
        if staged is None:
            resident = self._residents.get(entity)
            if resident is None and self._rules.of(entity, self._programs) is None:
                return refuse(Code.POISONED, "NO_SUCH_KIND", {"entity": entity})
            if resident is None:
                return NeedState((layout.entity_key(entity),))
            if resident.state is UNREADABLE:
                return unreadable(entity)
            staged = self.staged[entity] = Staged(resident, resident.state, resident.timers, resident.tail)
        kind, meta = staged.resident.kind, self._meta
        name = kind.name
        entity_id = entity[len(name) + 1 :]
        context = Context(entity_id, meta.now_ms, self.caller, sender, meta.release, (self._position, step))
        if encoded:
            ahead = kind.ahead.pop(command, None) if kind.ahead else None
            command = ahead or kind.decode_command(command)
        decision = kind.decide(staged.state, command, context)
        if type(decision) is not Decision:
            raise WrongValue(f"decide of {name} returned {type(decision).__name__}, not a Decision")
        happened, reply, actions = decision.events, decision.reply, decision.actions
        if happened:
            state: Any = staged.state
            evolve, events = kind.evolve, self.events
            now_ms, incarnation, position = meta.now_ms, meta.incarnation, self._position
            number, offset, index = position.partition, position.offset, position.index
            for event in happened:
                state = evolve(state, event)
                packed, n = _encode(event), len(events)
                payload = packed if len(packed) <= PAYLOAD_BYTES_MAX else _pack(event)
                # An `EventRecord`, without an object for it.
                record = _encode((incarnation, number, offset, index, n, now_ms, entity, payload))
                events.append(Event(name, offset, index, n, record))
            if type(state) is not kind.state_type:
                raise WrongValue(f"evolve of {name} returned {type(state).__name__}, not {kind.state_type.__name__}")
            if len(events) > EVENTS_MAX:
                return refuse(Code.BOUND_PASSED, "TOO_MANY_EVENTS", {"events_max": str(EVENTS_MAX)})
            staged.state = state
        if reply is not None:
            self.reply = _encode_json(reply)
        return self._act(staged, entity, actions) if actions else None

    def _act(self, staged: Staged, entity: str, actions: Iterable[author.Action]) -> Refused | None:
        for action in actions:
            # By its very type first: to learn what a struct is not takes Python long.
            if type(action) is author.SetTimer:
                self._set(staged, entity, action)
            elif type(action) is author.CancelTimer:
                self.cancel(entity, action.name)
            elif isinstance(action, author.Send):
                self._send(staged.resident.kind, entity, action)
            else:
                self._ask(staged, entity, action)
        if len(self.remotes) + len(self.pushes) > SENDS_MAX:
            return refuse(Code.BOUND_PASSED, "TOO_MANY_SENDS", {"sends_max": str(SENDS_MAX)})
        return None

    def _ask(self, staged: Staged, entity: str, action: author.Action) -> None:
        """A push, or a timer that fires; or a timer by a class that an author derived from ours."""
        match action:
            case author.Push(cursor, payload):
                if type(cursor) is not int or not 0 <= cursor < 1 << 63:
                    raise WrongValue(f"a push of {entity} has the cursor {cursor!r}")
                self.pushes.append((entity, cursor, _pack(payload, _encode_json)))
            case author.FireTimer(name):
                if name in staged.timers:
                    self._tasks.append((entity, staged.timers[name].command, entity, True))
                    self.cancel(entity, name)
            case author.SetTimer():
                self._set(staged, entity, action)
            case author.CancelTimer(name):
                self.cancel(entity, name)
            case _:
                raise WrongValue(f"{entity} asks for a {type(action).__name__}, which is no action")

    def _set(self, staged: Staged, entity: str, action: author.SetTimer) -> None:
        name, due_ms = action.name, action.due_ms
        if type(due_ms) is not int or not 0 <= due_ms < DUE_MS_MAX or "\0" in name:
            raise WrongValue(f"the timer {name!r} of {entity} is due at {due_ms!r}")
        name.encode()  # what cannot be written as UTF-8 is poison here: this timer may be cancelled unwritten
        self.generation += 1
        timer = Timer(self.generation, due_ms, _pack(action.command))
        self.timers.append((entity, name, staged.timers.get(name), timer))
        staged.timers = {**staged.timers, name: timer}
        if len(staged.timers) > staged.resident.kind.entity.timers_max:
            raise WrongValue(f"more than {staged.resident.kind.entity.timers_max} timers of {entity}")

    def cancel(self, entity: str, name: str) -> None:
        """Take a timer away from an entity, if it has it."""
        staged = self.staged.get(entity)
        if staged is None:
            resident = self._residents[entity]
            staged = self.staged[entity] = Staged(resident, resident.state, resident.timers, resident.tail)
        if name in staged.timers:
            rest = dict(staged.timers)
            self.timers.append((entity, name, rest.pop(name), None))
            staged.timers = rest

    def _send(self, kind: Kind, entity: str, send: author.Send[Any]) -> None:
        to = send.to
        address = f"{to.kind}/{to.id}"
        resident = self._residents.get(address)
        if resident is not None:
            target = resident.kind
        else:
            found = self._rules.of(address, self._programs)
            if found is None:
                raise WrongValue(f"a send to {to.kind}, which is no kind here")
            target = found[0]
        if not entity.startswith(target.senders):
            raise WrongValue(f"a send of {entity} to {to.kind}, which takes none of that program")
        key = target.routing(to.id)
        if key == kind.routing(entity[len(kind.name) + 1 :]):
            # Another program writes the command down as a type of its own: what both share is the form on the log.
            foreign = type(send.command) not in target.commands
            self._tasks.append((address, _pack(send.command) if foreign else send.command, entity, foreign))
            return
        (key + address).encode()  # what cannot be written as UTF-8 is poison here, before anything is numbered
        back = b"" if send.on_reject is None else _pack(send.on_reject)
        self.remotes.append(Remote(key, address, _pack(send.command), entity, back))

    def store(self) -> None:
        """Make the bytes that each entity is written as."""
        head = layout.stored_head(self._meta.release)
        for entity, staged in self.staged.items():
            resident = staged.resident
            state, kind = _encode(staged.state), resident.kind
            if len(state) > kind.state_bytes_max:
                raise WrongValue(f"the state of {entity} is over {kind.state_bytes_max} bytes")
            if not kind.is_ours:
                kind.decode_state(state)  # what its own type does not take could never be loaded again
            if staged.timers is not resident.timers:
                staged.tail = layout.encode_timers(staged.timers)
            staged.stored = head + state + staged.tail


def _pack(value: object, encode: Callable[[object], bytes] = _encode) -> bytes:
    """An author's value as bytes that surely fit into a frame."""
    packed = encode(value)
    if len(packed) > PAYLOAD_BYTES_MAX:
        raise WrongValue(f"a {type(value).__name__} of {len(packed)} bytes")
    return packed
