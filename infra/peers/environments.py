"""The peers' environments: each in a folder of its own below `.peers`, made from what is locked here, and checked.

`python -m infra.peers.environments [NAME…]` makes them ahead. Nothing outside `.peers` is changed, and no package index
is named: where packages come from is what this machine's uv, npm, apt and Maven are set to.
"""

import base64
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from actors.errors import SetupError
from infra.kafka import jars

HERE = Path(__file__).parent
PEERS = HERE.parents[1] / ".peers"
SECONDS_MAX = 900
RESTATE = "@restatedev/restate-server-linux-x64@1.7.12"
RESTATE_SHA512 = "URotJ1AIqaSCDkRMl4OrQfTLH+NYuOZb3ZsP7wxxiuAB6pncgPhTUYSvegTF5PTrAShnNyHNpju9kjf2O3QxoA=="
WRK = ("wrk", "libluajit-5.1-2", "libluajit-5.1-common")
POSTGRES = ("postgresql-15", "postgresql-client-15", "libpq5", "libllvm14", "libxml2", "libldap-2.5-0", "libsasl2-2")


def python(name: str) -> Path:
    """The interpreter of the environment that `NAME.txt` locks, with hashes: the same as ours. Raises SetupError."""
    folder, lock = PEERS / name, HERE / f"{name}.txt"
    found = folder / "bin" / "python"
    made_of = lock.read_bytes() + str(Path(sys.executable).resolve()).encode()
    stamp, wanted = folder / "made.sum", hashlib.sha256(made_of).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted and found.is_file():
        return found
    shutil.rmtree(folder, ignore_errors=True)
    uv = [sys.executable, "-m", "uv"]
    _run([*uv, "venv", "--quiet", "--python", sys.executable, str(folder)])
    # Named outright: uv run as a module prefers the environment it is in to VIRTUAL_ENV, and would empty that one.
    _run([*uv, "pip", "sync", "--quiet", "--python", str(found), "--require-hashes", str(lock)])
    stamp.write_text(wanted)
    return found


def restate() -> Path:
    """Restate's server, from its npm package, of which the digest is known. Raises SetupError."""
    folder = PEERS / "restate-server"
    found = folder / "package" / "bin" / "restate-server"
    if found.is_file():
        return found
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _run(["npm", "pack", "--silent", RESTATE], cwd=folder)
    (packed,) = folder.glob("*.tgz")
    check_sha512(packed, RESTATE_SHA512)
    _run(["tar", "-xzf", packed.name], cwd=folder)
    packed.unlink()
    found.chmod(0o755)
    return found


def check_sha512(path: Path, wanted: str) -> None:
    """Raise SetupError unless the file has this digest, in base64 as npm writes it."""
    found = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    if found != wanted:
        path.unlink()
        raise SetupError(f"{path.name} is not the file that is locked: its sha512 is {found}", reason="PEER_DIFFERS")


def pekko() -> Path:
    """Pekko's jars and, in `classes` beside them, its contestant. Raises SetupError."""
    pom, sums = HERE / "pekko.xml", HERE / "pekko.sha256"
    source = HERE.parents[1] / "loadtests" / "peers" / "services" / "PekkoService.java"
    wanted = hashlib.sha256(pom.read_bytes() + sums.read_bytes() + source.read_bytes()).hexdigest()
    folder = PEERS / "pekko"
    stamp = folder / "made.sum"
    if stamp.is_file() and stamp.read_text() == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    copied = ["dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
    _run([jars.maven(), "-B", "-q", "-C", "-f", str(pom), *copied])
    if different := set(jars.sums(folder).splitlines()) ^ set(sums.read_text().splitlines()):
        names = ", ".join(sorted({line.split()[1] for line in different})[:5])
        raise SetupError(f"these jars are not the ones {sums.name} names: {names}", reason="PEER_DIFFERS")
    _run(["javac", "-d", str(folder / "classes"), "-cp", f"{folder}/*", str(source)])
    stamp.write_text(wanted)
    return folder


def wrk() -> tuple[Path, Mapping[str, str]]:
    """The load generator wrk, and what its environment must hold. Raises SetupError."""
    if installed := shutil.which("wrk"):
        return Path(installed), {}
    folder = _debian("wrk", WRK)
    return folder / "usr" / "bin" / "wrk", _libraries(folder)


def postgres() -> tuple[Path, Mapping[str, str]]:
    """The folder of PostgreSQL's programs, and what their environment must hold. Raises SetupError."""
    if installed := sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres")):
        return installed[-1].parent, {}
    folder = _debian("postgres", POSTGRES)
    return folder / "usr" / "lib" / "postgresql" / "15" / "bin", _libraries(folder)


def _debian(name: str, packages: tuple[str, ...]) -> Path:
    """Unpack packages of Debian, which apt has checked, without installing them."""
    folder = PEERS / name
    if (folder / "whole").is_file():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _run(["apt-get", "download", "-q", *packages], cwd=folder)
    for package in sorted(folder.glob("*.deb")):
        _run(["dpkg-deb", "-x", package.name, "."], cwd=folder)
        package.unlink()
    (folder / "whole").touch()
    return folder


def _libraries(folder: Path) -> Mapping[str, str]:
    return {"LD_LIBRARY_PATH": str(folder / "usr" / "lib" / "x86_64-linux-gnu")}


def _run(command: list[str], cwd: Path | None = None) -> None:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
    except FileNotFoundError as error:
        raise SetupError(f"{command[0]} was not found, which this peer needs", reason="PEER_MISSING") from error
    except subprocess.TimeoutExpired as error:
        raise SetupError(f"{command[0]} took longer than {SECONDS_MAX} s", reason="PEER_MISSING") from error
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()[-600:]
        raise SetupError(f"{' '.join(command[:3])} failed:\n{said}", reason="PEER_MISSING")


MAKERS: Mapping[str, Callable[[], object]] = {
    **{name: partial(python, name) for name in sorted(path.stem for path in HERE.glob("*.in"))},
    "restate-server": restate,
    "pekko": pekko,
    "wrk": wrk,
    "postgres": postgres,
}


def main(names: list[str]) -> int:
    """Make the named environments, or all; say of each whether it is there."""
    missing = 0
    for name in names or list(MAKERS):
        try:
            MAKERS[name]()
            print(f"{name}: there")
        except SetupError as error:
            missing += 1
            print(f"{name}: LEFT OUT. {error}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
