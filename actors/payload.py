"""JSON payloads of calls, made into the msgpack of the author's commands; and the description of an entity.

The gateway's hot path, and its guard: whatever is let through here decodes in every partition. Pure.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias, cast

import msgspec
from msgspec import Struct
from msgspec import inspect as types

from actors.entity import AnyEntity
from actors.errors import InvalidCommand, NotFound
from actors.sealing import Personal, PersonalField, fields_of
from actors.shape import structs_of, tag_of

BYTES_MAX_DEFAULT = 256 * 1024
DEPTH_MAX = 32
KNOWN_MAX, KNOWN_BYTES_MAX = 1_024, 64
"""Of each kind so many short payloads are known by what they came to: very many calls say the same few things."""
_INT_MIN, _INT_MAX = -(1 << 63), (1 << 64) - 1
_TEXT_CHARS_MAX = 200
_AT = re.compile(r"`(\$[^`]*)`$")
_NAMED = re.compile(r"(?:unknown|missing required) field `(.*?)`", re.DOTALL)

Check: TypeAlias = Callable[[object, str, int], None]
Seal: TypeAlias = Callable[[str, str, bytes], bytes]
"""Seals what a field says, which is about this person (empty when the command does not say): field, person, msgpack."""
_encode = msgspec.msgpack.Encoder().encode
_decode_any = msgspec.json.Decoder().decode


class Payloads:
    """The payloads of one entity's commands: JSON objects of a command's fields, without its tag."""

    __slots__ = ("_bytes_max", "_commands", "_fields", "_kind", "_known", "_structs", "personal")

    def __init__(self, entity: AnyEntity, bytes_max: int = BYTES_MAX_DEFAULT) -> None:
        self._kind = entity.kind
        self._bytes_max = bytes_max
        self._structs = {tag_of(struct): struct for struct in structs_of(entity.command)}
        self._commands = {tag: _compile(struct) for tag, struct in self._structs.items()}
        self._known: dict[tuple[str, bytes], bytes] = {}
        self._fields = {tag: struct.__struct_encode_fields__ for tag, struct in self._structs.items()}
        found = ((tag, fields_of(struct)) for tag, struct in self._structs.items())
        self.personal = {tag: fields for tag, fields in found if fields}
        """The commands that have fields to be sealed, and which; `decode` is not for them."""

    def decode(self, command: str, payload: bytes, seal: Seal | None = None) -> bytes:
        """The msgpack of the command with this tag and these fields; an empty payload is one without fields.

        A command of `personal` needs `seal`, and what that raises is raised.

        Raises NotFound for a tag that the entity does not take, and InvalidCommand, with the field's path, for a
        payload that does not fit. A payload may repeat the tag, but not contradict it.
        """
        written = self._known.get((command, payload))
        if written is not None:
            return written
        compiled = self._commands.get(command)
        if compiled is None:
            known = ", ".join(sorted(self._commands))
            raise NotFound(f"{self._kind} has no command {_short(command)!r}; it has {known}", reason="NO_SUCH_COMMAND")
        if len(payload) > self._bytes_max:
            raise InvalidCommand(
                f"the payload has {len(payload)} bytes; at most {self._bytes_max} are taken",
                field="$",
                reason="PAYLOAD_TOO_BIG",
            )
        decode, check = compiled
        try:
            value = decode(payload or b"{}")
            if check is not None:
                check(_decode_any(payload or b"{}"), "$", 0)
            if seal is None:
                return self._noted(command, payload, _encode(value))
            said = [(field.name, *_said(value, field)) for field in self.personal[command]]
        except InvalidCommand:
            raise
        except Exception as error:  # an author's __post_init__ may raise anything
            raise _explained(error, payload, self._fields[command]) from error
        sealed = {name: Personal[Any](seal(name, whom, packed)) for name, whom, packed in said if packed}
        struct = self._structs[command]
        try:
            return _encode(
                struct(**{name: sealed.get(name, getattr(value, name)) for name in struct.__struct_fields__})
            )
        except Exception as error:
            raise _explained(error, payload, self._fields[command]) from error

    def _noted(self, command: str, payload: bytes, written: bytes) -> bytes:
        """What a payload came to, which whoever says the same is given, too."""
        if len(payload) <= KNOWN_BYTES_MAX:
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            self._known[command, payload] = written
        return written


def _said(value: object, field: PersonalField) -> tuple[str, bytes]:
    """Whom the command says that a field of it is about, and the msgpack of what it says; nothing for null."""
    plain = getattr(value, field.name)
    return str(getattr(value, field.of)) if field.of else "", b"" if plain is None else _encode(plain)


def checked(command: Struct) -> bytes:
    """The msgpack of a command that was made here, of values from elsewhere.

    Raises InvalidCommand, with the field's path, for one that its own type would not take.
    """
    try:
        written = _encode(command)
        msgspec.msgpack.decode(written, type=type(command))
    except Exception as error:  # an author's __post_init__ may raise anything
        raise _explained(error, b"{}", command.__struct_encode_fields__) from error
    return written


def describe(entity: AnyEntity) -> dict[str, object]:
    """What an entity takes, says and shows: JSON Schema of its commands and events by tag, and its views' names.

    The schemas of commands are those of payloads. They refer to `#/types/…`, which is part of the description.
    """
    commands = {tag_of(struct): _twin(struct, tagged=False) for struct in structs_of(entity.command)}
    events = {tag_of(struct): struct for struct in structs_of(entity.event)}
    every = [*commands.values(), *events.values()]
    schemas, components = msgspec.json.schema_components(every, ref_template="#/types/{name}")
    by_tag = dict(zip([*commands, *events], schemas, strict=True))
    return {
        "kind": entity.kind,
        "collection": entity.collection_name,
        "commands": {tag: by_tag[tag] for tag in commands},
        "events": {tag: by_tag[tag] for tag in events},
        "views": sorted(entity.views),
        "types": components,
    }


def _twin(struct: type[Struct], *, tagged: bool) -> type[Struct]:
    """The author's type, but strict about unknown fields, and with what is to be sealed in the clear.

    Where nothing is, it encodes to the same bytes.
    """
    tag = tag_of(struct) if tagged else False
    module = {"__module__": struct.__module__}
    plain = {field.name: field.plain for field in fields_of(struct)}
    clear = [_cleared(field, plain[field.name]) for field in msgspec.structs.fields(struct) if field.name in plain]
    return msgspec.defstruct(
        struct.__name__, clear, bases=(struct,), namespace=module, tag=tag, forbid_unknown_fields=True, frozen=True
    )


def _cleared(field: msgspec.structs.FieldInfo, plain: Any) -> Any:
    """As `defstruct` takes a field."""
    return (field.name, plain) if field.required else (field.name, plain, field.default)


def _compile(struct: type[Struct]) -> tuple[Callable[[bytes], object], Check | None]:
    """The decoder of one command, and the check of what lies deeper than its own fields, if anything does."""
    twin = _twin(struct, tagged=True)
    decoder = msgspec.json.Decoder[Any](twin)
    found = types.type_info(twin)
    assert isinstance(found, types.StructType)
    made: dict[int, Check] = {}
    if all(_checker(field.type, made) is None for field in found.fields):
        return decoder.decode, None
    return decoder.decode, _checker(found, made)


def _checker(type_: types.Type, made: dict[int, Check]) -> Check | None:
    """A check for values of this type, or None where a decoder alone sees all there is to see."""
    match type_:
        case types.Metadata(type=inner):
            return _checker(inner, made)
        case types.AnyType():
            return _check_any
        case types.StructType():
            return _fields_checker(type_, made)
        case types.TupleType(item_types=items):
            return _items_checker([_checker(item, made) for item in items])
        case types.DictType(value_type=item) | types.CollectionType(item_type=item):
            return _values_checker(_checker(item, made))
        case types.UnionType(types=members):
            return _union_checker(members, made)
        case _:
            return None


def _fields_checker(type_: types.StructType, made: dict[int, Check]) -> Check:
    """Checks an object's names, and what is under them. A type that holds itself finds its own check in `made`."""
    if id(type_) in made:
        return made[id(type_)]
    known: dict[str, Check | None] = {} if type_.tag_field is None else {type_.tag_field: None}

    def check(value: object, path: str, depth: int) -> None:
        _guard(path, depth)
        for name, inner in cast("dict[str, object]", value).items():
            if name not in known:
                raise InvalidCommand(f"unknown field `{_short(name)}`", field=_short(_below(path, name)))
            deeper = known[name]
            if deeper is not None:
                deeper(inner, _below(path, name), depth + 1)

    made[id(type_)] = check
    known.update((field.encode_name, _checker(field.type, made)) for field in type_.fields)
    return check


