"""Contestants that process a stream of payments from Kafka and answer nobody: Faust and quixstreams.

They are fed while they stand still, so that feeding costs them nothing; then the time of so many payments is theirs.
"""

import time
import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from actors.errors import SetupError
from infra.kafka import broker as kafka
from infra.peers import environments
from loadtests.peers.campaign import BETWEEN, KEYS, Ledger, key_of
from loadtests.peers.contestant import Contestant, Figures, Row, Served
from loadtests.peers.costs import Meter
from loadtests.peers.feeding import Feeder, balances, make_topic
from loadtests.peers.serving import Process, stopped

MODULES = "loadtests.peers.services"
TAKEN_S_MAX = 90.0
CAMPAIGN_S_MAX = 180.0
POLL_S = 0.02
WARM = 2_000


class Streaming:
    """A processor that runs beside a broker."""

    def __init__(
        self, name: str, changelog: str, expected_per_s: int, process: Process, cluster: kafka.Cluster
    ) -> None:
        self._name, self._changelog, self._expected_per_s = name, changelog, expected_per_s
        self._process, self._cluster = process, cluster
        self._feeder = Feeder(cluster.addresses[0])

    def close(self) -> None:
        """End the connection."""
        self._feeder.close()

    def measure(self, keys: int, seconds: float) -> Mapping[str, Figures]:
        """Its one row: as many payments as it is known to take in about so long, from its first to its last."""
        self._fed(WARM, 1_000)
        count = round(self._expected_per_s * seconds / 1_000) * 1_000
        before = self._taken()
        with stopped(self._process.pid):
            self._feeder.feed(count, keys)
            meter = Meter([self._process.pid, *self._cluster.pids])
            began = time.monotonic()
        self._wait_taken(before + count)
        taken_s = self._last_told()[1] - began
        return {self._name: {**meter.figures(count), "calls": count, "per_s": count / taken_s}}

    def _fed(self, count: int, keys: int) -> None:
        before = self._taken()
        self._feeder.feed(count, keys)
        self._wait_taken(before + count)

    def _told(self) -> list[str]:
        text = self._process.said.read_text(errors="replace")
        return [line for line in text[: text.rfind("\n") + 1].splitlines() if is_progress(line)]

    def _last_told(self) -> tuple[int, float]:
        told = self._told()
        taken, at = told[-1].split() if told else ("0", "0")
        return int(taken), float(at)

    def _taken(self) -> int:
        return self._last_told()[0]

    def _wait_taken(self, count: int) -> None:
        until = time.monotonic() + TAKEN_S_MAX
        while self._taken() < count:
            if time.monotonic() > until:
                raise SetupError(f"{self._name} took {self._taken()} of {count} payments", reason="PEER_FAILED")
            time.sleep(POLL_S)

    def campaign(self, kills: int) -> Figures:
        """Kill it and start it again at once, while payments come; then compare its changelog with what was sent."""
        ledger, until = Ledger(), time.monotonic() + CAMPAIGN_S_MAX
        while len(ledger.recoveries_s) < kills and time.monotonic() < until:
            self._pay(ledger)
            told = len(self._told())
            began = time.monotonic()
            self._process.kill_and_start()
            self._pay(ledger)
            while len(self._told()) == told and time.monotonic() < until:
                time.sleep(POLL_S)
            ledger.recoveries_s.append(time.monotonic() - began)
        self._pay(ledger)
        held = balances(self._cluster.addresses[0], self._changelog)
        return ledger.figures({key: held.get(key, 0) for key in map(key_of, range(KEYS))})

    def _pay(self, ledger: Ledger) -> None:
        """So many payments, each acknowledged by the broker; every tenth is sent twice."""
        for n in range(BETWEEN):
            key, name = key_of(ledger.acknowledged.total() % KEYS), uuid.uuid4().hex
            self._feeder.pay(key, name)
            ledger.acknowledged[key] += 1
            if n % 10 == 0:
                self._feeder.pay(key, name)


def is_progress(line: str) -> bool:
    """Whether this line says how many payments were taken, and when."""
    parts = line.split()
    return len(parts) == len(("taken", "at")) and parts[0].isdigit() and parts[1].replace(".", "", 1).isdigit()


@contextmanager
def streaming(folder: Path, name: str, environment: str, changelog: str, expected_per_s: int) -> Generator[Served]:
    """The processor whose module begins with this name, and a broker of its own."""
    python = str(environments.python(environment))
    command = [python, "-m", f"{MODULES}.{environment}_service"]
    command += ["worker", "--without-web", "-l", "warn"] if environment == "faust" else []
    with kafka.start(folder / "kafka") as cluster:
        address = cluster.addresses[0]
        make_topic(address)
        own = {"BROKER": address, "FOLDER": str(folder / "tables")}
        with Process(command, folder, name, own) as process:
            served = Streaming(name, changelog, expected_per_s, process, cluster)
            try:
                yield served
            finally:
                served.close()


_PROMISES = "no answer; at least once from Kafka, each id once within the last 64 of a key, which we wrote; {}"


def _contestant(name: str, title: str, environment: str, changelog: str, expected_per_s: int, says: str) -> Contestant:
    start = partial(
        streaming, name=name, environment=environment, changelog=changelog, expected_per_s=expected_per_s
    )  # fmt: skip
    return Contestant(name, (Row(name, title, "from a topic", _PROMISES.format(says)),), start)


STREAMING = (
    _contestant("faust", "Faust, agent and table", "faust", "accounts-changelog", 3_000, "table and offsets apart"),
    _contestant(
        "quixstreams", "quixstreams, stateful", "quix", "changelog__", 20_000, "state and offsets by checkpoint"
    ),
)
