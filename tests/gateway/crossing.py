"""Who asks for whose, by every method of every typed service: pairs of a principal and what it asks for, in process.

Methods come from the services' descriptors. What each is about is said here, and who may then ask, in other words than
the product's: a method about which nothing is said cannot be played.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec
from google.protobuf import message_factory

from actors.adapters.memory_keys import MemoryKeys, MemorySubjects
from actors.adapters.objects import open_objects
from actors.domain.catalog.name import Name
from actors.domain.developer import Account, Member
from actors.kernel.rules import Rules
from actors.principal import Principal, Role
from actors.sensor import Sensor
from actors.settings import ProcessSettings
from gateway import v1
from gateway.auth import Auth
from gateway.authority import RPCS
from gateway.counting import Counting as Tallying
from gateway.door import Door, Probe
from gateway.gatekeeper import Gatekeeper
from gateway.ingress import Ingress
from gateway.routes import Routes
from gateway.sealing import Sealing
from gateway.server import GatewayParts, services
from gateway.standing import Standing
from gateway.steps import Given
from gateway.tokens import Verifier, sign
from tests.bad_input.messages import CLUSTER, Aborted, reason_of
from tests.gateway.scene import TestLog, new_id
from tests.gateway.tenancy import CLOSED, Called, Counting, Tally, knock, known, platform

PROGRAMS = "gateway.v1.ProgramService"
"""Its pairs are played by `tenancy`."""
OWNERS = {"bike": "riders", "shop": "sellers"}
"""Whose each program is."""
TEAM: Mapping[str, Any] = {"ann": "admin", "dee": "developer", "oli": "operator", "tess": "tester"}
"""Who is in every account's team; bob is in none."""
MEMBERS: Mapping[str, str] = {
    "CatalogService/InviteMember": "ann",
    "CatalogService/JoinTeam": "",
    "CatalogService/GrantRole": "ann",
    "CatalogService/RemoveMember": "ann",
    "CatalogService/GetAccount": "ann dee oli tess",
    "CatalogService/RegisterProgram": "ann dee",
    "CatalogService/DescribeProgram": "ann dee",
    "CatalogService/SetPackageKey": "ann",
    "CatalogService/UploadPackage": "ann dee",
    "CatalogService/SubmitVersion": "ann dee",
    "CatalogService/WithdrawVersion": "ann dee",
    "CatalogService/SetGray": "ann oli",
    "CatalogService/ReleaseVersion": "ann oli",
    "CatalogService/RollBack": "ann oli",
    "CredentialService/RenewSecret": "ann",
    "CredentialService/DisableCredential": "ann",
    "CredentialService/GetQuota": "ann dee",
    "NotifyService": "ann dee oli",
    "WaysService": "ann dee oli",
    "WebhookService": "ann dee",
}
"""Who of a team may ask by which method of a service, or by all of it. It is somebody else that joins or is changed."""
PERSONS = ("ann", "bob", "zoe")
PRINCIPALS = (
    *(Principal(Role.MEMBER, account, name) for account in (*OWNERS.values(), "nobody") for name in (*TEAM, "bob")),
    *(Principal(Role.PERSON, program, name) for program in OWNERS for name in ("ann", "bob")),
    *(Principal(Role.SERVER, program, "") for program in OWNERS),
    *(Principal(Role.MERCHANT, name, "") for name in ("riders", "bike")),
    *(Principal(Role.CREDENTIAL, "server", program) for program in OWNERS),
    Principal(Role.CREDENTIAL, "merchant", "bike"),
    Principal(Role.ACCOUNT, "", "ann"),
    Principal(Role.OPERATOR, "", "op"),
    Principal(Role.PLATFORM, "", "follower"),
)
ABOUT: Mapping[str, str] = {
    "CatalogService": "team",
    "CatalogService/OpenAccount": "nobody",
    "CatalogService/SuspendAccount": "nobody",
    "CatalogService/ResumeAccount": "nobody",
    "CatalogService/CloseAccount": "nobody",
    "CatalogService/TakeReview": "nobody",
    "CatalogService/JudgeVersion": "nobody",
    "CatalogService/GetProgram": "nobody",
    "CatalogService/GetShown": "person",
    "CredentialService": "credential",
    "CredentialService/IssueToken": "nobody",
    "FriendsService": "nobody",
    "IdentityService": "nobody",
    "IdentityService/ExchangeCode": "program",
    "IdentityService/CheckSession": "program",
    "IdentityService/RevokeSession": "program",
    "IdentityService/Erase": "account",
    "IdentityService/GetPerson": "account",
    "NotifyService": "person",
    "NotifyService/DraftTemplate": "program",
    "NotifyService/ApproveTemplate": "nobody",
    "NotifyService/DisableTemplate": "program",
    "NotifyService/GetTemplate": "program",
    "SearchService": "nobody",
    "SessionService": "person",
    "WaysService": "program",
    "WaysService/ResolveCode": "nobody",
    "WaysService/MatchRule": "nobody",
    "WebhookService": "program",
}
"""What a service's methods are about, and single ones otherwise: a program, its team, one of its persons, its
credential, or a person's account; or nobody: what is public, what only those do who run the platform, and what is of
nobody but who asks."""


