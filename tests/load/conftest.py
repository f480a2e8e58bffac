"""What tests of load runs share."""

import signal
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def closed_terminal_ends() -> Iterator[None]:
    """A terminal that is closed ends what runs, also where these tests themselves run under `nohup`."""
    former = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, former)
