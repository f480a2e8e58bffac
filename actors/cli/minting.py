"""`hutong codes`: codes that are scanned, through the running gateway."""

import shlex
from collections.abc import Mapping
from pathlib import Path

from actors.cli import output
from actors.cli.calling import ask, change, place
from actors.errors import SetupError
from gateway.v1 import ways_pb2 as pb
from gateway.v1.ways_pb2_grpc import WaysServiceStub


def mint_code(
    folder: Path, program: str, page: str, scene: str, env: str, files: Mapping[str, Path], as_json: bool
) -> None:
    """Mint a code; prints it as a person can scan it, and writes its pictures by format."""
    payload = scene.encode(errors="surrogateescape")
    request = pb.MintCodeRequest(program=program, page=page, scene=payload, env=env)
    answer = change(folder, WaysServiceStub, "MintCode", request, as_json)
    for form, path in files.items():
        try:
            path.write_bytes(_drawn(folder, program, answer.code, form))
        except OSError as error:
            raise SetupError(f"{path}: {error.strerror}: the code is minted, its picture is not written") from error
    shown = "" if as_json else _drawn(folder, program, answer.code, "terminal").decode() + answer.text
    facts = {"program": program, "code": answer.code, "text": answer.text}
    output.result(facts | place(request, answer), as_json, shown)
    for path in files.values():
        output.say(f"written to {path}")
    output.say(f"hutong open {program}/{answer.code} --dir {shlex.quote(str(folder))}")


def revoke_code(folder: Path, program: str, code: str, as_json: bool) -> None:
    """End a code."""
    request = pb.RevokeCodeRequest(program=program, code=code.upper())
    answer = change(folder, WaysServiceStub, "RevokeCode", request, as_json)
    output.result(place(request, answer), as_json, "done")
    output.say(f"hutong why {request.request_id} --dir {shlex.quote(str(folder))}")


def program_in(text: str) -> str:
    """The program that the text of a code, a link or a card names: what stands before its last part."""
    return text.rpartition("/")[0].rpartition("/")[2].lower()


def _drawn(folder: Path, program: str, code: str, form: str) -> bytes:
    request = pb.GetCodeRequest(program=program, code=code, format=form)
    image: bytes = ask(folder, lambda client: client.ask(WaysServiceStub, "GetCode", request)).image
    return image
