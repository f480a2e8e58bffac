"""A thousand persons are erased: nothing of them can be read anywhere, before or after, and replay is the same."""

import asyncio
import hashlib
import itertools
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

import grpc
import msgspec
import prometheus_client
import pytest

from actors.adapters.following import Follower
from actors.adapters.memory_keys import MemoryKeys
from actors.adapters.memory_states import MemoryStates, MemoryStore
from actors.adapters.prometheus import PrometheusSensor
from actors.adapters.readmodels import SqliteRows
from actors.adapters.shredding import Shredding
from actors.cli.following import PROJECTIONS, slices_of
from actors.cli.showing import Shown
from actors.domain.identity.person import PERSON
from actors.kernel import layout
from actors.kernel.action import decode_event_frame
from actors.kernel.record import Invoke, Sent, decode_frame
from actors.kernel.routing import partition_of
from actors.kernel.rules import Rules
from actors.ports import Fetched, Slice
from actors.projections.reading import terms_of
from actors.replaying import Replay
from actors.sealing import SHOWN
from actors.settings import ProcessSettings
from gateway.v1 import (
    identity_pb2,
    identity_pb2_grpc,
    notify_pb2,
    notify_pb2_grpc,
    program_pb2,
    program_pb2_grpc,
    session_pb2,
    session_pb2_grpc,
)
from tests.gateway.scene import CLUSTER, DIGEST, RELEASE, Said, Scene, new_id, reason_of, refused, running, scene

PERSONS = 1_000
EVERYWHERE = 20
"""One person in so many uses all programs, the others one."""
AT_ONCE = 50
PLAY_S_MAX = 400.0
CANARY = "canary-"
"""Begins every word that identifies a person here."""
REQUIRED = ProcessSettings(identity_required=True)
SNAPSHOTS = ProcessSettings(snapshot_records=1_500, trim_log=False)
PROGRAMS = ("food", "parking", "taxi")


class Person:
    """What a person has: its account's proof, and its name and proof in each program."""

    def __init__(self, n: int, account: str, said: Said) -> None:
        self.n = n
        self.account = account
        self.said = said
        self.names: dict[str, str] = {}
        self.proofs: dict[str, Said] = {}

    def word(self, what: str) -> str:
        """Something that identifies the person."""
        return f"{CANARY}{what}{self.n:04}"


class KeptStates(MemoryStates):
    """Knows every store that was opened."""

    def __init__(self) -> None:
        super().__init__()
        self.stores: list[MemoryStore] = []

    def open(self, folder: Path) -> MemoryStore:
        self.stores.append(super().open(folder))
        return self.stores[-1]

    def everything(self) -> Iterator[tuple[bytes, bytes]]:
        """All that the stores hold."""
        for store in self.stores:
            yield from store.scan(b"", b"\xff" * 9, 1 << 40)


