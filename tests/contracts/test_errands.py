"""The follower's errand over a log: events become deliveries of one name each, tries requests, outcomes commands."""

import threading
from collections.abc import Iterator, Mapping, Sequence

import pytest
from msgspec import Struct, json, msgpack, structs

from actors import Context, Decision, Entity, accept
from actors.adapters.errands import WAITING_MAX, Names, Schedule, Webhooks
from actors.adapters.following import Follower
from actors.adapters.memory import MemoryLog
from actors.adapters.memory_states import MemoryRows
from actors.adapters.telling import TELLINGS
from actors.adapters.telling import tell as tell_them
from actors.adapters.webhooks import Outcome, Sender
from actors.clocks import wall_ms
from actors.domain.identity.person import FOLLOWER, PERSON, Erase
from actors.domain.webhook.delivery import Begin, Tried, Trying
from actors.domain.webhook.endpoint import ENDPOINT, Changed, Endpoint, Remove
from actors.entity import AnyEntity
from actors.errors import NotFound, Unavailable
from actors.kernel.action import EventRecord
from actors.kernel.record import Invoke, Slice, decode_frame, encode_frame
from actors.kernel.routing import partition_of
from actors.ports import Change, Fetched, Packages, Place, Put, Reader
from actors.projections.endpoints import ENDPOINTS, fold
from actors.projections.switches import GRAY, HASHES, HASHES_TABLE, LIVE, SWITCHES, SWITCHES_TABLE, Switch
from actors.registry import Registry, load_programs, shipped_programs
from actors.sensor import Sensor
from actors.settings import ClusterSettings

CLUSTER = ClusterSettings(partitions=2)
NOW_MS = wall_ms()
"""When these tests were read; how long that is ago when they run, nobody knows."""
DAY_MS = 86_400_000
SCHEDULE = Schedule((1_000, 2_000), DAY_MS)
RIDE = "bike.rider/ann"


class Eat(Struct, frozen=True, tag="cafe.eat"):
    pass


class Ate(Struct, frozen=True, tag="cafe.ate"):
    dish: str


class Guest(Struct, frozen=True):
    pass


def decide(_guest: Guest, _command: Eat, _ctx: Context) -> Decision[Ate]:
    return accept()


def evolve(guest: Guest, _event: Ate) -> Guest:
    return guest


class Posted(Sender):
    """Takes every request and sends none."""

    def __init__(self) -> None:
        super().__init__()
        self.posts: list[tuple[str, dict[str, str], bytes]] = []

    def post(self, program: str, url: str, headers: dict[str, str], body: bytes) -> Outcome:
        assert program == "bike"
        self.posts.append((url, headers, body))
        return Outcome(204, "good")


@pytest.fixture
def log() -> Iterator[MemoryLog]:
    log = MemoryLog(lambda: NOW_MS)
    log.create(CLUSTER.topics(()))
    yield log
    log.close()


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_programs(folder for folder in shipped_programs() if folder.name in ("bike", "taxi"))


def webhooks(log: MemoryLog, registry: Registry, sender: Sender) -> Webhooks:
    names = Names(registry, lambda _: ())
    return Webhooks(log, CLUSTER, names, lambda: (b"root",), sender, SCHEDULE, lambda _what, _facts: None)


def event(entity: str, said: Struct, n: int = 1, stamp_ms: int = NOW_MS) -> EventRecord:
    return EventRecord(0, 0, n, 0, 0, stamp_ms, entity, msgpack.encode(said))


def endpoint(*events: str, state: str = "active", name: str = "bike/main", version: int = 1) -> EventRecord:
    set_to = Endpoint(state, "https://shop.com/in", events, version, NOW_MS + DAY_MS * (version - 1), NOW_MS)
    return event(f"webhook.endpoint/{name}", Changed(set_to))


def asked(log: MemoryLog) -> list[tuple[str, Begin | Tried]]:
    """What was asked of deliveries, in the order of partitions."""
    found: list[tuple[str, Begin | Tried]] = []
    for partition in range(CLUSTER.partitions):
        slice_ = Slice(CLUSTER.commands_topic, partition)
        for fetched in log.fetch(slice_, 0, 1 << 30):
            for record in decode_frame(*slice_, fetched.offset, fetched.frame).records:
                assert isinstance(record, Invoke)
                assert record.caller == FOLLOWER
                found.append((record.entity, msgpack.decode(record.command, type=Begin | Tried)))
    return found


