"""`hutong catalog`: accounts, programs, their versions, review and release, through the running gateway."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actors.cli import calling, output
from actors.cli.calling import ask
from gateway.v1 import catalog_pb2 as pb
from gateway.v1.catalog_pb2_grpc import CatalogServiceStub

COMPARED = "looking whether version {code} of {program} reads what those wrote that were shown"
WAITS: Mapping[str, str] = {
    "SubmitVersion": COMPARED,
    "SetGray": f"{COMPARED}; then hosts load it",
    "ReleaseVersion": f"{COMPARED}; then hosts load it",
}
"""What is waited for, of the changes that take their time."""


def change(folder: Path, method: str, request: Any, as_json: bool) -> None:
    """Ask the catalogue for a change, again and again by one request id; prints it and what came of it."""
    if method in WAITS:
        output.say(WAITS[method].format(code=request.code, program=request.program))
    answer = calling.change(folder, CatalogServiceStub, method, request, as_json)
    facts: dict[str, Any] = {"request_id": request.request_id}
    if isinstance(answer, pb.TakeReviewResponse):
        facts |= {"program": answer.program, "code": answer.code}
        shown = f"{answer.program} version {answer.code}" if answer.program else "nothing waits in this lane"
    else:
        facts = calling.place(request, answer)
        shown = "done"
    output.result(facts, as_json, shown)
    output.say(f"hutong why {request.request_id} --dir {folder}")


def show(folder: Path, program: str, as_json: bool) -> None:
    """A program, its versions, and where it stands in the queue."""
    request = pb.GetProgramRequest(program=program)
    found = ask(folder, lambda client: client.ask(CatalogServiceStub, "GetProgram", request))
    versions = [
        {
            "code": version.code,
            "name": version.name,
            "hash": version.hash,
            "state": version.state,
            "reason": version.reason,
            "share": version.gray.share,
        }
        for version in found.versions
    ]
    fields = ("account", "title", "category", "live", "gray", "lane", "position", "decides", "trouble")
    quotas = ("submits_left", "withdrawals_left", "day_ends_ms", "month_ends_ms")
    facts: dict[str, Any] = {field: getattr(found, field) for field in (*fields, *quotas)}
    output.result({**facts, "versions": versions}, as_json)
    if as_json:
        return
    place = f"; {found.position}. in lane {found.lane} of the review queue" if found.position else ""
    output.say(f"{found.title} of {found.account}, {found.category}{place}")
    rows = [(one["code"], one["name"], one["state"], one["share"] or "", one["reason"]) for one in versions]
    if found.decides:
        output.say(f"the package of version {found.decides} decides calls{' where it is shown' if found.gray else ''}")
    if found.trouble:
        output.say(f"what is shown cannot be loaded: {found.trouble}")
    output.table(program, ("code", "name", "state", "share of 10,000", "reason"), rows)


def show_account(folder: Path, account: str, as_json: bool) -> None:
    """An account, its team and its programs."""
    request = pb.GetAccountRequest(account=account)
    found = ask(folder, lambda client: client.ask(CatalogServiceStub, "GetAccount", request))
    members = [{"member": one.member, "state": one.state, "role": one.role} for one in found.members]
    facts = {"state": found.state, "name": found.name, "members": members, "programs": list(found.programs)}
    output.result(facts, as_json)
    if not as_json:
        output.say(f"{found.name}: {found.state}; programs {', '.join(found.programs) or 'none'}")
        output.table(account, ("member", "state", "role"), [list(one.values()) for one in members])


def shown(folder: Path, program: str, openid: str, city: str, as_json: bool) -> None:
    """The version that a person is shown."""
    request = pb.GetShownRequest(program=program, openid=openid, city=city)
    found = ask(folder, lambda client: client.ask(CatalogServiceStub, "GetShown", request))
    facts = {"code": found.code, "name": found.name, "hash": found.hash}
    output.result(facts, as_json, f"version {found.code} ({found.name})" if found.code else "no version")
