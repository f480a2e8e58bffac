"""What a mini program says about itself: `manifest.json`, a subset of the W3C MiniApp manifest. No rule needs it."""

import re
from pathlib import Path

import msgspec
from msgspec import Struct

from actors.errors import SetupError

APP_ID = re.compile(r"[a-z][a-z0-9-]{0,62}")
MANIFEST_BYTES_MAX = 64 * 1024


class Version(Struct, frozen=True, forbid_unknown_fields=True):
    """`name` is for people, `code` grows with every release."""

    name: str
    code: int


class PlatformVersion(Struct, frozen=True, forbid_unknown_fields=True):
    """The oldest platform that the program runs on."""

    min_code: int


class Icon(Struct, frozen=True, forbid_unknown_fields=True):
    """A picture inside the program's package."""

    src: str
    sizes: str = ""
    label: str = ""


class Window(Struct, frozen=True, forbid_unknown_fields=True):
    """How the program's pages are framed, unless a page says otherwise."""

    navigation_bar_title_text: str = ""
    navigation_bar_background_color: str = "#ffffff"
    orientation: str = "portrait"
    fullscreen: bool = False


class Permission(Struct, frozen=True, forbid_unknown_fields=True):
    """What the program asks its user for, and why."""

    name: str
    reason: str = ""


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """`app_id` is the program's name on the platform, and the first part of its entities' kinds."""

    app_id: str
    name: str
    version: Version
    platform_version: PlatformVersion
    icons: tuple[Icon, ...]
    pages: tuple[str, ...]
    description: str = ""
    window: Window = Window()
    req_permissions: tuple[Permission, ...] = ()


def read_manifest(path: Path) -> Manifest:
    """The manifest in this file. Raises SetupError, naming the file, the member and the reason."""
    try:
        content = path.read_bytes()
        if len(content) > MANIFEST_BYTES_MAX:
            raise ValueError(f"has {len(content)} bytes; at most {MANIFEST_BYTES_MAX} are read")
        manifest = msgspec.json.decode(content, type=Manifest)
        if not APP_ID.fullmatch(manifest.app_id):
            raise ValueError("app_id must be lower-case letters, digits and hyphens, beginning with a letter")
        if not manifest.pages or not manifest.name:
            raise ValueError("a program has a name and at least one page")
    except FileNotFoundError as error:
        raise SetupError(f"{path} is missing: a program's folder has manifest.json and program.py") from error
    except msgspec.DecodeError as error:
        what = "" if isinstance(error, msgspec.ValidationError) else "is not JSON: "
        raise SetupError(f"{path}: {what}{error}", reason="MANIFEST") from error
    except (OSError, ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise SetupError(f"{path}: {error}", reason="MANIFEST") from error
    return manifest
