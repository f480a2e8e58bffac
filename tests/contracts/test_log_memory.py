"""The memory log, and what its clock shows."""

from collections.abc import Iterator

import pytest

from actors.adapters.memory import MemoryLog
from actors.ports import Appended, Log, Slice, Topic
from tests.contracts.log_contract import LogContract


class TestMemoryLog(LogContract):
    @pytest.fixture
    def log(self) -> Iterator[Log]:
        log = MemoryLog(lambda: 1_000)
        yield log
        log.close()

    @pytest.fixture
    def topic(self) -> str:
        return "commands"


def test_a_clock_that_goes_back_does_not_take_the_stamps_with_it() -> None:
    clock = iter([50, 40, 60])
    log = MemoryLog(lambda: next(clock))
    log.create([Topic("t", 1)])
    assert [log.append(Slice("t", 0), b"").result() for _ in range(3)] == [
        Appended(0, 50),
        Appended(1, 50),
        Appended(2, 60),
    ]
