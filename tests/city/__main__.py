"""`python -m tests.city [--full] [--seed N] [--only NAME] [--report PATH]`: see the folder's README."""

import sys

from tests.city.campaigns import FULL, QUICK, days
from tests.proof.running import run

if __name__ == "__main__":
    sys.exit(run("tests.city", {"days": (days, QUICK, FULL)}))
