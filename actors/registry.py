"""What a platform runs: its own entities and the programs of some folders, checked, named and addressed.

A program is run from the very bytes that its digest was made of, under a private module name. Nothing is registered by
import: `ENTITIES` is read from the module.
"""

import ast
import contextlib
import hashlib
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, cast

import msgspec

from actors import domain, programs
from actors.entity import KEY_BYTES_MAX, AnyEntity, Entity, Ref
from actors.errors import InvalidCommand, NotFound, SetupError
from actors.manifest import Manifest, read_manifest
from actors.packages import Package
from actors.shape import check_entity, check_personal, structs_of, tag_of

ID_CHARS_MAX = 200
PREFIX = "programs"
PROGRAMS_MAX = 10_000
PARSES_MAX = 3
_IMPORTS_BANNED = frozenset(
    ("asyncio", "multiprocessing", "os", "random", "secrets", "socket", "subprocess", "threading", "time", "uuid")
)
_IMPORTS_FREE = frozenset(
    (
        *("__future__", "abc", "actors", "base64", "binascii", "bisect", "calendar", "cmath", "collections"),
        *("contextlib", "copy", "dataclasses", "datetime", "decimal", "enum", "fractions", "functools", "graphlib"),
        *("hashlib", "heapq", "hmac", "html", "itertools", "json", "math", "msgspec", "numbers", "operator", "re"),
        *("statistics", "string", "struct", "textwrap", "types", "typing", "unicodedata", "zlib"),
    )
)
"""What every program may import: of Python what only computes. Any other library stands in its manifest."""
_CALLS_BANNED = frozenset(("eval", "exec", "hash", "id", "input", "open"))
_RUNNING = threading.Lock()
"""Held while a program's module runs: under its name stands until then what another thread would take for all of it."""


@dataclass(frozen=True, slots=True)
class Program:
    """One mini program as it was loaded; `digest` names the bytes of its rules."""

    manifest: Manifest
    folder: Path
    digest: str
    entities: tuple[AnyEntity, ...]


@dataclass(frozen=True, slots=True)
class Registry:
    """Every entity that this platform knows. `digest` names the rules of them all: other rules, another release."""

    entities: Mapping[str, AnyEntity]
    programs: Mapping[str, Program]
    digest: str
    _collections: Mapping[tuple[str, str], AnyEntity]

    def entity_of(self, name: str) -> tuple[AnyEntity, str]:
        """The entity type and id of a resource name such as `programs/bike/stations/42` or `sessions/bike/ann/1`.

        Raises NotFound for a program or a collection that does not exist, InvalidCommand for an id that cannot be.
        """
        program, collection, entity_id = _split(name)
        entity = self._collections.get((program, collection))
        if entity is None:
            raise NotFound(self._missing(name, program), reason="NO_SUCH_KIND")
        flaw = _flaw_of_id(entity, entity_id)
        if flaw:
            raise _invalid_id(name, flaw)
        return entity, entity_id

    def entity_at(self, to: Ref[Any]) -> AnyEntity:
        """The entity type at an address. Raises NotFound for a kind that is unknown, InvalidCommand as `entity_of`."""
        entity = self.entities.get(to.kind)
        flaw = "" if entity is None else _flaw_of_id(entity, to.id)
        if entity is None or flaw:
            raise _invalid_id(self.name_of(str(to)), flaw)  # a kind that is unknown has no names
        return entity

    def name_of(self, entity: str) -> str:
        """The resource name of the entity that the log calls `kind/id`. Raises NotFound for a kind that is unknown."""
        kind, _, entity_id = entity.partition("/")
        found = self.entities.get(kind)
        if found is None:
            raise NotFound(f"there is no kind {kind!r}; there are {_list(self.entities)}", reason="NO_SUCH_KIND")
        prefix = f"{PREFIX}/{found.program}/" if found.program in self.programs else ""
        return f"{prefix}{found.collection_name}/{entity_id}"

    def with_packages(self, programs: Mapping[str, tuple[Program, Program]]) -> "Registry":
        """The same with these programs, each the newest version that decides anything and the one that is for all.

        A newer version has all kinds of an older one, so kinds are the newest one's; the manifest is what everybody
        sees, but for pages that a part sees already.
        """
        found = dict(self.programs)
        entities = {kind: entity for kind, entity in self.entities.items() if entity.program not in programs}
        collections = {place: entity for place, entity in self._collections.items() if place[0] not in programs}
        for name, (newest, live) in programs.items():
            pages = tuple(dict.fromkeys((*live.manifest.pages, *newest.manifest.pages)))
            found[name] = replace(newest, manifest=msgspec.structs.replace(live.manifest, pages=pages))
            for entity in newest.entities:
                entities[entity.kind] = collections[name, entity.collection_name] = entity
        return Registry(MappingProxyType(entities), MappingProxyType(found), self.digest, MappingProxyType(collections))

    def _missing(self, name: str, program: str) -> str:
        if program and program not in self.programs:
            return f"there is no program {program!r}; there are {_list(self.programs)}"
        there = [collection for owner, collection in self._collections if owner == program]
        hint = f"{PREFIX}/{program}/…" if program else f"{PREFIX}/<program>/<collection>/<id>"
        also = "" if program else f", and {hint}"
        return f"{name[:ID_CHARS_MAX]!r} names no collection; there are {_list(there)}{also}"


