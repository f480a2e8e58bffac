"""`webhooks`: an endpoint is set, what it refused stands in the log as dead, and is taken once it is replayed."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import PROGRAMS, READY_S_MAX, Platform, dev
from tests.cluster.hearing import Heard, server

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]


def logged(platform: Platform, is_so: Callable[[Any], bool]) -> Any:
    """The one delivery, once this is so of it."""
    until = time.monotonic() + 3 * READY_S_MAX
    while True:
        found = platform("webhooks log", "slate/main").value["deliveries"]
        if len(found) == 1 and is_so(found[0]):
            return found[0]
        assert time.monotonic() < until, (found, platform.errors)
        threading.Event().wait(0.02)


def test_what_a_server_did_not_take_is_dead_after_the_schedule_and_delivered_by_a_replay(tmp_path: Path) -> None:
    heard = Heard()
    heard.status = 503
    with server(heard) as port:
        settings = {"HUTONG_WEBHOOK_LOCAL_PORT": str(port), "HUTONG_WEBHOOK_WAITS_S": "1"}
        with dev(tmp_path / "dev", "--programs", str(PROGRAMS), **settings) as platform:
            secret = platform("webhooks set", "slate/main", f"http://127.0.0.1:{port}/in", "owed").value["secret"]
            assert secret.startswith("whsec_")
            refused = platform("webhooks set", "slate/other", "https://10.0.0.1/", "owed").error
            assert (refused["reason"], refused["field"]) == ("WEBHOOK_ADDRESS", "url")
            platform.call("slate/slates/ann", "slate.drink", what="ale", amount_minor=3, reference="r1")
            dead = logged(platform, lambda one: one["state"] == "dead")
            assert (dead["attempt"], dead["status"], len(heard.signatures)) == (2, 503, 2)
            assert platform("webhooks log", "slate/main", "--state", "delivered").value["deliveries"] == []

            heard.status = 204
            said = platform("webhooks replay", dead["delivery"]).value
            taken = logged(platform, lambda one: one["state"] == "delivered")
            assert (taken["delivery"], taken["attempt"], taken["status"]) == (dead["delivery"], 3, 204)
            (why,) = platform("why", said["request_id"]).value["calls"]
            assert why["decided"]["outcome"] == "accepted"
            again = platform("webhooks replay", dead["delivery"]).error
            assert (again["reason"], again["details"]["state"]) == ("wrong_state", "delivered")
    ((name, bodies),) = heard.bodies.items()
    assert dead["delivery"] == f"slate/{name}"
    assert len(bodies) == 3
    assert len(set(bodies)) == 1, "it is told the same by the same name"
    assert json.loads(bodies[0])["data"]["reference"] == "r1"
