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

BIG = 300_000
"""Characters: more than a payload may hold."""
BIG_JSON = (b'"' + b"x" * BIG + b'"', b"[" * (BIG // 2), b'{"a":' * (BIG // 8), b"9" * BIG, b"[" + b"0," * BIG + b"0]")
BIG_CHANCE = 0.002


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
    odd = "x" * BIG if chance.random() < BIG_CHANCE else chance.choice(ODD_TEXTS)
    return odd if chance.random() < 0.3 else text[:place] + odd + text[place + chance.randrange(3) :]


def odd_payload(names: tuple[str, ...], chance: random.Random) -> bytes:
    """A JSON object whose fields hold odd values; one in four is broken as bytes too."""
    values = BIG_JSON if chance.random() < BIG_CHANCE else ODD_JSON
    fields = (f'"{chance.choice(names)}":'.encode() + chance.choice(values) for _ in range(chance.randrange(1, 4)))
    payload = b"{" + b",".join(fields) + b"}"
    return broken_bytes(payload, chance) if chance.random() < 0.25 else payload


ODD_INTS = (-(1 << 63), -(1 << 31), -2, -1, 0, 1, 2, (1 << 31) - 1, (1 << 63) - 1)


def odd_int(bits: int, chance: random.Random) -> int:
    """A number at some edge, of a field of so many bits."""
    number = chance.choice(ODD_INTS)
    return number if -(1 << bits - 1) <= number < 1 << bits - 1 else 0


def odd_fields(whole: bytes, chance: random.Random) -> bytes:
    """A protobuf message whose fields stand elsewhere, are gone, twice, unknown, or of another number; it still parses
    mostly.
    """
    fields = _fields(whole)
    if not fields:
        return whole + _unknown(chance)
    place = chance.randrange(len(fields))
    match chance.randrange(5):
        case 0:
            fields.pop(place)
        case 1:
            fields.insert(place, chance.choice(fields))
        case 2:
            fields.insert(place, _unknown(chance))
        case 3:
            chance.shuffle(fields)
        case _:
            tag = chance.randrange(1, 8) << 3 | fields[place][0] & 7
            fields[place] = bytes([tag]) + fields[place][1:]
    return b"".join(fields)


def _fields(whole: bytes) -> list[bytes]:
    """The fields of a message of ours, each with its tag: tags of one byte, lengths of bytes and varints."""
    fields: list[bytes] = []
    at = 0
    while at < len(whole):
        value, end = _varint(whole, at + 1)
        if whole[at] & 7 == 2:
            end += value
        fields.append(whole[at:end])
        at = end
    return fields


def _varint(whole: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (whole[at] & 0x7F) << shift
        shift += 7
        at += 1
        if whole[at - 1] < 0x80:
            return value, at


def _unknown(chance: random.Random) -> bytes:
    number, content = chance.randrange(8, 16), chance.randbytes(chance.randrange(9))
    return bytes([number << 3 | 2, len(content)]) + content
