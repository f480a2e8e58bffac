"""What an author of entities writes with: values and pure functions, nothing else of the platform.

An entity is a state, the commands that may be asked of it, the events that happened to it, and two pure functions:
`decide(state, command, ctx) -> Decision` and `evolve(state, event) -> state`. See `actors/programs` for examples.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

from msgspec import Meta, Struct

from actors.errors import Reject
from actors.lifecycle import Stage, Table, after
from actors.principal import Principal, Role, parse
from actors.sealing import Of, Personal

__all__ = [
    "Action",
    "CancelTimer",
    "Context",
    "Decision",
    "Entity",
    "FireTimer",
    "Of",
    "Owed",
    "Personal",
    "Push",
    "Ref",
    "Reject",
    "Role",
    "Send",
    "SetTimer",
    "Stage",
    "accept",
    "after",
]

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E")
E_co = TypeVar("E_co", covariant=True)

PASSIVATE_AFTER_MS_DEFAULT = 60_000
KEY_BYTES_MAX = 256
STATE_BYTES_MAX_DEFAULT = 256 * 1024
FILLED = "~filled"
"""Under this name a command of the platform lists those of its fields that gateways fill in, and no caller says."""
TIMERS_MAX_DEFAULT = 16


class Context(Struct, gc=False):
    """What `decide` may know beside state and command; every value is a function of the record on the log.

    `caller` is who made the client's call that set this off; `sender` is the `kind/id` of the entity that sent this
    command, or "" for a client's call. `now_ms` is the log's time.
    """

    entity_id: str
    now_ms: int
    caller: str
    sender: str
    release: int
    _seed: tuple[object, int]
    _draws: int = 0

    @property
    def principal(self) -> Principal | None:
        """Who called, as a token proved it; None for a caller that nobody asked to prove anything."""
        return parse(self.caller)

    def only_from(self, kind: str | tuple[str, ...], entity_id: str | None = None) -> str:
        """The id of the entity that sent this command.

        Raises Reject unless it is of this kind, or of one of these, and has this id where one is given: clients do not
        say this.
        """
        found, _, sender_id = self.sender.partition("/")
        if found not in ((kind,) if isinstance(kind, str) else kind) or entity_id not in (None, sender_id):
            raise Reject("not_for_clients")
        return sender_id

    def _draw(self) -> bytes:
        self._draws += 1
        return hashlib.blake2b(f"{self._seed[0]}/{self._seed[1]}/{self._draws}".encode(), digest_size=16).digest()

    def id(self) -> str:
        """A new id of 32 hex digits, the same on every replay of this record, different on every call."""
        return self._draw().hex()

    def random(self) -> float:
        """A number in [0, 1), the same on every replay of this record. Not for secrets."""
        return int.from_bytes(self._draw()[:7]) / (1 << 56)


class Ref(Struct, Generic[C], frozen=True):
    """The address of one entity that takes commands of type C."""

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.id}"


class Send(Struct, Generic[C], frozen=True):
    """Ask another entity for `command`, exactly once.

    To an entity of the same routing key it is applied within this record, all or nothing. To any other it travels over
    the log; if it is rejected there, `on_reject` (a command of the sending entity) comes back.
    """

    to: Ref[C]
    command: C
    on_reject: object | None = None


class Push(Struct, frozen=True):
    """Hand `payload` to whoever listens to this entity now; `cursor` is its place in the entity's pushes."""

    cursor: int
    payload: object


class SetTimer(Struct, frozen=True):
    """Give this entity `command` once the log's time reaches `due_ms`; a timer of the same `name` is replaced."""

    name: str
    due_ms: int
    command: object


class CancelTimer(Struct, frozen=True):
    """Forget the timer `name`; one that is not set is no error."""

    name: str


class FireTimer(Struct, frozen=True):
    """Give this entity the command of the timer `name` now, within this record; one that is not set is no error."""

    name: str


Action: TypeAlias = Send[Any] | Push | SetTimer | CancelTimer | FireTimer


class Decision(Struct, Generic[E_co], frozen=True):
    """What `decide` returns: the facts, the answer to the caller, and what is to be done besides."""

    events: tuple[E_co, ...] = ()
    reply: object | None = None
    actions: tuple[Action, ...] = ()


