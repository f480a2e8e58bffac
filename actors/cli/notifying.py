"""`hutong notify`: templates, grants, sends and the inbox, through the running gateway."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from actors.cli import output
from actors.cli.calling import ask, change, place
from gateway.v1 import notify_pb2 as pb
from gateway.v1.notify_pb2_grpc import NotifyServiceStub


def draft_template(
    folder: Path, program: str, template: str, title: str, fields: Sequence[str], lasting: bool, as_json: bool
) -> None:
    """A new template, or another text of one."""
    request = pb.DraftTemplateRequest(program=program, template=template, title=title, fields=fields, lasting=lasting)
    _change(folder, "DraftTemplate", request, as_json)


def move_template(folder: Path, method: str, program: str, template: str, as_json: bool) -> None:
    """Approve or disable a template."""
    _change(folder, method, pb.TemplateRequest(program=program, template=template), as_json)


def answer_prompt(folder: Path, program: str, openid: str, template: str, said: str, as_json: bool) -> None:
    """What the person says to a prompt."""
    request = pb.AnswerPromptRequest(program=program, openid=openid, templates=[template], answers=[said])
    _change(folder, "AnswerPrompt", request, as_json)


def send_message(
    folder: Path, program: str, openid: str, template: str, message: str, fields: str, page: str, as_json: bool
) -> None:
    """One message, for one grant."""
    written = fields.encode(errors="surrogateescape")
    request = pb.SendMessageRequest(
        program=program, openid=openid, template=template, message_id=message, fields=written, page=page
    )
    _change(folder, "SendMessage", request, as_json, ("left", "lasting"))


def show_grants(folder: Path, program: str, openid: str, as_json: bool) -> None:
    """What is left of each template."""
    request = pb.NotifiedRequest(program=program, openid=openid)
    found = ask(folder, lambda client: client.ask(NotifyServiceStub, "GetGrants", request))
    names = ("template", "left", "lasting", "used", "said")
    grants = [{name: getattr(grant, name) for name in names} for grant in found.grants]
    _show({"grants": grants}, grants, "no grants", as_json)


def show_inbox(folder: Path, program: str, openid: str, after: int, as_json: bool) -> None:
    """What the person was not there to hear, from a cursor on."""
    request = pb.ListInboxRequest(program=program, openid=openid, after=after)
    found = ask(folder, lambda client: client.ask(NotifyServiceStub, "ListInbox", request))
    names = ("cursor", "message_id", "template", "title", "page", "text", "sent_ms", "read")
    items = [
        {name: getattr(item, name) for name in names} | {"fields": msgspec.json.decode(item.fields)}
        for item in found.items
    ]
    facts = {"items": items, "missed": found.missed, "next": found.next, "unread": found.unread}
    _show(facts, items, "nothing", as_json)
    if found.next:
        words = ("hutong", "notify", "inbox", program, openid, "--after", str(found.next), "--dir", str(folder))
        output.say(shlex.join(words))


def _show(facts: dict[str, Any], rows: Sequence[dict[str, Any]], none: str, as_json: bool) -> None:
    told = "\n".join("  ".join(f"{name} {value}" for name, value in row.items() if value != "") for row in rows)
    output.result(facts, as_json, told or none)


def _change(folder: Path, method: str, request: Any, as_json: bool, shown: Sequence[str] = ()) -> None:
    answer = change(folder, NotifyServiceStub, method, request, as_json)
    facts = {name: getattr(answer, name) for name in shown}
    told = "  ".join(f"{name} {value}" for name, value in facts.items())
    output.result(facts | place(request, answer), as_json, told or "done")
    output.say(f"hutong why {request.request_id} --dir {shlex.quote(str(folder))}")
