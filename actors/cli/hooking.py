"""`hutong webhooks`: endpoints through the gateway, their secrets from the keyring, deliveries from the rows."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actors.adapters.webhooks import secret_of, secret_text
from actors.cli import output
from actors.cli.archive import open_archive
from actors.cli.calling import ask, change, found_by
from actors.cli.following import current_rows
from actors.cli.showing import Facts, time_of
from actors.cli.wiring import roots_of
from actors.projections.deliveries import COLUMNS, TABLE
from gateway.v1 import webhooks_pb2 as pb
from gateway.v1.webhooks_pb2_grpc import WebhookServiceStub

DELIVERIES_MAX = 1_000


def set_webhook(folder: Path, endpoint: str, url: str, events: Sequence[str], as_json: bool) -> None:
    """Set an endpoint; the secret is shown to whoever may read the folder's keyring, and to nobody else."""
    program, _, name = endpoint.partition("/")
    asked = pb.SetEndpointRequest(program=program, endpoint=name, url=url, events=events)
    facts = _change(folder, "SetEndpoint", asked, as_json)
    found = ask(
        folder,
        lambda client: client.ask(
            WebhookServiceStub, "GetEndpoint", pb.EndpointRequest(program=program, endpoint=name)
        ),
    )
    secret = secret_text(secret_of(roots_of(folder)[0], endpoint, found.version))
    output.result({"endpoint": endpoint, "secret": secret, **facts}, as_json, secret)
    output.say(f"hutong webhooks log {endpoint} --dir {shlex.quote(str(folder))}")


def show_log(folder: Path, endpoint: str, state: str, as_json: bool) -> None:
    """List deliveries; what was appended before the question is among them."""
    equal: dict[str, object] = {"endpoint": endpoint, **({"state": state} if state else {})}
    with open_archive(folder) as archive, current_rows(archive) as (rows, missing):
        read = rows.find(TABLE, equal, DELIVERIES_MAX + 1)
    deliveries = [_facts(row) for row in read[:DELIVERIES_MAX]]
    if as_json or not deliveries:
        facts = {"deliveries": deliveries, "more": len(read) > DELIVERIES_MAX, "missing": missing}
        output.result(facts, as_json, "there are no such deliveries")
    else:
        columns = ("time", "delivery", "state", "attempt", "status", "note")
        output.table("Deliveries", columns, [[one[column] for column in columns] for one in deliveries])
    if len(read) > DELIVERIES_MAX:
        output.say(f"these are the first {DELIVERIES_MAX:,}: name a state with --state")
    if missing:
        output.say(f"the read model is {missing:,} frames behind: there may be more")


def replay_delivery(folder: Path, delivery: str, as_json: bool) -> None:
    """Try a dead delivery again."""
    program, _, name = delivery.partition("/")
    facts = _change(folder, "ReplayDelivery", pb.DeliveryRequest(program=program, delivery=name), as_json)
    output.result({"delivery": delivery, **facts}, as_json, "it is tried again")
    output.say(f"hutong why {facts['request_id']} --dir {shlex.quote(str(folder))}")


def _change(folder: Path, method: str, request: Any, as_json: bool) -> Facts:
    """Ask for a change; by what it is found again."""
    return found_by(request, change(folder, WebhookServiceStub, method, request, as_json))


def _facts(row: tuple[Any, ...]) -> Facts:
    name, *values = row
    facts: Facts = {"delivery": name, **dict(zip(COLUMNS, values, strict=True))}
    facts["time"] = time_of(facts.pop("stamp_ms"))
    return facts
