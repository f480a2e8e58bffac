"""What a field of a template may hold. Pure: a field's name begins with its kind, such as `thing1` or `amount2`.

An enum names its values in the template: `enum1=cash|card`.
"""

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

FIELDS_MAX = 16
TEXT_CHARS_MAX = 600
"""Of a reply of customer service."""
VALUES_MAX = 32
_HAN = r"[\u3400-\u4dbf\u4e00-\u9fff]"
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?"
_DAY = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"

KINDS: Mapping[str, tuple[str, str]] = {
    "thing": (r".{1,20}", "1 to 20 characters"),
    "number": (r"-?\d{1,31}|\d{1,32}|(?=.{3,32}\Z)-?\d+\.\d+", "a number of 32 characters at most"),
    "letter": (r"[A-Za-z]{1,32}", "1 to 32 letters"),
    "character_string": (r"[!-~]{1,32}", "1 to 32 letters, digits and signs"),
    "symbol": (r"[^\w\s]{1,5}", "1 to 5 signs"),
    "amount": (r"[^\w\s.,+-]?(?=[\d.]{1,11}\Z)\d{1,10}(\.\d+)?", "one sign of a currency and 10 digits at most"),
    "phone_number": (r"[\d+() -]{1,17}", "1 to 17 digits and signs"),
    "car_number": (r"[^\W_]{1,8}", "1 to 8 letters and digits"),
    "name": (rf"({_HAN}){{1,10}}|[A-Za-z][A-Za-z .'-]{{0,19}}", "10 Han characters or 20 letters at most"),
    "phrase": (rf"({_HAN}){{1,5}}", "1 to 5 Han characters"),
    "time": (rf"({_DAY} )?{_CLOCK}", "a time such as 15:01 or 2026-05-01 15:01"),
    "date": (rf"{_DAY}( {_CLOCK})?", "a date such as 2026-05-01"),
    "enum": (r".{1,32}", "one of the template's values"),
}
"""Of each kind: what a whole value looks like, and how that is said."""

_NAMES = "|".join(sorted(KINDS, key=len, reverse=True))


class Flaw(Struct, frozen=True):
    """What is wrong with a field."""

    field: str
    message: str


def read_field(written: str) -> tuple[str, tuple[str, ...]] | None:
    """The name of a template's field and its values, if it is an enum; None when it is no field."""
    found = re.fullmatch(rf"((?:{_NAMES})[1-9]\d?)(?:=([^=]+))?", written, re.ASCII)
    if found is None or (found[2] is not None) != found[1].startswith("enum"):
        return None
    values = tuple(found[2].split("|")) if found[2] else ()
    fit = len(values) <= VALUES_MAX and all(_fits("enum", value) for value in values)
    return (found[1], values) if fit else None


def flaw_of_template(fields: Sequence[str]) -> Flaw | None:
    """What is wrong with a template's fields, if anything is."""
    names: list[str] = []
    for number, written in enumerate(fields):
        read = read_field(written)
        if read is None:
            return Flaw(
                f"fields[{number}]", f"{written[:100]!r} is no field; it is a kind and a number, such as thing1"
            )
        if read[0] in names:
            return Flaw(f"fields[{number}]", f"{read[0]} is there twice")
        names.append(read[0])
    return None


def flaw_of_values(fields: Sequence[str], values: Mapping[str, str]) -> Flaw | None:
    """The first thing that is wrong with what a message says in a template's fields, if anything is."""
    known = dict(filter(None, map(read_field, fields)))
    for name, allowed in known.items():
        kind = name.rstrip("0123456789")
        value = values.get(name)
        if value is None:
            return Flaw(f"fields.{name}", f"{name} is missing")
        if not _fits(kind, value) or (allowed and value not in allowed):
            return Flaw(f"fields.{name}", f"{name} is {KINDS[kind][1]}")
    unknown = next((name for name in values if name not in known), None)
    return None if unknown is None else Flaw(f"fields.{unknown[:100]}", "the template has no such field")


def _fits(kind: str, value: str) -> bool:
    return re.fullmatch(KINDS[kind][0], value) is not None and value.isprintable() and bool(value.strip())