def _items_checker(checks: list[Check | None]) -> Check | None:
    if not any(checks):
        return None

    def check(value: object, path: str, depth: int) -> None:
        _guard(path, depth)
        for (index, inner), deeper in zip(_entries(value), checks, strict=False):
            if deeper is not None:
                deeper(inner, _below(path, index), depth + 1)

    return check


def _values_checker(deeper: Check | None) -> Check | None:
    if deeper is None:
        return None

    def check(value: object, path: str, depth: int) -> None:
        _guard(path, depth)
        for name, inner in _entries(value):
            deeper(inner, _below(path, name), depth + 1)

    return check


def _union_checker(members: tuple[types.Type, ...], made: dict[int, Check]) -> Check | None:
    """An object goes by its tag, or to the one member without; an array to the one member that takes arrays."""
    tagged: dict[object, Check] = {}
    objects: list[Check] = []
    arrays: list[Check] = []
    field = ""
    for member in members:
        check = _checker(member, made)
        if check is None:
            continue
        if isinstance(member, types.StructType) and member.tag_field is not None:
            tagged[member.tag] = check
            field = member.tag_field
        elif isinstance(member, types.CollectionType | types.TupleType):
            arrays.append(check)
        else:
            objects.append(check)
    if not tagged and not objects and not arrays:
        return None

    def choose(value: object, path: str, depth: int) -> None:
        fields = _fields(value)
        by_tag = None if fields is None else tagged.get(fields.get(field))
        for check in [by_tag] if by_tag else arrays if fields is None else objects:
            check(value, path, depth)

    return choose


