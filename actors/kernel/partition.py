"""A partition: a pure, deterministic state machine folded over its slice of the commands topic. The heart.

`begin(offset, …)`, then `apply(position, record)` for each record of the frame, then `end()`. No clock, no random, no
I/O. A state that is not in memory makes `apply` return `NeedState` with nothing changed; `admit` gives it what the
store holds, and the same record is applied again.
"""

import zlib
from collections.abc import Callable, Mapping

import msgspec

from actors.errors import Corrupt
from actors.kernel import layout
from actors.kernel.action import (
    Action,
    CancelTimer,
    Code,
    Event,
    EventRecord,
    NeedPackage,
    NeedState,
    Push,
    Reply,
    Send,
    SetTimer,
)
from actors.kernel.cascade import Cascade, Refused, Remote, Task, refuse, shown, unreadable
from actors.kernel.inbox import REPLY_BYTES_MAX, Changes, Sources, Window
from actors.kernel.layout import Entry, Meta, Owner, Timer
from actors.kernel.record import (
    Check,
    Empty,
    Epoch,
    Fire,
    Frame,
    Incarnation,
    Invoke,
    Position,
    Programs,
    Read,
    Record,
    Sent,
    body_sum,
    encode_record,
)
from actors.kernel.resident import UNREADABLE, Resident, resident_of
from actors.kernel.rules import Kind, Rules

CHECK_EVERY = 1_024
SUMS_MAX = 16
DEAD_LETTER = "dead-letter"
_OK = int(Code.OK)
_SKIPPED = refuse(Code.POISONED, "SKIPPED")
_TOO_OLD = (Code.REQUEST_ID_TOO_OLD, refuse(Code.REQUEST_ID_TOO_OLD, "REQUEST_ID_TOO_OLD").payload)
_encode = msgspec.msgpack.Encoder().encode


class DeadLetter(msgspec.Struct, frozen=True, tag="dead-letter"):
    """What could not be carried out and had nobody to be told: an event on its own topic, to be looked at."""

    entity: str
    command: bytes
    caller: str
    sender: str
    reason: str
    detail: str


