"""What a gateway does with packages: takes one in, keeps it, and looks into what was kept, beside the event loop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

from actors.adapters.shelf import program_on
from actors.adapters.signatures import is_signed
from actors.compatible import check_compatible
from actors.errors import DeadlineExceeded, InvalidCommand, NotFound, Overloaded, SetupError
from actors.packages import Limits, Package, check_size, hash_of, read_package
from actors.ports import Objects
from actors.registry import Program, check_package
from gateway.v1 import catalog_pb2 as pb

T = TypeVar("T")

AT_ONCE = 2
"""So many archives are in memory at a time; who brings another comes back."""

CHUNK_BYTES_MAX = 1 << 20
RETRY_MS = 1_000


class Packages:
    """The packages of a platform, as one gateway sees them."""

    def __init__(self, objects: Objects, limits: Limits) -> None:
        self._objects = objects
        self._limits = limits
        self._inside = 0

    async def take(
        self,
        head: pb.UploadPackageRequest,
        rest: AsyncIterator[pb.UploadPackageRequest],
        key: bytes,
        left_s: float,
        accept: Callable[[Package, int], Awaitable[T]],
    ) -> T:
        """Keep the package that a client brings, once `accept` has taken it, and return what that says of it.

        `rest` follows upon `head`; `accept` is told the package and its bytes. Raises what is wrong with it, and
        nothing is kept: an archive that was not signed is not even looked into. Whoever does not know whether it was
        taken brings it again: it is the same version, and is kept then.
        """
        if self._inside == AT_ONCE:
            raise Overloaded(f"{AT_ONCE} packages are on their way to this gateway", retry_after_ms=RETRY_MS)
        self._inside += 1
        try:
            archive = await _in_time(_whole(head, rest, self._limits), left_s)
            package = await asyncio.to_thread(_checked, archive, head.program, key, head.signature, self._limits)
            taken = await accept(package, len(archive))
            await asyncio.to_thread(self._objects.put, package.place, archive)
            return taken
        finally:
            self._inside -= 1

    async def check_reads(self, newer: str, former: Sequence[str]) -> None:
        """Raises InvalidCommand unless the package with this hash reads all that the former ones wrote."""
        await asyncio.to_thread(self._check_reads, newer, former)

    def _check_reads(self, newer: str, former: Sequence[str]) -> None:
        made = self._load(newer).entities
        for hash in former:
            check_compatible(self._load(hash).entities, made)

    def _load(self, hash: str) -> Program:
        try:
            return program_on(self._objects, hash)
        except NotFound as error:
            raise NotFound(f"the package {hash} is not kept here", reason="NO_SUCH_PACKAGE") from error
        except SetupError as error:
            raise _wrong(error) from error


def _checked(archive: bytes, program: str, key: bytes, signature: bytes, limits: Limits) -> Package:
    """The package of this archive. Raises what is wrong with it."""
    if not is_signed(key, signature, hash_of(archive)):
        message = "the signature is not one of this package by the account's key"
        raise InvalidCommand(message, field="signature", reason="SIGNATURE")
    package = read_package(archive, limits)
    if package.manifest.app_id != program:
        message = f"this is a package of {package.manifest.app_id!r}, not of {program!r} - at `$.app_id`"
        raise InvalidCommand(message, field="$.app_id", reason="OTHER_PROGRAM")
    try:
        check_package(package)
    except SetupError as error:
        raise _wrong(error) from error
    return package


async def _in_time(whole: Awaitable[bytes], left_s: float) -> bytes:
    try:
        async with asyncio.timeout(left_s):
            return await whole
    except TimeoutError as error:
        message = "the deadline passed before the whole package was here"
        raise DeadlineExceeded(message, outcome="NOT_APPENDED") from error


async def _whole(head: pb.UploadPackageRequest, rest: AsyncIterator[pb.UploadPackageRequest], limits: Limits) -> bytes:
    """All parts together. Raises InvalidCommand as soon as they are too much."""
    whole = bytearray()
    part = head
    while True:
        if len(part.chunk) > CHUNK_BYTES_MAX:
            message = f"a part has {len(part.chunk)} bytes; at most {CHUNK_BYTES_MAX}"
            raise InvalidCommand(message, field="chunk", reason="CHUNK_TOO_LARGE")
        whole += part.chunk
        check_size(len(whole), limits)
        following = await anext(rest, None)
        if following is None:
            return bytes(whole)
        part = following


def _wrong(error: SetupError) -> InvalidCommand:
    """What is wrong with a program, for who brought it."""
    said = str(error)
    _, mark, path = said.rpartition(" - at `")
    return InvalidCommand(said, field=path[:-1] if mark else "program.py", reason=error.reason)
