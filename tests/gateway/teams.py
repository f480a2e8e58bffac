"""Teams ask for what is another team's: pairs over every method of the catalogue's service, played in process."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any, NamedTuple, cast

import msgspec

from actors.adapters.memory_keys import MemoryKeys
from actors.adapters.objects import open_objects
from actors.domain.catalog.name import Name
from actors.domain.developer import Account, Member
from actors.kernel.rules import Rules
from actors.link import Answer
from actors.principal import Principal, Role
from actors.sensor import Sensor
from actors.settings import ProcessSettings
from gateway.auth import Auth
from gateway.authority import RPCS
from gateway.door import Door, Probe
from gateway.gatekeeper import Gatekeeper
from gateway.ingress import Ingress
from gateway.routes import Routes
from gateway.services.catalog import CatalogService
from gateway.standing import Standing
from gateway.tokens import Verifier, sign
from gateway.v1 import catalog_pb2
from tests.bad_input.messages import CLUSTER, Aborted, reason_of
from tests.gateway.scene import new_id
from tests.gateway.tenancy import CLOSED, Called, Counting, Tally, knock, platform

SERVICE: Any = catalog_pb2.DESCRIPTOR.services_by_name["CatalogService"]
METHODS: tuple[str, ...] = tuple(method.name for method in SERVICE.methods)
OWNERS = {"bike": "riders", "shop": "sellers"}
"""Whose each program is; every account has one admin, ann, and nobody else."""
PRINCIPALS = (
    *(Principal(Role.MEMBER, account, name) for account in ("riders", "sellers", "nobody") for name in ("ann", "bob")),
    *(Principal(Role.PERSON, program, name) for program in OWNERS for name in ("ann", "bob")),
    *(Principal(Role.SERVER, program, "") for program in OWNERS),
    Principal(Role.MERCHANT, "riders", ""),
    Principal(Role.ACCOUNT, "", "ann"),
    Principal(Role.OPERATOR, "", "op"),
)


class Ask(NamedTuple):
    """Who asks by which method for which program, of that program's account."""

    principal: Principal
    method: str
    program: str


class Owned(Counting):
    """Knows whose each program is, and who is in each team; all else is not to be asked for."""

    async def query(self, partition: int, entity: str, view: str, args: bytes, at_least: int, left_s: float) -> Any:
        del view, args, at_least, left_s
        kind, _, name = entity.partition("/")
        found = {
            "catalog.name": Name(state="kept", account=OWNERS.get(name, "")),
            "developer.account": Account(members={"ann": Member(role="admin", state="member")}),
        }[kind]
        return Answer(1, partition, 1, 0, msgspec.json.encode(found), 7)


def must_be_refused(ask: Ask) -> bool:
    """The whole rule in words of its own."""
    role, tenant, subject = ask.principal
    if role not in RPCS[f"/{SERVICE.full_name}/{ask.method}"]:
        return True
    if role is Role.OPERATOR or ask.method == "GetProgram":
        return False
    if ask.method == "GetShown":
        return (role, tenant) not in ((Role.SERVER, ask.program), (Role.PERSON, ask.program)) or subject == "bob"
    return (tenant, subject) != (OWNERS[ask.program], "ann")


def play(seed: int, wanted: int, now_ms: int) -> Tally:
    """Play until so many cross pairs were asked; what is one's own is asked by GetAccount alone, which only reads."""
    return asyncio.run(_play(random.Random(seed), wanted, now_ms))


async def _play(chance: random.Random, wanted: int, now_ms: int) -> Tally:
    registry, keys, process = platform(), MemoryKeys(), ProcessSettings(identity_required=True)
    auth = Auth(Verifier(keys))
    ingress = Owned(Rules(registry.entities.values(), 1, "rules"), auth)
    routes, nowhere = Routes(registry, CLUSTER, process), open_objects("memory:///")
    service = CatalogService(cast("Ingress", ingress), routes, process, Sensor(), nowhere)
    gatekeeper = Gatekeeper(auth, Standing(cast("Ingress", ingress), routes), Probe(Door(process, Sensor())), Sensor())
    tokens = {principal: sign(keys, principal, now_ms) for principal in PRINCIPALS}
    asked, permitted = dict.fromkeys(METHODS, 0), 0
    texts: set[tuple[str, str]] = set()
    findings: list[str] = []
    while sum(asked.values()) < wanted:
        ask = Ask(chance.choice(PRINCIPALS), chance.choice(METHODS), chance.choice(tuple(OWNERS)))
        refused = must_be_refused(ask)
        if not refused and ask.method != "GetAccount":
            continue
        reason, text, before = "", "", ingress.touched
        context = Called(tokens[ask.principal])
        try:
            await knock(gatekeeper, f"/{SERVICE.full_name}/{ask.method}", context)
            await getattr(service, ask.method)(_asked(ask), context)
        except Aborted as refusal:
            reason, text = reason_of(refusal.status), refusal.status.message
        asked[ask.method] += refused
        permitted += not refused
        if refused:
            texts.add((reason, text))
        if (reason == CLOSED) != refused or ingress.touched != before:
            findings.append(f"{ask.principal.caller} {ask.method} {ask.program}: {reason!r}, refused {refused}: {text}")
    return Tally(asked, permitted, frozenset(texts), tuple(findings))


def _asked(ask: Ask) -> Any:
    """The request, or the stream of its one part."""
    message = _message(ask)
    return parts(message) if SERVICE.methods_by_name[ask.method].client_streaming else message


async def parts(*messages: Any) -> AsyncIterator[Any]:
    """A client's stream of these."""
    for message in messages:
        yield message


def _message(ask: Ask) -> Any:
    """A request with all that names a tenant."""
    made: Any = getattr(catalog_pb2, SERVICE.methods_by_name[ask.method].input_type.name)()
    said = {"account": OWNERS[ask.program], "program": ask.program, "member": "zoe", "openid": "ann"}
    for field in made.DESCRIPTOR.fields:
        if field.name in said:
            setattr(made, field.name, said[field.name])
        elif field.name == "request_id":
            made.request_id = new_id()
    return made
