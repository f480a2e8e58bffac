"""`hutong links` and `hutong shares`: short links and shared cards, through the running gateway."""

import shlex
from pathlib import Path

from actors.cli import output
from actors.cli.calling import ask, change, place
from actors.cli.minting import program_in
from actors.errors import InvalidCommand
from gateway.v1 import ways_pb2 as pb
from gateway.v1.ways_pb2_grpc import WaysServiceStub


def mint_link(folder: Path, program: str, page: str, scene: str, ttl_ms: int, as_json: bool) -> None:
    """Mint a link; prints its address."""
    request = pb.MintLinkRequest(program=program, page=page, scene=_bytes(scene), ttl_ms=ttl_ms)
    answer = change(folder, WaysServiceStub, "MintLink", request, as_json)
    facts = {"program": program, "link": answer.link, "text": answer.text}
    output.result(facts | place(request, answer), as_json, answer.text)
    output.say(f"hutong links open {program}/{answer.link} --dir {shlex.quote(str(folder))}")


def open_link(folder: Path, text: str, caller: str, as_json: bool) -> None:
    """Open a link; prints where it leads."""
    request = pb.ResolveLinkRequest(text=text)
    answer = change(folder, WaysServiceStub, "ResolveLink", request, as_json, caller, person_of=program_in(text))
    leads = {"program": answer.program, "link": answer.link, "page": answer.page, "scene": _text(answer.scene)}
    output.result({**leads, "expires_ms": answer.expires_ms} | place(request, answer), as_json, _told(leads))
    output.say(f"hutong why {request.request_id} --dir {shlex.quote(str(folder))}")


def add_rule(folder: Path, host: str, prefix: str, program: str, page: str, as_json: bool) -> None:
    """Have the links of a host that begin so lead to a page, once the rules are published."""
    request = pb.AddRuleRequest(host=host, prefix=prefix, program=program, page=page)
    answer = change(folder, WaysServiceStub, "AddRule", request, as_json)
    output.result(place(request, answer), as_json, "done")
    output.say(f"hutong links publish {host} {program} --dir {shlex.quote(str(folder))}")


def publish_rules(folder: Path, host: str, program: str, as_json: bool) -> None:
    """Publish the rules of a host."""
    request = pb.PublishRulesRequest(host=host, program=program)
    answer = change(folder, WaysServiceStub, "PublishRules", request, as_json)
    output.result(place(request, answer), as_json, "done")
    output.say(f"hutong open https://{host}/… --dir {shlex.quote(str(folder))}")


def share_page(folder: Path, program: str, page: str, scene: str, parent: str, caller: str, as_json: bool) -> None:
    """Share a page; prints the card's address."""
    above = _share_in(program, parent, "parent")
    request = pb.ShareRequest(program=program, page=page, scene=_bytes(scene), parent=above)
    answer = change(folder, WaysServiceStub, "Share", request, as_json, caller, person_of=program)
    facts = {"program": program, "share": answer.share, "text": answer.text, "depth": answer.depth}
    output.result(facts | place(request, answer), as_json, answer.text)
    output.say(f"hutong shares show {program}/{answer.share} --dir {shlex.quote(str(folder))}")


def show_share(folder: Path, text: str, as_json: bool) -> None:
    """Print a card, and its path from the root."""
    request = pb.GetShareRequest(text=text)
    card = ask(folder, lambda client: client.ask(WaysServiceStub, "GetShare", request))
    leads = {"program": card.program, "share": card.share, "state": card.state, "page": card.page}
    facts = {**leads, "scene": _text(card.scene)}
    path = [{"share": hop.share, "by": hop.by} for hop in card.path]
    over = {"path": " → ".join(hop["by"] for hop in path)}
    output.result({**facts, "shared_ms": card.shared_ms, "path": path}, as_json, _told(facts | over))


def withdraw_share(folder: Path, program: str, share: str, caller: str, as_json: bool) -> None:
    """End a card."""
    request = pb.WithdrawRequest(program=program, share=_share_in(program, share, "share"))
    answer = change(folder, WaysServiceStub, "Withdraw", request, as_json, caller, person_of=program)
    output.result(place(request, answer), as_json, "done")
    output.say(f"hutong why {request.request_id} --dir {shlex.quote(str(folder))}")


def _share_in(program: str, text: str, field: str) -> str:
    """The name of a card of this program, which may be written as its address, or as PROGRAM/SHARE.

    Raises InvalidCommand for a card of another program.
    """
    address, _, name = text.upper().rpartition("/")
    if address and program_in(text) != program:
        message = f"{text[:100]!r} is a card of {program_in(text)[:100]!r}, not of {program!r}"
        raise InvalidCommand(message, field=field, reason="INVALID_SHARE")
    return name


def _bytes(scene: str) -> bytes:
    return scene.encode(errors="surrogateescape")


def _text(scene: bytes) -> str:
    return scene.decode(errors="backslashreplace")


def _told(facts: dict[str, str]) -> str:
    return "\n".join(f"{name:<8} {value}" for name, value in facts.items())
