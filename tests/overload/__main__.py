"""`python -m tests.overload [--full] [--seed N] [--only NAME] [--report PATH]`: see the folder's README."""

import sys

from tests.overload.campaigns import CAMPAIGNS, FULL, FULL_ONLY, QUICK
from tests.proof.running import run

if __name__ == "__main__":
    sys.exit(
        run(
            "tests.overload",
            {name: (campaign, None if name in FULL_ONLY else QUICK, FULL) for name, campaign in CAMPAIGNS.items()},
        )
    )
