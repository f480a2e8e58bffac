"""Whether a new version of a program reads all that a former one wrote: commands, events, states, by their types. Pure.

What is on the log stays there, and so does what waits: timers, sends, and states that nobody touches for years. A new
version may add, with defaults, and take away nothing.
"""

from collections.abc import Sequence
from typing import cast

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec import inspect as types

from actors.entity import AnyEntity
from actors.errors import InvalidCommand
from actors.shape import class_of, structs_of, tag_of

_SAMPLES = ("a", "a/b", "a/b/c", "a/b/c/d", "gold~a/b", "Größe 7", "0", "x" * 40)
"""Ids by which two versions' routings are compared: no text says whether two functions are the same."""

_LEAST = ("ge", "gt", "min_length")
_MOST = ("le", "lt", "max_length")
_SAME = ("multiple_of", "pattern", "tz")


def check_compatible(older: Sequence[AnyEntity], newer: Sequence[AnyEntity]) -> None:
    """Raises InvalidCommand, with the path of the first thing that the newer version would not read."""
    there = {entity.kind: entity for entity in newer}
    for old in older:
        new = there.get(old.kind)
        if new is None:
            raise _incompatible(old.kind, "the kind is gone, and its entities are there")
        _check_place(old, new)
        for part, before, now in (("command", old.command, new.command), ("event", old.event, new.event)):
            structs = {tag_of(struct): struct for struct in structs_of(now)}
            for struct in structs_of(before):
                tag = tag_of(struct)
                if tag not in structs:
                    raise _incompatible(f"{old.kind}.{part}", f"{tag!r} is gone, and may be on the log")
                _check(types.type_info(struct), types.type_info(structs[tag]), f"{old.kind}.{part}.{tag}", {})
        _check(_state_of(old), _state_of(new), f"{old.kind}.state", {})


def _state_of(entity: AnyEntity) -> types.Type:
    initial: object = entity.initial
    return types.type_info(type(initial))


def _check_place(old: AnyEntity, new: AnyEntity) -> None:
    """The same entities at the same names in the same partitions."""
    if old.collection_name != new.collection_name:
        raise _incompatible(f"{old.kind}.collection", f"it was {old.collection_name!r}, by which entities are called")
    if any(_routed(old, sample) != _routed(new, sample) for sample in _SAMPLES):
        raise _incompatible(f"{old.kind}.routing", "another routing key is another partition, without what was there")


def _routed(entity: AnyEntity, entity_id: str) -> str:
    """The routing key of an id, or by which error an id cannot be that an author thought of otherwise."""
    try:
        return entity.routing(entity_id)
    except Exception as error:  # noqa: BLE001 - it is the author's function, and one error is as good as another
        return f"\0{type(error).__name__}"


def _check(old: types.Type, new: types.Type, path: str, seen: dict[tuple[type, type], None]) -> None:
    """Raises unless whatever was written as the old type is read as the new one."""
    old, new = _bare(old), _bare(new)
    if isinstance(new, types.AnyType):
        return
    if isinstance(old, types.UnionType):
        for member in old.types:
            _check(member, new, path, seen)
        return
    if isinstance(new, types.UnionType):
        _check_member(old, new, path, seen)
        return
    if isinstance(old, types.StructType) and isinstance(new, types.StructType):
        if (old.cls, new.cls) not in seen:
            seen[old.cls, new.cls] = None
            _check_struct(old, new, path, seen)
        return
    if not _is_alike(old, new):
        raise _incompatible(path, f"it was {_name(old)} and is {_name(new)}")
    _check_bounds(old, new, path)
    _check_parts(old, new, path, seen)


def _is_alike(old: types.Type, new: types.Type) -> bool:
    """Whether both are written in one form, or the new one reads the old one's, too."""
    if isinstance(old, types.LiteralType) and isinstance(new, types.StrType | types.IntType):
        return all(isinstance(value, str) == isinstance(new, types.StrType) for value in old.values)
    pairs = (
        (types.IntType, types.FloatType),
        (types.ListType, types.VarTupleType),
        (types.VarTupleType, types.ListType),
    )
    return type(old) is type(new) or (type(old), type(new)) in pairs


