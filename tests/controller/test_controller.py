"""The controller: hosts come and go, partitions follow; every assignment has a number above the last."""

from hypothesis import given
from hypothesis import strategies as st

from actors.controller import (
    BACKOFF_MS_MAX,
    GATHER_MS_MAX,
    QUICK_ENDS_FREE,
    STEADY_MS,
    Action,
    Assign,
    Controller,
    EndHost,
    Say,
    StartHost,
)
from actors.placement import Placed, Release, Term
from actors.settings import ClusterSettings

CLUSTER = ClusterSettings(partitions=8)
SILENCE_MS = 3_000


class Stage:
    """A controller, what it has said, and what each host was told last."""

    def __init__(self, hosts: int = 2, cluster: ClusterSettings = CLUSTER, spares: int = 0) -> None:
        self.core = Controller("c1", cluster, hosts, SILENCE_MS, 1, "rules", spares=spares)
        self.said: list[Placed] = []
        self.told: dict[str, dict[int, tuple[int, int]]] = {}
        self.starting = 0
        self.ended: list[str] = []
        self.now_ms = 1_000
        self.names = 0

    def run(self) -> list[Action]:
        """Carry out what it wants now."""
        actions = self.core.actions()
        for action in actions:
            match action:
                case Say(Placed() as placed):
                    self.said.append(placed)
                case Assign(host, wanted):
                    self.told[host] = dict(wanted)
                case StartHost():
                    self.starting += 1
                case EndHost(host, _):
                    self.ended.append(host)
                case Say():
                    pass
        return actions

    def begin(self) -> None:
        """Its term begins, and every host that it wants comes up."""
        self.run()
        self.core.term_begun(7)
        self.run()
        while self.starting:
            self.host_up()

    def host_up(self) -> str:
        """The next host that it started serves."""
        self.starting -= 1
        self.names += 1
        name = f"h{self.names}"
        self.core.host_up(name, f"{name}:1", self.names, self.now_ms)
        self.run()
        return name

    def owners(self) -> dict[int, str]:
        """Who owns what, as the topic's last word says."""
        return {placed.partition: placed.host for placed in self.said}


def test_a_term_is_said_before_anything_else() -> None:
    stage = Stage()
    first, *rest = stage.run()
    assert first == Say(Term("c1"))
    assert rest == [StartHost(), StartHost()]


def test_nothing_is_placed_before_the_term_has_its_number() -> None:
    stage = Stage()
    stage.run()
    stage.host_up()
    stage.host_up()
    assert stage.said == []
    stage.core.term_begun(7)
    assert Say(Release(7, 1, "rules")) in stage.run()
    assert sorted(stage.owners()) == list(range(8))


def test_the_first_hosts_are_awaited_so_that_nothing_moves_at_once() -> None:
    stage = Stage()
    stage.begin()
    assert len(stage.said) == 8
    assert {host: len(told) for host, told in stage.told.items()} == {"h1": 4, "h2": 4}


def test_a_host_that_does_not_come_is_not_awaited_for_long() -> None:
    stage = Stage()
    stage.run()
    stage.core.term_begun(7)
    stage.host_up()
    assert stage.said == []
    stage.now_ms += GATHER_MS_MAX
    stage.core.tick(stage.now_ms)
    stage.run()
    assert set(stage.owners().values()) == {"h1"}


def test_partitions_of_a_host_that_ends_move_at_once_and_another_host_is_started() -> None:
    stage = Stage()
    stage.begin()
    stage.core.host_down("h1")
    stage.run()
    assert set(stage.owners().values()) == {"h2"}
    assert sorted(stage.told["h2"]) == list(range(8))
    assert stage.starting == 1


def test_a_partition_that_stays_keeps_its_assignment() -> None:
    stage = Stage()
    stage.begin()
    before = stage.told["h2"]
    stage.core.host_down("h1")
    stage.run()
    assert before.items() <= stage.told["h2"].items()


def test_the_end_of_the_only_host_leaves_nothing_to_place_until_the_next_comes() -> None:
    stage = Stage(hosts=1)
    stage.begin()
    stage.core.host_down("h1")
    stage.run()
    assert set(stage.owners().values()) == {"h1"}
    stage.host_up()
    assert set(stage.owners().values()) == {"h2"}


def test_a_silent_host_is_ended_and_replaced_and_one_that_answers_is_not() -> None:
    stage = Stage()
    stage.begin()
    stage.now_ms += SILENCE_MS + 1
    stage.core.heard("h2", stage.now_ms)
    stage.core.tick(stage.now_ms)
    stage.run()
    assert stage.ended == ["h1"]
    assert set(stage.owners().values()) == {"h2"}
    assert stage.starting == 1