def load_programs(folders: Iterable[Path], platform: Sequence[AnyEntity] = domain.ENTITIES) -> Registry:
    """The platform's own entities and the programs in these folders. Raises SetupError, naming file and reason."""
    loaded = [_load(folder) for folder in folders]
    if len(loaded) > PROGRAMS_MAX:
        raise SetupError(f"{len(loaded)} programs; at most {PROGRAMS_MAX} can be loaded")
    entities: dict[str, AnyEntity] = {}
    collections: dict[tuple[str, str], AnyEntity] = {}
    tags: dict[str, str] = {}
    found: dict[str, Program] = {}
    for entity in platform:
        check_entity(entity, "actors/domain")
        _add(entity, "", "actors/domain", entities, collections, tags)
    own = {entity.program for entity in platform}
    for program in loaded:
        name, where = program.manifest.app_id, str(program.folder)
        if name in found or name in own or name == PREFIX:
            other = found[name].folder if name in found else "the platform"
            raise SetupError(f"{where}: the name {name!r} is taken by {other}; change app_id in manifest.json")
        found[name] = program
        for entity in program.entities:
            _add(entity, name, where, entities, collections, tags)
    parts = [("", _domain_digest()), *((name, program.digest) for name, program in sorted(found.items()))]
    digest = _digest("\n".join(f"{name} {part}" for name, part in parts).encode())
    return Registry(MappingProxyType(entities), MappingProxyType(found), digest, MappingProxyType(collections))


def load_package(package: Package) -> Program:
    """The program of a package, from the bytes that its hash was made of. Raises SetupError, naming file and reason.

    Its code runs here, with all that this process may do: a program's author is trusted.
    """
    _check_name(package)
    program = _loaded(package.manifest, Path(package.place), package.files["program.py"])
    _check_alone(program)
    return program


def check_package(package: Package) -> None:
    """Raises SetupError for what can be known of a package without running it: its libraries, and its text."""
    _check_name(package)
    folder = Path(package.place)
    _check_imports(package.manifest, folder / "manifest.json")
    _parsed(package.manifest, folder / "program.py", package.files["program.py"])


def _check_name(package: Package) -> None:
    """The platform's own kinds are not for packages."""
    name = package.manifest.app_id
    if name in (PREFIX, *(entity.program for entity in domain.ENTITIES)):
        where = Path(package.place) / "manifest.json"
        raise SetupError(f"{where}: the name {name!r} is taken by the platform - at `$.app_id`", reason="PROGRAM_NAME")


def _check_alone(program: Program) -> None:
    """Its entities do not get into each other's way; into others' they cannot, since their names begin with its own."""
    entities: dict[str, AnyEntity] = {}
    collections: dict[tuple[str, str], AnyEntity] = {}
    tags: dict[str, str] = {}
    for entity in program.entities:
        _add(entity, program.manifest.app_id, str(program.folder), entities, collections, tags)


