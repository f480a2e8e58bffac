"""Odd requests for every method of the typed services, to a gateway's own service without a socket."""

import asyncio
import random
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import msgspec
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError

from actors.adapters.memory_keys import MemoryKeys, MemorySubjects
from actors.adapters.objects import open_objects
from actors.adapters.readmodels import SqliteRows
from actors.adapters.signatures import public_of
from actors.clocks import wall_ms
from actors.domain.catalog.key import Key
from actors.domain.catalog.name import Name
from actors.domain.catalog.program import Program
from actors.domain.catalog.versions import Version
from actors.domain.identity import link as identity
from actors.domain.identity.person import Person
from actors.domain.notify.template import Template
from actors.domain.ways.code import Code
from actors.domain.ways.link import Link
from actors.domain.ways.rules import Rules as LinkRules
from actors.domain.ways.share import Card, Hop
from actors.domain.webhook.delivery import Delivery
from actors.domain.webhook.endpoint import Endpoint
from actors.kernel.rules import Rules
from actors.ports import Put
from actors.principal import parse
from actors.projections.listed import DESCRIBED, LISTED, USED
from actors.registry import load_programs, shipped_programs
from actors.sensor import Sensor
from actors.settings import ProcessSettings
from gateway.auth import Auth
from gateway.counting import Counting
from gateway.deriving import Derived, Login
from gateway.ingress import Ingress
from gateway.routes import Routes
from gateway.sealing import Sealing
from gateway.server import GatewayParts, services
from gateway.steps import Given
from gateway.tokens import Verifier, sign
from gateway.v1 import catalog_pb2
from tests.bad_input.messages import CLUSTER, Answering, Asking, Mutant, judged
from tests.bad_input.mutating import broken_bytes, odd_fields, odd_int, odd_payload, odd_text
from tests.gateway.crossing import parts, typed_methods
from tests.gateway.packing import KEY, archive_of
from tests.gateway.scene import TestLog, new_id, registry
from tests.proof.counts import Counts

KEYS = MemoryKeys()
DERIVED = Derived(KEYS)
OPENID = DERIVED.openid("cafe", "ann")
TEXTS = {
    "account": "acme",
    "program": "cafe",
    "hash": "a" * 64,
    "role": "tester",
    "verdict": "approve",
    "page": "pages/map/index",
    "env": "trial",
    "code": "ABCDEFGHIJKL",
    "text": "cafe/ABCDEFGHIJKL",
    "parent": "ABCDEFGHIJKLMNOP",
    "host": "shop.example",
    "prefix": "/map",
    "share": "ABCDEFGHIJKLMNOP",
    "format": "svg",
    "path": "pages/map/index",
    "source": "scan",
    "session": "sessions/cafe/ann/1",
    "openid": OPENID,
    "ExchangeCodeRequest.code": DERIVED.code(Login("ann", "cafe", 1)),
    "CheckSessionRequest.session": DERIVED.session(KEYS.root()[0], "cafe", OPENID, 1),
    "template": "ready",
    "templates": "ready",
    "answers": "accept",
    "fields": "thing1",
    "act": "message",
    "url": "https://hooks.shop.com/in",
    "endpoint": "main",
    "events": "owed",
    "delivery": "d1",
    "after": "bike",
    "collection": "riders",
    "view": "rider",
    "by": "rides",
    "category": "drinks",
    "aliases": "coffee",
    "credential": "server/cafe",
}
CALLERS = {
    "SignIn": "platform/issuer",
    **dict.fromkeys(("IssueCode", "GetPersonToken"), "account/ann"),
    "IssueToken": "credential/server/cafe",
    **dict.fromkeys(("Refresh", "SignOut"), "credential/login/ann.x"),
    **dict.fromkeys(("ExchangeCode", "CheckSession", "RevokeSession"), "server/cafe"),
}
"""Who asks for what at the service where callers prove who they are; an operator for all else."""
STATES = {
    "notify.template/cafe/ready": Template("approved", "Ready", ("thing1",)),
    "catalog.name/cafe": Name("kept", "acme"),
    "catalog.key/acme": Key("set", public_of(KEY)),
    "catalog.program/acme/cafe": Program(
        "registered", "cafe", versions=(Version(1, "1.0.0", "a" * 64, "released"),), live=1
    ),
    "ways.code/cafe/ABCDEFGHIJKL": Code("minted", "pages/map/index", b"42", "trial", "ann", 7),
    "ways.link/cafe/ABCDEFGHIJKLMNOP": Link("minted", "pages/map/index", b"42", "ann", 7, 8),
    "ways.rules/hooks.shop.com": LinkRules("kept", "cafe", {}, {"/in": "pages/map/index"}),
    "ways.share/cafe/ABCDEFGHIJKLMNOP": Card("shared", "pages/map/index", path=(Hop("ABCDEFGHIJKLMNOP", "ann"),)),
    "identity.person/ann": Person("active", 7),
    f"identity.link/cafe/{OPENID}": identity.Link("active", 1, "k", 9, 1),
    "webhook.endpoint/cafe/main": Endpoint("active", "https://hooks.shop.com/in", ("owed",)),
    "webhook.delivery/cafe/d1": Delivery("dead", "cafe/main"),
}
PROVING = ("gateway.v1.IdentityService", "gateway.v1.CredentialService")
"""Services that are closed to whoever does not prove who it is."""
LONG_NAMED = ("ResolveLink", "GetShare")
"""Methods that read a text of a longer name than a code's."""
ODD = 0.15
METHODS = [method for method in typed_methods().values() if method.client_streaming or not method.server_streaming]
"""All but those that only listen."""