def outcome(log: MemoryLog) -> list[tuple[str, Begin | Tried]]:
    """What was asked, once anything was."""
    slices = {Slice(CLUSTER.commands_topic, partition): 0 for partition in range(CLUSTER.partitions)}
    reader = log.reader()
    reader.assign(slices)
    assert reader.poll(20_000), "nothing came of the try in 20 s"
    reader.close()
    return asked(log)


def tell(errand: Webhooks, *events: EventRecord) -> None:
    """The follower reads these at once."""
    puts = [put for one in events if one.entity.startswith("webhook.endpoint/") for put in fold(one)]
    for one in events:
        if not one.entity.startswith("webhook.endpoint/"):
            errand.hearing.fold(one)
    errand.act(puts)


def ride(n: int = 1, stamp_ms: int = NOW_MS, note: str = "") -> EventRecord:
    """A ride ends."""
    payload = msgpack.encode({"type": "bike.ride-ended", "note": note, "n": n})
    return EventRecord(0, 0, n, 0, 0, stamp_ms, RIDE, payload)


def test_an_event_is_a_delivery_to_each_endpoint_that_names_it(log: MemoryLog, registry: Registry) -> None:
    errand = webhooks(log, registry, Posted())
    named, other = endpoint("bike.ride-ended"), endpoint("bike.started", name="bike/b")
    tell(errand, named, other, endpoint("bike.ride-ended", name="bike/c", state="paused"))
    tell(errand, endpoint("bike.ride-ended", name="shop/d"), ride(), ride(2, NOW_MS - 1))
    errand.close()
    ((entity, begin),) = asked(log)
    assert isinstance(begin, Begin)
    assert (entity[:22], begin.endpoint) == ("webhook.delivery/bike/", "bike/main")
    assert (begin.waits_ms, begin.lost_ms) == SCHEDULE, "as the follower's settings say"
    assert json.decode(begin.body) == {
        "type": "bike.ride-ended",
        "entity": "programs/bike/riders/ann",
        "stamp_ms": NOW_MS,
        "position": "0/1/0",
        "data": {"note": "", "n": 1},
    }


def test_what_is_sealed_in_an_event_is_not_told(log: MemoryLog, registry: Registry) -> None:
    errand = webhooks(log, registry, Posted())
    said = msgpack.encode({"type": "taxi.ride.asked", "cell": "c", "place": {"$sealed": b"under the lamp"}})
    tell(
        errand, endpoint("taxi.ride.asked", name="taxi/main"), EventRecord(0, 0, 1, 0, 0, NOW_MS, "taxi.ride/r1", said)
    )
    errand.close()
    ((_, begin),) = asked(log)
    assert isinstance(begin, Begin)
    assert json.decode(begin.body)["data"] == {"cell": "c", "place": "<sealed>"}


def test_an_event_that_is_read_again_has_the_same_name_and_another_has_another(
    log: MemoryLog, registry: Registry
) -> None:
    for _ in range(2):
        errand = webhooks(log, registry, Posted())
        tell(errand, endpoint("bike.ride-ended"), ride(1), ride(2))
        errand.close()
    begun = asked(log)
    assert (len(begun), len({entity for entity, _ in begun})) == (4, 2)


def test_a_debt_is_told_as_owed(log: MemoryLog, registry: Registry) -> None:
    errand = webhooks(log, registry, Posted())
    fare = {"amount_minor": 5, "currency": "CNY", "to": "m1", "what_for": "ride", "reference": "r1"}
    said = [msgpack.encode({"type": "taxi.fare-owed", **fare}), msgpack.encode({"type": "taxi.ride.asked", "to": "m1"})]
    rides = [EventRecord(0, 0, n, 0, 0, NOW_MS, "taxi.ride/r1", payload) for n, payload in enumerate(said)]
    tell(errand, endpoint("owed", name="taxi/main"), *rides)
    errand.close()
    begun = [(entity, begin) for entity, begin in asked(log) if isinstance(begin, Begin)]
    assert [json.decode(begin.body)["type"] for _, begin in begun] == ["taxi.fare-owed"]


def test_what_is_too_long_is_told_without_its_fields(log: MemoryLog, registry: Registry) -> None:
    errand = webhooks(log, registry, Posted())
    tell(errand, endpoint("bike.ride-ended"), ride(note="x" * 20_000))
    errand.close()
    ((_, begin),) = asked(log)
    assert isinstance(begin, Begin)
    assert json.decode(begin.body)["data"] is None