def accept(*events: E, reply: object | None = None, actions: tuple[Action, ...] = ()) -> Decision[E]:
    """Accept the command: `events` happen in order, `reply` answers the caller, `actions` are carried out."""
    return Decision(events, reply, actions)


class Owed(Struct, frozen=True, kw_only=True):
    """The base of every event that states a debt, of the person whose entity it is. Charging is not the program's.

    `amount_minor` is in the currency's smallest unit (fen, cents); `to` is the merchant, and `reference` names the one
    thing that is owed for: the same debt stated twice has the same reference.
    """

    amount_minor: Annotated[int, Meta(ge=1)]
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]
    to: str
    what_for: str
    reference: str


View: TypeAlias = Callable[[S, Any], object]
Access: TypeAlias = Mapping[str, tuple[Role, ...]]


def _itself(entity_id: str) -> str:
    return entity_id


@dataclass(frozen=True, slots=True)
class Entity(Generic[S, C, E]):
    """An entity type: the whole extension point of the platform.

    `command` and `event` are a tagged msgspec Struct or a union of them; tags are written out, since they are on the
    log for ever. `kind` is `program` or `program.noun`; its entities are addressed as
    `programs/<program>/<collection>/<id>`, where `collection` defaults to the noun with an s.
    `views` are what a query may ask: pure functions of (state, args); a state without views is private.
    `life` has its state machines as tables, each by the name of what goes through it: the gateway serves them, and they
    are checked when the entity is loaded.
    `routing` names the key that chooses the partition (the id itself by default): entities with one routing key share
    a partition, and sends between them are atomic.
    `access` says, of each command's tag and each view, which roles may use it where callers must prove who they are:
    persons and the server of this program, merchants. What is not named there is for nobody but an operator.
    `owner` says, of persons and of merchants, whose an entity is by its id: others of that role cannot reach it.
    `friends_see` names the views of a person's entity that this person's friends may see too.
    `opens_to` says, of a view, for which roles of `owner` what is sealed in it is opened although it is about others of
    the program: for whose entity it is, such as a driver to whom the rider's place was handed on, and nobody else.
    `takes_from` names the other programs whose entities may send to this kind; those of its own program always may.
    `reaches` says, of a state, a command and the id, which entities of its routing key the command is likely sent on
    to: they are loaded with those of other commands that wait, where else each is looked up by itself, in the middle of
    its command. It saves time, and nothing else follows from it.
    """

    kind: str
    initial: S
    command: object
    event: object
    decide: Callable[[S, C, Context], Decision[E]]
    evolve: Callable[[S, E], S]
    views: Mapping[str, View[S]] = field(default_factory=dict[str, View[S]])
    routing: Callable[[str], str] = _itself
    collection: str = ""
    life: Mapping[str, Table] = field(default_factory=dict[str, Table])
    access: Access = field(default_factory=dict[str, tuple[Role, ...]])
    owner: Mapping[Role, Callable[[str], str]] = field(default_factory=dict[Role, Callable[[str], str]])
    friends_see: tuple[str, ...] = ()
    opens_to: Access = field(default_factory=dict[str, tuple[Role, ...]])
    takes_from: tuple[str, ...] = ()
    reaches: Callable[[S, C, str], tuple[Ref[Any], ...]] | None = None
    passivate_after_ms: int = PASSIVATE_AFTER_MS_DEFAULT
    state_bytes_max: int = STATE_BYTES_MAX_DEFAULT
    timers_max: int = TIMERS_MAX_DEFAULT

    @property
    def program(self) -> str:
        """The program this kind belongs to: what stands before the dot."""
        return self.kind.partition(".")[0]

    @property
    def collection_name(self) -> str:
        """The plural under which the entities are addressed."""
        return self.collection or self.kind.rpartition(".")[2] + "s"

    @property
    def senders(self) -> tuple[str, ...]:
        """How the `kind/id` of an entity begins that may send to this kind."""
        return tuple(f"{program}{mark}" for program in (self.program, *self.takes_from) for mark in "./")

    def at(self, entity_id: str) -> Ref[C]:
        """The address of the entity with this id."""
        return Ref(self.kind, entity_id)


AnyEntity: TypeAlias = Entity[Any, Any, Any]
"""An entity type where the engine handles all of them alike."""
