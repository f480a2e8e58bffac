"""`up`'s processes: log, gateway, follower, Ray driver; `python -m actors.cli.children ROLE PARENT [FOLDER]`.

A child reads its settings as JSON from stdin (they hold the token), prints one JSON line when it is ready and whenever
what it said of itself has changed, and ends on SIGTERM or with its parent.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path

import msgspec
from msgspec import Struct

from actors.cli.errorfile import write_errors_to
from actors.cli.tie import end_after, end_group, end_rest_of_group, tie_to_parent
from actors.errors import PlatformError

REFUSED = 3
FOLLOWER_NICE = 10
"""Nobody waits for the follower: it gives way to gateways and hosts, and catches up when they leave it time."""


class LogPlan(Struct, frozen=True, kw_only=True):
    """What a log owner needs to know."""

    folder: str
    token: str
    port: int = 0


def log_owner(settings: bytes) -> None:
    """Own the embedded log of a folder; see `embedded.server`."""
    from actors.adapters.embedded.server import serve

    plan = msgspec.json.decode(settings, type=LogPlan)
    serve(Path(plan.folder), plan.token, plan.port, ready=lambda address: _ready(address=address))


def gateway(settings: bytes) -> None:
    """Serve one gateway. Its loop is not Python's own, which costs a streamed call and a unary one more."""
    import uvloop

    from actors.adapters.logs import open_log
    from actors.adapters.prometheus import PrometheusSensor, serve_metrics
    from actors.cli.following import programs_of
    from actors.cli.wiring import keys_of, objects_of, registry_of, subjects_of, tallies_of
    from gateway.server import GatewayConfig, GatewayParts, serve

    config = msgspec.json.decode(settings, type=GatewayConfig)
    sensor = PrometheusSensor()
    log = open_log(config.log_url, config.process, config.token)
    metrics = serve_metrics(sensor)
    folder = Path(config.folder)
    keys = keys_of(folder) if config.process.identity_required else None
    registry = registry_of(config.programs)
    found, subjects, tallies = programs_of(folder), subjects_of(folder), tallies_of(folder)
    parts = GatewayParts(log, registry, sensor, objects_of(folder), keys, found, subjects, tallies)
    try:
        uvloop.run(serve(config, parts, lambda port: _ready(port=port, metrics=metrics.port)))
    finally:
        metrics.stop()
        log.close()


def follower(settings: bytes) -> None:
    """Keep the read models of a folder."""
    from actors.adapters.logs import open_log
    from actors.adapters.prometheus import PrometheusSensor, serve_metrics
    from actors.cli.following import FollowerPlan, following_of
    from actors.cli.wiring import registry_of

    ended, failures = threading.Event(), list[PlatformError]()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ended.set())

    def failed(error: PlatformError) -> None:
        failures.append(error)
        ended.set()

    os.nice(FOLLOWER_NICE)
    plan = msgspec.json.decode(settings, type=FollowerPlan)
    sensor = PrometheusSensor()
    log = open_log(plan.log_url, plan.process, plan.token)
    registry = registry_of(plan.programs)
    following = following_of(Path(plan.folder), log, plan.cluster, registry, plan.process, sensor, failed)
    _ready(metrics=serve_metrics(sensor).port)
    ended.wait()
    following.stop()
    log.close()
    if failures:
        raise failures[0]


def driver(folder: Path) -> None:
    """Run Ray's session, the controller and the hosts; whatever they leave ends with it."""
    write_errors_to(folder, "ray-driver")
    try:
        _drive(folder)
    finally:
        end_rest_of_group()  # with their head ended, Ray's agents would go on for a minute to tell it so


def _drive(folder: Path) -> None:
    """The session starts before the settings are there: it takes longer than anything else, and needs none of them."""
    from actors.adapters.ray_session import RaySession
    from actors.cli.wiring import DriverPlan, host_of, log_of

    try:
        session, parent = RaySession(folder), os.getppid()
    except SystemExit:  # Ray's answer to SIGTERM: nothing is there yet that could end well
        end_group()
    try:
        ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: ended.set())
        plan = msgspec.json.decode(sys.stdin.buffer.read(), type=DriverPlan)
        from actors.adapters.ray_actors import ControllerHandle

        controller = ControllerHandle(host_of, log_of, plan.controller)
        controller.begin()

        def tell() -> None:
            """Say how hosts stand whenever that changes, at last that there is no controller any more."""
            seen: int | None = -1
            while seen is not None:
                state = controller.state(seen)
                _ready(ray=session.pids(), state=state)
                seen = None if state is None else state["version"]

        threading.Thread(target=tell, daemon=True).start()
        ended.wait()
        controller.stop(drain=os.getppid() == parent)  # whoever lost its supervisor has lost the log, too
        if os.getppid() != parent:
            end_group()  # nobody waits for Ray's own end, which may take long or fail, and leaves its agents then
    finally:
        session.stop()


def _ready(**facts: object) -> None:
    print(json.dumps({"ready": True, "pid": os.getpid(), **facts}), flush=True)


def main(role: str, parent: int, folder: str = "") -> None:
    """Run one child to its end."""
    tie_to_parent(parent)
    end_after(parent)
    try:
        match role:
            case "log":
                log_owner(sys.stdin.buffer.read())
            case "gateway":
                gateway(sys.stdin.buffer.read())
            case "follower":
                follower(sys.stdin.buffer.read())
            case "driver":
                driver(Path(folder))
            case _:
                raise SystemExit(f"no such role: {role}")
    except PlatformError as error:
        print(json.dumps({"ready": False, "reason": error.reason, "message": str(error)}), flush=True)
        raise SystemExit(REFUSED) from None


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
