"""How a way into a program is written: the address of the platform, a letter for what it is, the program, the name."""

import re

NAME_CHARS = 16
"""Letters of the name of a link or a share: 80 bits, so that nobody comes upon one by trying."""


def written(host: str, letter: str, program: str, name: str) -> str:
    """The address: only letters that a QR code has a short form for."""
    return f"HTTPS://{host}/{letter}/{program}/{name}".upper()


def read(host: str, letter: str, chars: int, text: str) -> tuple[str, str] | None:
    """The program and the name that a text names, with or without the address; None when it is nothing of ours."""
    address, name = rf"https://{re.escape(host)}/{letter}/", rf"([a-z][a-z0-9-]{{0,62}})/([a-z2-7]{{{chars}}})"
    found = re.fullmatch(f"(?:{address})?{name}", text, re.ASCII | re.IGNORECASE)
    return (found[1].lower(), found[2].upper()) if found else None
