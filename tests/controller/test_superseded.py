"""Who is superseded and does not know it yet still speaks: on a compacted topic that hides what its successor said."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from actors.adapters.memory import MemoryLog
from actors.controller import Controller, Say
from actors.history import placement_now, placements
from actors.kernel.record import encode_frame
from actors.placement import Placed, Placement, Release, Term, encode_placement, placement_key
from actors.ports import Slice, Topic
from actors.settings import ClusterSettings

CLUSTER = ClusterSettings(partitions=4)
TOPIC = Slice(CLUSTER.placement_topic, 0)


class Cluster:
    """Two controllers, the second of which follows the one topic that both speak on."""

    def __init__(self) -> None:
        self.log = MemoryLog(lambda: 0)
        self.log.create([Topic(TOPIC.topic, 1, compacted=True)])
        self.first, self.second = (Controller(f"c{n}", CLUSTER, 2, 3_000, n, f"rules {n}") for n in (1, 2))
        self._read = 0

    def say(self, placement: Placement) -> int:
        """Append this; its offset."""
        frame = encode_frame(*TOPIC, "c", 0, "", [encode_placement(placement)])
        return self.log.append(TOPIC, frame, placement_key(placement)).result().offset

    def say_all(self, placed: Iterable[Placement]) -> None:
        """Append these."""
        for placement in placed:
            self.say(placement)

    def begin(self, core: Controller) -> list[Placement]:
        """The controller's term begins and two hosts serve: what it wants to say then."""
        words(core)
        core.term_begun(self.say(Term(core.name)))
        for number in (1, 2):
            core.host_up(f"{core.name}-h{number}", f"{core.name}:{number}", number, 0)
        return words(core)

    def follow(self) -> None:
        """The second controller reads on to the end of the topic, and says what it has to say of it."""
        while unread := [(at, said) for at, said in placements(self.log, TOPIC.topic) if at >= self._read]:
            self._read = unread[-1][0] + 1
            for _, said in unread:
                if isinstance(said, Placed | Release):
                    self.second.said_late(said)
            self.say_all(words(self.second))


def words(core: Controller) -> list[Placement]:
    """What the controller wants to say now."""
    return [action.placement for action in core.actions() if isinstance(action, Say)]


@given(st.data())
def test_a_word_of_a_superseded_controller_does_not_hide_its_successors(data: st.DataObject) -> None:
    cluster = Cluster()
    late = cluster.begin(cluster.first)
    on_time = data.draw(st.integers(0, len(late)), "words of the first before the second began")
    cluster.say_all(late[:on_time])
    newer, late = cluster.begin(cluster.second), late[on_time:]
    while newer or late:
        speaks = newer if not late or (newer and data.draw(st.booleans(), "the second speaks")) else late
        cluster.say(speaks.pop(0))
        if data.draw(st.booleans(), "the second reads"):
            cluster.follow()
    cluster.follow()
    now = placement_now(cluster.log, TOPIC.topic)
    assert {partition: placed.host for partition, placed in now.placed.items()} == cluster.second.placed
    assert now.release == Release(cluster.second.term, 2, "rules 2")


def test_what_is_no_longer_so_is_not_said_again() -> None:
    cluster = Cluster()
    late = cluster.begin(cluster.first)
    cluster.say_all(cluster.begin(cluster.second))
    cluster.second.host_down("c2-h1")
    cluster.second.host_down("c2-h2")
    cluster.say_all(words(cluster.second))
    cluster.say_all(word for word in late if isinstance(word, Placed))
    cluster.follow()
    assert placement_now(cluster.log, TOPIC.topic).placed == {}, "nobody serves it, so nobody is said to"


def test_own_words_are_not_said_again() -> None:
    cluster = Cluster()
    cluster.say_all(cluster.begin(cluster.second))
    end = cluster.log.spans([TOPIC])[TOPIC].end
    cluster.follow()
    assert cluster.log.spans([TOPIC])[TOPIC].end == end