class Ask(NamedTuple):
    """Who asks by which method, as `Service/Method`, for which program or what is of it, such as this person's."""

    principal: Principal
    method: str
    program: str
    person: str


def typed_methods() -> Mapping[str, Any]:
    """The descriptor of every method of every typed service, by `Service/Method`."""
    files = [import_module(f"gateway.v1.{path.stem}") for path in sorted(Path(v1.__path__[0]).glob("*_pb2.py"))]
    found = [service for file in files for service in file.DESCRIPTOR.services_by_name.values()]
    return {
        f"{service.name}/{method.name}": method
        for service in found
        if service.full_name != PROGRAMS
        for method in service.methods
    }


def said(table: Mapping[str, str], method: str) -> str:
    """What a table says of a method, or of its service. Raises KeyError for one of which it says nothing."""
    return table[method] if method in table else table[method.partition("/")[0]]


def must_be_refused(ask: Ask) -> bool:
    """The whole rule in words of its own."""
    role, tenant, subject = ask.principal
    if role not in RPCS[f"/gateway.v1.{ask.method}"]:
        return True
    what = said(ABOUT, ask.method)
    if what == "account":
        return role is Role.ACCOUNT and subject != ask.person
    if what == "nobody" or role in (Role.OPERATOR, Role.PLATFORM):
        return False
    if role is Role.MEMBER:
        return what == "person" or tenant != OWNERS[ask.program] or subject not in said(MEMBERS, ask.method).split()
    if role is Role.CREDENTIAL:
        return (tenant, subject) != ("server", ask.program)
    if role not in (Role.SERVER, Role.PERSON) or tenant != ask.program:
        return True
    return what == "person" and role is Role.PERSON and subject != ask.person


class Owned(Counting):
    """Knows whose each program is, and who is in each team; all else is as it begins, and to be asked by who may."""

    def shown(self, entity: str, view: str, args: bytes, /) -> bytes:
        """What says who may is not counted: it is asked before anything is refused."""
        kind, _, name = entity.partition("/")
        if kind == "catalog.name":
            return msgspec.json.encode(Name("kept", OWNERS.get(name, "")))
        if kind == "developer.account":
            team = {name: Member("member", role) for name, role in TEAM.items()}
            return msgspec.json.encode(Account("open", members=team))
        if (kind, view) == ("identity.person", "link"):  # asked about who calls alone: a program's name for them
            return b'""'
        super().shown(entity, view, args)
        described = self._rules.of(entity)
        assert described is not None
        author = described[0].entity
        return msgspec.json.encode(author.views[view](author.initial, msgspec.json.decode(args)))