class Entities(Answering):
    """Answers as if there were the program `cafe` with one code, link and card; what would be appended must decode."""

    def replied(self, entity: str, /) -> bytes:
        """Enough for every service that asked."""
        if entity.startswith("visit/"):
            return b'{"session":"cafe/ann/1","path":"pages/map/index","version":"1.0.0","visit":1,"began":true}'
        payload = b'{"program":"acme/cafe","code":1'
        payload += b',"n":1,"version":1,"until_ms":9,"left":1,"state":"asked","lasting":false,"again":false'
        payload += b',"link":"cafe/' + OPENID.encode() + b'"'
        return payload + b',"kid":"' + KEYS.signer()[0].encode() + b'","at_ms":7000,"good_until_ms":9000}'

    def shown(self, entity: str, view: str, args: bytes, /) -> bytes:
        """Of what is there, and of everything else as it begins."""
        found = self._rules.of(entity)
        assert found is not None
        state = STATES.get(entity, found[0].entity.initial)
        return msgspec.json.encode(found[0].entity.views[view](state, msgspec.json.decode(args)))


class Proving(Asking):
    """A call whose caller proves who it is."""

    def __init__(self, method: str) -> None:
        super().__init__()
        principal = parse(CALLERS.get(method, "operator/op"))
        assert principal is not None
        self._token = sign(KEYS, principal, wall_ms())

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """The token."""
        return (("authorization", f"Bearer {self._token}"),)