def _check_any(value: object, path: str, depth: int) -> None:
    """Any JSON will do that can be stored and is not nested too deep for whoever decodes it next."""
    if isinstance(value, int) and not _INT_MIN <= value <= _INT_MAX:
        raise InvalidCommand("an integer has more than 64 bits", field=_short(path))
    _guard(path, depth)
    for name, inner in _entries(value):
        _check_any(inner, _below(path, name), depth + 1)


def _guard(path: str, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise InvalidCommand(f"nested more than {DEPTH_MAX} levels deep", field=_short(path))


def _fields(value: object) -> dict[str, object] | None:
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def _entries(value: object) -> Iterable[tuple[str | int, object]]:
    fields = _fields(value)
    if fields is not None:
        return fields.items()
    if isinstance(value, list):
        return enumerate(cast("list[object]", value))
    return ()


def _below(path: str, name: str | int) -> str:
    return f"{path}[{name}]" if isinstance(name, int) else f"{path}.{name}"


def _explained(error: Exception, payload: bytes, fields: Sequence[str]) -> InvalidCommand:
    """The caller's view of what a decoder or an encoder refused; `fields` are the command's own."""
    if isinstance(error, RecursionError):
        return InvalidCommand("the payload is nested too deep", field="$")
    if isinstance(error, UnicodeError):
        return InvalidCommand("the payload is not UTF-8", field="$")
    if isinstance(error, OverflowError):
        try:
            _check_any(_decode_any(payload), "$", 0)
        except InvalidCommand as found:
            return found
    message = str(error)
    at = _AT.search(message)
    path = at[1] if at else "$"
    told = _short(message[: at.start()].removesuffix(" - at ") if at else message)
    named = _NAMED.search(message)
    if named:
        told += f"; the command takes {', '.join(fields) or 'no fields'}" if path == "$" else ""
        path = f"{path}.{named[1]}"
    elif isinstance(error, msgspec.DecodeError) and not isinstance(error, msgspec.ValidationError):
        told = f"the payload is no JSON object: {told}; the command takes {', '.join(fields) or 'no fields'}"
    return InvalidCommand(told, field=_short(path))


def _short(text: str) -> str:
    """A caller's own words, cut so that an answer stays small."""
    return text if len(text) <= _TEXT_CHARS_MAX else text[:_TEXT_CHARS_MAX] + "…"
