"""Ways to break what is well formed: bytes, JSON, text. Pure; the same generator gives the same."""

import random

ODD_TEXTS = ("", "\x00", "\n", "\uff10", "~", "/", "..", "%2f", "x" * 300, "é" * 64, "\u202e", "NaN", "-1", "1e999")
"""Without lone surrogates: protobuf refuses a message that holds one, so none comes from the wire."""
ODD_JSON = (
    b"NaN",
    b"-0",
    b"1e400",
    b"1" + b"0" * 5_000,
    b"18446744073709551616",
    b'"\\ud800"',
    b'"\xff\xfe"',
    b"null",
    b"[]",
    b"{}",
    b"[" * 300,
    b'{"a":' * 40 + b"1" + b"}" * 40,
    b'"' + b"x" * 3_000 + b'"',
    b"true",
    b"1.5",
)


def broken_bytes(whole: bytes, chance: random.Random) -> bytes:
    """Cut, flipped, doubled, lengthened or spliced; never what it was."""
    place = chance.randrange(len(whole)) if whole else 0
    match chance.randrange(5) if whole else 3:
        case 0:
            return whole[:place]
        case 1:
            return whole[:place] + bytes([whole[place] ^ chance.randrange(1, 256)]) + whole[place + 1 :]
        case 2:
            return whole + whole[place:]
        case 3:
            return whole[:place] + chance.randbytes(chance.randrange(1, 9)) + whole[place:]
        case _:
            return whole[:place] + whole[place + 1 :]


def odd_text(text: str, chance: random.Random) -> str:
    """The text with something odd in it, or instead of it."""
    place = chance.randrange(len(text) + 1)
    odd = chance.choice(ODD_TEXTS)
    return odd if chance.random() < 0.3 else text[:place] + odd + text[place + chance.randrange(3) :]


def odd_payload(names: tuple[str, ...], chance: random.Random) -> bytes:
    """A JSON object whose fields hold odd values; one in four is broken as bytes too."""
    fields = (f'"{chance.choice(names)}":'.encode() + chance.choice(ODD_JSON) for _ in range(chance.randrange(1, 4)))
    payload = b"{" + b",".join(fields) + b"}"
    return broken_bytes(payload, chance) if chance.random() < 0.25 else payload
