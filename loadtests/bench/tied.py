"""Becomes the command on its command line, which the kernel asks to end when the process that started it ends.

Run as `python -I tied.py PARENT_PID PROGRAM ARGUMENT…`. A platform that was started for a measurement ends with it
also by `kill -9`: PR_SET_PDEATHSIG survives exec. Whoever starts it does so in its main thread.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent, and become the program."""
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit("the process that wanted this one has ended")  # before the line above took effect
    os.execv(command[0], command)  # noqa: S606 - a list, no shell


if __name__ == "__main__":
    main()