def test_a_try_is_sent_signed_by_both_secrets_and_its_outcome_is_a_command(log: MemoryLog, registry: Registry) -> None:
    sender = Posted()
    errand = webhooks(log, registry, sender)
    tell(errand, endpoint("owed", version=2))
    tell(errand, event("webhook.delivery/bike/d1", Trying(3, 0, "bike/main", b"{}")))
    tell(errand, event("webhook.delivery/bike/d2", Trying(1, 0, "bike/main", b"{}"), 2, NOW_MS - 2 * DAY_MS))
    told = outcome(log)
    errand.close()
    ((url, headers, body),) = sender.posts
    assert (url, headers["webhook-id"], body) == ("https://shop.com/in", "d1", b"{}")
    assert headers["webhook-signature"].count("v1,") == 2
    assert told == asked(log) == [("webhook.delivery/bike/d1", Tried(3, 204, "good"))]


def test_a_try_to_an_endpoint_that_was_removed_fails_unsent(log: MemoryLog, registry: Registry) -> None:
    sender = Posted()
    errand = webhooks(log, registry, sender)
    tell(errand, endpoint("owed", state="removed"))
    tell(errand, event("webhook.delivery/bike/d1", Trying(1, 0, "bike/main", b"{}")))
    told = outcome(log)
    errand.close()
    assert (sender.posts, told) == ([], [("webhook.delivery/bike/d1", Tried(1, 0, "the endpoint is removed"))])


def test_every_entity_that_an_errand_tells_is_told_where_it_is(log: MemoryLog) -> None:
    for telling in TELLINGS:
        for command in telling.commands:
            made = {field.name: b"x" if field.name == "body" else 1 for field in structs.fields(command)}
            names = [f"bike/n{n}" for n in range(8)]
            tell_them(log, CLUSTER, [(telling.to.at(name), command(**made)) for name in names])
            for partition in range(CLUSTER.partitions):
                slice_ = Slice(CLUSTER.commands_topic, partition)
                for fetched in log.fetch(slice_, 0, 1 << 30):
                    for record in decode_frame(*slice_, fetched.offset, fetched.frame).records:
                        assert isinstance(record, Invoke)
                        key = telling.to.routing(record.entity.partition("/")[2])
                        assert partition == partition_of(key, CLUSTER.partitions, CLUSTER.groups)


def test_what_no_errand_tells_is_not_written(log: MemoryLog) -> None:
    for to, command in ((ENDPOINT.at("bike/main"), Remove()), (PERSON.at("ann"), Erase())):
        with pytest.raises(AssertionError, match="no errand tells"):
            tell_them(log, CLUSTER, [(to, command)])
    assert all(log.span(Slice(CLUSTER.commands_topic, partition)).end == 0 for partition in range(CLUSTER.partitions))


class Slow(Sender):
    """One program's server never answers."""

    def __init__(self) -> None:
        super().__init__()
        self.is_over = threading.Event()

    def post(self, program: str, url: str, headers: dict[str, str], body: bytes) -> Outcome:
        del url, headers, body
        if program == "bike":
            self.is_over.wait(60)
        return Outcome(204, program)


def test_slow_endpoints_of_one_program_do_not_make_anothers_tries_late(log: MemoryLog, registry: Registry) -> None:
    sender = Slow()
    errand = webhooks(log, registry, sender)
    tell(errand, endpoint("owed"), endpoint("owed", name="taxi/main"))
    for n in range(3 * WAITING_MAX):
        tell(errand, event(f"webhook.delivery/bike/d{n}", Trying(1, 0, "bike/main", b"{}"), n))
    tell(errand, event("webhook.delivery/taxi/e1", Trying(1, 0, "taxi/main", b"{}")))
    told = outcome(log)
    sender.is_over.set()
    errand.close()
    assert told == [("webhook.delivery/taxi/e1", Tried(1, 204, "taxi"))]


