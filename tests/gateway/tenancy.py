"""Who asks for whose: pairs of a principal and what it asks for, played against a gateway's own service in process.

What must be answered is said here a second time, in other words than the product's, from each kind's own access table.
"""

import asyncio
import functools
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from actors.adapters.memory_keys import MemoryKeys, MemorySubjects
from actors.entity import AnyEntity
from actors.kernel.rules import Rules
from actors.principal import Principal, Role
from actors.registry import Registry, load_programs, shipped_programs
from actors.sensor import Sensor
from actors.settings import ProcessSettings
from actors.shape import structs_of, tag_of
from gateway.auth import Auth
from gateway.authority import RPCS
from gateway.door import Door, Probe
from gateway.gatekeeper import Gatekeeper
from gateway.ingress import Ingress
from gateway.listening import Listener
from gateway.pending import Call
from gateway.routes import Routes
from gateway.sealing import Sealing
from gateway.services.program import ProgramService
from gateway.standing import Standing
from gateway.tokens import Verifier, sign
from gateway.v1 import program_pb2 as pb
from tests.bad_input.messages import CLUSTER, Aborted, Answering, Asking, reason_of
from tests.gateway.scene import new_id

NAMES = ("ann", "bob", "m1", "m2", "x")
METHODS: tuple[str, ...] = ("Invoke", "InvokeStream", "Query", "Read", "Listen", "Describe", "ListTransitions")
"""Every method that is asked; `Read` is a Query through the log."""
CALLS_IN_STREAM = 3
CLOSED = "PERMISSION_DENIED"
HIDDEN = "NO_SUCH_KIND"


class Target(NamedTuple):
    """What is asked for: an entity by its parts, and a command or a view of it."""

    program: str
    collection: str
    entity_id: str
    what: str

    @property
    def name(self) -> str:
        """The resource name."""
        prefix = f"programs/{self.program}/" if self.program else ""
        return f"{prefix}{self.collection}/{self.entity_id}"


class Pair(NamedTuple):
    """Who asks, by which method, for what."""

    principal: Principal
    method: str
    targets: tuple[Target, ...]


class Outcome(NamedTuple):
    """What one pair was answered for each target: the reason ("" is yes) and the text; how often it reached the log."""

    answers: tuple[tuple[str, str], ...]
    touched: int


@functools.cache
def platform() -> Registry:
    """The platform's own kinds and the programs that ship."""
    return load_programs(shipped_programs())


def principals(registry: Registry) -> list[Principal]:
    """Of every role, and of every program."""
    of_programs = [
        principal
        for program in registry.programs
        for principal in (
            Principal(Role.SERVER, program, ""),
            *(Principal(Role.PERSON, program, name) for name in NAMES[:2]),
        )
    ]
    return [
        *of_programs,
        *(Principal(Role.MERCHANT, name, "") for name in ("m1", "m2")),
        Principal(Role.MEMBER, "dev", "ann"),
        Principal(Role.ACCOUNT, "", "ann"),
        Principal(Role.OPERATOR, "", "op"),
        Principal(Role.PLATFORM, "", "follower"),
        *(Principal(Role.CREDENTIAL, "server", program) for program in registry.programs),
    ]


class Pairs:
    """Makes pairs; the same chance makes the same."""

    def __init__(self, registry: Registry, chance: random.Random) -> None:
        self._chance = chance
        self._principals = principals(registry)
        self._kinds = list(registry.entities.values())
        self._programs = registry.programs

    def pair(self) -> Pair:
        """One of any method."""
        method = self._chance.choice(METHODS)
        count = CALLS_IN_STREAM if method == "InvokeStream" else 1
        targets = tuple(self._target(method) for _ in range(count))
        return Pair(self._chance.choice(self._principals), method, targets)

    def _target(self, method: str) -> Target:
        chance, kind = self._chance, self._chance.choice(self._kinds)
        program = kind.program if kind.program in self._programs else ""
        collection = kind.collection_name
        absent = chance.random()
        if absent < 0.05:
            program = "no-such-program"
        elif absent < 0.1:
            collection = "no-such-things"
        views, tags = list(kind.views), [tag_of(struct) for struct in structs_of(kind.command)]
        what = chance.choice([*tags, *views, "no-such-thing"])
        if method == "Listen":
            what = "pushes"
        elif method in ("Query", "Read") and views:
            what = chance.choice(views)
        elif method in ("Invoke", "InvokeStream"):
            what = chance.choice(tags)
        return Target(program, collection, "/".join(chance.choices(NAMES, k=chance.choice((1, 1, 2)))), what)


