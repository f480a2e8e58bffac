"""What a fixed piece of work takes of this interpreter, in microseconds: `setup.sh` asks each that it finds.

The same Python takes a seventh longer for a command of the kernel, and half as long again for a loop like this, where
it was built without profile-guided optimisation, as version managers build it unless they are told otherwise. Exits
with 1, and says nothing, where an interpreter will not do: it is too old, or cannot make an environment. It needs
nothing but what every Python has.
"""

import sys
import time
from importlib.util import find_spec

ROUNDS = 15
"""The best of so many is taken: others use this machine as well."""
STEPS = 20_000


class _Pair:
    __slots__ = ("left", "right")

    def __init__(self, left: int, right: int) -> None:
        self.left = left
        self.right = right


def _work() -> None:
    found: dict[int, _Pair] = {}
    for n in range(STEPS):
        pair = _Pair(n, n + 1)
        found[n & 1023] = pair
        if pair.left in found:
            found[pair.left & 15].right += 1
        tuple(f"{n}-x".split("-"))


def main() -> int:
    """Print the best round's microseconds."""
    if tuple(sys.version_info) < (3, 11) or not (find_spec("venv") and find_spec("ensurepip")):
        return 1
    best_s = float("inf")
    for _ in range(ROUNDS):
        began_s = time.process_time()
        _work()
        best_s = min(best_s, time.process_time() - began_s)
    print(round(1e6 * best_s))
    return 0


if __name__ == "__main__":
    sys.exit(main())
