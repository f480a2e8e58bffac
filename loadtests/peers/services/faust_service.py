"""Faust's contestant: an agent and a table in RocksDB with its changelog. Answers nobody: it has no reply.

Its session with the broker is 6 s where 60 s is the default, so that ten kills fit into a measurement.
"""

import os
from typing import Any

import faust

from loadtests.peers.services.window import Progress, paid

app = faust.App(
    "payments-faust",
    broker=f"kafka://{os.environ['BROKER']}",
    store="rocksdb://",
    datadir=os.environ["FOLDER"],
    topic_partitions=4,
    broker_session_timeout=6,
    broker_heartbeat_interval=2,
    web_enabled=False,
)
payments = app.topic("payments", key_serializer="raw", value_serializer="json")
accounts = app.Table("accounts", partitions=4, options={"driver": "rocksdict"})
progress = Progress()


@app.agent(payments)
async def pay(stream: Any) -> None:
    """Add each payment to its account."""
    async for key, payment in stream.items():
        name = key.decode() if isinstance(key, bytes) else key
        if (account := paid(accounts.get(name), payment)) is not None:
            accounts[name] = account
        progress.took()


if __name__ == "__main__":
    app.main()
