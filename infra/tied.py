"""Becomes the program on its command line, which the kernel signals when the process that started it ends.

Run as `python -I tied.py PARENT_PID SIGNAL PROGRAM ARGUMENT…`, from the main thread: the end of that thread counts. So
a broker and a platform that was started for a measurement end with whoever started them, also by `kill -9`.
PR_SET_PDEATHSIG survives exec, so the program keeps the pid it was started under. It is set here, not in a
`preexec_fn`: Python code between fork and exec may hang for ever when the parent has other threads, and those of gRPC
and Ray always are there. SIGKILL is for what loses nothing by it, SIGTERM for what has others to end. It imports
nothing of the platform.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def tied(command: list[str], by: signal.Signals) -> list[str]:
    """The command that starts this one, tied to this process by this signal."""
    return [sys.executable, "-I", __file__, str(os.getpid()), str(by.value), *command]


def main() -> None:
    """Tie this process to its parent, and become the program."""
    parent, by, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(by), 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit("the process that wanted this one has ended")  # before the line above took effect
    os.execv(command[0], command)  # noqa: S606 - a list, no shell


if __name__ == "__main__":
    main()
