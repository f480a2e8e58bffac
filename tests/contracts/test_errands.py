"""The follower's errand over a log: events become deliveries of one name each, tries requests, outcomes commands."""

from collections.abc import Iterator

import pytest
from msgspec import Struct, json, msgpack

from actors.adapters.errands import Webhooks
from actors.adapters.memory import MemoryLog
from actors.adapters.memory_states import MemoryRows
from actors.adapters.webhooks import Outcome, Sender
from actors.clocks import wall_ms
from actors.domain.identity.person import FOLLOWER
from actors.domain.webhook.delivery import Begin, Tried, Trying
from actors.domain.webhook.endpoint import Changed, Endpoint
from actors.kernel.action import EventRecord
from actors.kernel.record import Invoke, Slice, decode_frame
from actors.projections.endpoints import ENDPOINTS, fold
from actors.registry import Registry, load_programs, shipped_programs
from actors.settings import ClusterSettings

CLUSTER = ClusterSettings(partitions=2)
NOW_MS = wall_ms()
"""When these tests were read; how long that is ago when they run, nobody knows."""
DAY_MS = 86_400_000
RIDE = "bike.rider/ann"


class Posted(Sender):
    """Takes every request and sends none."""

    def __init__(self) -> None:
        super().__init__()
        self.posts: list[tuple[str, dict[str, str], bytes]] = []

    def post(self, url: str, headers: dict[str, str], body: bytes) -> Outcome:
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
    return Webhooks(log, CLUSTER, registry, lambda: b"root", sender, DAY_MS, lambda _what, _facts: None)


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
        reader = log.reader()
        reader.assign({slice_: 0})
        for fetched in reader.poll(0):
            for record in decode_frame(*slice_, fetched.offset, fetched.frame).records:
                assert isinstance(record, Invoke)
                assert record.caller == FOLLOWER
                found.append((record.entity, msgpack.decode(record.command, type=Begin | Tried)))
        reader.close()
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
    said = [msgpack.encode({"type": f"taxi.{what}", "amount_minor": 5}) for what in ("fare-owed", "ride.asked")]
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


def test_endpoints_are_known_from_the_rows(log: MemoryLog, registry: Registry) -> None:
    rows = MemoryRows([ENDPOINTS])
    rows.write(fold(endpoint("bike.ride-ended")), {})
    errand = webhooks(log, registry, Posted())
    errand.begin(rows)
    tell(errand, ride())
    errand.close()
    assert len(asked(log)) == 1


def test_the_endpoints_of_one_program_leave_room_for_those_of_another(log: MemoryLog, registry: Registry) -> None:
    rows = MemoryRows([ENDPOINTS])
    (put,) = fold(endpoint("bike.ride-ended"))
    rows.write([put, *(put._replace(key=f"aaa/{n}") for n in range(20_000))], {})
    errand = webhooks(log, registry, Posted())
    errand.begin(rows)
    tell(errand, ride())
    errand.close()
    assert len(asked(log)) == 1
