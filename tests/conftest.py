"""What every test runs under: the same random choices each time, and one Kafka broker for all that need one."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from infra.kafka.broker import Cluster, keep_classes, start

# A test that fails on one machine fails on all: no random seed, no database of earlier failures, no time limit.
settings.register_profile("hutong", derandomize=True, deadline=None, database=None)
settings.load_profile("hutong")

LONG = ("tests/tidy/test_checks.py", "tests/cli/test_day.py", "tests/cluster/", "tests/gateway/test_erasure.py")
"""What takes longest comes first, so that of two processes none is left alone with it in the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Brings the tests into the order in which they are shared out, file by file."""
    items.sort(key=lambda item: next((n for n, begins in enumerate(LONG) if item.nodeid.startswith(begins)), len(LONG)))


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One broker for the whole run; a test that disturbs it brings it back. Topics need names of their own."""
    keep_classes()
    with start(tmp_path_factory.mktemp("kafka")) as cluster:
        yield cluster
