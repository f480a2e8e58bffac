"""From a program's folder to a package on the platform: packed, signed by the account's key, uploaded in parts."""

import os
from pathlib import Path

from actors.adapters.signatures import new_key, public_of, sign_package
from actors.cli import output
from actors.cli.calling import ask
from actors.cli.hints import hinted
from actors.errors import SetupError
from actors.manifest import read_manifest
from actors.packages import hash_of, pack
from gateway.client import Client
from gateway.packages import CHUNK_BYTES_MAX
from gateway.v1 import catalog_pb2 as pb
from gateway.v1.catalog_pb2_grpc import CatalogServiceStub

KEYS_FOLDER = "package-keys"
UPLOAD_MS_MAX = 60_000


def upload(folder: Path, program: Path, account: str, as_json: bool) -> None:
    """Upload a program's folder as the version that its manifest says; prints it and what came of it."""
    name = read_manifest(program / "manifest.json").app_id
    answer = ask(folder, lambda client: bring(client, program, name, key_of(folder, account)))
    facts = {"program": name, "code": answer.code, "hash": answer.hash, "duplicate": answer.duplicate}
    output.result(facts, as_json, f"{name} version {answer.code} is kept as {answer.hash}")
    output.say(f"hutong catalog submit {name} {answer.code} --dir {folder}")


def set_key(folder: Path, account: str, as_json: bool) -> None:
    """Tell the platform the public half of the account's key; the key is made when there is none."""
    ask(folder, lambda client: tell_key(client, account, key_of(folder, account)))
    output.result({"account": account, "key": str(_place(folder, account))}, as_json, str(_place(folder, account)))


async def tell_key(client: Client, account: str, key: bytes) -> None:
    """Set the account's key; it may be so already."""
    request = pb.SetPackageKeyRequest(account=account, key=public_of(key), request_id=client.new_request_id())
    await client.ask(CatalogServiceStub, "SetPackageKey", request)


async def bring(client: Client, program: Path, name: str, key: bytes) -> pb.UploadPackageResponse:
    """Upload this folder."""
    archive = pack(files_of(program))
    head = pb.UploadPackageRequest(
        program=name, signature=sign_package(key, hash_of(archive)), request_id=client.new_request_id()
    )
    parts = [
        pb.UploadPackageRequest(chunk=archive[begin : begin + CHUNK_BYTES_MAX])
        for begin in range(0, len(archive), CHUNK_BYTES_MAX)
    ]
    with hinted():
        answer: pb.UploadPackageResponse = await client.ask(
            CatalogServiceStub, "UploadPackage", [head, *parts], UPLOAD_MS_MAX
        )
    return answer


def files_of(folder: Path) -> dict[str, bytes]:
    """What of a program's folder goes into its package: all but tests, caches, and what is hidden."""
    found: dict[str, bytes] = {}
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__"))]
        for name in names:
            if not name.startswith((".", "test_")):
                path = Path(place) / name
                found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


def key_of(folder: Path, account: str) -> bytes:
    """The private half of the account's key; made when there is none, for its owner's eyes only."""
    place = _place(folder, account)
    try:
        if not place.exists():
            place.parent.mkdir(mode=0o700, exist_ok=True)
            place.touch(mode=0o600)
            place.write_bytes(new_key())
        return place.read_bytes()
    except OSError as error:
        raise SetupError(f"the account's key {place} cannot be used: {error.strerror}", reason="PACKAGE_KEY") from error


def _place(folder: Path, account: str) -> Path:
    return folder / KEYS_FOLDER / account