def test_a_try_that_waited_until_it_was_given_up_as_lost_is_not_sent(log: MemoryLog, registry: Registry) -> None:
    sender = Posted()
    errand = webhooks(log, registry, sender)
    now_ms = wall_ms()
    tell(errand, endpoint("owed"))
    tell(errand, event("webhook.delivery/bike/d1", Trying(1, 0, "bike/main", b"{}"), 1, now_ms - 2 * DAY_MS))
    tell(errand, event("webhook.delivery/bike/d2", Trying(1, 0, "bike/main", b"{}"), 2, now_ms))
    told = outcome(log)
    errand.close()
    assert [entity for entity, _ in told] == ["webhook.delivery/bike/d2"]
    assert len(sender.posts) == 1


def test_endpoints_are_known_from_the_rows(log: MemoryLog, registry: Registry) -> None:
    rows = MemoryRows([ENDPOINTS])
    rows.write(fold(endpoint("bike.ride-ended")), {})
    errand = webhooks(log, registry, Posted())
    errand.begin(rows)
    tell(errand, ride())
    errand.close()
    assert len(asked(log)) == 1


LIFE = ((1_000, "active"), (3_000, "paused"), (4_000, "active"), (6_000, "removed"))
"""How an endpoint stands from some moment of the log's time on."""
RIDES_MS = (500, 1_000, 2_000, 3_500, 5_000, 7_000)
TOLD_MS = [1_000, 2_000, 5_000]


class OneByOne(MemoryLog):
    """Gives a reader one frame at a time, of the slices in this order."""

    def __init__(self, order: Sequence[Slice]) -> None:
        super().__init__(lambda: NOW_MS)
        self._order = order

    def reader(self) -> Reader:
        return _OneByOne(super().reader(), self._order)


class _OneByOne:
    def __init__(self, reader: Reader, order: Sequence[Slice]) -> None:
        self._reader, self._order = reader, order
        self._held: list[Fetched] = []
        self.wake, self.close = reader.wake, reader.close

    def assign(self, positions: Mapping[Slice, int]) -> None:
        self._reader.assign(positions)
        self._held = [one for one in self._held if one.slice in positions]

    def poll(self, timeout_ms: int) -> Sequence[Fetched]:
        more = self._reader.poll(0 if self._held else timeout_ms)
        self._held = sorted((*self._held, *more), key=lambda one: (self._order.index(one.slice), one.offset))
        held, self._held = self._held[:1], self._held[1:]
        return held


class Failing(MemoryRows):
    """The write of this number fails once, as it does on a full disk: the follower begins again at its rows."""

    def __init__(self, fails_at: int) -> None:
        super().__init__([ENDPOINTS])
        self._left = fails_at

    def write(self, changes: Sequence[Change], places: Mapping[Slice, Place]) -> None:
        self._left -= 1
        if self._left == 0:
            raise Unavailable("the disk is full", outcome="NOT_APPENDED")
        super().write(changes, places)


def frame_of(slice_: Slice, events: Sequence[EventRecord]) -> bytes:
    return encode_frame(*slice_, "h1", 0, "", [msgpack.encode(one) for one in events])


@pytest.mark.parametrize("fails_at", [0, 2, len(LIFE), len(LIFE) + 3])
@pytest.mark.parametrize("is_endpoint_last", [False, True])
def test_an_event_is_told_by_how_its_endpoint_stood_at_its_own_time_in_whatever_order_topics_are_read(
    registry: Registry, fails_at: int, is_endpoint_last: bool
) -> None:
    changes, rides = (Slice(CLUSTER.events_topic_of(kind), 0) for kind in ("webhook.endpoint", "bike.rider"))
    slices = [rides, changes] if is_endpoint_last else [changes, rides]
    log = OneByOne(slices)
    log.create(CLUSTER.topics(("webhook.endpoint", "bike.rider")))
    for n, (from_ms, state) in enumerate(LIFE):
        changed = Changed(Endpoint(state, "https://shop.com/in", ("bike.ride-ended",), 1, 0, 0))
        said = structs.replace(event("webhook.endpoint/bike/main", changed, n, from_ms), partition=0)
        log.append(changes, frame_of(changes, [said])).result()
    for n, stamp_ms in enumerate(RIDES_MS):
        log.append(rides, frame_of(rides, [ride(n, stamp_ms)])).result()
    errand, heard = webhooks(log, registry, Posted()), Heard(len(LIFE) + len(RIDES_MS))
    follower = Follower(
        log, Failing(fails_at), [ENDPOINTS], slices, heard, lambda _what, _facts: None, [errand], first=[changes]
    )
    thread = threading.Thread(target=follower.run)
    thread.start()
    assert heard.all.wait(60)
    follower.stop()
    thread.join()
    begun = {entity: json.decode(begin.body) for entity, begin in asked(log) if isinstance(begin, Begin)}
    assert sorted(one["stamp_ms"] for one in begun.values()) == TOLD_MS


