"""What a host loads before it applies a record, and how much it looks at for that."""

import pytest

from actors.kernel.action import Code
from actors.kernel.partition import Partition
from actors.kernel.record import Record
from actors.link import Replies
from tests.host.driving import Driven
from tests.kernel.box import Do, Sending
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
