"""A text as a QR code: a picture for print, a drawing for the web, or text for a terminal."""

import io
from collections.abc import Mapping

SCALE_DEFAULT, SCALE_MAX = 8, 32
MEDIA_TYPES: Mapping[str, str] = {"png": "image/png", "svg": "image/svg+xml", "terminal": "text/plain; charset=utf-8"}
"""The formats, and what their bytes are."""


def picture(text: str, form: str, scale: int = SCALE_DEFAULT) -> bytes:
    """The QR code of a short text in one of the `MEDIA_TYPES`; a module is `scale` pixels wide, but in a terminal.

    It can be read with 15 % of it covered, and a quiet zone is around it.
    """
    import segno  # a tenth of a start's time, and most starts draw no picture

    code = segno.make_qr(text, error="m")
    if form == "terminal":
        drawn = io.StringIO()
        code.terminal(drawn, compact=True)
        return drawn.getvalue().encode()
    written = io.BytesIO()
    code.save(written, kind=form, scale=scale, light="white")
    return written.getvalue()
