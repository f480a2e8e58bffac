"""What a process has started ends with it, also what nobody knows of."""

import asyncio
import os
import select
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import Struct

from actors.cli.child import Child

GONE_S_MAX = 60.0
CODE = """
import subprocess, sys
from actors.cli.tie import end_rest_of_group
left = subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
own = subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
end_rest_of_group()
print(left.wait(), own.poll())
own.kill()
"""


def test_what_is_left_of_a_group_ends_before_who_leads_it_and_nothing_else_does() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, start_new_session=True
    )
    assert done.stdout == "-9 None\n"


def test_who_leads_no_group_ends_nobody() -> None:
    code = "from actors.cli.tie import end_rest_of_group; end_rest_of_group()"
    assert subprocess.run([sys.executable, "-c", code], check=True).returncode == 0


@pytest.mark.timeout(120)
def test_a_child_that_is_ended_by_force_takes_with_it_what_it_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "python"
    program.write_text('#!/bin/sh\nsleep 600 &\necho "{\\"ready\\": true, \\"left\\": $!}"\nwait\n')
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))

    async def settings() -> Struct:
        return Struct()

    async def play() -> None:
        child = Child("driver", settings, lambda _child, _how: None)
        left = os.pidfd_open((await child.start())["left"])
        child.retire()
        child.kill()
        await child.stop()
        assert select.select([left], [], [], GONE_S_MAX)[0] == [left]
        os.close(left)

    asyncio.run(play())
