"""A code that is scanned: it stands for a page of a program and a scene, for ever or until it is revoked."""

import hashlib
from base64 import b32encode
from typing import Annotated, Literal, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.domain.ways import address
from actors.entity import FILLED, Context, Decision, Entity, Reject, Stage, accept, after

LIFE = {
    "none": Stage({"mint": "minted"}),
    "minted": Stage({"mint": "minted", "revoke": "revoked"}),
    "revoked": Stage({"revoke": "revoked"}, terminal=True),
}
SCENE_BYTES_MAX = 64 * 1024
STATE_BYTES_MAX = 96 * 1024
CODE_CHARS = 12

Environment: TypeAlias = Literal["develop", "trial", "release"]
"""What it is for, as its program is told: which version a person is shown is the catalogue's to say, by any code."""


class Mint(Struct, frozen=True, tag="ways.code.mint", rename={"filled": FILLED}):
    """Where the page is `gone` by now, a code that was minted before is told again, and another is refused."""

    page: Annotated[str, Meta(min_length=1, max_length=256)]
    scene: Annotated[bytes, Meta(max_length=SCENE_BYTES_MAX)] = b""
    env: Environment = "release"
    gone: bool = False
    filled: tuple[str, ...] = ("gone",)


class Revoke(Struct, frozen=True, tag="ways.code.revoke"):
    pass


class Minted(Struct, frozen=True, tag="ways.code.minted"):
    page: str
    scene: bytes
    env: str
    by: str
    at_ms: int


class Revoked(Struct, frozen=True, tag="ways.code.revoked"):
    at_ms: int


Command: TypeAlias = Mint | Revoke
Event: TypeAlias = Minted | Revoked


class Code(Struct, frozen=True):
    state: str = "none"
    page: str = ""
    scene: bytes = b""
    env: str = ""
    by: str = ""
    minted_ms: int = 0
    revoked_ms: int = 0


def code_of(program: str, page: str, scene: bytes, env: str) -> str:
    """The code of this target, the same whoever makes it."""
    digest = hashlib.sha256()
    for part in (program.encode(), page.encode(), scene, env.encode()):
        digest.update(len(part).to_bytes(4) + part)  # so that no two targets are read as one
    return b32encode(digest.digest()).decode()[:CODE_CHARS]


def text_of(host: str, program: str, code: str) -> str:
    """What the picture of a code says: only letters that a QR code has a short form for."""
    return address.written(host, "C", program, code)


def read_text(host: str, text: str) -> tuple[str, str] | None:
    """The program and the code that a text names, with or without the address; None when it is no code of ours."""
    return address.read(host, "C", CODE_CHARS, text)


def decide(code: Code, command: Command, ctx: Context) -> Decision[Event]:
    match command:
        case Mint(page, scene, env, gone):
            after(LIFE, code.state, "mint")
            program, _, name = ctx.entity_id.partition("/")
            if name != code_of(program, page, scene, env):
                raise Reject("wrong_code")
            if code.state == "none" and gone:
                raise Reject("page_gone", page=page)
            if code.state == "none":
                return accept(Minted(page, scene, env, ctx.caller, ctx.now_ms))
            if (code.page, code.scene, code.env) != (page, scene, env):
                raise Reject("code_taken")
            return accept()
        case Revoke():
            after(LIFE, code.state, "revoke")
            return accept() if code.state == "revoked" else accept(Revoked(ctx.now_ms))
        case _:
            assert_never(command)


def evolve(code: Code, event: Event) -> Code:
    match event:
        case Minted(page, scene, env, by, at_ms):
            return Code("minted", page, scene, env, by, at_ms)
        case Revoked(at_ms):
            return replace(code, state="revoked", revoked_ms=at_ms)
        case _:
            assert_never(event)


def view_code(code: Code, _: object) -> object:
    """What it stands for."""
    return code


CODE = Entity(
    "ways.code",
    Code(),
    Command,
    Event,
    decide,
    evolve,
    views={"code": view_code},
    life={"code": LIFE},
    state_bytes_max=STATE_BYTES_MAX,
    timers_max=0,
)
