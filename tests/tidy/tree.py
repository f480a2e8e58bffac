"""Rules of the whole tree: what stands where, and how much of it. Each takes paths or files, and returns findings."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from tests.tidy.rules import File

TOP_LEVEL = {"pyproject.toml", "README.md", "LICENSE", "protos", "actors", "gateway", "infra", "loadtests", "tests"}
NOT_OURS = {"__pycache__", "node_modules", "dist", "build"}
GENERATED = "gateway/v1"
JARS = "infra/kafka/lib"
NO_README = {"data", "v1", "golden"}
"""Folders of data, and the version folder of an API: their parent's README speaks of them."""

KERNEL_LINES_MAX = 1_200
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


def the_kernel_is_small(files: Iterable[File]) -> list[str]:
    """Lines of code count: what explains them may take its room."""
    lines = sum(file.code_lines for file in files if file.python and file.within("actors.kernel"))
    return [f"the kernel has {lines} lines of code; at most {KERNEL_LINES_MAX}"] if lines > KERNEL_LINES_MAX else []
