"""What was started for a measurement or a test ends with the process that started it, also by `kill -9`."""

import os
import select
import signal
import subprocess
import sys

import pytest

from infra.tied import tied

MEASURES = """
import signal, subprocess, sys
from infra.tied import tied
child = subprocess.Popen(tied([sys.executable, "-c", sys.argv[2]], signal.Signals(int(sys.argv[1]))))
child.wait()
"""
SERVES = "import os, signal; print(os.getpid(), flush=True); signal.pause()"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_what_was_started_ends_with_whoever_started_it(by: signal.Signals) -> None:
    command = [sys.executable, "-c", MEASURES, str(by.value), SERVES]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as measures:
        assert measures.stdout is not None
        serves = os.pidfd_open(int(measures.stdout.readline()))
        try:
            measures.kill()
            assert select.select([serves], [], [], 60.0)[0] == [serves]
        finally:
            os.close(serves)


def test_who_is_not_wanted_any_more_never_begins() -> None:
    python, isolated, script, _, *command = tied([sys.executable, "-c", SERVES], signal.SIGTERM)
    ended = subprocess.run([python, isolated, script, "1", *command], capture_output=True, check=False)
    assert ended.returncode == 1
    assert b"has ended" in ended.stderr
