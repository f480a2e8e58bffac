"""`python -m tests.releases [--full] [--seed N] [--only NAME] [--report PATH]`: see the folder's README."""

import sys

from tests.proof.running import run
from tests.releases.campaigns import CAMPAIGNS

if __name__ == "__main__":
    sys.exit(run("tests.releases", CAMPAIGNS))