class Partition:
    """The state folded from one slice of the log; see the module's docstring."""

    def __init__(
        self,
        number: int,
        rules: Rules,
        route: Callable[[str], int],
        meta: Meta | None = None,
        buckets: Mapping[int, tuple[int, int]] | None = None,
        programs: Mapping[str, Programs] | None = None,
    ) -> None:
        """`route` gives the partition of a routing key; the rest is what a store held, if any."""
        self.number = number
        self.rules = rules
        self.meta = meta or Meta()
        self.window = Window(self.meta.floor_ms, buckets or {})
        self.sources = Sources(self.meta.sources)
        self.programs = dict(programs or {})
        self.residents: dict[str, Resident] = {}
        self.poisons: list[tuple[Position, str]] = []
        self._route = route
        self._cascade = Cascade(rules, self.programs, self.residents, self.meta)
        self._loaded: dict[bytes, Entry | None] = {}
        self._withdrawn: dict[str, Resident] = {}
        self._written = self.meta.watermark
        self._changes = Changes()
        self._said: list[bytes] = []
        self._frame = Frame("", 0, "", [])
        self._offset = -1

    def of(self, entity: str) -> tuple[Kind, str] | None:
        """The kind that decides the entity `kind/id` in this partition, and the id; None when there is none."""
        return self.rules.of(entity, self.programs)

    # -- what to have at hand -------------------------------------------------------------------------------------

    def keys(self, record: Record) -> list[bytes]:
        """The store keys that applying this record is likely to need and that are not in memory."""
        keys: list[bytes] = []
        if type(record) is Invoke:
            entity, made_ms = record.entity, layout.made_ms(record.request_id)
            if made_ms <= self.window.recent_from_ms:
                key = layout.window_key(record.request_id, record.caller)
                if key not in self._loaded and self.window.must_load(key, made_ms):
                    keys.append(key)
        elif type(record) is Sent or type(record) is Fire or isinstance(record, Read):
            entity = record.entity
        else:
            return keys
        if entity not in self.residents and self.of(entity) is not None:
            keys.append(layout.entity_key(entity))
        return keys

    def admit(self, values: Mapping[bytes, bytes | None]) -> None:
        """Take in what the store holds under the keys that were asked for. What is in memory already stays.

        Raises Corrupt when that is not what a partition writes, or the author's state does not take it and no package
        can have written it.
        """
        for key, value in values.items():
            try:
                self._admit(key, value)
            except Exception as error:  # an author's __post_init__ may raise anything
                raise layout.unreadable(self.number, key, error) from error

    def _admit(self, key: bytes, value: bytes | None) -> None:
        if key[:1] != layout.ENTITY:
            self._loaded[key] = None if value is None else layout.decode_entry(value)
            return
        entity = layout.entity_of(key)
        found = self.of(entity)
        if found is not None and entity not in self.residents:
            kind, withdrawn = found[0], self._withdrawn.pop(entity, None)
            shared = bool(self.programs) and kind.entity.program in self.programs
            self.residents[entity] = resident_of(kind, value, withdrawn, shared=shared)

    # -- a frame --------------------------------------------------------------------------------------------------

    def begin(self, offset: int, stamp_ms: int, frame: Frame) -> None:
        """A frame begins. Frames come in order, without a hole."""
        assert offset > self.meta.watermark
        self._offset = offset
        self._frame = frame
        self.meta.now_ms = max(self.meta.now_ms, stamp_ms)
        if frame.release > self.meta.release:
            self.meta.release = frame.release
            self.meta.digest = frame.digest

    def end(self, frame_crc: int) -> Changes:
        """The frame was applied whole; returns what it changed in the store, with the watermark."""
        meta = self.meta
        meta.watermark = self._offset
        meta.frame_crc = frame_crc
        meta.chain = zlib.crc32(b"".join(self._said), meta.chain)
        if self._offset % CHECK_EVERY == 0:
            meta.sums[self._offset] = meta.chain
            if len(meta.sums) > SUMS_MAX:
                del meta.sums[min(meta.sums)]
        changes = self._changes
        self.window.settle(meta.now_ms, changes)
        meta.floor_ms = self.window.floor_ms
        changes.put(layout.META, layout.encode(meta))
        self._changes = Changes()
        self._said = []
        return changes

    def wrote(self, offset: int) -> None:
        """All changes up to this offset are in the store: free what was kept in memory for want of that."""
        self._written = offset
        for key in self.window.forget_recent(offset):
            self._loaded.pop(key, None)

    def settled(self) -> None:
        """All changes are in the store and no record waits: what was loaded is not needed any more."""
        self._loaded.clear()

    def apply(self, position: Position, record: Record) -> list[Action] | NeedState | NeedPackage:
        """Apply one record of the frame that began. Raises Corrupt where the partition must stop."""
        # The most frequent by its very type: a match looks at a struct in Python's slow way.
        if type(record) is Invoke:
            return self._invoke(position, record)
        if type(record) is Fire:
            return self._fire(position, record)
        match record:
            case Sent():
                return self._sent(position, record)
            case Read():
                return self._read(position, record)
            case Epoch(term, n, host):
                owner = self.meta.owner
                if (term, n) > (owner.term, owner.n):
                    self.meta.owner = Owner(position.offset, term, n, host)
            case Check(offset, crc):
                if not self._is_skipped(position):
                    self._check(position, offset, crc)
            case Incarnation(n):
                if n > self.meta.incarnation:
                    self.meta.incarnation = n
                    self.meta.next_seq.clear()  # receivers count from 0 again, too
            case Programs():
                return self._switch(position, record)
            case Empty():
                pass
        return []

    def _is_skipped(self, position: Position) -> bool:
        """Whether an operator gave this record up: no author's code runs for it, and it is refused as poison is.

        Verdicts are read before a partition is served and stay in `meta.skips`, so every replay knows of them. That it
        is refused, not left out, is what settles it: the window knows the call, so that a copy of it is answered and
        does not run; a source's send counts as received; a timer that fired is gone.
        """
        return (position.offset, position.index) in self.meta.skips

    def missing(self) -> NeedPackage | None:
        """Packages that decide here by what the store held, and are not loaded."""
        needs = map(self.rules.needed, self.programs.values())
        return next((need for need in needs if need is not None), None)

    def _switch(self, position: Position, record: Programs) -> list[Action] | NeedPackage:
        """Other packages decide a program from here on: its entities are decoded anew, by the types of theirs."""
        before = self.programs.get(record.program)
        if self._is_skipped(position) or (before is not None and record.generation <= before.generation):
            return []
        need = self.rules.needed(record)
        if need is not None:
            return need
        self.programs[record.program] = record
        encoded = encode_record(record)
        self._changes.put(layout.program_key(record.program), encoded)
        self._said.append(encoded)
        # What the store has not yet is kept as it is, for whoever asks next; all else is loaded again.
        gone = {e: r for e, r in self.residents.items() if r.kind.entity.program == record.program}
        for entity in gone:
            del self.residents[entity]
        gone |= self._withdrawn
        self._withdrawn = {entity: resident for entity, resident in gone.items() if resident.changed > self._written}
        for resident in self._withdrawn.values():
            resident.raw = resident.raw or _encode(resident.state)
        return []

    def _check(self, position: Position, offset: int, crc: int) -> None:
        mine = self.meta.sums.get(offset)
        if mine is not None and mine != crc and self._frame.producer == self.meta.owner.host:
            raise Corrupt(
                f"replay diverged at or before offset {offset} of partition {self.number}: "
                f"sum {mine:08x} here, {crc:08x} by {self._frame.producer}",
                position=str(position),
            )

    # -- client calls ---------------------------------------------------------------------------------------------

    def _invoke(self, position: Position, record: Invoke) -> list[Action] | NeedState:
        request_id, caller = record.request_id, record.caller
        key, made_ms, window = layout.window_key(request_id, caller), layout.made_ms(request_id), self.window
        entry: Entry | NeedState | None
        if made_ms > window.recent_from_ms:  # so are most: newer than all that the store may hold alone
            entry = window.recent(key)
        else:
            entry = self._find(key, made_ms)
            if isinstance(entry, NeedState):
                return entry
            if entry is None and window.too_old(made_ms):
                return [self._reply(position, record, *_TOO_OLD)]
        body = body_sum(record)
        if entry is not None:
            return [_remembered(entry, body, self._frame.producer, caller, request_id, duplicate=True)]
        outcome = self._decide(position, (record.entity, record.command, "", True), caller)
        if isinstance(outcome, Cascade):  # asked first: to find that a struct is of another type takes far longer
            said, offset, index = outcome.reply, position.offset, position.index
            self._said.append(said)
            reply = Reply(self._frame.producer, caller, request_id, _OK, said, offset, index, False)
            actions: list[Action] = [reply]
            self._commit(position, outcome, actions)
        elif isinstance(outcome, NeedState):
            return outcome
        else:
            reply = self._reply(position, record, outcome.code, outcome.payload)
            actions = [reply]
            if outcome.code == Code.POISONED:
                actions.append(self._dead_letter(position, record.entity, record.command, caller, "", outcome))
        entry_ms = self.meta.now_ms if made_ms < 0 else made_ms
        known = _encode((entry_ms, body, position.offset, position.index, reply.code, reply.payload))  # an Entry
        window.add(key, entry_ms, known, self._changes, timeless=made_ms < 0)
        return actions

    def _find(self, key: bytes, made_ms: int) -> Entry | NeedState | None:
        """What the window holds under this key, if it is not below the floor."""
        entry = self.window.recent(key)
        if entry is None and self.window.must_load(key, made_ms):
            if key not in self._loaded:
                return NeedState((key,))
            entry = self._loaded[key]
        return entry if entry is not None and entry.entry_ms > self.window.floor_ms else None

    def _reply(self, position: Position, record: Invoke | Read, code: Code, payload: bytes) -> Reply:
        if code:
            self._said.append(code.to_bytes(1))
        self._said.append(payload)
        producer, offset, index = self._frame.producer, position.offset, position.index
        return Reply(producer, record.caller, record.request_id, int(code), payload, offset, index, False)

    def recall(self, producer: str, caller: str, request_id: bytes, body: int) -> Reply | NeedState | None:
        """The answer that the window holds for a call, a TOO_OLD one below the floor, or None: it is not in the log.

        `body` is the sum of the call's body: with another one than the first had, the answer is REQUEST_ID_REUSED.
        """
        made_ms = layout.made_ms(request_id)
        entry = self._find(layout.window_key(request_id, caller), made_ms)
        if isinstance(entry, NeedState):
            return entry
        if entry is not None:
            return _remembered(entry, body, producer, caller, request_id, duplicate=False)
        if self.window.too_old(made_ms):
            return Reply(producer, caller, request_id, int(_TOO_OLD[0]), _TOO_OLD[1], -1, -1, False)
        return None

    # -- sends and timers -----------------------------------------------------------------------------------------

    def _sent(self, position: Position, record: Sent) -> list[Action] | NeedState:
        if not self.sources.is_new(record.source, record.incarnation, record.seq):
            return []
        outcome = self._decide(position, (record.entity, record.command, record.sender, True), record.caller)
        if isinstance(outcome, NeedState):
            return outcome
        self.sources.note(record.source, record.incarnation, record.seq)
        actions: list[Action] = []
        if isinstance(outcome, Cascade):
            self._commit(position, outcome, actions)
        elif record.on_reject and (found := self.of(record.sender)) is not None:
            kind, sender_id = found
            remote = Remote(kind.routing(sender_id), record.sender, record.on_reject, record.entity, b"")
            actions.append(self._send(remote, record.caller))
        else:
            entity, command = record.entity, record.command
            actions.append(self._dead_letter(position, entity, command, record.caller, record.sender, outcome))
        return actions

    def _fire(self, position: Position, record: Fire) -> list[Action] | NeedState:
        entity = record.entity
        resident = self.residents.get(entity)
        if resident is None:
            return NeedState((layout.entity_key(entity),)) if self.of(entity) else []
        timer = resident.timers.get(record.timer)
        owned = self._frame.producer == self.meta.owner.host
        if resident.state is UNREADABLE:
            return []  # it is left to whoever can read the state; until then it is fired again and again
        if timer is None or timer.generation != record.generation or self.meta.now_ms < timer.due_ms or not owned:
            return []
        outcome = self._decide(position, (entity, timer.command, entity, True), "", record.timer)
        if isinstance(outcome, NeedState):
            return outcome
        actions: list[Action] = []
        if not isinstance(outcome, Cascade):
            self._cascade.begin(position, "")
            self._cascade.cancel(entity, record.timer)
            self._cascade.store()
        self._commit(position, self._cascade, actions)
        if not isinstance(outcome, Cascade):
            actions.append(self._dead_letter(position, entity, timer.command, "", entity, outcome))
        return actions

    # -- decisions ------------------------------------------------------------------------------------------------

    def _decide(self, position: Position, task: Task, caller: str, fired: str = "") -> Cascade | Refused | NeedState:
        """Run a record; `fired` names the timer that set it off, which is gone before `decide`."""
        if self.meta.skips and self._is_skipped(position):
            return _SKIPPED
        cascade = self._cascade
        cascade.begin(position, caller)
        if fired:
            cascade.cancel(task[0], fired)
        outcome = cascade.run(task)
        if outcome is None:
            if len(cascade.reply) <= REPLY_BYTES_MAX:
                return cascade
        elif isinstance(outcome, NeedState):
            return outcome
        else:
            if outcome.note:
                self.poisons.append((position, outcome.note))
            if len(outcome.payload) <= REPLY_BYTES_MAX:
                return outcome
        return refuse(Code.BOUND_PASSED, "REPLY_TOO_LONG", {"bytes_max": str(REPLY_BYTES_MAX)})

    def _commit(self, position: Position, accepted: Cascade, actions: list[Action]) -> None:
        """Make what was staged so, and say what follows from it."""
        now_ms, said, puts, offset = self.meta.now_ms, self._said, self._changes.puts, position.offset
        for entity, staged in accepted.staged.items():
            resident = staged.resident
            resident.state = staged.state
            resident.timers = staged.timers
            resident.tail = staged.tail
            resident.changed = offset
            resident.raw = b""
            resident.used_ms = now_ms
            puts[layout.ENTITY + entity.encode()] = staged.stored
            said.append(staged.stored)
        for event in accepted.events:
            said.append(event.record)
        actions += accepted.events
        if accepted.remotes:
            actions += [self._send(remote, accepted.caller) for remote in accepted.remotes]
        for push in accepted.pushes:
            said.append(push[2])
            actions.append(Push(*push))
        self.meta.generation = accepted.generation
        for entity, name, old, new in accepted.timers:
            self._set_timer(entity, name, old, new, actions)

    def _send(self, remote: Remote, caller: str) -> Send:
        destination = self._route(remote.key)
        seq = self.meta.next_seq.get(destination, 0)
        self.meta.next_seq[destination] = seq + 1
        source, incarnation = self.number, self.meta.incarnation
        record = encode_record(
            Sent(source, incarnation, seq, remote.entity, remote.command, remote.sender, remote.on_reject, caller)
        )
        self._said.append(record)
        return Send(destination, seq, record)

    def _set_timer(self, entity: str, name: str, old: Timer | None, new: Timer | None, actions: list[Action]) -> None:
        if old is not None:
            self._changes.delete(layout.timer_key(old.due_ms, entity, name))
            actions.append(CancelTimer(entity, name, old.generation, old.due_ms))
        if new is not None:
            self._changes.put(layout.timer_key(new.due_ms, entity, name), _encode(new.generation))
            actions.append(SetTimer(entity, name, new.generation, new.due_ms))
        self._said.append(f"{entity}/{name}/{new.generation if new else -1}".encode())

    def _dead_letter(
        self, position: Position, entity: str, command: bytes, caller: str, sender: str, refused: Refused
    ) -> Event:
        letter = _encode(DeadLetter(entity, command, caller, sender, refused.reason, refused.payload.decode()))
        meta, offset, index = self.meta, position.offset, position.index
        event = _encode(EventRecord(meta.incarnation, self.number, offset, index, 0, meta.now_ms, entity, letter))
        self._said.append(event)
        return Event(DEAD_LETTER, offset, index, 0, event)

    # -- reads ----------------------------------------------------------------------------------------------------

    def _read(self, position: Position, record: Read) -> list[Action] | NeedState:
        skipped = self._is_skipped(position)
        answer = (_SKIPPED.code, _SKIPPED.payload) if skipped else self.view(record.entity, record.view, record.args)
        if isinstance(answer, NeedState):
            return answer
        code, payload = answer
        said = len(self._said)
        reply = self._reply(position, record, code, payload)
        del self._said[said:]  # a read is no part of what is folded
        return [reply]

    def view(self, entity: str, view: str, args: bytes) -> tuple[Code, bytes] | NeedState:
        """What a query asks: the view's answer as JSON, from the state as it is now."""
        found = self.of(entity)
        function = None if found is None else found[0].entity.views.get(view)
        if function is None:
            return Code.NO_SUCH_VIEW, refuse(Code.NO_SUCH_VIEW, "NO_SUCH_VIEW", {"view": view}).payload
        resident = self.residents.get(entity)
        if resident is None:
            return NeedState((layout.entity_key(entity),))
        resident.used_ms = self.meta.now_ms
        if resident.state is UNREADABLE:
            return Code.POISONED, unreadable(entity).payload
        answer = shown(function, resident.state, args)
        if isinstance(answer, bytes):
            return Code.OK, answer
        if answer.code == Code.POISONED:
            where = Position(self.number, self.meta.watermark, 0)
            self.poisons.append((where, f"view {view} of {resident.kind.name}: {answer.note}"))
        return answer.code, answer.payload


def _remembered(entry: Entry, body: int, producer: str, caller: str, request_id: bytes, *, duplicate: bool) -> Reply:
    """What is said to a call whose id the window holds: the first one's answer, if its body is that one's."""
    code, payload = entry.code, entry.payload
    if body != entry.body:
        code, _, payload, _ = refuse(Code.REQUEST_ID_REUSED, "REQUEST_ID_REUSED")
    return Reply(producer, caller, request_id, int(code), payload, entry.offset, entry.index, duplicate)