def _check_member(old: types.Type, new: types.UnionType, path: str, seen: dict[tuple[type, type], None]) -> None:
    """One member of the union reads it; of structs that is the one with the same tag."""
    errors: list[InvalidCommand] = []
    members = [member for member in new.types if _tag(_bare(member)) == _tag(old)]
    for member in members:
        try:
            _check(old, member, path, seen)
        except InvalidCommand as error:
            errors.append(error)
        else:
            return
    raise errors[0] if len(errors) == 1 else _incompatible(path, f"it may have been {_name(old)}, which is gone")


def _check_struct(old: types.StructType, new: types.StructType, path: str, seen: dict[tuple[type, type], None]) -> None:
    if (old.tag, old.array_like) != (new.tag, new.array_like):
        raise _incompatible(path, "it is written in another form: its tag, or array_like")
    fields = {field.encode_name: field for field in new.fields}
    if new.array_like and [field.encode_name for field in old.fields] != list(fields)[: len(old.fields)]:
        raise _incompatible(path, "it is array_like, so fields may be added at its end alone")
    for before in old.fields:
        name = f"{path}.{before.encode_name}"
        now = fields.pop(before.encode_name, None)
        if now is None:
            raise _incompatible(name, "the field is gone, and what was in it would be lost")
        if now.required and not before.required:
            raise _incompatible(name, "the field had a default and has none")
        if class_of(old.cls).__struct_config__.omit_defaults and _default(before) != _default(now):
            raise _incompatible(name, "its default is not written (omit_defaults), and it is another one now")
        _check(before.type, now.type, name, seen)
    for added in fields.values():
        if added.required:
            raise _incompatible(f"{path}.{added.encode_name}", "a field that is added has a default")


def _check_bounds(old: types.Type, new: types.Type, path: str) -> None:
    """What was within the bounds is within them now."""
    for names, is_narrower in ((_LEAST, _above), (_MOST, _below), (_SAME, _other)):
        for name in names:
            before, now = getattr(old, name, None), getattr(new, name, None)
            if now is not None and (before is None or is_narrower(now, before)):
                raise _incompatible(path, f"its {name} was {before} and is {now}")
    if isinstance(old, types.EnumType) and isinstance(new, types.EnumType):
        gone = sorted({str(one.value) for one in old.cls} - {str(one.value) for one in new.cls})
    elif isinstance(old, types.LiteralType) and isinstance(new, types.LiteralType):
        gone = [str(value) for value in old.values if value not in new.values]
    else:
        gone = []
    if gone:
        raise _incompatible(path, f"it may have been {gone[0]!r}, which is gone")


def _check_parts(old: types.Type, new: types.Type, path: str, seen: dict[tuple[type, type], None]) -> None:
    """What a collection holds."""
    for name, mark in (("item_type", "[]"), ("key_type", "{}"), ("value_type", "{}")):
        before = cast("types.Type | None", getattr(old, name, None))
        if before is not None:
            _check(before, getattr(new, name), path + mark, seen)
    if isinstance(old, types.TupleType) and isinstance(new, types.TupleType):
        if len(old.item_types) != len(new.item_types):
            raise _incompatible(path, f"it had {len(old.item_types)} parts and has {len(new.item_types)}")
        for place, (before, now) in enumerate(zip(old.item_types, new.item_types, strict=True)):
            _check(before, now, f"{path}[{place}]", seen)


def _bare(type_: types.Type) -> types.Type:
    return _bare(type_.type) if isinstance(type_, types.Metadata) else type_


def _tag(type_: types.Type) -> object:
    return type_.tag if isinstance(type_, types.StructType) else None


def _default(field: types.Field) -> object:
    """A default in a form that two versions' own types do not make unequal."""
    value = field.default if field.default_factory is NODEFAULT else field.default_factory()
    return msgspec.msgpack.encode(value) if isinstance(value, Struct) else value


def _above(now: float, before: float) -> bool:
    return now > before


def _below(now: float, before: float) -> bool:
    return now < before


def _other(now: object, before: object) -> bool:
    return now != before


def _name(type_: types.Type) -> str:
    return type_.cls.__name__ if isinstance(type_, types.StructType) else type(type_).__name__.removesuffix("Type")


def _incompatible(path: str, why: str) -> InvalidCommand:
    return InvalidCommand(
        f"what a former version wrote would not be read: {why} - at `{path}`", field=path, reason="INCOMPATIBLE"
    )
