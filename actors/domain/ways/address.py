"""How a way into a program is written: the address of the platform, a letter for what it is, the program, the name."""

import re

NAME_CHARS = 16
"""Letters of the name of a link or a share: 80 bits, so that nobody comes upon one by trying."""
URL_CHARS_MAX = 2_048
_URL = r"https?://([a-z0-9][a-z0-9.-]{0,127})(/[^\s?#]*)?([?#]\S*)?"


def written(host: str, letter: str, program: str, name: str) -> str:
    """The address: only letters that a QR code has a short form for."""
    return f"HTTPS://{host}/{letter}/{program}/{name}".upper()


def read_url(url: str) -> tuple[str, str] | None:
    """The host and the path of an ordinary link; None when it is none, or longer than we look at."""
    if len(url) > URL_CHARS_MAX:
        return None
    found = re.fullmatch(_URL, url, re.ASCII | re.IGNORECASE)
    return (found[1].lower(), found[2] or "/") if found else None


def read(host: str, letter: str, chars: int, text: str) -> tuple[str, str] | None:
    """The program and the name that a text names, with or without the address; None when it is nothing of ours."""
    address, name = rf"https://{re.escape(host)}/{letter}/", rf"([a-z][a-z0-9-]{{0,62}})/([a-z2-7]{{{chars}}})"
    found = re.fullmatch(f"(?:{address})?{name}", text, re.ASCII | re.IGNORECASE)
    return (found[1].lower(), found[2].upper()) if found else None
