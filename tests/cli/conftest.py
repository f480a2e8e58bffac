"""One platform for all tests of the command line: each test uses entities of its own."""

from collections.abc import Iterator

import pytest

from tests.cli.running import PROGRAMS, Platform, dev


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Runs the programs that ship, and the ones of these tests."""
    with dev(tmp_path_factory.mktemp("dev"), "--programs", str(PROGRAMS)) as running:
        yield running
