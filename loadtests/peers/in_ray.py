"""Contestants that live in Ray, with their caller: a worker in Ray's environment, in a network of its own.

Ray Serve's ingress listens on every interface, and so do servers of Ray, whatever they are told. In a network namespace
there is only loopback. Where the kernel gives none, these contestants are left out.
"""

import os
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from actors.errors import SetupError
from infra.peers import environments
from loadtests.bench.worker import Worker
from loadtests.peers.called import unary
from loadtests.peers.contestant import Contestant, Figures, Row, Served

SERVICES = "loadtests.peers.services"


class InRay:
    """A running worker that holds a contestant and calls it."""

    def __init__(self, name: str, worker: Worker) -> None:
        self._name, self._worker = name, worker

    def measure(self, keys: int, seconds: float) -> Mapping[str, Figures]:
        """Its one row."""
        return {self._name: unary(self._worker, [self._worker.pid], seconds, keys=keys)}

    def campaign(self, kills: int) -> Figures:
        """Kill what holds the balances; Ray starts it anew."""
        return self._worker.ask("campaign", kills=kills)


def alone() -> list[str]:
    """What a command is put behind to have a network of its own. Raises SetupError."""
    own = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--net"]
    try:
        done = subprocess.run([*own, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise SetupError("unshare was not found (on Debian: util-linux)", reason="PEER_MISSING") from error
    if done.returncode != 0:
        raise SetupError(f"no network namespace for it here: {done.stderr.strip()}", reason="PEER_MISSING")
    return own


@contextmanager
def in_ray(name: str, folder: Path) -> Generator[Served]:
    """The contestant whose module is so named, answering. Serve is told what its guide to high throughput says."""
    own = {
        "RAY_AUTH_MODE": "token",  # read as Ray is imported, before the session is made
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "s"),  # a node's id of 56 is put in, and all may have 97
    }
    python = [*alone(), "env", *(f"{key}={value}" for key, value in own.items()), str(environments.python("ray"))]
    with Worker(f"{SERVICES}.{name}", python=python) as worker:
        yield InRay(name, worker)


def _contestant(name: str, title: str, promises: str) -> Contestant:
    return Contestant(name, (Row(name, title, "own client", promises),), partial(in_ray, name))


IN_RAY = (
    _contestant(
        "ray_actors",
        "raw Ray, 2 actors",
        "nothing after a kill: balances and known ids are in the actor's memory",
    ),
    _contestant(
        "ray_serve",
        "Ray Serve, gRPC ingress (HAProxy), 1 replica",
        "nothing after a kill: balances and known ids are in the replica's memory; no routing by key",
    ),
)
