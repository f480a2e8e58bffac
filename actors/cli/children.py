"""The processes that `up` starts: log owner, gateway, Ray driver; `python -m actors.cli.children ROLE PARENT`.

A child reads its settings as JSON from stdin (they hold the token), prints one JSON line when it is ready, and ends on
SIGTERM or with its parent.
"""

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from actors.cli.tie import tie_to_parent
from actors.errors import PlatformError


class LogPlan(Struct, frozen=True, kw_only=True):
    """What a log owner needs to know."""

    folder: str
    token: str
    port: int = 0


def log_owner(plan: LogPlan) -> None:
    """Own the embedded log of a folder; see `embedded.server`."""
    from actors.adapters.embedded.server import serve

    serve(Path(plan.folder), plan.token, plan.port)


def gateway(settings: bytes) -> None:
    """Serve one gateway."""
    from actors.adapters.logs import open_log
    from actors.adapters.prometheus import PrometheusSensor, serve_metrics
    from actors.cli.wiring import registry_of
    from gateway.server import GatewayConfig, GatewayParts, serve

    config = msgspec.json.decode(settings, type=GatewayConfig)
    sensor = PrometheusSensor()
    log = open_log(config.log_url, config.process, config.token)
    metrics = serve_metrics(sensor)
    parts = GatewayParts(log, registry_of(config.programs), sensor)
    try:
        asyncio.run(serve(config, parts, lambda port: _ready(port=port, metrics=metrics.port)))
    finally:
        metrics.stop()
        log.close()


def driver(settings: bytes) -> None:
    """Run Ray's session, the controller and the hosts."""
    from actors.adapters.ray_session import RaySession
    from actors.cli.wiring import DriverPlan

    plan = msgspec.json.decode(settings, type=DriverPlan)
    session = RaySession(Path(plan.folder))
    from actors.adapters.ray_actors import ControllerHandle
    from actors.cli.wiring import host_of, log_of

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    controller = ControllerHandle(host_of, log_of, plan.controller)
    try:
        controller.begin()
        threading.Thread(target=_watch, args=(controller.wait, ended), daemon=True).start()
        _ready(ray=session.pids(), state=controller.state())
        ended.wait()
        controller.stop()
    finally:
        session.stop()


def _watch(wait: Callable[[], None], ended: threading.Event) -> None:
    """The session is of no use without its controller: end when it does, and be started again."""
    wait()
    ended.set()


def _ready(**facts: object) -> None:
    print(json.dumps({"ready": True, "pid": os.getpid(), **facts}), flush=True)


def main(role: str, parent: int) -> None:
    """Run one child to its end."""
    tie_to_parent(parent)
    settings = sys.stdin.buffer.read()
    try:
        match role:
            case "log":
                log_owner(msgspec.json.decode(settings, type=LogPlan))
            case "gateway":
                gateway(settings)
            case "driver":
                driver(settings)
            case _:
                raise SystemExit(f"no such role: {role}")
    except PlatformError as error:
        print(json.dumps({"ready": False, "reason": error.reason, "message": str(error)}), flush=True)
        raise SystemExit(3) from None


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