class City:
    """A gateway of a platform, its follower, and everybody."""

    def __init__(self, made: Scene) -> None:
        self.scene = made
        self.scene.keys = MemoryKeys()
        self.scene.host_process = SNAPSHOTS
        self.scene.states = self.states = KeptStates()
        self.scene.sensor = self.sensor = PrometheusSensor()

    async def opens(self) -> None:
        """Everything starts."""
        self.scene.runs(*PROGRAMS)
        await self.scene.served(REQUIRED)
        channel = self.scene.channels[-1]
        self.people: Any = identity_pb2_grpc.IdentityServiceStub(channel)
        self.programs: Any = program_pb2_grpc.ProgramServiceStub(channel)
        self.notify: Any = notify_pb2_grpc.NotifyServiceStub(channel)
        self.operator, self.server = self.scene.by("operator/op"), self.scene.by("server/taxi")
        await self.invoke("food/menus/m1", "food.menu.open", self.operator, currency="CNY")
        await self.invoke("food/menus/m1", "food.menu.offer", self.operator, dish="tea", price_minor=1, stock=10**6)
        tariff = {"period_minor": 500, "day_minor_max": 5_000}
        await self.invoke("parking/lots/p1", "parking.lot.open", self.operator, places=10**6, tariff=tariff, to="m1")
        draft = notify_pb2.DraftTemplateRequest(program="taxi", template="t", title="Taxi", fields=["thing1"])
        await self.notify.DraftTemplate(draft, metadata=self.operator)
        approved = notify_pb2.TemplateRequest(program="taxi", template="t")
        await self.notify.ApproveTemplate(approved, metadata=self.operator)

    async def invoke(self, entity: str, command: str, by: Said, **fields: object) -> Any:
        """A call of a program; what it answers."""
        payload = msgspec.json.encode(fields)
        request = program_pb2.InvokeRequest(entity=f"programs/{entity}", command=command, payload=payload)
        request.request_id = new_id()
        return msgspec.json.decode((await self.programs.Invoke(request, metadata=by)).payload or b"null")

    async def view(self, entity: str, view: str, by: Said) -> Any:
        """What a program's view shows."""
        request = program_pb2.QueryRequest(entity=f"programs/{entity}", view=view)
        return msgspec.json.decode((await self.programs.Query(request, metadata=by)).payload)

    async def signs_in(self, n: int) -> Person:
        """A person comes, uses the taxi, and some of them everything."""
        request = identity_pb2.SignInRequest(issuer="development", subject=f"{CANARY}S{n:04}")
        answer = await self.people.SignIn(request, metadata=self.scene.by("platform/issuer"))
        person = Person(n, answer.person, (("authorization", f"Bearer {answer.token}"),))
        for program in PROGRAMS if n % EVERYWHERE == 0 else ("taxi",):
            token = identity_pb2.GetPersonTokenRequest(program=program)
            known = await self.people.GetPersonToken(token, metadata=person.said)
            person.names[program] = known.openid
            person.proofs[program] = (("authorization", f"Bearer {known.token}"),)
        ride = f"taxi/rides/{person.names['taxi']}/1"
        await self.invoke(ride, "taxi.ask", person.proofs["taxi"], cell="ws0e9", place=person.word("A"))
        if n % EVERYWHERE == 0:
            await self._everything(person)
        return person

    async def _everything(self, person: Person) -> None:
        plate = {"driver": person.names["parking"], "plate": person.word("P")}
        await self.invoke("parking/lots/p1", "parking.enter", self.scene.by("server/parking"), **plate)
        order, lines = f"food/orders/m1/{person.names['food']}/1", [{"dish": "tea", "count": 1}]
        await self.invoke(order, "food.order.place", person.proofs["food"], lines=lines, contact=person.word("C"))
        of: Any = {"program": "taxi", "openid": person.names["taxi"]}
        allowed = notify_pb2.AnswerPromptRequest(**of, templates=["t"], answers=["accept"])
        await self.notify.AnswerPrompt(allowed, metadata=person.proofs["taxi"])
        fields = msgspec.json.encode({"thing1": person.word("F")})
        sent = notify_pb2.SendMessageRequest(**of, message_id="m", template="t", fields=fields)
        await self.notify.SendMessage(sent, metadata=self.server)
        await self.notify.NoteAct(notify_pb2.NoteActRequest(**of, act="message"), metadata=person.proofs["taxi"])
        reply = notify_pb2.ReplyToRequest(**of, message_id="r", text=person.word("T"))
        await self.notify.ReplyTo(reply, metadata=self.server)