def mutate_typed(_: Path, seed: int, size: int) -> Counts:
    """Requests of every method; what comes of each is an answer or a refusal with its reason."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "rows.db"
        tables = (LISTED, DESCRIBED, USED)
        rows = SqliteRows(path, tables, "as now")
        rows.write([Put("listed", "bike", ("acme", "Bike", "travel", 1, 7))], {})
        try:
            return asyncio.run(_mutate(Counts("typed messages", seed), size, lambda: SqliteRows(path, tables)))
        finally:
            rows.close()


async def _mutate(counts: Counts, size: int, opened: Callable[[], SqliteRows]) -> Counts:
    chance, process = random.Random(counts.seed), ProcessSettings()
    bike = load_programs(folder for folder in shipped_programs() if folder.name == "bike").programs["bike"]
    known = replace(registry(), programs={"cafe": bike})
    routes = Routes(known, CLUSTER, process, Sealing(MemorySubjects()))
    open_, closed = (
        services(
            Given(
                cast("Ingress", Entities(Rules(known.entities.values(), 1, "rules"), auth)),
                routes,
                process,
                Sensor(),
                Counting(None),
            ),
            GatewayParts(TestLog(), known, Sensor(), open_objects("memory:///"), keys, opened),
        )
        for auth, keys in ((Auth(), None), (Auth(Verifier(KEYS)), KEYS))
    )
    asked_at = {each.name: each.service for each in open_}
    asked_at |= {each.name: each.service for each in closed if each.name in PROVING}
    for _ in range(size):
        method = chance.choice(METHODS)
        bad = _mutant(method.name, method.input_type, chance)
        counts.bad_inputs += 1
        if not bad.is_message:
            counts.refused += 1
            counts.effect("no message")
            continue
        request: Any = message_factory.GetMessageClass(method.input_type).FromString(bad.written)
        name = method.containing_service.full_name
        asking = Proving(method.name) if name in PROVING else Asking()
        is_call_stream = method.client_streaming and method.server_streaming
        rest = () if is_call_stream else _rest(chance)
        asked = parts(request, *rest) if method.client_streaming else request
        answer = getattr(asked_at[name], method.name)(asked, cast("Any", asking))
        await judged(counts, bad, asking, answer, len(request.opens) if is_call_stream else None)
    return counts


def _rest(chance: random.Random) -> list[catalog_pb2.UploadPackageRequest]:
    """The rest of a stream: archives that are damaged, or none."""
    archive = archive_of(1)
    bad = (archive, broken_bytes(archive, chance), b"")
    return [catalog_pb2.UploadPackageRequest(chunk=chance.choice(bad)) for _ in range(chance.randrange(3))]


def _mutant(method: str, type_: Descriptor, chance: random.Random) -> Mutant:
    message = _message(type_, chance)
    if method in LONG_NAMED and message.text == TEXTS["text"]:
        message.text += "MNOP"
    written: bytes = message.SerializeToString()
    how = chance.random()
    if how < 0.1:
        written = broken_bytes(written, chance)
    elif how < 0.4:
        written = odd_fields(written, chance)
    try:
        message_factory.GetMessageClass(type_).FromString(written)
    except DecodeError:
        return Mutant(method, written, False)
    return Mutant(method, written, True)


def _message(type_: Descriptor, chance: random.Random) -> Any:
    """A request whose fields are mostly right; some hold odd texts and numbers."""
    message: Any = message_factory.GetMessageClass(type_)()
    for field in type_.fields:
        if field.message_type is not None and field.is_repeated:
            some = [_message(field.message_type, chance) for _ in range(chance.randrange(4))]
            getattr(message, field.name).extend(some)
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(_message(field.message_type, chance))
        elif field.is_repeated:
            getattr(message, field.name).extend(_value(field, chance) for _ in range(chance.randrange(3)))
        else:
            setattr(message, field.name, _value(field, chance))
    return message


def _text(field: FieldDescriptor) -> str:
    owner = "" if field.containing_type is None else field.containing_type.name
    return TEXTS.get(f"{owner}.{field.name}", TEXTS.get(field.name, "ann"))


def _value(field: FieldDescriptor, chance: random.Random) -> Any:
    if field.type == FieldDescriptor.TYPE_BYTES:
        return odd_payload(("page", "scene", "thing1"), chance)
    if field.type != FieldDescriptor.TYPE_STRING:
        return odd_int(32, chance) if chance.random() < ODD else 1
    text = new_id() if field.name == "request_id" else _text(field)
    return odd_text(text, chance) if chance.random() < ODD else text
