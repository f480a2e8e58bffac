"""What ends a run from outside: Ctrl-C, SIGTERM, a terminal that is closed. All three mean the same here."""

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def on_end(act: Callable[[], object]) -> Generator[None]:
    """While it lasts, whoever asks for the end has this called, in the main thread, and nothing else happens.

    Where a closed terminal is to end nothing (`nohup`), it does not. Only the main thread can hear of it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_number: int, _frame: object) -> None:
        act()

    former = {
        number: signal.signal(number, handle)
        for number in ENDINGS
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def interrupt() -> None:
    """Raises KeyboardInterrupt: whatever was begun is ended on the way out."""
    raise KeyboardInterrupt


@contextmanager
def undisturbed() -> Generator[None]:
    """While it lasts, nobody's asking for the end does anything: for what ends, or is kept, within a bound."""
    with on_end(lambda: None):
        yield


@contextmanager
def unheard() -> Generator[None]:
    """While it lasts Ctrl-C is not heard, nor ever by a process that is started meanwhile: who starts it ends it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