async def crowd(acts: Iterable[Awaitable[Any]]) -> list[Any]:
    """All of these, so many at once."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(act: Awaitable[Any]) -> Any:
        async with room:
            return await act

    return list(await asyncio.gather(*map(one, acts)))


# -- everything that is kept anywhere ---------------------------------------------------------------------------------


def frames(city: City, partition: int) -> list[Fetched]:
    """What stands on the commands topic."""
    return list(city.scene.log.fetch(Slice(CLUSTER.commands_topic, partition), 0, 1 << 40))


def on_log(city: City) -> Iterator[bytes]:
    """Every byte of every topic, and every command and event as it reads when it is decoded."""
    for topic in CLUSTER.topics(tuple(city.scene.registry.entities)):
        for partition in range(topic.partitions):
            for fetched in city.scene.log.fetch(Slice(topic.name, partition), 0, 1 << 40):
                yield fetched.frame
                if topic.name == CLUSTER.commands_topic:
                    for record in decode_frame(*fetched.slice, fetched.offset, fetched.frame).records:
                        yield decoded(record.command) if isinstance(record, Invoke | Sent) else b""
                elif ".events." in topic.name:
                    for event in decode_event_frame(*fetched.slice, fetched.offset, fetched.frame).records:
                        yield decoded(event.payload)


def decoded(packed: bytes) -> bytes:
    """MessagePack as text, and what lies within its bytes too."""
    try:
        value = msgspec.msgpack.decode(packed)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return packed
    return _text(value).encode(errors="surrogateescape")


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{_text(key)}: {_text(inner)}" for key, inner in cast("Any", value).items())
    if isinstance(value, list):
        return " ".join(map(_text, cast("Any", value)))
    if isinstance(value, bytes):
        return decoded(value).decode(errors="surrogateescape")
    return str(value)


def in_states(city: City) -> Iterator[bytes]:
    """What the hosts' stores hold, as it stands and decoded."""
    for key, value in city.states.everything():
        yield key
        yield value
        yield decoded(value)


def in_files(folder: Path) -> Iterator[bytes]:
    """Every file: snapshots, read models."""
    for file in folder.rglob("*"):
        if file.is_file():
            yield file.read_bytes()
            yield decoded(file.read_bytes())


class Folded(NamedTuple):
    """What the partitions come to: what is told of every record, and what each held at the offsets that were asked for.

    What it held is the chain, and a sum over all that a store would have.
    """

    traces: bytes
    held: dict[tuple[int, int], tuple[int, str]]


def folded(city: City, cuts: list[set[int]]) -> Folded:
    """Fold each partition to its end, once; `cuts` are the offsets of each before which it is looked at."""
    shown, traces, held = Shown(city.scene.registry), list[bytes](), dict[tuple[int, int], tuple[int, str]]()
    for partition, at in enumerate(cuts):
        rules = Rules(city.scene.registry.entities.values(), RELEASE, DIGEST)
        replayed = Replay(CLUSTER.commands_topic, partition, rules, routed)
        stood = frames(city, partition)
        for begin, end in itertools.pairwise((0, *sorted(at), len(stood))):
            for step in replayed.steps(stood[begin:end]):
                traces.append(msgspec.json.encode(shown.step(step, CLUSTER.events_topic_of)))
            content = b"".join(key + (replayed.stored(key) or b"") for key in sorted(replayed.changed()))
            held[partition, end] = (replayed.chain, hashlib.sha256(content).hexdigest())
    return Folded(b"\n".join(traces), held)


def routed(key: str) -> int:
    """The partition of a routing key."""
    return partition_of(key, CLUSTER.partitions, CLUSTER.groups)


