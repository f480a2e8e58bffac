"""`python -m tests.soak [--full] [--hours N] [--report PATH]`: see the folder's README."""

import sys

from tests.proof.running import run
from tests.soak.campaign import soak

QUICK_MINUTES, FULL_MINUTES = 0.25, 4.0


def main(arguments: list[str]) -> int:
    """A quarter of a minute, four with --full, or so many hours."""
    minutes = FULL_MINUTES
    if "--hours" in arguments:
        at = arguments.index("--hours")
        minutes = 60 * float(arguments[at + 1])
        arguments = [*arguments[:at], "--full", *arguments[at + 2 :]]
    return run("tests.soak", {"soak": (soak, QUICK_MINUTES, minutes)}, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
