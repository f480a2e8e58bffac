"""What may stand on the log and in a store: the checks of an entity's types, made once, before anything runs.

Everything here is about types; a value is looked at only in `canonical`. No I/O.
"""

import re
from collections.abc import Iterator
from typing import Any, cast, get_args, get_origin

import msgspec
from msgspec import Struct
from msgspec import inspect as types

from actors.entity import AnyEntity
from actors.errors import SetupError
from actors.lifecycle import flaws
from actors.principal import Role
from actors.sealing import fields_of, is_personal

KIND = re.compile(r"[a-z][a-z0-9-]{0,62}(\.[a-z][a-z0-9-]{0,62}){0,3}")
COLLECTION = re.compile(r"[a-z][a-z0-9-]{0,62}")
OWNING = (Role.PERSON, Role.MERCHANT)
KINDS_RESERVED = frozenset({"dead-letter"})
_encode = msgspec.msgpack.Encoder().encode


def structs_of(union: object) -> tuple[type[Struct], ...]:
    """The struct types of a union of them, or of a single one."""
    members = get_args(union) or (union,)
    return tuple(member for member in members if isinstance(member, type) and issubclass(member, Struct))


def tag_of(struct: type[Struct]) -> str:
    """The tag by which the log names this type. It was checked to be there."""
    tag = struct.__struct_config__.tag
    assert isinstance(tag, str)
    return tag


def check_entity(entity: AnyEntity, where: str = "") -> None:
    """Raises SetupError, naming `where` and the reason, if the entity could not be stored or addressed for ever."""
    try:
        _check_names(entity)
        _check_tags(entity, "command", entity.command)
        _check_tags(entity, "event", entity.event)
        _check_life(entity)
        _check_access(entity)
        if not isinstance(entity.initial, Struct):
            raise TypeError(f"its initial state must be a msgspec Struct, not {type(entity.initial).__name__}")
        for struct in (*structs_of(entity.command), *structs_of(entity.event)):
            _check_type(struct, named=True)
        _check_type(type(entity.initial), named=False)
        canonical(entity.initial, "initial state")
    except (ValueError, TypeError) as error:
        place = f"{where}: " if where else ""
        raise SetupError(f"{place}entity {entity.kind!r}: {error}", reason="ENTITY") from error


def canonical(value: object, what: str, type_: object = None) -> bytes:
    """The bytes of a value as the platform stores it. Raises TypeError unless they decode to the same again.

    `type_` is what it is decoded as, its own type by default; `what` names its part in the error.
    """
    name = type(value).__name__
    try:
        stored = _encode(value)
        again = msgspec.msgpack.decode(stored, type=type_ or value.__class__)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise TypeError(f"the {what} {name} cannot be stored: {error}") from error
    if _encode(again) != stored:
        raise TypeError(f"the {what} {name} is another one after it was stored: {again!r} instead of {value!r}")
    return stored


def _check_names(entity: AnyEntity) -> None:
    if not KIND.fullmatch(entity.kind) or entity.program in KINDS_RESERVED:
        raise ValueError(
            "a kind is lower-case letters, digits and hyphens, as `program` or `program.noun`, and not `dead-letter`"
        )
    if not COLLECTION.fullmatch(entity.collection_name):
        raise ValueError(f"the collection {entity.collection_name!r} is not lower-case letters, digits and hyphens")


def _check_tags(entity: AnyEntity, role: str, union: object) -> None:
    structs = structs_of(union)
    if len(structs) != len(get_args(union) or (union,)) or not structs:
        raise TypeError(f"its {role} must be a msgspec Struct or a union of them, not {union!r}")
    prefix = entity.program + "."
    for struct in structs:
        tag = struct.__struct_config__.tag
        if not isinstance(tag, str) or not tag.startswith(prefix):
            wanted = f"{prefix}{struct.__name__.lower()}"
            raise ValueError(f"write the {role} {struct.__name__}'s tag out, as in tag={wanted!r}; it has {tag!r}")
    tags = [tag_of(struct) for struct in structs]
    twice = {tag for tag in tags if tags.count(tag) > 1}
    if twice:
        raise ValueError(f"two {role}s share the tag {min(twice)!r}")


def _check_life(entity: AnyEntity) -> None:
    found = [f"{flaw} in the life of its {name}" for name, table in entity.life.items() for flaw in flaws(table)]
    if found:
        raise ValueError(found[0])


