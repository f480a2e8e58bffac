"""What the follower knows of webhooks: endpoints as they were last set, deliveries as they stand."""

from msgspec import Struct, msgpack, structs

from actors.domain.webhook.delivery import Begun, Delivered, TryFailed, Trying
from actors.domain.webhook.endpoint import Changed, Endpoint
from actors.kernel.action import EventRecord
from actors.projections import deliveries, endpoints


def event(entity: str, said: Struct) -> EventRecord:
    return EventRecord(0, 0, 1, 0, 0, 1_000, entity, msgpack.encode(said))


def test_each_change_of_an_endpoint_is_a_row_and_rows_are_in_the_order_of_changes() -> None:
    changed = Changed(Endpoint("paused", "https://shop.com/", ("bike.a", "owed"), 2, 9, 7))
    first = event("webhook.endpoint/bike/main", changed)
    places = [(0, 1, 0, 0), (0, 1, 0, 1), (0, 1, 2, 0), (0, 1, 10, 0), (0, 20, 0, 0), (3, 0, 0, 0)]
    rows = [
        endpoints.fold(structs.replace(first, incarnation=life, offset=offset, index=index, n=n))[0]
        for life, offset, index, n in places
    ]
    assert [row.key for row in rows] == sorted({row.key for row in rows})
    assert {(row.table, endpoints.name_of(row.key)) for row in rows} == {("endpoints", "bike/main")}
    assert {row.values for row in rows} == {(1_000, "paused", "https://shop.com/", "bike.a owed", 2, 9)}


def test_a_delivery_is_the_row_of_its_latest_try() -> None:
    rows = [
        deliveries.fold(event("webhook.delivery/bike/d1", said))
        for said in (
            Begun("bike/main", b"", (1,), 1),
            Trying(1, 1, "bike/main", b""),
            TryFailed(1, 503, "", 5, dead=False, endpoint="bike/main"),
            TryFailed(2, 0, "no", 6, dead=True, endpoint="bike/main"),
            Delivered(3, 204, "", 7, "bike/main"),
        )
    ]
    assert rows[0] == ()
    assert [(put.key, *put.values) for puts in rows for put in puts] == [
        ("bike/d1", "bike/main", "trying", 1, None, "", 1_000),
        ("bike/d1", "bike/main", "waiting", 1, 503, "", 1_000),
        ("bike/d1", "bike/main", "dead", 2, 0, "no", 1_000),
        ("bike/d1", "bike/main", "delivered", 3, 204, "", 1_000),
    ]
