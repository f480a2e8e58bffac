"""The author's test kit: entities played without a platform, held to what the platform will ask of them.

`Scenario` plays one entity; what it sends is returned, not run. `Ensemble` plays several together: local sends within
the command, all or nothing, as in a partition; other sends when told to. Every value is stored and read back as on the
log, and `decide` is run twice: what could not be stored, or is not a pure function, raises `ContractBroken`.
"""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec

from actors.entity import (
    Action,
    AnyEntity,
    CancelTimer,
    Context,
    Decision,
    Entity,
    FireTimer,
    Push,
    Ref,
    Reject,
    Send,
    SetTimer,
)
from actors.kernel.cascade import DUE_MS_MAX, EVENTS_MAX, PAYLOAD_BYTES_MAX, SENDS_MAX, STEPS_MAX
from actors.kernel.inbox import REPLY_BYTES_MAX
from actors.placement import RELEASE_MIN
from actors.shape import canonical, check_entity

__all__ = ["ContractBroken", "Ensemble", "Outcome", "Played", "Scenario"]

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E")

NOW_MS = 1_700_000_000_000
SETTLE_MAX = 10_000
_encode = msgspec.msgpack.Encoder().encode
_encode_json = msgspec.json.Encoder().encode
_decode_json = msgspec.json.Decoder().decode


class ContractBroken(AssertionError):
    """The entity does what the platform cannot carry out, or could not repeat on replay."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[S, E]):
    """What one command did to one entity, together with those of the timers that it fired."""

    events: tuple[E, ...]
    reply: object | None
    actions: tuple[Action, ...]
    state: S


class Scenario(Generic[S, C, E]):
    """One entity, given events and commands in turn."""

    def __init__(
        self,
        entity: Entity[S, C, E],
        state: S | None = None,
        *,
        entity_id: str = "1",
        now_ms: int = NOW_MS,
        caller: str = "ann",
        release: int = RELEASE_MIN,
    ) -> None:
        check_entity(entity)
        self.release = release
        self.entity = entity
        self.entity_id = entity_id
        self.now_ms = now_ms
        self.caller = caller
        self.state: S = entity.initial if state is None else state
        self.timers: dict[str, SetTimer] = {}
        self._seeds = itertools.count()

    def given(self, *events: E) -> "Scenario[S, C, E]":
        """These events have happened."""
        for event in events:
            self.state = _evolved(self.entity, self.state, event)
        return self

    def when(
        self, command: C, *, caller: str | None = None, sender: str = "", now_ms: int | None = None
    ) -> Outcome[S, E]:
        """The command is given, at the log's time `now_ms`, which never goes back. A Reject changes nothing."""
        self.now_ms = max(self.now_ms, now_ms or 0)
        return self._play(command, self.caller if caller is None else caller, sender, self.timers)

    def fire(self, name: str) -> Outcome[S, E]:
        """The log's time reaches the timer of this name. A Reject changes nothing, but the timer is gone."""
        timer = _timer(self.timers, name)
        self.now_ms = max(self.now_ms, timer.due_ms)
        del self.timers[name]
        command: Any = timer.command
        return self._play(command, "", f"{self.entity.kind}/{self.entity_id}", self.timers)

    def view(self, name: str, **args: object) -> Any:
        """What a query gets from this view, as JSON says it."""
        return _view(self.entity, self.state, name, args)

    def _play(self, command: C, caller: str, sender: str, timers: dict[str, SetTimer]) -> Outcome[S, E]:
        timers, seed = dict(timers), next(self._seeds)
        done: Outcome[S, E] = Outcome((), None, (), self.state)
        tasks: list[tuple[Any, str]] = [(command, sender)]
        for step, (task, source) in enumerate(tasks):
            _check_step(step)
            context = partial(Context, self.entity_id, self.now_ms, caller, source, self.release, (seed, step))
            one = _play(self.entity, done.state, task, context)
            fired = [timer for action in one.actions if (timer := _timed(self.entity, timers, action)) is not None]
            tasks += [(timer.command, f"{self.entity.kind}/{self.entity_id}") for timer in fired]
            reply = done.reply if one.reply is None else one.reply
            done = Outcome(done.events + one.events, reply, done.actions + one.actions, one.state)
        self.timers, self.state = timers, done.state
        return done


