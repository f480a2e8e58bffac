"""Kafka's jars: fetched once by Maven as `pom.xml` names them, checked against `jars.sha256`, kept in a cache."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from actors.errors import SetupError

HERE = Path(__file__).parent
POM = HERE / "pom.xml"
SUMS = HERE / "jars.sha256"
JAVA_MIN = 17
FETCH_SECONDS_MAX = 600
WITHOUT_KAFKA = "The embedded log (`--log embedded`, the default) needs neither."


def java() -> str:
    """The path of a Java that can run Kafka. Raises SetupError."""
    home = os.environ.get("JAVA_HOME", "")
    found = shutil.which("java", path=str(Path(home, "bin"))) if home else None
    found = found or shutil.which("java")
    if found is None:
        raise SetupError(
            f"Java was not found; Kafka needs Java {JAVA_MIN} or newer (on Debian and Ubuntu: apt-get install "
            f"openjdk-17-jre-headless; or set JAVA_HOME). {WITHOUT_KAFKA}",
            reason="JAVA_MISSING",
        )
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(?:1\.)?(\d+)', said)
    if version is None or int(version[1]) < JAVA_MIN:
        raise SetupError(
            f"{found} is {said.splitlines()[0] if said else 'of an unknown version'}; Kafka needs Java {JAVA_MIN} or "
            f"newer. Install one, or point JAVA_HOME at it. {WITHOUT_KAFKA}",
            reason="JAVA_TOO_OLD",
        )
    return found


def maven() -> str:
    """The path of Maven. Raises SetupError."""
    found = shutil.which("mvn")
    if found is None:
        raise SetupError(
            "Maven (mvn) was not found; it fetches Kafka's jars (on Debian and Ubuntu: apt-get install maven). "
            + WITHOUT_KAFKA,
            reason="MAVEN_MISSING",
        )
    return found


def cache_folder() -> Path:
    """Where the jars of this pom belong: beside it in a checkout, else in the user's cache."""
    name = "kafka-" + hashlib.sha256(POM.read_bytes() + SUMS.read_bytes()).hexdigest()[:16]
    in_checkout = (HERE.parents[1] / "pyproject.toml").is_file()
    if in_checkout and (os.access(HERE, os.W_OK) or (HERE / "lib" / name).is_dir()):
        return HERE / "lib" / name
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "hutong" / name


def jars() -> Path:
    """The folder that holds Kafka's jars; fetches them if they are not there yet. Raises SetupError."""
    folder = cache_folder()
    if folder.is_dir():
        return folder
    mvn = maven()
    java()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Filled elsewhere and renamed, so that a folder of this name is always whole, whoever else fetches now.
        filling = Path(tempfile.mkdtemp(prefix="fetching-", dir=folder.parent))
    except OSError as error:
        raise SetupError(f"cannot keep Kafka's jars in {folder.parent}: {error}", reason="CACHE_UNWRITABLE") from error
    try:
        _fetch(mvn, filling)
        _check(filling)
        try:
            filling.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(filling, ignore_errors=True)
    return folder


def classes(java: str, jars: Path) -> Path:
    """Where the classes that a broker loads from these jars as it starts are kept, ready for this very Java."""
    binary = Path(java).resolve()
    made = hashlib.sha256(f"{binary} {binary.stat().st_mtime_ns}".encode()).hexdigest()[:16]
    return jars.with_name(f"{jars.name}-{made}.jsa")


def _fetch(mvn: str, folder: Path) -> None:
    command = [mvn, "-B", "-q", "-C", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_SECONDS_MAX, check=False)
    except subprocess.TimeoutExpired as error:
        raise SetupError(
            f"Maven did not fetch Kafka's jars within {FETCH_SECONDS_MAX} s; is the network there?",
            reason="KAFKA_NOT_FETCHED",
        ) from error
    if done.returncode != 0:
        said = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line][:3]
        raise SetupError(
            "Maven could not fetch Kafka's jars; is the network there, and Maven set up for it? It said:\n"
            + "\n".join(said),
            reason="KAFKA_NOT_FETCHED",
        )


def sums(folder: Path) -> str:
    """What `jars.sha256` holds for the jars of a folder, in the form of sha256sum."""
    lines = [f"{hashlib.sha256(jar.read_bytes()).hexdigest()}  {jar.name}\n" for jar in folder.glob("*.jar")]
    return "".join(sorted(lines, key=lambda line: line[64:]))


def _check(folder: Path) -> None:
    different = set(sums(folder).splitlines()) ^ set(SUMS.read_text().splitlines())
    if different:
        names = sorted({line.split()[1] for line in different})
        raise SetupError(
            f"these jars are not the ones {SUMS.name} names, so Kafka is not started: {', '.join(names[:5])}. After a "
            "change of pom.xml write it anew (see infra/kafka/README.md).",
            reason="KAFKA_JARS_DIFFER",
        )
