"""`hutong programs new`: another program, made from the skeleton, which is a whole one. It writes nothing else."""

import re
from pathlib import Path

from actors import domain
from actors.cli.output import result
from actors.errors import SetupError
from actors.manifest import APP_ID
from actors.registry import PREFIX, shipped_programs

SKELETON = Path(__file__).with_name("skeleton")
FILES = {
    "README.md": "README.md",
    "manifest.json": "manifest.json",
    "program.py": "program.py",
    "test_program.txt": "test_program.py",  # it imports the program as its neighbour, which only a copy has
}


def make_program(name: str, where: Path, as_json: bool) -> None:
    """Make the program's folder in `where`. Raises SetupError for a name or a place that cannot be."""
    _check_name(name)
    folder = where / name
    if folder.exists():
        raise SetupError(
            f"{folder} is there already, and nothing was changed; take another name, or another place with --in FOLDER",
            reason="FOLDER_EXISTS",
        )
    folder.mkdir(parents=True)
    for source, target in FILES.items():
        text = (SKELETON / source).read_text(encoding="utf-8")
        titled = text.replace("Skeleton", name.replace("-", " ").capitalize()).replace("skeleton", name)
        (folder / target).write_text(titled, encoding="utf-8")
    made = sorted(FILES.values())
    result({"program": name, "folder": str(folder), "files": made}, as_json, _next_steps(name, folder))


def _check_name(name: str) -> None:
    if not APP_ID.fullmatch(name):
        better = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")[:63]
        hint = f"; how about {better!r}?" if APP_ID.fullmatch(better) else ""
        raise SetupError(
            f"{name!r} cannot be a program's name: lower-case letters, digits and hyphens, "
            f"beginning with a letter, at most 63{hint}",
            reason="PROGRAM_NAME",
        )
    owner = "a program that ships" if name in [folder.name for folder in shipped_programs()] else ""
    if name in (PREFIX, *(entity.program for entity in domain.ENTITIES)):
        owner = "the platform"
    if owner:
        raise SetupError(f"the name {name!r} is taken by {owner}; take another one", reason="PROGRAM_NAME")


def _next_steps(name: str, folder: Path) -> str:
    return (
        f"made {folder}: {', '.join(FILES.values())}\n"
        f"  hutong dev                      # leave it running, and in another terminal:\n"
        f"  hutong catalog publish {folder}\n"
        f"  hutong call programs/{name}/cards/ann {name}.stamp\n"
        f"{folder / 'README.md'} goes on from here"
    )
