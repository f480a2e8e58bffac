"""Who calls. Until identity exists, the caller says so itself in metadata, and nothing but loopback is served."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from actors.errors import InvalidCommand

CALLER = "hutong-caller"
TENANT = "hutong-tenant"
PRIORITY = "hutong-priority"
NAME_CHARS_MAX = 128
PRIORITY_DEFAULT = 64
PRIORITY_MAX = 127


class Caller(NamedTuple):
    """Who calls: `name` is the namespace of its request ids, empty when it did not say."""

    name: str
    tenant: str
    priority: int


def caller_of(metadata: Iterable[tuple[str, Any]] | None) -> Caller:
    """The caller that the metadata names.

    Raises InvalidCommand for a name that is too long or a priority that is no number from 0 to 127.
    """
    name, tenant, priority = "", "", PRIORITY_DEFAULT
    for key, value in metadata or ():
        if key == CALLER:
            name = _name(key, value)
        elif key == TENANT:
            tenant = _name(key, value)
        elif key == PRIORITY:
            priority = _priority(value)
    return Caller(name, tenant, priority)


def _name(key: str, value: Any) -> str:
    text = str(value)
    if len(text) > NAME_CHARS_MAX or text.startswith("~"):
        message = f"{key} has at most {NAME_CHARS_MAX} characters and does not begin with ~"
        raise InvalidCommand(message, field=key, reason="INVALID_METADATA")
    return text


def _priority(value: Any) -> int:
    text = str(value)
    if not text.isascii() or not text.isdecimal() or len(text) > 3 or int(text) > PRIORITY_MAX:
        message = f"{PRIORITY} is a number from 0 to {PRIORITY_MAX}, not {text[:20]!r}"
        raise InvalidCommand(message, field=PRIORITY, reason="INVALID_METADATA")
    return int(text)
