"""`python -m tests.disk [--full] [--seed N] [--only NAME] [--report PATH]`: see the folder's README."""

import sys

from tests.disk.campaigns import CAMPAIGNS
from tests.proof.running import run

if __name__ == "__main__":
    sys.exit(run("tests.disk", {name: (campaign, False, True) for name, campaign in CAMPAIGNS.items()}))
