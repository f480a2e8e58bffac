"""A child that ends when its parent does, however the parent ends: nothing is left behind by `kill -9`."""

import ctypes
import os
import select
import signal
import threading
from collections.abc import Callable, Sequence

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


def end_after(parent: int, outliving: Sequence[Callable[[], None]] = (), grace_s: float = GRACE_S) -> None:
    """End this process by force some time after its parent has ended, should a good end take longer.

    Each of `outliving` is called before, to end what would outlive this process; more may be added at any time.
    """

    def watch() -> None:
        try:
            descriptor = os.pidfd_open(parent)
        except ProcessLookupError:
            pass
        else:
            select.select([descriptor], [], [])
        threading.Event().wait(grace_s)
        for end in outliving:
            end()
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent", daemon=True).start()
