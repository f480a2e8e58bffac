"""Which partition an entity is in, for ever."""

import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import SetupError
from actors.kernel.routing import GROUP_MARK, groups_of, partition_of
from actors.settings import ClusterSettings

groups = st.dictionaries(st.sampled_from(["gold", "tea", "rail"]), st.integers(1, 5), max_size=3)


def test_groups_take_their_partitions_from_the_top_in_the_order_they_are_listed() -> None:
    assert groups_of(16, {"gold": 2, "tea": 3}) == {
        "default": range(11),
        "gold": range(14, 16),
        "tea": range(11, 14),
    }


@given(st.text().filter(lambda key: GROUP_MARK not in key), groups)
def test_a_key_goes_to_a_partition_of_its_group(key: str, reserved: dict[str, int]) -> None:
    ranges = groups_of(16, reserved)
    assert partition_of(key, 16, reserved) in ranges["default"]
    for name, numbers in ranges.items():
        assert partition_of(f"{name}~{key}", 16, reserved) in numbers


def test_routing_is_the_same_for_ever() -> None:
    reserved = {"gold": 2, "tea": 3}
    assert [partition_of(key, 16, {}) for key in ("ann", "bob", "m42", "")] == [3, 0, 6, 0]
    assert partition_of("ann", 16, {}) == zlib.crc32(b"ann") % 16
    assert [partition_of(key, 16, reserved) for key in ("m42", "gold~m42", "tea~m42", "none~m42")] == [8, 14, 11, 0]


@pytest.mark.parametrize("name", ["", "default", "a~b"])
def test_a_group_has_a_name_of_its_own(name: str) -> None:
    with pytest.raises(SetupError):
        ClusterSettings(groups={name: 1})


@pytest.mark.parametrize("stored", [b'{"routing_hash": "murmur2"}', b'{"format": 1}'])
def test_what_another_release_routed_or_wrote_is_refused(stored: bytes) -> None:
    with pytest.raises(SetupError):
        msgspec.json.decode(stored, type=ClusterSettings)


def test_kinds_of_one_area_share_a_topic_of_events() -> None:
    cluster = ClusterSettings(partitions=4)
    topics = cluster.topics(("shop", "shop.sku", "shop.customer", "session"))
    assert [topic.name for topic in topics if topic.name.startswith("hutong.events.")] == [
        "hutong.events.shop.v1",
        "hutong.events.session.v1",
        "hutong.events.dead-letter.v1",
    ]
    assert {topic.partitions for topic in topics if not topic.compacted} == {4}
    assert cluster.events_topic_of("shop.sku") == cluster.events_topic_of("shop") == "hutong.events.shop.v1"


def test_a_group_has_a_partition() -> None:
    with pytest.raises(SetupError):
        ClusterSettings(groups={"gold": 0})