def check_nothing_is_readable(city: City, traces: bytes, printed: str, people: list[Person]) -> None:
    """No word that identifies a person, wherever one may look; and it is looked where they left their traces.

    `traces` is what `hutong why` and `hutong replay` tell of every record.
    """
    names = [person.names["taxi"].encode() for person in people[:: PERSONS // 10]]
    places: dict[str, tuple[bytes, bool]] = {
        "log": (b"\n".join(on_log(city)), True),
        "states": (b"\n".join(in_states(city)), True),
        "snapshots": (b"\n".join(in_files(city.scene.folder / "objects")), True),
        "files": (b"\n".join(in_files(city.scene.folder)), True),
        "traces": (traces, True),
        "metrics": (prometheus_client.generate_latest(city.sensor.registry), False),
        "reports": (repr(city.scene.reports).encode(), False),
        "logs": (printed.encode(), False),
    }
    assert SHOWN.encode() in places["traces"][0]
    for where, (content, is_left) in places.items():
        assert CANARY.encode() not in content, where
        if is_left:
            assert any(name in content for name in names), f"nothing of anybody in {where}"


# -- the thousand -----------------------------------------------------------------------------------------------------


def follower_of(city: City) -> Follower:
    """A follower over the scene's log."""
    log, programs = city.scene.log, city.scene.registry.programs
    errand = Shredding(log, CLUSTER, city.scene.subjects, REQUIRED.unnamed_kept_ms)
    slices = slices_of((*PROJECTIONS, errand.hearing), programs, CLUSTER)
    rows = SqliteRows(city.scene.folder / "readmodels.db", PROJECTIONS, terms_of(PROJECTIONS, ()))

    def report(event: str, facts: dict[str, object]) -> None:
        city.scene.reports.append((event, facts))

    return Follower(log, rows, PROJECTIONS, slices, city.sensor, report, (errand,))


def erased_on_log(city: City) -> int:
    """How many persons the log says are erased."""
    found = 0
    topic = CLUSTER.events_topic_of(PERSON.kind)
    for partition in range(CLUSTER.partitions):
        for fetched in city.scene.log.fetch(Slice(topic, partition), 0, 1 << 40):
            records = decode_event_frame(*fetched.slice, fetched.offset, fetched.frame).records
            found += sum(b"identity.person.erased" in event.payload for event in records)
    return found


async def seen(city: City, person: Person) -> list[object]:
    """What the taxi's server sees of one who used everything, and an operator of their order and messages."""
    ride = await city.view(f"taxi/rides/{person.names['taxi']}/1", "ride", city.server)
    order = f"food/orders/m1/{person.names['food']}/1"
    contact = (await city.view(order, "order", city.operator))["contact"]
    inbox = notify_pb2.ListenBoxRequest(program="taxi", openid=person.names["taxi"])
    listening = city.notify.ListenBox(inbox, metadata=city.operator)
    heard = msgspec.json.decode((await listening.read()).payload)
    listening.cancel()
    return [ride["place"], contact, heard.get("fields")]


async def erases(city: City, person: Person) -> None:
    """Half of them by themselves, the others by an operator."""
    by_itself = person.n % 2 == 0
    request = identity_pb2.PersonRequest(person="" if by_itself else person.account, request_id=new_id())
    answer = await city.people.Erase(request, metadata=person.said if by_itself else city.operator)
    assert answer.state == "erasing"


def lived(act: Callable[[City], Awaitable[None]]) -> None:
    async def run() -> None:
        async with scene() as made:
            city = City(made)
            await city.opens()
            await asyncio.wait_for(act(city), PLAY_S_MAX)

    asyncio.run(run())


def test_a_thousand_persons_are_erased(capfd: pytest.CaptureFixture[str]) -> None:
    async def act(city: City) -> None:
        people = await crowd(city.signs_in(n) for n in range(PERSONS))
        first = people[0]
        code = identity_pb2.IssueCodeRequest(program="taxi")
        issued = (await city.people.IssueCode(code, metadata=first.said)).code
        mine = await city.view(f"taxi/rides/{first.names['taxi']}/1", "ride", first.proofs["taxi"])
        assert mine["place"] == first.word("A"), "the person itself reads it"
        assert await seen(city, first) == [first.word("A"), None, None], "its server, too, and no operator"
        ends = [len(frames(city, partition)) for partition in range(CLUSTER.partitions)]
        before = folded(city, [{end} for end in ends])
        printed = capfd.readouterr()
        check_nothing_is_readable(city, before.traces, printed.out + printed.err, people)

        with running(follower_of(city)):
            await crowd(erases(city, person) for person in people)
            await city.scene.log.until(lambda: erased_on_log(city) == PERSONS)
        subjects = [name for p in people for name in (p.account, *(f"{k}/{name}" for k, name in p.names.items()))]
        assert {city.scene.subjects.find(subject) for subject in subjects} == {b""}
        lives = live(city)
        after = folded(city, [{end, *(meta.watermark + 1 for meta in lives)} for end in ends])
        for place in enumerate(ends):
            assert after.held[place] == before.held[place], "what was folded before is folded to the same for ever"
        for meta in lives:
            chains = [after.held[partition, meta.watermark + 1][0] for partition in range(CLUSTER.partitions)]
            assert meta.chain in chains, "what the host has written is what the log comes to there"
        printed = capfd.readouterr()
        check_nothing_is_readable(city, after.traces, printed.out + printed.err, people)

        assert await seen_after(city, first) == [None, None]
        for by in (first.said, first.proofs["taxi"]):
            await check_token_ends(city, by)
        exchange = identity_pb2.ExchangeCodeRequest(program="taxi", code=issued)
        _, status = await refused(city.people.ExchangeCode(exchange, metadata=city.server))
        assert reason_of(status) == "person_erased"
        assert set(await crowd(state_of(city, person) for person in people)) == {"erased"}

    lived(act)


async def seen_after(city: City, person: Person) -> list[object]:
    """What the program's server sees of an erased person."""
    ride = await city.view(f"taxi/rides/{person.names['taxi']}/1", "ride", city.server)
    order = f"food/orders/m1/{person.names['food']}/1"
    return [ride["place"], (await city.view(order, "order", city.scene.by("server/food")))["contact"]]


async def state_of(city: City, person: Person) -> str:
    """How the account stands."""
    request = identity_pb2.GetPersonRequest(person=person.account)
    return str((await city.people.GetPerson(request, metadata=city.operator)).state)


async def check_token_ends(city: City, by: Said) -> None:
    """Within the second in which a gateway looks again, the token is good for nothing."""
    while True:
        code, status = await refused(city.people.GetPerson(identity_pb2.GetPersonRequest(person="~"), metadata=by))
        if code is grpc.StatusCode.UNAUTHENTICATED:
            assert reason_of(status) == "TOKEN_PERSON_ERASED"
            return


def live(city: City) -> list[layout.Meta]:
    """What the host has written of each partition."""
    metas = [layout.decode_meta(value) for key, value in city.states.everything() if key == layout.META]
    assert len(metas) == CLUSTER.partitions
    return metas


def test_what_a_person_opened_by_their_accounts_token_alone_is_forgotten_and_what_was_sealed_for_them_there() -> None:
    async def act(city: City) -> None:
        request = identity_pb2.SignInRequest(issuer="development", subject="ann")
        signed_in = await city.people.SignIn(request, metadata=city.scene.by("platform/issuer"))
        ann: Said = (("authorization", f"Bearer {signed_in.token}"),)
        sessions: Any = session_pb2_grpc.SessionServiceStub(city.scene.channels[-1])
        session = (await sessions.Open(session_pb2.OpenRequest(program="parking"), metadata=ann)).session
        openid, server = session.split("/")[2], city.scene.by("server/parking")
        entered = await city.invoke("parking/lots/p1", "parking.enter", server, driver=openid, plate="canary-P")
        stay = f"parking/stays/p1/{entered['ticket']}"
        assert (await city.view(stay, "stay", server))["plate"] == "canary-P"
        with running(follower_of(city)):
            await city.people.Erase(identity_pb2.PersonRequest(), metadata=ann)
            await city.scene.log.until(lambda: erased_on_log(city) == 1)
        assert (await city.view(stay, "stay", server))["plate"] is None
        asked, states = program_pb2.QueryRequest(entity=session, view="session"), list[str]()
        while states[-1:] != ["unloaded"] and len(states) < 1_000:
            found = json.loads((await city.programs.Query(asked, metadata=city.operator)).payload)
            states.append(found["state"])
        assert states[-1] == "unloaded", "what was open is closed"

    lived(act)
