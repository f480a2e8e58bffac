"""A partition waits for a package that it lacks, goes on once it is there, and halts by name when it cannot be had."""

import pytest

from actors.kernel.record import Programs, Share
from actors.kernel.rules import Rules
from actors.link import Answer, Ask, Replies
from actors.ownership import Phase
from actors.shares import WHOLE
from actors.work import LoadPackage
from tests.host.driving import Driven
from tests.kernel.box import BOX, SLOT, Box, Do
from tests.kernel.folding import call, id_on
from tests.kernel.test_programs import SECOND

ID = f"box/{id_on(0)}"
TO_SECOND = Programs("box", 1, (Share("second", 2, WHOLE),))


def new_host(name: str = "h1", **kept: Driven) -> Driven:
    """A host that has no package; with `of` it has the log and the stores of a former one."""
    host = Driven(name, rules=Rules([BOX, SLOT]))
    for former in kept.values():
        host.frames, host.stores = former.frames, former.stores
    host.core.linked("g1")
    return host


@pytest.fixture
def host() -> Driven:
    """A host that serves partition 0 by the platform's rules, and just read that a package decides from now on."""
    host = new_host()
    host.serve()
    host.say(call(ID, Do(add=1), 1), TO_SECOND, call(ID, Do(add=1), 2))
    return host


def told(host: Driven) -> int:
    """How many replies it told."""
    return sum(len(message.replies) for _, message in host.told if isinstance(message, Replies))


def test_nothing_is_applied_beyond_the_record_until_the_package_is_there(host: Driven) -> None:
    assert host.packages == [LoadPackage("box", "second")]
    host.say(call(ID, Do(add=1), 3))
    assert (host.phase(), told(host), host.core.lacks("second")) == (Phase.SERVING, 0, True)
    host.core.package_loaded("second", SECOND)
    host.carry_out()
    assert (host.core.lacks("second"), told(host)) == (False, 3)
    assert host.packages == [LoadPackage("box", "second")]


def test_a_package_of_another_partition_does_not_help(host: Driven) -> None:
    host.core.package_loaded("another", SECOND)
    host.core.package_failed("a third", "it is gone")
    host.carry_out()
    assert (host.phase(), told(host)) == (Phase.SERVING, 0)


def test_a_package_that_cannot_be_had_halts_the_partition_at_its_record_and_is_named(host: Driven) -> None:
    host.core.package_failed("second", "nobody has it")
    host.carry_out()
    assert host.phase() == Phase.HALTED
    assert host.ownership.halted == "halted at 0/1/1: the package second of box cannot be loaded: nobody has it"
    assert [halt.position for halt in host.halted] == ["0/1/1"]


def test_after_a_halt_it_is_tried_again_when_an_operator_says_so(host: Driven) -> None:
    host.core.package_failed("second", "nobody has it")
    host.core.restart(0)
    host.carry_out()
    host.acknowledge()
    for frame in host.frames[0]:
        host.read(frame)
    assert host.packages == [LoadPackage("box", "second")] * 2
    host.core.package_loaded("second", SECOND)
    host.carry_out()
    assert host.phase() == Phase.SERVING


def test_a_later_owner_loads_first_what_its_store_says_decides(host: Driven) -> None:
    host.core.package_loaded("second", SECOND)
    host.carry_out()
    for _ in host.appends[:]:
        host.acknowledge(offset=0)
    assert host.ownership.written == 1
    later = new_host("h2", of=host)
    later.assign(1, 2)
    assert later.packages == [LoadPackage("box", "second")]
    later.core.told("g1", [Ask(1, 0, ID, "look", b"", -1)])
    later.acknowledge()
    for frame in later.frames[0][1:]:
        later.read(frame)
    assert later.phase() == Phase.REPLAYING
    later.core.package_loaded("second", SECOND)
    later.carry_out()
    assert later.phase() == Phase.SERVING
    assert [message for _, message in later.told if isinstance(message, Answer)]
    state = later.ownership.partition.residents[ID].state if later.ownership.partition else None
    assert not isinstance(state, Box)


def test_a_later_owner_that_cannot_have_it_halts_and_names_it(host: Driven) -> None:
    host.core.package_loaded("second", SECOND)
    host.carry_out()
    for _ in host.appends[:]:
        host.acknowledge(offset=0)
    later = new_host("h2", of=host)
    later.assign(1, 2)
    later.core.package_failed("second", "it does not load")
    later.carry_out()
    assert later.ownership.halted == "halted at 0/1: the package second of box cannot be loaded: it does not load"