class Crossing:
    """Every typed service behind its gatekeeper, with a key that signs for anybody."""

    def __init__(self, now_ms: int) -> None:
        registry, keys = platform(), MemoryKeys()
        process = ProcessSettings(identity_required=True)
        auth = Auth(Verifier(keys))
        self.ingress = Owned(Rules(registry.entities.values(), 1, "rules"), auth)
        ingress, routes = cast("Ingress", self.ingress), Routes(registry, CLUSTER, process, Sealing(MemorySubjects()))
        parts_ = GatewayParts(TestLog(), registry, Sensor(), open_objects("memory:///"), keys)
        made = services(Given(ingress, routes, process, parts_.sensor, Tallying(parts_.tallies)), parts_)
        self._services = {each.name: each.service for each in made}
        self._gatekeeper = Gatekeeper(auth, Standing(ingress, routes), Probe(Door(process, Sensor())), Sensor())
        self._tokens = {principal: sign(keys, principal, now_ms) for principal in PRINCIPALS}
        self._methods = typed_methods()

    async def ask(self, ask: Ask) -> tuple[str, str]:
        """The reason and the text of a refusal; "" of an answer."""
        method, context = self._methods[ask.method], Called(self._tokens[ask.principal])
        service = method.containing_service.full_name
        try:
            await knock(self._gatekeeper, f"/{service}/{method.name}", context)
            message = request_of(method, ask)
            await getattr(self._services[service], method.name)(
                parts(message) if method.client_streaming else message, context
            )
        except Aborted as refusal:
            return reason_of(refusal.status), refusal.status.message
        errors = [result.error for result in context.results(method.name)]
        return next(((reason_of(error), error.message) for error in errors if error.code), ("", ""))


def play(seed: int, wanted: int, now_ms: int) -> Tally:
    """Play until so many cross pairs were asked; of what is one's own only that is asked which reads."""
    return asyncio.run(_play(random.Random(seed), wanted, now_ms))


async def _play(chance: random.Random, wanted: int, now_ms: int) -> Tally:
    street, methods = Crossing(now_ms), tuple(typed_methods())
    asked, permitted = dict.fromkeys(methods, 0), 0
    texts: dict[tuple[str, ...], set[str]] = {}
    findings: list[str] = []
    while sum(asked.values()) < wanted:
        # Few may not search, so what was refused least is asked for most.
        least = min(methods, key=asked.__getitem__)
        ask = any_ask(chance, chance.choice((least, chance.choice(methods))))
        refused = must_be_refused(ask)
        if not refused and not is_read(ask.method):
            continue
        before = street.ingress.touched
        reason, text = await street.ask(ask)
        asked[ask.method] += refused
        permitted += not refused
        if refused:
            texts.setdefault(known(ask.principal, f"/gateway.v1.{ask.method}"), set()).add(text)
        if (reason == CLOSED) != refused or (refused and street.ingress.touched != before):
            findings.append(
                f"{ask.principal.caller} {ask.method} {ask.program} {ask.person}: {reason!r}, refused {refused}: {text}"
            )
    return Tally(asked, permitted, {key: frozenset(each) for key, each in texts.items()}, tuple(findings))


def any_ask(chance: random.Random, method: str) -> Ask:
    """Somebody asks for something by this method; some of the persons are nobody."""
    return Ask(chance.choice(PRINCIPALS), method, chance.choice(tuple(OWNERS)), chance.choice(PERSONS))


def is_read(method: str) -> bool:
    """Whether a method changes nothing, and needs nothing but entities to be answered."""
    return method.partition("/")[2] in ("GetAccount", "GetProgram", "GetQuota", "GetGrants", "GetWindows", "GetShare")


async def parts(*messages: Any) -> AsyncIterator[Any]:
    """A client's stream of these."""
    for message in messages:
        yield message


def request_of(method: Any, ask: Ask) -> Any:
    """A request with all that names a tenant: everything in it is of one program."""
    program, person = ask.program, ask.person
    names = {
        "account": OWNERS[program],
        "program": program,
        "member": "zoe",
        "openid": person,
        "person": person,
        "session": f"sessions/{program}/{person}/1",
        "credential": f"server/{program}",
        "text": f"{program}/ABCDEFGHIJKLMNOP",
        "host": "shop.example",
        "request_id": new_id(),
    }
    return _filled(message_factory.GetMessageClass(method.input_type)(), names)


def _filled(made: Any, names: Mapping[str, str]) -> Any:
    """A message whose fields, and those of what is in it, say this; of what is repeated there is one."""
    for field in made.DESCRIPTOR.fields:
        if field.name in names:
            setattr(made, field.name, names[field.name])
        elif field.message_type is not None:
            inner = getattr(made, field.name)
            _filled(inner.add() if field.is_repeated else inner, names)
    return made
