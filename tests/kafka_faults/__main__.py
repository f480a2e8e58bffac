"""`python -m tests.kafka_faults [--full] [--only NAME] [--seed N] [--report PATH]`: every campaign on Kafka."""

import logging
import sys

from tests.kafka_faults.campaigns import CAMPAIGNS
from tests.proof.running import run

if __name__ == "__main__":
    logging.getLogger("kafka").setLevel(logging.CRITICAL + 1)  # it says by the thousand what is broken on purpose
    sys.exit(run("tests.kafka_faults", CAMPAIGNS))
