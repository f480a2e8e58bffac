"""`python -m tests.linearizability [--full] [--seed N] [--report PATH]`: see the folder's README."""

import sys

from tests.linearizability.campaigns import FULL, QUICK, histories
from tests.proof.running import run

if __name__ == "__main__":
    sys.exit(run("tests.linearizability", {"histories": (histories, QUICK, FULL)}))