def test_the_end_of_a_host_that_was_given_up_changes_nothing() -> None:
    stage = Stage()
    stage.begin()
    stage.core.tick(stage.now_ms + SILENCE_MS + 1)
    stage.run()
    stage.core.host_down("h1")
    stage.core.heard("h1", stage.now_ms)
    assert stage.run() == []


def test_a_moved_partition_stays_where_it_was_moved_to_and_loads_stay_even() -> None:
    stage = Stage()
    stage.begin()
    partition = next(number for number, host in stage.owners().items() if host == "h1")
    assert stage.core.move(partition, "h2")
    stage.run()
    assert stage.owners()[partition] == "h2"
    assert list(stage.owners().values()).count("h2") == 4
    stage.core.resize(3)
    stage.run()
    stage.host_up()
    assert list(stage.owners().values()).count("h3") == 2


def test_a_move_to_a_host_or_of_a_partition_that_is_not_there_is_refused() -> None:
    stage = Stage()
    stage.begin()
    assert not stage.core.move(0, "h9")
    assert not stage.core.move(8, "h1")
    assert stage.run() == []


def test_a_move_out_of_a_groups_own_hosts_is_refused() -> None:
    stage = Stage(cluster=ClusterSettings(partitions=8, groups={"gold": 2}))
    stage.begin()
    gold = stage.owners()[7]
    assert not stage.core.move(0, gold)
    assert stage.run() == []


def test_a_host_that_does_not_come_up_is_started_again() -> None:
    stage = Stage()
    stage.begin()
    stage.core.host_down("h1")
    stage.run()
    stage.core.start_failed()
    assert stage.run() == [StartHost()]


def test_of_too_many_hosts_the_youngest_end_in_good_order_after_their_partitions_have_moved() -> None:
    stage = Stage(hosts=3)
    stage.begin()
    stage.core.resize(1)
    actions = stage.run()
    assert actions[-2:] == [EndHost("h3", force=False), EndHost("h2", force=False)]
    assert set(stage.owners().values()) == {"h1"}
    assert sorted(stage.told["h1"]) == list(range(8))
    assert stage.starting == 0


def test_more_hosts_are_started() -> None:
    stage = Stage()
    stage.begin()
    stage.core.resize(4)
    stage.run()
    assert stage.starting == 2


def test_a_host_that_comes_up_when_enough_are_there_is_ended_again() -> None:
    stage = Stage()
    stage.begin()
    stage.core.resize(3)
    stage.run()
    stage.core.resize(2)
    stage.run()
    before = stage.owners()
    assert stage.host_up() == "h3"
    assert stage.ended == ["h3"]
    assert stage.owners() == before


def test_a_moved_partition_is_the_last_to_go_when_a_host_comes() -> None:
    stage = Stage()
    stage.begin()
    stage.core.move(3, "h2")
    stage.core.move(2, "h2")
    stage.core.resize(4)
    stage.run()
    stage.host_up()
    stage.host_up()
    assert stage.owners()[3] == stage.owners()[2] == "h2"


def test_a_silent_host_is_ended_by_force() -> None:
    stage = Stage()
    stage.begin()
    stage.core.tick(stage.now_ms + SILENCE_MS + 1)
    assert EndHost("h1", force=True) in stage.run()


def test_a_later_term_supersedes_and_an_earlier_one_does_not() -> None:
    stage = Stage()
    stage.begin()
    assert stage.core.superseded(8)
    assert not stage.core.superseded(7)
    assert not stage.core.superseded(3)


def test_a_spare_host_is_started_once_all_others_serve_and_owns_nothing() -> None:
    stage = Stage(spares=1)
    stage.run()
    stage.core.term_begun(7)
    assert stage.starting == 2, "it takes no processor from the others' start"
    stage.host_up()
    stage.host_up()
    assert stage.starting == 1
    stage.host_up()
    assert (list(stage.core.hosts), list(stage.core.spares)) == (["h1", "h2"], ["h3"])
    assert "h3" not in stage.told
    assert stage.ended == []


def test_a_spare_host_takes_the_place_of_one_that_ends_and_nobody_elses_partitions_move() -> None:
    stage = Stage(spares=1)
    stage.begin()
    before, others = stage.owners(), stage.told["h2"]
    stage.core.host_down("h1")
    stage.run()
    assert stage.owners() == {number: "h3" if host == "h1" else host for number, host in before.items()}
    assert stage.told["h2"] == others
    assert stage.starting == 1, "another spare one"


def test_a_spare_host_that_ends_is_replaced_and_nothing_moves() -> None:
    stage = Stage(spares=1)
    stage.begin()
    before = stage.owners()
    stage.core.host_down("h3")
    stage.run()
    assert stage.starting == 1
    assert stage.owners() == before


