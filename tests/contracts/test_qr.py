"""Pictures of codes: each format shows the modules that the library made of the text, and nothing else."""

import re
import struct
import zlib
from collections.abc import Sequence

import pytest
import segno

from actors.adapters.qr import SCALE_MAX, picture

TEXT = "HTTPS://HUTONG.EXAMPLE/C/BIKE/ABCDEFGHIJKL"
QUIET = 4
"""Modules of a quiet zone."""
LONG = f"HTTPS://HUTONG.EXAMPLE/C/{'B' * 63}/ABCDEFGHIJKL"


def modules(text: str) -> list[list[bool]]:
    """What must be seen: dark modules, with the quiet zone."""
    matrix = [[module == 1 for module in row] for row in segno.make(text, error="m", micro=False).matrix]
    size = len(matrix) + 2 * QUIET
    across = [[False] * QUIET + row + [False] * QUIET for row in matrix]
    return [[False] * size] * QUIET + across + [[False] * size] * QUIET


def png_dark(image: bytes) -> list[list[bool]]:
    """The dark pixels of a PNG of one bit a pixel."""
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    at, chunks = 8, dict[bytes, bytes]()
    while at < len(image):
        length, name = struct.unpack(">I4s", image[at : at + 8])
        body = image[at + 8 : at + 8 + length]
        assert struct.unpack(">I", image[at + 8 + length : at + 12 + length]) == (zlib.crc32(name + body),)
        chunks[name] = chunks.get(name, b"") + body
        at += 12 + length
    width, height, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert (depth, colour) == (1, 0), "grey of one bit a pixel"
    raw, stride = zlib.decompress(chunks[b"IDAT"]), (width + 7) // 8 + 1
    rows, above = list[bytes](), bytes(stride - 1)
    for row in (raw[place * stride : (place + 1) * stride] for place in range(height)):
        assert row[0] in (0, 2), "a row is itself, or its difference from the one above"
        above = bytes((byte + before * (row[0] == 2)) % 256 for byte, before in zip(row[1:], above, strict=True))
        rows.append(above)
    return [[not row[x // 8] >> (7 - x % 8) & 1 for x in range(width)] for row in rows]


def svg_dark(image: str, size: int) -> list[list[bool]]:
    """The dark modules of an SVG that is one line a row of modules: moves and horizontal strokes."""
    path = re.search(r'class="qrline"[^>]* d="([^"]+)"', image) or re.search(r' d="(M[^"]*h[^"]*\.5[^"]*)"', image)
    assert path is not None, image
    dark = [[False] * size for _ in range(size)]
    x, y = 0.0, 0.0
    for move, numbers in re.findall(r"([Mmh])([^Mmh]*)", path[1]):
        values = [float(number) for number in re.findall(r"-?[0-9.]+", numbers)]
        if move == "h":
            for column in range(round(x), round(x + values[0])):
                dark[int(y)][column] = True
            x += values[0]
        else:
            x, y = (values[0], values[1]) if move == "M" else (x + values[0], y + values[1])
    return dark


def terminal_dark(lines: Sequence[str]) -> list[list[bool]]:
    """The dark modules of half blocks, two rows a line: what is drawn is light."""
    light = {"█": (True, True), "▀": (True, False), "▄": (False, True), " ": (False, False)}
    rows: list[list[bool]] = []
    for line in lines:
        rows += [[not light[char][half] for char in line] for half in (0, 1)]
    return rows


@pytest.mark.parametrize("text", [TEXT, LONG])
@pytest.mark.parametrize("scale", [1, 3, SCALE_MAX])
def test_a_png_has_the_modules_of_the_text(text: str, scale: int) -> None:
    expected = modules(text)
    dark = png_dark(picture(text, "png", scale))
    assert len(dark) == len(expected) * scale
    assert dark == [[module for module in row for _ in range(scale)] for row in expected for _ in range(scale)]


@pytest.mark.parametrize("text", [TEXT, LONG])
def test_an_svg_has_the_modules_of_the_text(text: str) -> None:
    expected = modules(text)
    assert svg_dark(picture(text, "svg").decode(), len(expected)) == expected


@pytest.mark.parametrize("text", [TEXT, LONG])
def test_a_terminal_shows_the_modules_of_the_text(text: str) -> None:
    expected = modules(text)
    dark = terminal_dark(picture(text, "terminal").decode().splitlines())
    assert dark[: len(expected)] == expected
    assert len(dark) - len(expected) in (0, 1), "a line has two rows"


def test_a_picture_is_of_the_short_form() -> None:
    assert segno.make(TEXT, error="m", micro=False).mode == "alphanumeric"
