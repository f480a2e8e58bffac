"""What a host loads before it applies a record, and how much it looks at for that."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from actors import Ref
from actors.kernel.action import Code
from actors.kernel.partition import Partition
from actors.kernel.record import Invoke, Position, Record
from actors.kernel.rules import Rules
from actors.link import Replies
from actors.ownership import APPLYING
from actors.verdicts import Verdict
from actors.work import Load, Work
from tests.host.driving import Driven
from tests.kernel.box import SLOT, Box, Do, Sending
from tests.kernel.folding import call, id_on


def test_entities_that_only_a_decision_names_are_loaded_without_a_look_through_all_that_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[Record] = []
    keys = Partition.keys

    def counted(partition: Partition, record: Record) -> list[bytes]:
        looked.append(record)
        return keys(partition, record)

    monkeypatch.setattr(Partition, "keys", counted)
    host = Driven()
    host.core.linked("g1")
    host.serve()
    shelf, count = id_on(0), 100
    first = [Sending(f"box.slot/{shelf}:other-{n}", Do(add=1)) for n in range(count)]
    host.say(*(call(f"box.slot/{shelf}:{n}", Do(add=1, sends=(first[n],)), n) for n in range(count)))
    replies = [reply for _, said in host.told if isinstance(said, Replies) for reply in said.replies]
    assert [reply.code for reply in replies] == [Code.OK] * count
    assert len(looked) <= 3 * count, "not the square"


COUNT = 20
SHELF = id_on(0)


class Loading(Driven):
    """A host whose slots say what they reach; it keeps what it asks the store for."""

    def __init__(self, reaches: Callable[[Box, Any, str], Any], progress: list[int] | None = None) -> None:
        super().__init__(rules=Rules([replace(SLOT, reaches=reaches)]), progress=progress)
        self.loads: list[list[bytes]] = []
        self.core.linked("g1")

    def _do(self, work: Work) -> None:
        if isinstance(work, Load):
            self.loads.append(work.keys)
        super()._do(work)

    def answers(self) -> list[int]:
        """The code of every reply."""
        return [reply.code for _, said in self.told if isinstance(said, Replies) for reply in said.replies]


def send_on(n: int) -> Invoke:
    """A slot's command that is sent on to another slot of the shelf."""
    return call(f"box.slot/{SHELF}:{n}", Do(add=1, sends=(Sending(f"box.slot/{SHELF}:other-{n}", Do(add=1)),)), n)


def said_sends(_: Box, command: Do, __: str) -> tuple[Ref[Any], ...]:
    """What a command really is sent on to."""
    return tuple(Ref(*sending.to.split("/")) for sending in command.sends)


def test_what_commands_that_wait_are_sent_on_to_is_loaded_for_all_of_them_at_once() -> None:
    host = Loading(said_sends)
    host.serve()
    host.say(*(send_on(n) for n in range(COUNT)))
    assert host.answers() == [Code.OK] * COUNT
    assert [len(keys) for keys in host.loads] == [COUNT, COUNT]
    host.say(
        *(
            call(f"box.slot/{SHELF}:{n}", Do(sends=(Sending(f"box.slot/{SHELF}:{n}-2", Do()),)), n + COUNT)
            for n in range(COUNT)
        )
    )
    assert [len(keys) for keys in host.loads[2:]] == [COUNT], "those who are in memory already are asked at once"


def test_what_is_said_to_be_reached_and_is_not_changes_nothing() -> None:
    def raises(_: Box, __: Do, ___: str) -> tuple[Ref[Any], ...]:
        raise SystemExit

    def says(what: object) -> Callable[[Box, Any, str], Any]:
        return lambda _, __, ___: what

    odd: tuple[Any, ...] = (
        None,
        7,
        (7,),
        (Ref("nothing", "here"),),
        (Ref("box.slot", "\ud800"),),
        (Ref("box.slot", "elsewhere"),),
    )
    chains: set[int] = set()
    for reaches in (said_sends, raises, *map(says, odd)):
        host = Loading(reaches)
        host.serve()
        host.say(*(send_on(n) for n in range(COUNT)))
        assert host.answers() == [Code.OK] * COUNT
        assert host.ownership.partition is not None
        chains.add(host.ownership.partition.meta.chain)
    assert len(chains) == 1


def test_whoever_looks_which_record_a_host_is_at_finds_the_one_whose_author_is_asked_what_it_reaches() -> None:
    progress, seen = [0, 0, 0, 0], list[list[int]]()

    def reaches(box: Box, command: Do, slot: str) -> tuple[Ref[Any], ...]:
        seen.append(list(progress))
        return said_sends(box, command, slot)

    host = Loading(reaches, progress)
    host.serve()
    host.say(*(send_on(n) for n in range(COUNT)))
    assert seen == [[0, 1, n, APPLYING] for n in range(COUNT)]
    assert progress[3] == 0
    host.ownership.stop_at = Verdict(Position(0, 2, 3), "halted", "it took too long")
    host.say(*(send_on(n) for n in range(COUNT, 2 * COUNT)))
    assert len(seen) == COUNT, "a frame with a record that must not be applied is not looked into"
    assert host.halted[-1].position == "0/2/3"
