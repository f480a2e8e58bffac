"""A platform that was started for a measurement ends with the process that measures, also by `kill -9`."""

import os
import select
import subprocess
import sys

import pytest

from loadtests.bench.platform import TIED

MEASURES = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-I", sys.argv[1], str(os.getpid()), sys.executable, "-c", sys.argv[2]])
child.wait()
"""
SERVES = "import os, signal; print(os.getpid(), flush=True); signal.pause()"


@pytest.mark.timeout(120)
def test_what_was_started_ends_with_whoever_started_it() -> None:
    command = [sys.executable, "-c", MEASURES, str(TIED), SERVES]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as measures:
        assert measures.stdout is not None
        serves = os.pidfd_open(int(measures.stdout.readline()))
        try:
            measures.kill()
            assert select.select([serves], [], [], 60.0)[0] == [serves]
        finally:
            os.close(serves)


def test_who_is_not_wanted_any_more_never_begins() -> None:
    ended = subprocess.run(
        [sys.executable, "-I", TIED, "1", sys.executable, "-c", SERVES], capture_output=True, check=False
    )
    assert ended.returncode == 1
    assert b"has ended" in ended.stderr
