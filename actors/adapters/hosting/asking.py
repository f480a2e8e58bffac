"""Asks a host, from another process, how its partitions stand."""

from typing import cast

import grpc
import msgspec

from actors import link
from actors.host import PartitionStatus

ANSWER_S_MAX = 2.0
_decode = msgspec.json.Decoder(list[PartitionStatus]).decode


def ask_host(address: str, token: str) -> list[PartitionStatus] | str:
    """What the host at this address says, or why it says nothing."""
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        method = f"/{link.SERVICE}/{link.STATUS_METHOD}"
        ask = cast("grpc.UnaryUnaryMultiCallable[bytes, bytes]", channel.unary_unary(method))
        try:
            return _decode(ask(b"", timeout=ANSWER_S_MAX, metadata=((link.TOKEN_METADATA, token),)))
        except grpc.RpcError as error:
            code = cast("grpc.Call", error).code()
            return f"does not answer ({code.name})"
