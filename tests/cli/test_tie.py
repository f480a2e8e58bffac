"""What a process has started ends with it, also what nobody knows of."""

import subprocess
import sys

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