def may(registry: Registry, principal: Principal, target: Target) -> bool:
    """Whether the access tables let this principal have this: the whole rule in words of its own."""
    kind = _kind(registry, target)
    if kind is None or not target.program:
        return False
    match principal:
        case Principal(Role.OPERATOR):
            return True
        case Principal(Role.SERVER, tenant):
            return target.program == tenant and Role.SERVER in kind.access.get(target.what, ())
        case Principal(Role.PERSON, tenant, openid):
            theirs = Role.PERSON not in kind.owner or kind.owner[Role.PERSON](target.entity_id) == openid
            return target.program == tenant and theirs and Role.PERSON in kind.access.get(target.what, ())
        case Principal(Role.MERCHANT, merchant):
            return kind.owner[Role.MERCHANT](target.entity_id) == merchant if _sells(kind, target) else False
        case _:
            return False


def _sells(kind: AnyEntity, target: Target) -> bool:
    return Role.MERCHANT in kind.access.get(target.what, ())


def _kind(registry: Registry, target: Target) -> AnyEntity | None:
    kinds = registry.programs[target.program].entities if target.program in registry.programs else ()
    return next((kind for kind in kinds if kind.collection_name == target.collection), None)


def path_of(method: str) -> str:
    """The path of one of these methods, a linearizable question's too."""
    return f"/gateway.v1.ProgramService/{'Query' if method == 'Read' else method}"


def refusals(registry: Registry, pair: Pair, target: Target) -> tuple[str, ...]:
    """The reasons that this must be refused by; none when it must not be refused for who asks."""
    principal, method, _ = pair
    if principal.role not in RPCS[path_of(method)]:
        return (CLOSED,)
    if method == "Describe":
        told = principal.role is Role.OPERATOR or target.program == principal.tenant
        return () if told else (CLOSED,)
    if method == "ListTransitions":
        others = bool(target.program) and target.program != principal.tenant
        return (CLOSED,) if others and principal.role in (Role.PERSON, Role.SERVER) else ()
    if may(registry, principal, target):
        return ()
    if not target.program:
        is_operated = principal.role is Role.OPERATOR and target.collection in ("merchants", "sessions")
        return () if is_operated else (HIDDEN,)
    # What does not exist in one's own program may be said to; nobody else learns even that.
    at_home = principal.role is Role.OPERATOR or target.program == principal.tenant
    return (CLOSED, HIDDEN, "NO_SUCH_PROGRAM") if at_home and _kind(registry, target) is None else (CLOSED,)


class Counting(Answering):
    """Counts what reaches the log or an owner."""

    touched = 0

    def submit(self, call: Call) -> None:
        self.touched += 1
        super().submit(call)

    def shown(self, entity: str, view: str, args: bytes, /) -> bytes:
        self.touched += 1
        return super().shown(entity, view, args)

    def listen(self, _partition: int, _entity: str, listener: Listener) -> None:
        self.touched += 1
        super().listen(_partition, _entity, listener)