class Heard(Sensor):
    """Knows when so many events were followed."""

    def __init__(self, events: int) -> None:
        self._left = events
        self.all = threading.Event()

    def events_followed(self, events: int, seconds: float) -> None:
        del seconds
        self._left -= events
        if self._left <= 0:
            self.all.set()


def test_the_endpoints_of_one_program_leave_room_for_those_of_another(log: MemoryLog, registry: Registry) -> None:
    rows = MemoryRows([ENDPOINTS])
    (put,) = fold(endpoint("bike.ride-ended"))
    rows.write([put, *(put._replace(key=f"aaa/{n}") for n in range(20_000))], {})
    errand = webhooks(log, registry, Posted())
    errand.begin(rows)
    tell(errand, ride())
    errand.close()
    assert len(asked(log)) == 1


# -- programs that have come as packages -------------------------------------------------------------------------------

CAFE = Entity("cafe.guest", Guest(), Eat, Ate, decide, evolve, collection="regulars")


def of_cafe(kind: str = "cafe.guest") -> EventRecord:
    return EventRecord(0, 0, 1, 0, 0, NOW_MS, f"{kind}/ann", msgpack.encode({"type": "cafe.ate", "dish": "fish"}))


def shown(code: int, part: str = LIVE) -> list[Put]:
    """A version of the café is shown."""
    return [
        Put(HASHES_TABLE, f"cafe/{code}", (f"hash{code}",)),
        Put(SWITCHES_TABLE, f"cafe/{part}", Switch(code, 10_000, 2 * code)),
    ]


def of_packages(log: MemoryLog, registry: Registry, packages: Packages) -> Webhooks:
    names = Names(registry, packages)
    return Webhooks(log, CLUSTER, names, lambda: (b"root",), Posted(), SCHEDULE, lambda _what, _facts: None)


@pytest.mark.parametrize("is_read_again", [False, True])
def test_what_a_program_tells_that_came_as_a_package_is_told_with_the_name_it_is_called_by(
    log: MemoryLog, registry: Registry, is_read_again: bool
) -> None:
    loaded: list[str] = []

    def packages(hash: str) -> Sequence[AnyEntity]:
        loaded.append(hash)
        if hash == "hash2":
            raise NotFound("it is gone")
        return (CAFE,)

    errand = of_packages(log, registry, packages)
    puts = [*shown(1), *shown(2, GRAY), *fold(endpoint("cafe.ate", name="cafe/main"))]
    rows = MemoryRows([ENDPOINTS, HASHES, SWITCHES])
    if is_read_again:
        rows.write(puts, {})
    errand.begin(rows)
    if not is_read_again:
        errand.act(puts)
    for _ in range(2):
        tell(errand, of_cafe())
    errand.close()
    assert [json.decode(begin.body)["entity"] for _, begin in asked(log) if isinstance(begin, Begin)] == [
        "programs/cafe/regulars/ann"
    ] * 2
    assert loaded == ["hash2", "hash1"], "the newest first, and once"


def test_an_event_of_a_kind_that_no_package_has_any_more_is_told_all_the_same(
    log: MemoryLog, registry: Registry
) -> None:
    errand = of_packages(log, registry, lambda _: (CAFE,))
    errand.act([*shown(1), *fold(endpoint("cafe.ate", name="cafe/main"))])
    tell(errand, of_cafe("cafe.table"))
    errand.close()
    ((_, begin),) = asked(log)
    assert isinstance(begin, Begin)
    assert json.decode(begin.body)["entity"] == "cafe.table/ann"


def test_while_the_packages_are_away_the_event_is_heard_again(log: MemoryLog, registry: Registry) -> None:
    def packages(hash: str) -> Sequence[AnyEntity]:
        raise Unavailable(f"{hash} is away", outcome="NOT_APPENDED")

    errand = of_packages(log, registry, packages)
    errand.act([*shown(1), *fold(endpoint("cafe.ate", name="cafe/main"))])
    with pytest.raises(Unavailable):
        tell(errand, of_cafe())
    errand.close()
    assert asked(log) == []
