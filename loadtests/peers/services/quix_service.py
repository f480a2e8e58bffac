"""The contestant of quixstreams: state in RocksDB with its changelog. Answers nobody: it has no reply.

Its session with the broker is 6 s where 45 s is the default, so that ten kills fit into a measurement.
"""

import os
from typing import Any

from quixstreams import Application, State

from loadtests.peers.services.window import Progress, paid


def main() -> None:
    """Take payments until the process ends."""
    progress = Progress()
    app = Application(
        broker_address=os.environ["BROKER"],
        consumer_group="payments-quix",
        auto_offset_reset="earliest",
        state_dir=os.environ["FOLDER"],
        consumer_extra_config={"session.timeout.ms": 6_000, "heartbeat.interval.ms": 2_000},
        loglevel="WARNING",
    )

    def pay(payment: dict[str, Any], state: State) -> None:
        if (account := paid(state.get("account"), payment)) is not None:
            state.set("account", account)
        progress.took()

    payments = app.topic("payments", key_deserializer="str", value_deserializer="json")
    app.dataframe(payments).update(pay, stateful=True)
    app.run()


if __name__ == "__main__":
    main()
