"""`hutong catalog publish`: programs through registration, review and release, by the calls that anybody makes."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actors.cli import output
from actors.cli.calling import ask
from actors.cli.packing import bring, key_of, tell_key
from actors.errors import Reject, SetupError
from actors.registry import Program, load_programs, programs_in, shipped_programs
from gateway.client import Client
from gateway.v1 import catalog_pb2 as pb
from gateway.v1.catalog_pb2_grpc import CatalogServiceStub
from gateway.v1.search_pb2 import FoundProgram, ListProgramsRequest
from gateway.v1.search_pb2_grpc import SearchServiceStub

REVIEW_S_MAX = 20
LOAD_S_MAX = 60
LOOK_S = 0.02
LISTED_MAX = 100


def publish(folder: Path, programs: Sequence[Path], account: str, category: str, as_json: bool) -> None:
    """Bring these programs, or those that ship, to everybody; what is there already stays as it is.

    What this platform was not started with runs from its package then.
    """
    folders = [one for given in programs for one in (programs_in(given) or (given,))] or list(shipped_programs())
    facts = ask(folder, lambda client: release_all(client, folders, account, category, key_of(folder, account)))
    output.result({"account": account, "programs": facts}, as_json)
    if not as_json:
        rows = [
            (one["program"], one["code"], "released now" if one["changed"] else "as before", one["from"])
            for one in facts
        ]
        output.table("Programs that everybody may open", ("program", "version", "", "runs from its"), rows)


def release_shipped(folder: Path) -> None:
    """Bring what ships to everybody, and wait until whoever looks for it finds it. Raises SetupError."""
    ask(folder, lambda client: release_found(client, shipped_programs(), key_of(folder, "hutong")))


async def release_found(client: Client, folders: Sequence[Path], key: bytes) -> None:
    """The same, of the programs in these folders; see `release_all`."""
    facts = await release_all(client, folders, "hutong", "other", key)
    names, until = {one["program"] for one in facts}, time.monotonic() + LOAD_S_MAX
    while missing := names - {one.program for one in await _listed(client)}:
        if time.monotonic() > until:
            late = ", ".join(sorted(missing))
            message = f"{late}: released, but not found within {LOAD_S_MAX} s. Does the follower run?"
            raise SetupError(message, reason="NOT_FOUND")
        await asyncio.sleep(LOOK_S)


async def _listed(client: Client) -> Sequence[FoundProgram]:
    answer = await client.ask(SearchServiceStub, "ListPrograms", ListProgramsRequest(hits_max=LISTED_MAX))
    return tuple(answer.programs)


async def release_all(
    client: Client, folders: Sequence[Path], account: str, category: str, key: bytes
) -> list[dict[str, Any]]:
    """The same, of the programs in these folders, by whoever runs the platform: what there was to do for each.

    `key` is the private half of the one that the account signs by.
    """
    found = [program for _, program in sorted(load_programs(folders).programs.items())]
    await _open(client, account)
    await tell_key(client, account, key)
    return [await _publish(client, program, account, category, key) for program in found]


async def _open(client: Client, account: str) -> None:
    request = pb.OpenAccountRequest(account=account, name=account, admin=account, request_id=client.new_request_id())
    try:
        await client.ask(CatalogServiceStub, "OpenAccount", request)
    except Reject as reject:
        if reject.reason != "wrong_state":  # it is open already
            raise


async def _publish(client: Client, program: Program, account: str, category: str, key: bytes) -> dict[str, Any]:
    manifest = program.manifest
    name, version = manifest.app_id, manifest.version
    register = pb.RegisterProgramRequest(
        account=account,
        program=name,
        title=manifest.name,
        category=manifest.category or category,
        request_id=client.new_request_id(),
    )
    await client.ask(CatalogServiceStub, "RegisterProgram", register)
    describe = pb.DescribeProgramRequest(
        program=name, aliases=manifest.aliases, city=manifest.city, request_id=client.new_request_id()
    )
    if manifest.position is not None:
        describe.location.latitude, describe.location.longitude = manifest.position
    await client.ask(CatalogServiceStub, "DescribeProgram", describe)
    is_folder = name in await client.programs() and not (await _found(client, name)).decides
    await bring(client, program.folder, name, key)
    changed = await _advance(client, name, version.code)
    if not is_folder:
        await _decides(client, name, version.code)
    return {"program": name, "code": version.code, "changed": changed, "from": "folder" if is_folder else "package"}


async def _found(client: Client, name: str) -> pb.GetProgramResponse:
    found: pb.GetProgramResponse = await client.ask(
        CatalogServiceStub, "GetProgram", pb.GetProgramRequest(program=name)
    )
    return found


async def _decides(client: Client, name: str, code: int) -> None:
    """Wait until calls are decided by the package of this version. Raises SetupError when it cannot be loaded."""
    output.say(f"hosts load version {code} of {name}")
    until = time.monotonic() + LOAD_S_MAX
    while (found := await _found(client, name)).decides != code:
        if found.trouble or time.monotonic() > until:
            why = (
                found.trouble or f"it did not come about in {LOAD_S_MAX} s; does the follower run? See `hutong status`"
            )
            message = f"version {code} of {name} is released, but version {found.decides or 'none'} decides: {why}"
            raise SetupError(message, reason="NOT_LOADED")
        await asyncio.sleep(LOOK_S)


async def _advance(client: Client, name: str, code: int) -> bool:
    """Take the version from the state that it is in to the next one, until it is released; whether there was any."""
    until = time.monotonic() + REVIEW_S_MAX
    changed = False
    while time.monotonic() < until:
        found = await _found(client, name)
        version = next(one for one in found.versions if one.code == code)
        if version.state == "released":
            return changed
        step = _next(name, found, version)
        if step is not None:
            method, request = step
            request.request_id = client.new_request_id()
            await client.ask(CatalogServiceStub, method, request)
            changed = True
        else:
            await asyncio.sleep(LOOK_S)  # it is on its way to the review, or others stand before it
    raise SetupError(f"{name} waits for its review; see `hutong catalog show {name}`", reason="NOT_REVIEWED")


def _next(name: str, found: Any, version: Any) -> tuple[str, Any] | None:
    this = pb.VersionRequest(program=name, code=version.code)
    match version.state:
        case "uploaded" | "withdrawn" | "deferred":
            return "SubmitVersion", this
        case "waiting" if found.position == 1:
            return "TakeReview", pb.TakeReviewRequest(lane=found.lane)
        case "in_review":
            return "JudgeVersion", pb.JudgeVersionRequest(program=name, code=version.code, verdict="approve")
        case "approved" | "gray":
            return "ReleaseVersion", this
        case "retired":
            return "RollBack", this
        case "rejected":
            message = (
                f"version {version.code} of {name} was refused: {version.reason}. Publish another with a higher code."
            )
            raise SetupError(message, reason="REJECTED")
        case _:
            return None
