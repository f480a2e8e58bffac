"""A child that ends when its parent does, however the parent ends: nothing is left behind by `kill -9`."""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1


def tie_to_parent(parent: int, number: int = signal.SIGTERM) -> None:
    """Have the kernel send us this signal when the thread that started us ends. Elsewhere than on Linux, nothing."""
    if not os.path.exists("/proc/self/stat"):  # noqa: PTH110 - asked before anything is imported that costs time
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)  # it ended before we asked
