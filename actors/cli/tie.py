"""A child that ends when its parent does, however the parent ends: nothing is left behind by `kill -9`."""

import contextlib
import ctypes
import os
import select
import signal
import threading
from pathlib import Path
from typing import NoReturn

_PR_SET_PDEATHSIG = 1
GRACE_S = 8.0
"""A child whose parent is gone ends in good order within this time, or by force."""


def tie_to_parent(parent: int, number: int = signal.SIGTERM) -> None:
    """Have the kernel send us this signal when the thread that started us ends. Elsewhere than on Linux, nothing."""
    if not os.path.exists("/proc/self/stat"):  # noqa: PTH110 - asked before anything is imported that costs time
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)  # it ended before we asked


def end_after(parent: int, grace_s: float = GRACE_S) -> None:
    """End this process by force some time after its parent has ended, should a good end take longer.

    Its process group ends with it.
    """

    def watch() -> None:
        try:
            descriptor = os.pidfd_open(parent)
        except ProcessLookupError:
            pass
        else:
            select.select([descriptor], [], [])
        threading.Event().wait(grace_s)
        end_group()

    threading.Thread(target=watch, name="parent", daemon=True).start()


def end_group() -> NoReturn:
    """End this process by force; where it leads a group also what it has started, as Ray, whose agents would go on."""
    if os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def end_rest_of_group() -> None:
    """End by force what is left of the group that this process leads, but not itself: what it started, nobody ended."""
    me = os.getpid()
    if os.getpgid(0) != me:
        return
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            group = int(path.read_text().rpartition(")")[2].split()[2])
            if group == me != (pid := int(path.parent.name)):
                os.kill(pid, signal.SIGKILL)
