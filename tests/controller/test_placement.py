"""Placement is balanced, sticky, and gives groups hosts of their own: properties, by brute force too; its records."""

from collections import Counter
from collections.abc import Collection
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from actors.adapters.memory import MemoryLog
from actors.controller import place, place_groups, pools
from actors.history import placement_now
from actors.kernel.record import Share, encode_frame
from actors.kernel.routing import groups_of
from actors.placement import (
    Move,
    Packaged,
    Placed,
    Placement,
    Release,
    Size,
    Term,
    decode_placement,
    encode_placement,
    placement_key,
)
from actors.ports import Slice, Topic
from actors.settings import ClusterSettings

HOSTS = [f"h{number}" for number in range(8)]
hosts = st.sets(st.sampled_from(HOSTS), min_size=1).map(sorted)
owners = st.dictionaries(st.integers(0, 15), st.sampled_from([*HOSTS, "gone"]))
groups = st.dictionaries(st.sampled_from(["gold", "tea", "rail"]), st.integers(1, 5), max_size=3)


def moves(before: dict[int, str], after: dict[int, str]) -> int:
    """How many partitions change their host."""
    return sum(before.get(partition) != host for partition, host in after.items())


def is_even(partitions: Collection[int], pool: Collection[str], placed: dict[int, str]) -> bool:
    """Whether the loads of these hosts differ by one at most."""
    load = Counter(placed[partition] for partition in partitions)
    counts = [load[host] for host in pool]
    return max(counts) - min(counts) <= 1


@given(hosts, owners)
def test_every_partition_has_one_living_host_and_loads_differ_by_one_at_most(
    living: list[str], before: dict[int, str]
) -> None:
    placed = place(range(16), living, before)
    assert sorted(placed) == list(range(16))
    assert set(placed.values()) <= set(living)
    assert is_even(range(16), living, placed)


def test_without_hosts_nothing_is_placed() -> None:
    assert place(range(16), [], {0: "gone"}) == {}


@given(st.sets(st.sampled_from(HOSTS[:3]), min_size=1).map(sorted), st.integers(1, 6), st.data())
def test_no_even_placement_moves_fewer_partitions(living: list[str], partitions: int, data: st.DataObject) -> None:
    before = data.draw(st.dictionaries(st.integers(0, partitions - 1), st.sampled_from([*HOSTS[:3], "gone"])))
    numbers = range(partitions)
    every = (dict(enumerate(choice)) for choice in product(living, repeat=partitions))
    fewest = min(moves(before, placed) for placed in every if is_even(numbers, living, placed))
    assert moves(before, place(numbers, living, before)) == fewest


@given(hosts, owners)
def test_a_placement_is_left_as_it_is(living: list[str], before: dict[int, str]) -> None:
    placed = place(range(16), living, before)
    assert place(range(16), living, placed) == placed


@given(hosts, owners, st.lists(st.integers(0, 15), min_size=1, unique=True), st.data())
def test_the_first_partition_to_be_kept_stays_where_it_is_and_the_rest_is_even(
    living: list[str], before: dict[int, str], kept: list[int], data: st.DataObject
) -> None:
    host = data.draw(st.sampled_from(living))
    placed = place(range(16), living, {**before, kept[0]: host}, kept)
    assert placed[kept[0]] == host
    assert is_even(range(16), living, placed)


@given(hosts, owners, st.lists(st.integers(0, 15), unique=True))
def test_keeping_moves_no_more_partitions(living: list[str], before: dict[int, str], kept: list[int]) -> None:
    assert moves(before, place(range(16), living, before, kept)) == moves(before, place(range(16), living, before))


@given(hosts, owners, groups)
def test_groups_have_hosts_of_their_own_once_there_are_enough(
    living: list[str], before: dict[int, str], reserved: dict[str, int]
) -> None:
    cluster = ClusterSettings(partitions=16, groups=reserved)
    placed = place_groups(cluster, living, before)
    assert sorted(placed) == list(range(16))
    served = {name: {placed[partition] for partition in numbers} for name, numbers in groups_of(16, reserved).items()}
    if len(living) >= len(served):
        assert sum(len(mine) for mine in served.values()) == len(set(placed.values()))
    for numbers, pool in pools(cluster, living, before):
        assert is_even(numbers, pool, placed)


@given(hosts, owners, groups)
def test_a_placement_of_groups_is_left_as_it_is(
    living: list[str], before: dict[int, str], reserved: dict[str, int]
) -> None:
    cluster = ClusterSettings(partitions=16, groups=reserved)
    placed = place_groups(cluster, living, before)
    assert place_groups(cluster, living, placed) == placed


def test_placement_records_are_read_as_they_were_written() -> None:
    values: list[tuple[Placement, bytes]] = [
        (Term("c1"), b"term"),
        (Placed(3, 1, 2, "h1", "127.0.0.1:1", 7), b"partition/3"),
        (Move(3, "h2"), b"move/3"),
        (Size(4), b"size"),
        (Packaged("news", 7, (Share("a" * 64, 2, 500),), is_done=False, why="so"), b"program/news"),
        (Release(1, 2, "d"), b"release"),
    ]
    for value, key in values:
        assert decode_placement(encode_placement(value)) == value
        assert placement_key(value) == key


def test_what_a_controller_of_an_older_term_says_places_nothing() -> None:
    log, topic = MemoryLog(lambda: 0), Slice("placement", 0)
    log.create([Topic(topic.topic, 1)])
    news = Packaged("news", 7, (Share("a" * 64, 2, 10_000),))
    late, other, latest = (
        Placed(3, 0, 9, "h1", "a:1", 7),
        Placed(4, 0, 8, "h1", "a:1", 7),
        Placed(3, 2, 1, "h2", "a:2", 8),
    )
    said = (Term("c1"), other, Term("c2"), latest, late, Release(2, 5, "d"), Size(4), news)
    for value in said:
        frame = encode_frame(*topic, "c", 0, "", [encode_placement(value)])
        log.append(topic, frame, placement_key(value)).result()
    assert placement_now(log, topic.topic) == ({3: latest, 4: other}, Release(2, 5, "d"), {"news": news})
