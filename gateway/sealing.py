"""Sealing what identifies a person before it is appended, and opening it for whom it is.

AES-SIV, which is deterministic: a call that is made again has the same bytes, and the log recognises it. Keys are those
of `actors.ports.Subjects`; they are remembered for a minute at most, and forgotten the moment one was destroyed.
"""

import asyncio
import base64
import binascii
import contextlib
import hashlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from actors.clocks import wall_ms
from actors.domain.counting import DAY_MS
from actors.errors import Overloaded, Reject, Unavailable
from actors.ports import Subjects, Tallies
from actors.principal import Principal, Role
from actors.sealing import MARK, Sealed, read, sealed_in
from gateway.tokens import subject_of

KEPT_MAX = 10_000
KEYS_DAY_MAX = 1_000_000
SUBJECTS_MAX = 64
"""So many subjects one call may speak of that have no key yet."""
KEPT_S = 60.0
CONTEXT_BYTES = 16
T = TypeVar("T")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class KeyMissing(Exception):
    """A subject has no key yet: `make` it, off the event loop, and seal again."""

    def __init__(self, subject: str) -> None:
        super().__init__(subject)
        self.subject = subject


class Sealing:
    """What one gateway seals and opens. Without keys it does neither; without tallies it makes as many as it must."""

    def __init__(
        self, subjects: Subjects | None, tallies: Tallies | None = None, keys_day_max: int = KEYS_DAY_MAX
    ) -> None:
        self._subjects = subjects
        self._tallies = tallies
        self._keys_day_max = keys_day_max
        self._kept: dict[str, AESSIV] = {}
        self._word = 0
        self._since_s = 0.0
        self._maker = ThreadPoolExecutor(1, "subjects")
        self._wanted: dict[str, None] = {}
        self._making: asyncio.Task[frozenset[str]] | None = None

    def seal(self, subject: str, program: str, purpose: str, plain: object) -> bytes:
        """The bytes of a `Personal`; the same for the same purpose.

        Raises KeyMissing, Reject for a person who was erased or where there are no keys, Unavailable.
        """
        return self.seal_packed(subject, program, purpose.encode(), _encode(plain))

    def seal_packed(self, subject: str, program: str, purpose: bytes, packed: bytes) -> bytes:
        """The same of what is msgpack already."""
        if self._subjects is None:
            raise Reject("no_keyring", next="personal data needs a keyring, and this gateway has none")
        cipher = self._cipher(self._subjects, subject)
        if cipher is None:
            raise Reject("person_erased")
        context = hashlib.sha256(purpose).digest()[:CONTEXT_BYTES]
        ciphertext = cipher.encrypt(packed, _bound(subject, program, context))
        return _encode(Sealed(subject, program, context, ciphertext))

    def open(self, principal: Principal | None, personal: bytes, opened_of: str = "") -> Any:
        """What was sealed, for the person it is about or the server it was said to; None for everybody else, but for
        whom all of the program `opened_of` is opened here.

        Where nobody proves who they are (`principal` is None) it is opened for all. None also when the key is gone.
        """
        found = read(personal)
        if found is None or self._subjects is None or not _may_open(principal, found, opened_of):
            return None
        cipher: AESSIV | None = None
        with contextlib.suppress(KeyMissing):  # sealed under other keys than these
            cipher = self._cipher(self._subjects, found.subject)
        if cipher is None:
            return None
        try:
            bound = _bound(found.subject, found.program, found.context)
            return _decode(cipher.decrypt(found.ciphertext, bound))
        except (InvalidTag, ValueError, msgspec.MsgspecError):
            return None

    def opened(self, principal: Principal | None, payload: bytes, opened_of: str = "") -> bytes:
        """An answer's JSON with all in it that is sealed opened for this principal, or null; see `open`."""
        if payload.find(MARK) < 0:  # `in` would first take it for a number, at the price of an exception
            return payload
        return msgspec.json.encode(self._walked(principal, msgspec.json.decode(payload), opened_of))

    def _walked(self, principal: Principal | None, value: Any, opened_of: str) -> Any:
        sealed = sealed_in(value)
        if isinstance(sealed, str):
            try:
                return self.open(principal, base64.b64decode(sealed, validate=True), opened_of)
            except (binascii.Error, ValueError):
                return None
        if isinstance(value, dict):
            fields = cast("dict[str, Any]", value)
            return {name: self._walked(principal, inner, opened_of) for name, inner in fields.items()}
        if isinstance(value, list):
            return [self._walked(principal, inner, opened_of) for inner in cast("Any", value)]
        return value

    def _cipher(self, subjects: Subjects, subject: str) -> AESSIV | None:
        """The subject's cipher; None when its key was destroyed. Raises KeyMissing when it was never made."""
        word, now_s = subjects.destroyed_count(), time.monotonic()
        if word != self._word or now_s - self._since_s > KEPT_S or len(self._kept) >= KEPT_MAX:
            self._kept.clear()
            self._word, self._since_s = word, now_s
        cipher = self._kept.get(subject)
        if cipher is None:
            key = subjects.find(subject)
            if key is None:
                raise KeyMissing(subject)
            if not key:
                return None
            cipher = self._kept[subject] = AESSIV(key)
        return cipher

    async def keyed(self, make: Callable[[], T]) -> T:
        """What this makes, once the keys are there that it needs."""
        for _ in range(SUBJECTS_MAX):
            try:
                return make()
            except KeyMissing as missing:
                await self.make(missing.subject)
        raise Unavailable("the keys of those whom this is about cannot be made", outcome="NOT_APPENDED")

    async def make(self, subject: str) -> None:
        """Make the key of a subject, together with those of all who wait.

        Raises Overloaded for a program of which so many were made today, and Unavailable.
        """
        if self._subjects is None:
            raise Unavailable("this gateway has no keyring", outcome="NOT_APPENDED")
        self._wanted[subject] = None
        refused: frozenset[str] = frozenset()
        while subject in self._wanted:
            if self._making is None:
                self._making = asyncio.ensure_future(self._make(self._subjects))
            refused = await asyncio.shield(self._making)
        if subject in refused:
            message = f"this program has spoken of {self._keys_day_max} new persons today, as many as it may"
            left_ms = DAY_MS - wall_ms() % DAY_MS
            raise Overloaded(message, retry_after_ms=left_ms, reason="TOO_MANY_SUBJECTS")

    async def _make(self, subjects: Subjects) -> frozenset[str]:
        """Returns those whose keys were one too many for their program."""
        wanted = tuple(self._wanted)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._maker, self._made, subjects, wanted)
        finally:
            self._making = None
            for subject in wanted:
                self._wanted.pop(subject, None)

    def _made(self, subjects: Subjects, wanted: Sequence[str]) -> frozenset[str]:
        """Runs in the thread that makes keys."""
        counted, most, now_ms = self._tallies, self._keys_day_max, wall_ms()
        refused = frozenset(
            subject
            for subject in wanted
            if counted is not None
            and subjects.find(subject) is None
            and not counted.count(f"keys {subject.partition('/')[0]}", DAY_MS, most, now_ms)
        )
        subjects.make([subject for subject in wanted if subject not in refused])
        return refused

    async def enrol(self, login: str, person: str) -> str:
        """See `Subjects.enrol`."""
        if self._subjects is None:
            raise Reject("no_keyring")
        return await asyncio.get_running_loop().run_in_executor(self._maker, self._subjects.enrol, login, person)

    def close(self) -> None:
        """End the thread that makes keys."""
        self._maker.shutdown()


def _may_open(principal: Principal | None, found: Sealed, opened_of: str) -> bool:
    if principal is None or (opened_of and found.program == opened_of):
        return True
    match principal.role:
        case Role.SERVER:
            return principal.tenant == found.program
        case Role.PERSON | Role.ACCOUNT:
            return found.subject == subject_of(principal)
        case _:
            return False


def _bound(subject: str, program: str, context: bytes) -> list[bytes]:
    """What the ciphertext is bound to: bytes that were moved to another subject or program open nowhere."""
    return [subject.encode(), program.encode(), context]
