"""Threads that programs share: what one of them waits for holds up no other, and places are shared, too."""

import queue
import threading
from collections.abc import Iterator

import pytest

from actors.adapters.turns import Turns

WAIT_S_MAX = 60.0


class Doing:
    """Work that is told when to end; remembers in which order it was begun."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.begun: list[str] = []
        self.may_end = threading.Event()

    def work(self, item: str) -> None:
        with self.changed:
            self.begun.append(item)
            self.changed.notify_all()
        if item.startswith("slow"):
            assert self.may_end.wait(WAIT_S_MAX)
        if item.startswith("wrong"):
            raise ValueError(item)

    def wait(self, number: int) -> None:
        """Until so many were begun."""
        with self.changed:
            came = self.changed.wait_for(lambda: len(self.begun) >= number, WAIT_S_MAX)
            assert came, self.begun


@pytest.fixture
def doing() -> Iterator[Doing]:
    doing = Doing()
    yield doing
    doing.may_end.set()


def test_one_program_has_its_share_of_the_threads_however_much_it_asks_for(doing: Doing) -> None:
    turns = Turns(doing.work, at_once_max=4, of_one_max=2, waiting_max=100)
    for n in range(10):
        assert turns.add("a", f"slow {n}") is None
    turns.add("b", "quick")
    doing.wait(3)
    assert sorted(doing.begun) == ["quick", "slow 0", "slow 1"]
    doing.may_end.set()
    doing.wait(11)
    turns.close(WAIT_S_MAX)


def test_programs_take_turns_and_what_one_asked_first_is_done_first(doing: Doing) -> None:
    turns = Turns(doing.work, at_once_max=1, of_one_max=1, waiting_max=100)
    turns.add("x", "slow")
    doing.wait(1)
    for program, item in (("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("b", "b2"), ("c", "c1")):
        turns.add(program, item)
    doing.may_end.set()
    doing.wait(7)
    assert doing.begun == ["slow", "a1", "b1", "c1", "a2", "b2", "a3"]


def test_when_all_places_are_taken_the_program_that_has_most_loses_its_newest(doing: Doing) -> None:
    turns = Turns(doing.work, at_once_max=1, of_one_max=1, waiting_max=3)
    turns.add("x", "slow")
    doing.wait(1)
    assert [turns.add("a", item) for item in ("a1", "a2", "a3")] == [None] * 3
    assert turns.add("b", "b1") == "a3"
    assert turns.add("b", "b2") == "b2", "it has as many as the other, and would have more"
    assert turns.add("c", "c1") == "a2"
    assert turns.add("d", "d1") == "d1", "everybody has one"
    doing.may_end.set()
    doing.wait(4)
    assert doing.begun == ["slow", "a1", "b1", "c1"]


def test_what_waits_is_forgotten_at_the_end_and_what_is_being_done_is_waited_for(doing: Doing) -> None:
    turns = Turns(doing.work, at_once_max=1, of_one_max=1, waiting_max=9)
    turns.add("a", "slow")
    doing.wait(1)
    turns.add("a", "never")
    closing = threading.Thread(target=turns.close, args=[WAIT_S_MAX])
    closing.start()
    doing.may_end.set()
    closing.join(WAIT_S_MAX)
    assert not closing.is_alive()
    assert set(doing.begun) <= {"slow", "never"}


def test_a_thread_that_ended_by_an_error_is_followed_by_another(doing: Doing, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = queue.Queue[str]()

    def end(args: threading.ExceptHookArgs) -> None:
        ended.put(str(args.exc_value))

    monkeypatch.setattr(threading, "excepthook", end)
    turns = Turns(doing.work, at_once_max=1, of_one_max=1, waiting_max=9)
    for n in range(3):
        turns.add("a", f"wrong {n}")
        assert ended.get(timeout=WAIT_S_MAX) == f"wrong {n}"
    assert doing.begun == ["wrong 0", "wrong 1", "wrong 2"]
