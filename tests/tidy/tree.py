"""Rules of the whole tree: what stands where, and how much of it. Each takes paths or files, and returns findings."""

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from tests.tidy.rules import PRODUCT, File, reasons

TOP_LEVEL = {"pyproject.toml", "README.md", "LICENSE", "protos", "actors", "gateway", "infra", "loadtests", "tests"}
NOT_OURS = {"__pycache__", "node_modules", "dist", "build"}
GENERATED = "gateway/v1"
JARS = "infra/kafka/lib"
NO_README = {"data", "v1", "golden"}
"""Folders of data, and the version folder of an API: their parent's README speaks of them."""

KERNEL_LINES_MAX = 1_200
WORD = r"\b[A-Z]+(?:_[A-Z]+)+\b"
QUOTED = r"(?<=[\"'`])[A-Z]+(?:_[A-Z]+)+(?=[\"'`])"
"""What may be a reason in capitals: any such word in a text, a quoted one in code, which has constants too."""

TEXT = {
    ".py",
    ".md",
    ".sh",
    ".toml",
    ".proto",
    ".json",
    ".xml",
    ".yaml",
    ".yml",
    ".txt",
    ".sha256",
    ".service",
    ".html",
}


def paths_of(root: Path, folder: str = "") -> list[str]:
    """Every file of ours below the root, as paths from it: not what tools leave, nor anything hidden."""
    found: list[str] = []
    for entry in sorted((root / folder).iterdir()):
        path = entry.relative_to(root).as_posix()
        if entry.name.startswith(".") or entry.name in NOT_OURS or path == JARS or entry.suffix == ".egg-info":
            continue
        found += paths_of(root, path) if entry.is_dir() else [path]
    return found


def files_of(root: Path) -> list[File]:
    """Every text file of ours that a rule may look at. Generated code is compared with its source by its own test."""
    return [
        File(path, (root / path).read_text())
        for path in paths_of(root)
        if PurePosixPath(path).suffix in TEXT and not path.startswith(GENERATED + "/")
    ]


def the_top_level_is_fixed(paths: Iterable[str]) -> list[str]:
    """Nothing new stands beside the packages; what is new goes into one of them."""
    top = {path.partition("/")[0] for path in paths}
    return [f"{name} does not belong at the top" for name in sorted(top - TOP_LEVEL)]


def folders_have_readmes(paths: Iterable[str]) -> list[str]:
    """Each folder that holds files says what it is, what it must not do, and where to add things."""
    known = set(paths)
    folders = {PurePosixPath(path).parent for path in known}
    # A mini program that only tests or benches use says in its manifest what it is.
    folders -= {folder for folder in folders if folder.parts[:1] != ("actors",) and f"{folder}/manifest.json" in known}
    return [
        f"{folder} has no README.md"
        for folder in sorted(folders)
        if not NO_README & set(folder.parts) and (folder / "README.md").as_posix() not in known
    ]


def readmes_name_every_file(files: Sequence[File]) -> list[str]:
    """A package's README has a word on each of its modules. A mini program is one file."""
    texts = {file.path.parent: file.text for file in files if file.path.name == "README.md"}
    programs = {file.path.parent for file in files if file.path.name == "manifest.json"}
    modules = [
        file.path
        for file in files
        if file.python
        and file.within(*PRODUCT)
        and not file.path.name.startswith("__")
        and file.path.parent not in programs
    ]
    return [
        f"{path} is not named in {path.parent}/README.md"
        for path in modules
        if not re.search(rf"\b{path.stem}\b", texts.get(path.parent, ""))
    ]


def the_kernel_is_small(files: Iterable[File]) -> list[str]:
    """Lines of code count: what explains them may take its room."""
    lines = sum(file.code_lines for file in files if file.python and file.within("actors.kernel"))
    return [f"the kernel has {lines} lines of code; at most {KERNEL_LINES_MAX}"] if lines > KERNEL_LINES_MAX else []


FOR_OTHERS = (
    *("actors.testing", "actors.adapters.memory", "actors.adapters.memory_keys", "actors.adapters.memory_states"),
    *("infra.kafka", "loadtests"),
)
"""What the product itself does not call: kits for authors and tests, and programs that are run by hand."""

KEPT = {"LABELS", "delete_topic", "verify"}
"""What tests alone use, since they look at it from outside."""


def nothing_is_dead(files: Sequence[File]) -> list[str]:
    """What is defined is used somewhere in the product, and every setting is read."""
    product = [file for file in files if file.python and file.within(*PRODUCT)]
    used = {name for file in product for name in _used(file)}
    return [
        f"{file.path}, line {line}: nobody uses {name}"
        for file in product
        if not file.within(*FOR_OTHERS)
        for name, line in _defined(file)
        if name not in used and name not in KEPT
    ]


def _defined(file: File) -> Iterator[tuple[str, int]]:
    """Constants, classes, functions, settings; methods too, where no base class or decorator may be what calls them."""
    for node in file.nodes:
        if isinstance(node, ast.Module) or (isinstance(node, ast.ClassDef) and node.name.endswith("Settings")):
            yield from _assigned(node.body)
        if isinstance(node, ast.Module) or (isinstance(node, ast.ClassDef) and not node.bases):
            yield from (
                (inner.name, inner.lineno)
                for inner in node.body
                if isinstance(inner, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
                and not inner.name.startswith("__")
                and not inner.decorator_list
            )


def _assigned(body: list[ast.stmt]) -> Iterator[tuple[str, int]]:
    for node in body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        yield from (
            (target.id, node.lineno)
            for target in targets
            if isinstance(target, ast.Name) and not target.id.startswith("__")
        )


def _used(file: File) -> Iterator[str]:
    for node in file.nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Load()) | ast.Attribute(attr=name, ctx=ast.Load()):
                yield name
            case ast.ImportFrom(names=names):
                yield from (alias.name for alias in names)
            case ast.MatchClass(kwd_attrs=names):
                yield from names
            case ast.Call(func=ast.Name(id="cast"), args=[ast.Constant(value=str(name)), _]):
                yield from re.findall(r"\w+", name)
            case _:
                pass


def every_reason_has_one_spelling(files: Sequence[File]) -> list[str]:
    """A reason is one word: what is a rule's no in one place is not in capitals in another, or in a text."""
    product = [file for file in files if file.python and file.within(*PRODUCT)]
    rules = {reason for file in product for rule, reason, _ in reasons(file) if rule and "_" in reason}
    return [
        f"{file.path}: {word} is written {word.lower()}"
        for file in files
        for word in sorted(set(re.findall(QUOTED if file.python else WORD, file.text)))
        if word.lower() in rules
    ]


def every_hook_is_told(files: Sequence[File]) -> list[str]:
    """A sensor's hook that nobody calls is a metric that stays at nothing for ever."""
    product = [file for file in files if file.python and file.within(*PRODUCT)]
    told = {
        node.func.attr
        for file in product
        for node in file.nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    sensors = [
        node for file in product for node in file.nodes if isinstance(node, ast.ClassDef) and node.name == "Sensor"
    ]
    hooks = [hook.name for sensor in sensors for hook in sensor.body if isinstance(hook, ast.FunctionDef)]
    return [f"nobody calls the hook {hook}" for hook in hooks if hook not in told]
