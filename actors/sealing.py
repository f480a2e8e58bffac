"""Personal data as the log holds it: sealed under its person's key, and opaque to whoever folds it. Pure; no keys here.

A gateway seals it before it is appended and opens it for whom it is; what stands between sees bytes.
"""

import types as builtin
from typing import Annotated, Any, Generic, NamedTuple, TypeVar, Union, cast, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

T = TypeVar("T")

MARK = b'"$sealed":'
"""What stands in the JSON of an answer that holds anything sealed. Text that a caller wrote has its quotes escaped."""
SHOWN = "<sealed>"
"""What stands for it wherever it is not opened."""
DAY_MS = 86_400_000
NOBODY = "/~"
"""Stands in a subject that is nobody in particular, before the number of a day; no person is named so."""
_FIELD = "$sealed"
_OF = "of"


class Personal(Struct, Generic[T], frozen=True, rename={"sealed": "$sealed"}):
    """A value of type T that identifies a person. Whoever calls writes and reads a T; `decide` sees bytes.

    They can be kept, handed on and shown, but not read or compared: the same value sealed twice is not the same. A
    command has it as a field of its own, as in `phone: Personal[str]` or `phone: Personal[str] | None = None`. It is
    sealed for the person whose token calls; where none does, for whom the field names by `Of`, else for whose entity it
    is (`Entity.owner`), else under the key that the program has that day for nobody in particular.
    """

    sealed: bytes


def Of(field: str) -> Meta:  # noqa: N802 - reads as the type's part that it is
    """Says that another field of the command has the openid of the person whom this is about, or "".

    It counts where no person calls: a person speaks of itself. As in
    `plate: Annotated[Personal[str] | None, Of("driver")] = None`.
    """
    return Meta(extra={_OF: field})


class Sealed(Struct, frozen=True, array_like=True):
    """What the bytes say: who is the only one it can be opened for, and in which program it was said.

    `subject` names the key, `context` keeps the same words from looking the same twice.
    """

    subject: str
    program: str
    context: bytes
    ciphertext: bytes


class PersonalField(NamedTuple):
    """A command's field that is sealed: what a caller writes there, and which field says whom it is about."""

    name: str
    plain: object
    of: str


_sealed = msgspec.msgpack.Decoder(Sealed).decode


def fields_of(struct: type[Struct]) -> tuple[PersonalField, ...]:
    """The fields of a struct that are sealed."""
    found: list[PersonalField] = []
    for field in msgspec.structs.fields(struct):
        plain, of = _plain(field.type)
        if plain is not None:
            found.append(PersonalField(field.name, plain, of))
    return tuple(found)


def _plain(type_: Any) -> tuple[object | None, str]:
    """The type that is sealed in a field of this type, None in others; and the field that says whom it is about."""
    of = ""
    if get_origin(type_) is Annotated:
        type_, *said = get_args(type_)
        of = next((meta.extra[_OF] for meta in said if isinstance(meta, Meta) and meta.extra and _OF in meta.extra), "")
    if is_personal(type_):
        return get_args(type_)[0], of
    if get_origin(type_) in (Union, builtin.UnionType):
        members: tuple[Any, ...] = get_args(type_)
        personal = [member for member in members if is_personal(member)]
        if personal and len(members) == 2 and type(None) in members:
            return get_args(personal[0])[0] | None, of
    return None, of


def is_personal(type_: object) -> bool:
    """Whether this is `Personal` of something."""
    return get_origin(type_) is Personal


def read(personal: bytes) -> Sealed | None:
    """What the bytes of a `Personal` say; None when nobody sealed them."""
    try:
        return _sealed(personal)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def nobody(program: str, at_ms: int) -> str:
    """The subject of what is said in a program on this day of nobody in particular."""
    return f"{program}{NOBODY}{at_ms // DAY_MS}"


def is_over(subject: str, now_ms: int, kept_ms: int) -> bool:
    """Whether what was sealed for this subject has been kept for so long; never of a person."""
    _, mark, day = subject.partition(NOBODY)
    return mark != "" and day.isdecimal() and (int(day) + 1) * DAY_MS + kept_ms <= now_ms


def veiled(value: Any) -> Any:
    """A value as it may be shown to anybody: without a single byte of what is sealed. Of built-in types."""
    if isinstance(value, dict):
        fields = cast("dict[object, Any]", value)
        if fields.keys() == {_FIELD}:
            return SHOWN
        return {name: veiled(inner) for name, inner in fields.items()}
    if isinstance(value, list | tuple):
        return [veiled(inner) for inner in cast("list[Any]", value)]
    return value


def sealed_in(value: object) -> str | bytes | None:
    """The bytes of a `Personal` that stands here, in base64 if it was read from JSON; None for anything else."""
    fields = cast("dict[object, Any]", value) if isinstance(value, dict) else {}
    found = fields.get(_FIELD)
    return found if fields.keys() == {_FIELD} and isinstance(found, str | bytes) else None
