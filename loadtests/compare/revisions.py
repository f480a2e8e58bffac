"""Another revision of this repository, checked out beside it for a while. Knows nothing of what is compared."""

import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from actors.errors import SetupError

ROOT = Path(__file__).parents[2]
GIT_S_MAX = 120.0


class Side(NamedTuple):
    """A tree of the repository, and what it is called in a table."""

    name: str
    tree: Path


@contextmanager
def beside(revision: str, root: Path = ROOT) -> Generator[tuple[Side, Side]]:
    """This tree as it stands, and the revision in a worktree of its own, which is gone afterwards.

    Raises SetupError when this is no checkout, or there is no such revision.
    """
    if not _git(root, "rev-parse", "--is-inside-work-tree"):
        raise SetupError(f"{root} is no git checkout, so there is no other revision to compare with")
    commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if not commit:
        raise SetupError(f"there is no revision {revision!r}: name a commit, a branch or a tag, such as HEAD~1")
    with tempfile.TemporaryDirectory(prefix="hutong-revision-", ignore_cleanup_errors=True) as name:
        tree = Path(name).resolve() / "tree"
        if _git(root, "worktree", "add", "--quiet", "--detach", str(tree), commit) is None:
            raise SetupError(f"git could not check {revision} out into {tree}; is there room?")
        try:
            yield Side("this tree", root), Side(f"{revision} ({commit[:8]})", tree)
        finally:
            _git(root, "worktree", "remove", "--force", str(tree))


def _git(root: Path, *arguments: str) -> str | None:
    """What git said, or None when it refused."""
    asked = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=GIT_S_MAX, check=False
    )
    return asked.stdout.strip() if asked.returncode == 0 else None
