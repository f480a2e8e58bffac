"""What a mini program says about itself: `manifest.json`, a subset of the W3C MiniApp manifest. No rule needs it."""

import re
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from actors.domain.catalog.listing import ALIASES_MAX, Alias, Position, Text
from actors.errors import SetupError

APP_ID = re.compile(r"[a-z][a-z0-9-]{0,62}")
MODULE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
PAGE = re.compile(r"(?!/)(?!.*(^|/)\.{0,2}(/|$))[!-~]{1,256}")
"""A path from the top of the package, of visible letters; what follows a `?` is no part of it."""
MANIFEST_BYTES_MAX = 64 * 1024
IMPORTS_MAX = 32
PAGES_MAX = 256
PLATFORM_CODE = 1
"""What this platform is, for programs that say what they need at least."""
_FIELD = re.compile(r"(Object (?:missing required|contains unknown) field `(.*?)`)(?: - at `(.*)`)?", re.DOTALL)


class Version(Struct, frozen=True, forbid_unknown_fields=True):
    """`name` is for people, `code` grows with every release."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    code: Annotated[int, Meta(ge=1, lt=1 << 31)]


class PlatformVersion(Struct, frozen=True, forbid_unknown_fields=True):
    """The oldest platform that the program runs on: `PLATFORM_CODE` at most."""

    min_code: Annotated[int, Meta(ge=0)]


class Icon(Struct, frozen=True, forbid_unknown_fields=True):
    """A picture inside the program's package."""

    src: Annotated[str, Meta(min_length=1, max_length=256)]
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
    """`app_id` is the program's name on the platform, and the first part of its entities' kinds.

    It is found by its name, by `aliases`, such as its name in other languages, by `category` and `city`, and around its
    `position`, which is (latitude, longitude) in degrees. `imports` are the libraries that program.py imports, by their
    top-level names; what every program may import is not listed.
    """

    app_id: str
    name: str
    version: Version
    platform_version: PlatformVersion
    icons: tuple[Icon, ...]
    pages: tuple[str, ...]
    description: str = ""
    window: Window = Window()
    req_permissions: tuple[Permission, ...] = ()
    imports: tuple[str, ...] = ()
    aliases: Annotated[tuple[Alias, ...], Meta(max_length=ALIASES_MAX)] = ()
    category: Text = ""
    city: Text = ""
    position: Position | None = None


def read_manifest(path: Path) -> Manifest:
    """The manifest in this file. Raises SetupError, naming the file, the member and the reason."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise SetupError(f"{path} is missing: a program's folder has manifest.json and program.py") from error
    except OSError as error:
        raise SetupError(f"{path}: {error}", reason="MANIFEST") from error
    return parse_manifest(content, str(path))


def parse_manifest(content: bytes, where: str) -> Manifest:
    """The manifest in these bytes. Raises SetupError, naming where they are from, the member and the reason."""
    try:
        if len(content) > MANIFEST_BYTES_MAX:
            raise ValueError(f"has {len(content)} bytes; at most {MANIFEST_BYTES_MAX} are read")
        manifest = msgspec.json.decode(content, type=Manifest)
        if not APP_ID.fullmatch(manifest.app_id):
            raise ValueError(
                "app_id must be lower-case letters, digits and hyphens, beginning with a letter - at `$.app_id`"
            )
        if not manifest.name:
            raise ValueError("a program has a name - at `$.name`")
        _check_pages(manifest.pages)
        _check_imports(manifest.imports)
        if manifest.platform_version.min_code > PLATFORM_CODE:
            needed = manifest.platform_version.min_code
            raise ValueError(f"needs platform {needed}; this one is {PLATFORM_CODE} - at `$.platform_version.min_code`")
    except msgspec.DecodeError as error:
        what = "" if isinstance(error, msgspec.ValidationError) else "is not JSON: "
        raise SetupError(f"{where}: {what}{_said(error)}", reason="MANIFEST") from error
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise SetupError(f"{where}: {error}", reason="MANIFEST") from error
    return manifest


def _said(error: msgspec.DecodeError) -> str:
    """What is wrong, with its path: of a field that is missing or unknown msgspec names the object that it is in."""
    found = _FIELD.fullmatch(str(error))
    return f"{found[1]} - at `{found[3] or '$'}.{found[2]}`" if found else str(error)


def _check_pages(pages: tuple[str, ...]) -> None:
    if not 1 <= len(pages) <= PAGES_MAX:
        raise ValueError(f"a program has 1 to {PAGES_MAX} pages - at `$.pages`")
    for place, page in enumerate(pages):
        if not PAGE.fullmatch(page) or "?" in page or "#" in page:
            raise ValueError(f"{page[:100]!r} is no page: a path such as pages/map/index - at `$.pages[{place}]`")
        if page in pages[:place]:
            raise ValueError(f"{page!r} is listed twice - at `$.pages[{place}]`")


def _check_imports(imports: tuple[str, ...]) -> None:
    if len(imports) > IMPORTS_MAX:
        raise ValueError(f"has {len(imports)} imports; at most {IMPORTS_MAX} can be listed - at `$.imports`")
    for place, name in enumerate(imports):
        if not MODULE.fullmatch(name):
            raise ValueError(f"{name!r} is not the top-level name of a library - at `$.imports[{place}]`")
        if name in imports[:place]:
            raise ValueError(f"{name!r} is listed twice - at `$.imports[{place}]`")