def shipped_programs() -> tuple[Path, ...]:
    """The folders of the programs that ship with the platform."""
    return programs_in(Path(programs.__path__[0]))


def programs_in(folder: Path) -> tuple[Path, ...]:
    """Every folder in this folder that holds a program, by name."""
    return tuple(sorted(manifest.parent for manifest in folder.glob("*/manifest.json")))


def _load(folder: Path) -> Program:
    manifest = read_manifest(folder / "manifest.json")
    path = folder / "program.py"
    try:
        source = path.read_bytes()
    except OSError as error:
        raise SetupError(f"{path}: {error.strerror}: a program's folder has manifest.json and program.py") from error
    return _loaded(manifest, folder, source)


def _loaded(manifest: Manifest, folder: Path, source: bytes) -> Program:
    path, digest = folder / "program.py", _digest(source)
    _check_imports(manifest, folder / "manifest.json")
    module = _module(manifest, digest, path, source)
    entities = _entities_of(module, path)
    for entity in entities:
        if entity.program != manifest.app_id:
            raise SetupError(
                f"{path}: the kind {entity.kind!r} is not of this program; "
                f"write {manifest.app_id!r} or '{manifest.app_id}.…', or change app_id in manifest.json"
            )
        check_entity(entity, str(path))
        check_personal(entity, str(path))
    return Program(manifest, folder, digest, entities)


def _check_imports(manifest: Manifest, path: Path) -> None:
    """What the manifest lists must be here, and may not be what no program imports."""
    for place, name in enumerate(manifest.imports):
        reason = "is not for programs, listed or not" if name in _IMPORTS_BANNED else ""
        if not reason and not _is_installed(name):
            reason = "is not installed here; install it wherever the program is to run"
        if reason:
            raise SetupError(f"{path}: the library {name!r} {reason} - at `$.imports[{place}]`", reason="MANIFEST")


def _is_installed(library: str) -> bool:
    try:
        return find_spec(library) is not None
    except ValueError:  # a module that something here made up, such as a program's
        return False


def _module(manifest: Manifest, digest: str, path: Path, source: bytes) -> ModuleType:
    """The program's module, run once for each content. The bytes that were hashed are those that run."""
    name = f"hutong_program_{manifest.app_id.replace('-', '_')}_{digest}"
    tree = _parsed(manifest, path, source)
    with _RUNNING:
        if name in sys.modules:
            return sys.modules[name]
        module = ModuleType(name)
        module.__file__ = str(path)
        sys.modules[name] = module  # the types' annotations are looked up there
        try:
            exec(compile(tree, str(path), "exec"), module.__dict__)  # noqa: S102 - running programs is what this is for
        except (Exception, SystemExit) as error:
            sys.modules.pop(name, None)
            where = f"{path}{_line(error, path)}"
            raise SetupError(f"{where}: {type(error).__name__}: {error}", reason="PROGRAM") from error
    return module


def _parsed(manifest: Manifest, path: Path, source: bytes) -> ast.Module:
    try:
        tree = _tree(path, source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # of odd text alone, all of them
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        message = error.msg if isinstance(error, SyntaxError) else error
        raise SetupError(f"{path}{line}: {type(error).__name__}: {message}", reason="PROGRAM") from error
    _check_pure(tree, path, _IMPORTS_FREE.union(manifest.imports))
    return tree


def _tree(path: Path, source: bytes) -> ast.Module:
    """What `ast.parse` makes of this.

    Python 3.11 counts its depth for all who parse at once, and whatever formats a traceback parses too: another thread,
    or a finalizer that runs in the middle. It then raises SystemError, which says nothing of the text (gh-106905).
    """
    for _ in range(PARSES_MAX - 1):
        with contextlib.suppress(SystemError):
            return ast.parse(source, str(path))
    return ast.parse(source, str(path))


def _check_pure(tree: ast.Module, path: Path, free: frozenset[str]) -> None:
    """What differs from machine to machine must not be at hand in a program, or replay would differ too.

    That keeps an author from slips. It is no sandbox: a program is trusted code.
    """
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom | ast.Call):
            continue
        where = f"{path}, line {node.lineno}"
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        elif isinstance(node, ast.ImportFrom):
            raise SetupError(f"{where}: a program is one file, and cannot import from its folder")
        roots = [name.partition(".")[0] for name in names]
        banned = sorted(_IMPORTS_BANNED.intersection(roots))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLS_BANNED:
            banned = [f"{node.func.id}()"]
        if banned:
            raise SetupError(
                f"{where}: {banned[0]} is not for programs: "
                "what they decide must be the same on replay; time, ids and chance come from ctx",
                reason="PROGRAM",
            )
        unlisted = [root for root in roots if root not in free]
        if unlisted:
            raise SetupError(
                f"{where}: {unlisted[0]} is no library that every program may import; "
                f'list it in manifest.json, as in "imports": ["{unlisted[0]}"]',
                reason="PROGRAM",
            )