def _check_access(entity: AnyEntity) -> None:
    tags = [tag_of(struct) for struct in structs_of(entity.command)]
    for name, roles in entity.access.items():
        if (name in tags) == (name in entity.views):
            raise ValueError(f"its access names {name!r}, which is not one of its commands or else one of its views")
        if Role.MERCHANT in roles and Role.MERCHANT not in entity.owner:
            raise ValueError("merchants have access: say whose an entity is by its id, as owner={Role.MERCHANT: …}")
        odd = [role for role in roles if role not in (*OWNING, Role.SERVER)]
        if odd:
            raise ValueError(f"its access names the role {str(odd[0])!r}; there are person, server and merchant")
    unseen = [view for view in entity.friends_see if view not in entity.views]
    if unseen or (entity.friends_see and Role.PERSON not in entity.owner):
        raise ValueError(
            "friends see views of it that it has, of a person whose entity it is by owner={Role.PERSON: …}"
        )
    closed = [
        view
        for view, roles in entity.opens_to.items()
        if view not in entity.views or not set(roles) <= set(entity.access.get(view, ())) & entity.owner.keys()
    ]
    if closed:
        raise ValueError(
            f"it opens {closed[0]!r}, which is no view of it that these roles have access to, as owners of it by its id"
        )
    strangers = [role for role in entity.owner if role not in OWNING]
    if strangers:
        raise ValueError(f"its owner names the role {str(strangers[0])!r}; there are person and merchant")


def _check_type(struct: type[Struct], *, named: bool) -> None:
    """Only what has one form in msgpack and in JSON, on every machine, and is never changed in place.

    What others read must have `named` fields; a state may be array_like, which is smaller.
    """
    for type_ in (struct, *(field.plain for field in fields_of(struct))):
        _check_parts(struct.__name__, types.type_info(type_), named=named)


def _check_parts(holder: str, type_: types.Type, *, named: bool) -> None:
    for found in _walk(type_, set()):
        name = type(found).__name__.removesuffix("Type")
        match found:
            case types.SetType() | types.FrozenSetType():
                raise TypeError(f"{holder} holds a set, whose order differs by process; use a dict or a tuple")
            case types.DataclassType() | types.TypedDictType() | types.NamedTupleType():
                raise TypeError(f"{holder} holds a {name}; use a msgspec Struct")
            case types.RawType() | types.ExtType() | types.CustomType() | types.ByteArrayType():
                raise TypeError(f"{holder} holds a {name}, which has no one form on the log")
            case types.StructType(cls=cls) if not class_of(cls).__struct_config__.frozen:
                raise TypeError(f"{cls.__name__} must be frozen=True: values are shared and never changed")
            case types.StructType(cls=cls, array_like=True) if named:
                raise TypeError(f"{cls.__name__} is array_like; in commands and events fields have names")
            case _:
                pass


def check_personal(entity: AnyEntity, where: str) -> None:
    """Raises SetupError when a command holds something personal where a gateway would not find it to seal it."""
    for struct in structs_of(entity.command):
        own = {field.name: field for field in fields_of(struct)}
        for field in msgspec.structs.fields(struct):
            deeper = [] if field.name in own else [*_walk(types.type_info(field.type), set())]
            if any(isinstance(found, types.StructType) and is_personal(found.cls) for found in deeper):
                message = "write Personal[T] around all that the field holds; within it nothing would be sealed"
            elif field.name in own and own[field.name].of not in ("", *(set(struct.__struct_fields__) - own.keys())):
                message = f"Of({own[field.name].of!r}) names no field of the command that says a person"
            else:
                continue
            place = f"{where}: {struct.__name__}.{field.name}"
            raise SetupError(f"{place}: {message}", reason="ENTITY")


def class_of(cls: Any) -> type[Struct]:
    """The class itself of a generic one with its parameters."""
    return cast("type[Struct]", get_origin(cls) or cls)


def _walk(type_: types.Type, seen: set[int]) -> Iterator[types.Type]:
    """The type and all that it is made of, each once."""
    if id(type_) in seen:
        return
    seen.add(id(type_))
    yield type_
    for name in type_.__struct_fields__:
        part: object = getattr(type_, name)
        for child in cast("tuple[object, ...]", part) if isinstance(part, tuple) else (part,):
            inner = child.type if isinstance(child, types.Field) else child
            if isinstance(inner, types.Type):
                yield from _walk(inner, seen)
