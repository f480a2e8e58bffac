"""Becomes the program named on its command line, which the kernel ends when the process that started it ends.

Run as `python -I launch.py PARENT_PID PROGRAM ARGUMENT…`. PR_SET_PDEATHSIG survives exec, so the broker keeps the pid
it was started under. It is set here, not in a `preexec_fn`: Python code between fork and exec may hang for ever when
the parent has other threads, and those of gRPC and Ray always are there. The signal is SIGKILL, which a stopped process
gets too; the log survives it. It imports nothing of the platform.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent, and become the program."""
    parent, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit("the process that wanted this one has ended")  # before the line above took effect
    os.execv(command[0], command)  # noqa: S606 - a list, no shell


if __name__ == "__main__":
    main()