def test_a_silent_spare_host_is_ended_by_force() -> None:
    stage = Stage(spares=1)
    stage.begin()
    stage.now_ms += SILENCE_MS + 1
    for name in stage.core.hosts:
        stage.core.heard(name, stage.now_ms)
    stage.core.tick(stage.now_ms)
    assert EndHost("h3", force=True) in stage.run()
    stage.host_up()
    stage.now_ms += SILENCE_MS
    stage.core.heard("h4", stage.now_ms)
    stage.now_ms += SILENCE_MS
    stage.core.tick(stage.now_ms)
    assert EndHost("h4", force=True) not in stage.run(), "it was heard"


def test_when_more_hosts_are_wanted_the_spare_ones_are_the_first() -> None:
    stage = Stage(spares=1)
    stage.begin()
    stage.core.resize(3)
    stage.run()
    assert set(stage.owners().values()) == {"h1", "h2", "h3"}
    assert stage.starting == 1


def test_a_host_that_ends_soon_after_it_took_a_place_ends_quickly_however_long_it_was_spare() -> None:
    stage = Stage(hosts=1, spares=1)
    stage.begin()
    for _ in range(QUICK_ENDS_FREE + 1):
        stage.now_ms += STEADY_MS + 1
        for _ in ("one that lasted", "the spare one that took its place a moment ago"):
            stage.core.host_down(next(iter(stage.core.hosts)), stage.now_ms)
            stage.run()
        while stage.starting:
            stage.host_up()
    assert stage.core.slowed


@given(
    st.lists(st.tuples(st.sampled_from(["up", "down", "move", "silent", "fail"]), st.integers(0, 7)), max_size=30),
    st.integers(0, 2),
)
def test_whatever_happens_the_topic_and_the_hosts_agree_and_numbers_rise(
    happens: list[tuple[str, int]], spares: int
) -> None:
    stage = Stage(hosts=3, spares=spares)
    stage.begin()
    for what, number in happens:
        names = sorted([*stage.core.hosts, *stage.core.spares])
        if what == "up" and stage.starting:
            stage.host_up()
        elif what == "fail" and stage.starting:
            stage.starting -= 1
            stage.core.start_failed()
        elif what == "down" and names:
            stage.core.host_down(names[number % len(names)])
        elif what == "move" and names:
            stage.core.move(number, names[number % len(names)])  # a spare one is refused
        elif what == "silent" and names:
            stage.now_ms += SILENCE_MS + 1
            for name in names[1:]:
                stage.core.heard(name, stage.now_ms)
            stage.core.tick(stage.now_ms)
        stage.run()
        living = set(stage.core.hosts)
        there = len(living) + len(stage.core.spares) + stage.starting
        wanted = 3 + spares if len(living) == 3 else 3
        assert there in (wanted, 3 + spares) or (stage.core.slowed and there < wanted)
        assert len(living) == 3 or not stage.core.spares
        if living:
            last = {placed.partition: placed for placed in stage.said}
            told = {(p, *a, host) for host in living for p, a in stage.told.get(host, {}).items()}
            assert {(p.partition, p.term, p.n, p.host) for p in last.values()} == told
    numbers = [(placed.term, placed.n) for placed in stage.said]
    assert numbers == sorted(set(numbers))
    stage.now_ms += BACKOFF_MS_MAX
    for name in (*stage.core.hosts, *stage.core.spares):
        stage.core.heard(name, stage.now_ms)
    stage.core.tick(stage.now_ms)
    stage.run()
    while stage.starting:
        stage.host_up()
    assert (len(stage.core.hosts), len(stage.core.spares)) == (3, spares)


def test_hosts_that_keep_ending_quickly_are_started_later_each_time_and_an_operator_is_told() -> None:
    stage = Stage(hosts=1)
    stage.begin()
    waits_ms: list[int] = []
    for _ in range(QUICK_ENDS_FREE + 9):
        stage.now_ms += 100
        ended_ms = stage.now_ms
        stage.core.host_down(f"h{stage.names}", stage.now_ms)
        stage.run()
        while not stage.starting:
            assert "hosts in a row ended" in stage.core.slowed
            stage.now_ms += 250
            stage.core.tick(stage.now_ms)
            stage.run()
            assert stage.now_ms - ended_ms <= BACKOFF_MS_MAX, "the wait has a bound"
        waits_ms.append(stage.now_ms - ended_ms)
        stage.host_up()
    assert waits_ms == [*[0] * QUICK_ENDS_FREE, 500, 1_000, 2_000, 4_000, 8_000, 16_000, *[BACKOFF_MS_MAX] * 3]
    stage.now_ms += STEADY_MS + BACKOFF_MS_MAX + 1
    stage.core.heard(f"h{stage.names}", stage.now_ms)
    stage.core.tick(stage.now_ms)
    assert stage.core.slowed == ""
    stage.core.host_down(f"h{stage.names}", stage.now_ms)
    assert StartHost() in stage.run(), "one that lasted is replaced at once"
