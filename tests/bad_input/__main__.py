"""`python -m tests.bad_input [--full] [--seed N] [--only NAME] [--report PATH]`: see the folder's README."""

import sys

from tests.bad_input.campaigns import CAMPAIGNS
from tests.proof.running import run

if __name__ == "__main__":
    sys.exit(run("tests.bad_input", CAMPAIGNS))