@dataclass(frozen=True, slots=True)
class Played:
    """What one command did in an ensemble: events and pushes with their entities, and how many decisions it took.

    `rejected` is set only by `deliver`, where a Reject has nobody to be raised to.
    """

    events: tuple[tuple[Ref[Any], Any], ...] = ()
    reply: object | None = None
    pushes: tuple[tuple[Ref[Any], Push], ...] = ()
    steps: int = 0
    rejected: Reject | None = None


@dataclass(slots=True)
class _Seat:
    entity: AnyEntity
    state: Any
    timers: dict[str, SetTimer] = field(default_factory=dict[str, SetTimer])


@dataclass(frozen=True, slots=True)
class _Sent:
    source: Ref[Any]
    send: Send[Any]
    caller: str


class Ensemble:
    """Entities that send to each other. `sent` are the sends on their way to another routing key, oldest first.

    It walks the local sends itself, by the bounds of `kernel.cascade`, and does not run a `Cascade`: the kernel makes
    poison of an author's mistake, so that a partition goes on, and works on tags and bytes; a test is to fail there
    with a message that names the mistake, and to compare the author's own values.
    """

    def __init__(
        self,
        entities: Iterable[AnyEntity],
        *,
        now_ms: int = NOW_MS,
        caller: str = "ann",
        release: int = RELEASE_MIN,
    ) -> None:
        self.entities = {entity.kind: entity for entity in entities}
        for entity in self.entities.values():
            check_entity(entity)
        self.now_ms = now_ms
        self.caller = caller
        self.release = release
        self.sent: list[_Sent] = []
        self.dead_letters: list[tuple[Send[Any], Reject]] = []
        self._seats: dict[Ref[Any], _Seat] = {}
        self._seeds = itertools.count()

    def when(self, to: Ref[C], command: C, *, caller: str | None = None, now_ms: int | None = None) -> Played:
        """A client gives the command, with every local send that follows. A Reject anywhere changes nothing."""
        self.now_ms = max(self.now_ms, now_ms or 0)
        return self._record(to, command, "", self.caller if caller is None else caller)

    def fire(self, to: Ref[Any], name: str) -> Played:
        """The log's time reaches this entity's timer of this name."""
        timers = self._seat(to).timers
        timer = _timer(timers, name)
        self.now_ms = max(self.now_ms, timer.due_ms)
        self._seats[to] = _Seat(self._seat(to).entity, self._seat(to).state, _without(timers, name))
        return self._record(to, timer.command, str(to), "")

    def deliver(self) -> Played:
        """The oldest send that is on its way arrives; its Reject goes back by `on_reject`, or to the dead letters."""
        sent = self.sent.pop(0)
        try:
            return self._record(sent.send.to, sent.send.command, str(sent.source), sent.caller)
        except Reject as reject:
            if sent.send.on_reject is None:
                self.dead_letters.append((sent.send, reject))
            else:
                self.sent.append(_Sent(sent.send.to, Send(sent.source, sent.send.on_reject), sent.caller))
            return Played(rejected=reject)

    def settle(self) -> list[Played]:
        """Deliver until nothing is on its way."""
        played: list[Played] = []
        while self.sent:
            played.append(self.deliver())
            if len(played) > SETTLE_MAX:
                raise ContractBroken(f"after {SETTLE_MAX} sends there are still more: does a saga go in circles?")
        return played

    def state(self, entity: Entity[S, C, E], entity_id: str) -> S:
        """The state of this entity as it is now."""
        state: S = self._seat(entity.at(entity_id)).state
        return state

    def timers(self, to: Ref[Any]) -> dict[str, SetTimer]:
        """The timers that this entity has set."""
        return dict(self._seat(to).timers)

    def view(self, to: Ref[Any], name: str, **args: object) -> Any:
        """What a query of this entity gets from this view, as JSON says it."""
        seat = self._seat(to)
        return _view(seat.entity, seat.state, name, args)

    def _seat(self, to: Ref[Any]) -> _Seat:
        entity = self.entities.get(to.kind)
        if entity is None:
            raise ContractBroken(f"there is no {to.kind} in this ensemble; there is {', '.join(self.entities)}")
        return self._seats.get(to) or _Seat(entity, entity.initial)

    def _record(self, to: Ref[Any], command: object, sender: str, caller: str) -> Played:
        """All or nothing: what the decisions do is staged, and takes its place when all were accepted."""
        staged: dict[Ref[Any], _Seat] = {}
        tasks: list[tuple[Ref[Any], object, str]] = [(to, command, sender)]
        events: list[tuple[Ref[Any], Any]] = []
        pushes: list[tuple[Ref[Any], Push]] = []
        sent: list[_Sent] = []
        reply: object | None = None
        seed = next(self._seeds)
        for step, (ref, task, source) in enumerate(tasks):
            _check_step(step)
            seat = staged.get(ref) or self._seat(ref)
            context = partial(Context, ref.id, self.now_ms, caller, source, self.release, (seed, step))
            outcome = _play(seat.entity, seat.state, task, context)
            timers = dict(seat.timers)
            staged[ref] = _Seat(seat.entity, outcome.state, timers)
            events += [(ref, event) for event in outcome.events]
            reply = reply if outcome.reply is None else outcome.reply
            pushes += [(ref, action) for action in outcome.actions if isinstance(action, Push)]
            for action in outcome.actions:
                fired = _timed(seat.entity, timers, action)
                if fired is not None:
                    tasks.append((ref, fired.command, str(ref)))
                if not isinstance(action, Send):
                    continue
                self._check_taken(ref, action.to)
                if self._is_local(ref, action.to):
                    tasks.append((action.to, action.command, str(ref)))
                else:
                    sent.append(_Sent(ref, action, caller))
        if len(events) > EVENTS_MAX:
            raise ContractBroken(f"one command leads to more than {EVENTS_MAX} events")
        if len(sent) + len(pushes) > SENDS_MAX:
            raise ContractBroken(f"one command leads to more than {SENDS_MAX} sends and pushes")
        self._seats.update(staged)
        self.sent += sent
        return Played(tuple(events), reply, tuple(pushes), len(tasks))

    def _check_taken(self, source: Ref[Any], to: Ref[Any]) -> None:
        if not str(source).startswith(self._seat(to).entity.senders):
            program = self._seat(source).entity.program
            raise ContractBroken(f"{to.kind} takes no sends of {program}: takes_from=({program!r},) lets it")

    def _is_local(self, source: Ref[Any], to: Ref[Any]) -> bool:
        return self._seat(source).entity.routing(source.id) == self._seat(to).entity.routing(to.id)


