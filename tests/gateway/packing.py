"""Packages for tests: a café's counter in any version, signed by a key of its account's."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from actors.adapters.signatures import new_key, public_of, sign_package
from actors.packages import hash_of, pack
from gateway.v1 import catalog_pb2 as pb

KEY = new_key()
PROGRAM = '''"""A counter that adds what it is told."""

from msgspec import Struct

from actors import Context, Decision, Entity, accept


class Add(Struct, frozen=True, tag="cafe.add"):
    count: int = 1


class Added(Struct, frozen=True, tag="cafe.added"):
    count: int


class Counter(Struct, frozen=True):
    total: int = 0


def decide(counter: Counter, command: Add, ctx: Context) -> Decision[Added]:
    count = command.count * STEP
    return accept(Added(count), reply={"total": counter.total + count, "step": STEP})


def evolve(counter: Counter, event: Added) -> Counter:
    return Counter(counter.total + event.count)


STEP = 1
COUNTER = Entity("cafe.counter", Counter(), Add, Added, decide, evolve, views={"counter": lambda counter, _: counter})
ENTITIES = (COUNTER,)
'''


def program_of(step: int, app_id: str = "cafe") -> str:
    """The counter that takes such steps."""
    return PROGRAM.replace("STEP = 1", f"STEP = {step}").replace("cafe", app_id)


def archive_of(
    code: int,
    program: str = "",
    *,
    app_id: str = "cafe",
    pages: Sequence[str] = ("pages/counter/index",),
    more: Mapping[str, bytes] | None = None,
) -> bytes:
    """The package of a version; by default it counts in steps of its code."""
    manifest = {
        "app_id": app_id,
        "name": "Café",
        "version": {"name": f"1.{code}", "code": code},
        "platform_version": {"min_code": 1},
        "icons": [],
        "pages": list(pages),
    }
    files = {
        "manifest.json": json.dumps(manifest).encode(),
        "program.py": (program or program_of(code, app_id)).encode(),
    }
    return pack({**files, **(more or {})})


def messages_of(
    archive: bytes, program: str = "cafe", key: bytes = KEY, parts: int = 2, **more: Any
) -> list[pb.UploadPackageRequest]:
    """What a client sends to upload it."""
    said: Mapping[str, Any] = {"program": program, "signature": sign_package(key, hash_of(archive)), **more}
    length = -(-len(archive) // parts)
    chunks = [archive[begin : begin + length] for begin in range(0, len(archive), length)]
    return [pb.UploadPackageRequest(**said), *(pb.UploadPackageRequest(chunk=chunk) for chunk in chunks)]


def key_of(account: str = "acme", key: bytes = KEY) -> pb.SetPackageKeyRequest:
    """Tells the platform the account's key."""
    return pb.SetPackageKeyRequest(account=account, key=public_of(key))