def _line(error: BaseException, path: Path) -> str:
    trace, line = error.__traceback__, ""
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = f", line {trace.tb_lineno}"
        trace = trace.tb_next
    return line


def _entities_of(module: ModuleType, path: Path) -> tuple[AnyEntity, ...]:
    entities: object = getattr(module, "ENTITIES", None)
    if not isinstance(entities, tuple) or not entities:
        raise SetupError(f"{path} must end with a tuple of its entities, as in ENTITIES = (VOUCHER,)", reason="PROGRAM")
    for entity in cast("tuple[object, ...]", entities):
        if not isinstance(entity, Entity):
            raise SetupError(f"{path}: {entity!r} in ENTITIES is not an Entity", reason="PROGRAM")
    return cast("tuple[AnyEntity, ...]", entities)


def _add(
    entity: AnyEntity,
    program: str,
    where: str,
    entities: dict[str, AnyEntity],
    collections: dict[tuple[str, str], AnyEntity],
    tags: dict[str, str],
) -> None:
    """Take an entity in, unless its kind, its collection or one of its tags is taken."""
    if entity.kind in entities:
        raise SetupError(f"{where}: the kind {entity.kind!r} is there twice")
    place = (program, entity.collection_name)
    if place in collections:
        raise SetupError(f"{where}: {collections[place].kind} and {entity.kind} have one collection, {place[1]!r}")
    for struct in (*structs_of(entity.command), *structs_of(entity.event)):
        tag = tag_of(struct)
        if tag in tags:
            raise SetupError(f"{where}: the tag {tag!r} of {entity.kind} is also one of {tags[tag]}")
        tags[tag] = entity.kind
    entities[entity.kind] = collections[place] = entity


def _split(name: str) -> tuple[str, str, str]:
    """Program (empty for the platform's own), collection and id."""
    first, _, rest = name.partition("/")
    if first != PREFIX:
        return "", first, rest
    program, _, rest = rest.partition("/")
    collection, _, entity_id = rest.partition("/")
    return program, collection, entity_id


def _flaw_of_id(entity: AnyEntity, entity_id: str) -> str:
    """Why no entity of this type can have this id; "" when one can."""
    size = len(entity_id) if entity_id.isascii() else len(entity_id.encode())
    if not 1 <= len(entity_id) <= ID_CHARS_MAX or len(entity.kind) + size >= KEY_BYTES_MAX:
        return f"an id has 1 to {ID_CHARS_MAX} characters, and with its kind less than {KEY_BYTES_MAX} bytes"
    if not entity_id.isprintable() and any(_is_control(char) for char in entity_id):
        return "an id has no control characters"
    return "an id has no empty part between slashes" if "//" in f"/{entity_id}/" else ""


def _invalid_id(name: str, flaw: str) -> InvalidCommand:
    return InvalidCommand(f"{name[:ID_CHARS_MAX]!r}: {flaw}", field="entity", reason="INVALID_ID")


def _is_control(char: str) -> bool:
    return ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0


def _domain_digest() -> str:
    root = Path(domain.__path__[0])
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.py"))
    return _digest("\n".join(f"{file} {_digest((root / file).read_bytes())}" for file in files).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