def _play(entity: Entity[S, C, E], state: S, command: C, context: Callable[[], Context]) -> Outcome[S, E]:
    """Decide and evolve, checking all that the platform relies on."""
    # Read back as on the log: another program's command of the same tag and fields becomes one of this entity's own.
    command = msgspec.msgpack.decode(_stored(command, "command", entity.command), type=entity.command)
    before = _encode(state)
    decision = entity.decide(state, command, context())
    _check_actions(entity, decision)
    if _encode(decision) != _encode(entity.decide(state, command, context())):
        raise ContractBroken(
            f"{entity.kind} decided {type(command).__name__} twice, and differently: "
            "time, ids and chance come from the context alone"
        )
    after = state
    for event in decision.events:
        after = _evolved(entity, after, event)
    if _encode(state) != before:
        raise ContractBroken(f"{entity.kind} changed its state in place; make a new one in `evolve`")
    return Outcome(decision.events, decision.reply, decision.actions, after)


def _evolved(entity: Entity[S, C, E], state: S, event: E) -> S:
    _packed(_stored(event, "event", entity.event), "event")
    after = entity.evolve(state, event)
    found: object = after
    if type(found) is not type(entity.initial):
        raise ContractBroken(f"evolve of {entity.kind} returned a {type(found).__name__}, not a state")
    size = len(_stored(found, "state"))
    if size > entity.state_bytes_max:
        raise ContractBroken(f"a state of {entity.kind} has {size} bytes; at most {entity.state_bytes_max} are kept")
    return after


