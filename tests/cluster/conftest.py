"""One platform for all tests that leave it as they found it."""

from collections.abc import Iterator

import pytest

from tests.cluster.stage import Platform


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform that serves; whatever a test kills comes back."""
    with Platform(tmp_path_factory.mktemp("cluster") / "up") as running:
        yield running
