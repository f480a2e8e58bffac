"""The garbage collector of a host's process: it must not stop the loop to look at a million objects that stay.

What is reachable is freed by counting references; the collector only finds cycles. So it looks at what is young, and
what has outlived two looks is frozen: never looked at again, and still freed when the last reference goes. A cycle that
forms out of frozen objects is not found; the kernel makes none, and `tests/contracts` holds it to that.
"""

import gc
from collections.abc import Callable

YOUNG_OBJECTS = 2_000
YOUNG_LOOKS = 3
NEVER = 1_000_000_000


def keep_pauses_short() -> Callable[[], None]:
    """Freeze what is there and, from now on, what lasts; returns what ends that. For processes that are one host's."""
    before = gc.get_threshold()

    def looked(phase: str, info: dict[str, int]) -> None:
        if phase == "stop" and info["generation"] > 0:
            gc.freeze()

    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_LOOKS, NEVER)
    gc.callbacks.append(looked)

    def end() -> None:
        gc.callbacks.remove(looked)
        gc.set_threshold(*before)
        gc.unfreeze()

    return end
