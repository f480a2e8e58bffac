"""Ray Serve's contestant, and its caller: one replica that holds the accounts, behind Serve's gRPC ingress.

Run in Ray's environment as a worker of the benchmark, inside a network of its own. One replica, since Serve sends a
call to whichever replica is free: two would hold two balances of one key.
"""

import json
import os
import shutil
import signal
import tempfile
import uuid
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.wrappers_pb2 import StringValue
from ray import serve
from ray.serve.config import gRPCOptions

from loadtests.bench import worker
from loadtests.bench.pace import closed_loop
from loadtests.bench.ray_calls import start
from loadtests.bench.worker import Answer, Question
from loadtests.peers.campaign import KEYS, NoAnswer, campaign, key_of
from loadtests.peers.contestant import key_in_turn
from loadtests.peers.services.accounts import Accounts
from loadtests.peers.services.network import loopback_up

SERVICE = "peers.Payments"
PORT = 9000
ANSWER_S_MAX = 5.0


def add_payments(servicer: Any, server: Any) -> None:
    """Tell a gRPC server of the service, as generated code does."""
    handler = grpc.unary_unary_rpc_method_handler(
        servicer.Pay, request_deserializer=StringValue.FromString, response_serializer=StringValue.SerializeToString
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Pay": handler}),))


@serve.deployment(num_replicas=1, max_ongoing_requests=1_000)
class Payments:
    """The accounts as a deployment."""

    def __init__(self) -> None:
        self._accounts = Accounts()

    async def Pay(self, request: StringValue) -> StringValue:  # noqa: N802 - named as the method of the service
        """Pay, read, or say which process this is."""
        asked = json.loads(request.value)
        if "id" in asked:
            answer = self._accounts.pay(asked["key"], asked["id"], 1)
        else:
            answer = self._accounts.balance(asked["key"]) if "key" in asked else os.getpid()
        return StringValue(value=json.dumps(answer))


class Payer:
    """Pays over one channel."""

    def __init__(self) -> None:
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{PORT}")
        self._call = self._channel.unary_unary(
            f"/{SERVICE}/Pay",
            request_serializer=StringValue.SerializeToString,
            response_deserializer=StringValue.FromString,
        )

    async def ask(self, **asked: str) -> int:
        """One call. Raises NoAnswer."""
        try:
            response = await self._call(
                StringValue(value=json.dumps(asked)), timeout=ANSWER_S_MAX, metadata=(("application", "payments"),)
            )
        except grpc.aio.AioRpcError as error:
            raise NoAnswer(error.details()) from error
        return int(json.loads(response.value))

    async def pay(self, key: str, request_id: str) -> int:
        """Add 1. Raises NoAnswer."""
        return await self.ask(key=key, id=request_id)

    async def kill(self) -> None:
        """Kill the replica's process; Serve starts it anew."""
        os.kill(await self.ask(), signal.SIGKILL)

    async def close(self) -> None:
        """End the channel."""
        await self._channel.close()


async def _measure(question: Question) -> Answer:
    keys, payer, run = int(question["keys"]), Payer(), uuid.uuid4().hex[:8]

    async def call(n: int) -> None:
        await payer.pay(key_in_turn(n, keys), f"{run}-{n}")

    try:
        return await closed_loop(call, int(question["in_flight"]), float(question["seconds"]))
    finally:
        await payer.close()


async def _campaign(question: Question) -> Answer:
    payer = Payer()
    try:
        ledger = await campaign(payer.pay, payer.kill, lambda: uuid.uuid4().hex, int(question["kills"]))
        return ledger.figures({key_of(n): await payer.ask(key=key_of(n)) for n in range(KEYS)})
    finally:
        await payer.close()


def main() -> None:
    """Serve until stdin ends."""
    loopback_up()
    folder = Path(tempfile.mkdtemp(prefix="hutong-peers-serve-"))
    session = start(folder)
    try:
        options = gRPCOptions(port=PORT, grpc_servicer_functions=[f"{__spec__.name}.add_payments"])
        serve.start(grpc_options=options, http_options={"host": "127.0.0.1"})
        serve.run(Payments.bind(), name="payments", route_prefix="/payments")
        tasks = {"unary": _measure, "campaign": _campaign}
        worker.serve({name: worker.awaited(task) for name, task in tasks.items()})
    finally:
        session.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