class Called(Asking):
    """A call with a token."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self._metadata = (
            ("authorization", f"Bearer {token}"),
            ("hutong-caller", "operator/op"),
            ("hutong-tenant", "x"),
        )

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._metadata


class _Details(NamedTuple):
    method: str
    invocation_metadata: tuple[tuple[str, str], ...]


async def _let_through(_: Any) -> Any:
    return None


async def knock(gatekeeper: Gatekeeper, method: str, context: Called) -> None:
    """Be let through, or be refused."""
    details = cast("Any", _Details(method, context.invocation_metadata()))
    handler = await gatekeeper.intercept_service(_let_through, details)
    if handler is not None:
        await cast("Any", handler).stream_unary(None, context)


class House:
    """A gateway's service behind its gatekeeper, with a key that signs for anybody."""

    def __init__(self, registry: Registry, now_ms: int) -> None:
        keys = MemoryKeys()
        auth = Auth(Verifier(keys))
        self.ingress = Counting(Rules(registry.entities.values(), 1, "rules"), auth)
        process = ProcessSettings(identity_required=True)
        routes = Routes(registry, CLUSTER, process, Sealing(MemorySubjects()))
        self._service = ProgramService(cast("Ingress", self.ingress), routes, process, Sensor())
        self._gatekeeper = Gatekeeper(
            auth, Standing(cast("Ingress", self.ingress), routes), Probe(Door(process, Sensor())), Sensor()
        )
        self._tokens = {principal: sign(keys, principal, now_ms) for principal in principals(registry)}

    async def ask(self, pair: Pair) -> Outcome:
        """Play one pair."""
        context, before = Called(self._tokens[pair.principal]), self.ingress.touched
        try:
            await knock(self._gatekeeper, path_of(pair.method), context)
            answers = await self._answers(pair, context)
        except Aborted as refusal:
            answers = ((reason_of(refusal.status), refusal.status.message),) * len(pair.targets)
        return Outcome(tuple(answers), self.ingress.touched - before)

    async def _answers(self, pair: Pair, context: Any) -> Sequence[tuple[str, str]]:
        target, service = pair.targets[0], self._service
        match pair.method:
            case "Invoke":
                await service.Invoke(_call(target), context)
            case "InvokeStream":
                calls = [_call(target) for target in pair.targets]
                await service.InvokeStream(_once(pb.InvokeBatch(calls=calls)), context)
                results = {result.request_id: result for result in context.results("InvokeStream")}
                errors = [results[call.request_id].error for call in calls]
                return [(reason_of(error), error.message) if error.code else ("", "") for error in errors]
            case "Query" | "Read":
                linearizable = pair.method == "Read"
                await service.Query(
                    pb.QueryRequest(entity=target.name, view=target.what, linearizable=linearizable), context
                )
            case "Describe":
                await service.Describe(pb.DescribeRequest(program=target.program), context)
            case "ListTransitions":
                kind = f"{target.program}.{target.what}" if target.program else "session"
                await service.ListTransitions(pb.ListTransitionsRequest(kind=kind), context)
            case _:
                await service.Listen(pb.ListenRequest(entity=target.name), context)
        return [("", "")]


def _call(target: Target) -> pb.InvokeRequest:
    return pb.InvokeRequest(entity=target.name, command=target.what, request_id=new_id())


async def _once(batch: pb.InvokeBatch) -> AsyncIterator[pb.InvokeBatch]:
    yield batch


class Tally(NamedTuple):
    """What a run of pairs came to."""

    asked: dict[str, int]
    """Cross pairs by method: what had to be refused."""
    permitted: int
    texts: Mapping[tuple[str, ...], frozenset[str]]
    """Every different answer to what is closed, by what whoever asks may know: nothing of another program."""
    findings: tuple[str, ...]

    @property
    def told_apart(self) -> list[frozenset[str]]:
        """Different answers to those who may know no more."""
        return [texts for texts in self.texts.values() if len(texts) > 1]


def known(principal: Principal, path: str, target: Target | None = None) -> tuple[str, ...]:
    """What a refusal may tell whoever asks by this method: of methods all, and of commands their own program's."""
    if principal.role not in RPCS[path]:
        return (principal.role, path)
    if target is None or principal.role not in (Role.PERSON, Role.SERVER) or target.program != principal.tenant:
        return ()
    return principal.role, target.program, target.collection, target.what


def play(seed: int, pairs: int, now_ms: int) -> Tally:
    """Play until exactly so many cross pairs were asked."""
    return asyncio.run(_play(seed, pairs, now_ms))


async def _play(seed: int, wanted: int, now_ms: int) -> Tally:
    registry = platform()
    house, making = House(registry, now_ms), Pairs(registry, random.Random(seed))
    asked, permitted = dict.fromkeys(METHODS, 0), 0
    texts: dict[tuple[str, ...], set[str]] = {}
    findings: list[str] = []
    while sum(asked.values()) < wanted:
        pair = making.pair()
        if len(pair.targets) > wanted - sum(asked.values()):
            continue
        outcome = await house.ask(pair)
        expected = [refusals(registry, pair, target) for target in pair.targets]
        for target, reasons, (reason, text) in zip(pair.targets, expected, outcome.answers, strict=True):
            asked[pair.method] += bool(reasons)
            permitted += not reasons
            if reason == CLOSED:
                texts.setdefault(known(pair.principal, path_of(pair.method), target), set()).add(text)
            if reason not in reasons if reasons else reason == CLOSED:
                findings.append(f"{pair.principal.caller} {pair.method} {target}: {reason!r}, not {reasons}: {text}")
        if all(expected) and outcome.touched:
            findings.append(f"{pair.principal.caller} {pair.method} {pair.targets}: refused, and reached the log")
    return Tally(asked, permitted, {key: frozenset(each) for key, each in texts.items()}, tuple(findings))