def _check_actions(entity: AnyEntity, decision: Decision[Any]) -> None:
    size = len(_stored_json(decision.reply, "reply"))
    if size > REPLY_BYTES_MAX:
        raise ContractBroken(f"a reply of {entity.kind} has {size} bytes; at most {REPLY_BYTES_MAX} are kept")
    for action in decision.actions:
        match action:
            case Send(_, command, on_reject):
                _packed(_stored(command, "command sent"), "command sent")
                if on_reject is not None:
                    _packed(_stored(on_reject, "on_reject", entity.command), "on_reject")
            case SetTimer(name, due_ms, command):
                if not 0 <= due_ms < DUE_MS_MAX or "\0" in name:
                    raise ContractBroken(f"{entity.kind} set the timer {name!r} to {due_ms} ms, which cannot be")
                _packed(_stored(command, "timer's command", entity.command), "timer's command")
            case Push(cursor, payload):
                if not 0 <= cursor < 1 << 63:
                    raise ContractBroken(f"a push of {entity.kind} has the cursor {cursor}, which cannot be")
                _packed(_stored_json(payload, "push"), "push")
            case CancelTimer() | FireTimer():
                pass
            case _:
                raise ContractBroken(f"{entity.kind} asks for a {type(action).__name__}, which is no action")
    if sum(isinstance(action, Send | Push) for action in decision.actions) > SENDS_MAX:
        raise ContractBroken(f"one command leads to more than {SENDS_MAX} sends and pushes")


def _packed(content: bytes, what: str) -> None:
    if len(content) > PAYLOAD_BYTES_MAX:
        raise ContractBroken(f"a {what} has {len(content)} bytes; at most {PAYLOAD_BYTES_MAX} are taken")


def _stored(value: object, what: str, type_: object = None) -> bytes:
    try:
        return canonical(value, what, type_)
    except TypeError as error:
        raise ContractBroken(str(error)) from error


def _stored_json(value: object, what: str) -> bytes:
    try:
        return _encode_json(value)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
        raise ContractBroken(f"the {what} {type(value).__name__} cannot be said in JSON: {error}") from error


def _view(entity: AnyEntity, state: object, name: str, args: dict[str, object]) -> Any:
    if name not in entity.views:
        raise ContractBroken(f"{entity.kind} has no view {name!r}; it has {', '.join(entity.views) or 'none'}")
    before = _encode(state)
    answer = _stored_json(entity.views[name](state, _decode_json(_encode_json(args))), "view")
    if _encode(state) != before:
        raise ContractBroken(f"the view {name} of {entity.kind} changed the state")
    return _decode_json(answer)


def _check_step(step: int) -> None:
    if step >= STEPS_MAX:
        raise ContractBroken(f"one command leads to more than {STEPS_MAX} local sends, or timers that it fires")


def _timed(entity: AnyEntity, timers: dict[str, SetTimer], action: Action) -> SetTimer | None:
    """Do with the timers what this action asks; the one that it fires."""
    match action:
        case SetTimer(name):
            timers[name] = action
        case CancelTimer(name):
            timers.pop(name, None)
        case FireTimer(name):
            return timers.pop(name, None)
        case _:
            pass
    if len(timers) > entity.timers_max:
        raise ContractBroken(f"one {entity.kind} has {len(timers)} timers; at most {entity.timers_max} are kept")
    return None


def _timer(timers: dict[str, SetTimer], name: str) -> SetTimer:
    if name not in timers:
        raise KeyError(f"no timer {name!r} is set; set are: {', '.join(timers) or 'none'}")
    return timers[name]


def _without(timers: dict[str, SetTimer], name: str) -> dict[str, SetTimer]:
    return {other: timer for other, timer in timers.items() if other != name}
