"""Who calls, as the platform knows it: a role, the tenant it belongs to, and the one within it. Pure values.

A principal is written as the `caller` of a record: `person/bike/o1` is one person as the program `bike` knows it.
"""

import re
from enum import StrEnum
from typing import NamedTuple

PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,63}")


class Role(StrEnum):
    """What a principal is to the platform; what each may do is said by tables, and nothing by default."""

    PERSON = "person"
    """One person in one program, by the name that the program knows it by: `person/<program>/<openid>`."""
    ACCOUNT = "account"
    """A person on the platform itself: `account/<person>`."""
    SERVER = "server"
    """A program's own server: `server/<program>`."""
    MEMBER = "member"
    """One of a developer's team: `member/<account>/<member>`."""
    MERCHANT = "merchant"
    """`merchant/<id>`."""
    OPERATOR = "operator"
    """Who runs this platform: `operator/<name>`."""
    PLATFORM = "platform"
    """A process of the platform itself: `platform/<name>`."""
    CREDENTIAL = "credential"
    """Who shows a secret, and gets tokens for it: `credential/server/<program>`, or a person's `credential/login/…`."""


_ROLES = {role.value: role for role in Role}
_TENANTED = (Role.PERSON, Role.SERVER, Role.MEMBER, Role.MERCHANT, Role.CREDENTIAL)
_NAMED = (Role.PERSON, Role.ACCOUNT, Role.MEMBER, Role.OPERATOR, Role.PLATFORM, Role.CREDENTIAL)


class Principal(NamedTuple):
    """`tenant` is whose data it may touch, `subject` who it is there; a role that has no such part leaves it empty."""

    role: Role
    tenant: str
    subject: str

    @property
    def caller(self) -> str:
        """As records name it, and the namespace of its request ids."""
        return "/".join(part for part in self if part)


def parse(caller: str) -> Principal | None:
    """The principal that a record's `caller` names; None when it names none, such as a caller of the open mode."""
    name, *parts = caller.split("/")
    role = _ROLES.get(name)
    if (
        role is None
        or len(parts) != (role in _TENANTED) + (role in _NAMED)
        or not all(PART.fullmatch(part) for part in parts)
    ):
        return None
    return Principal(role, parts[0] if role in _TENANTED else "", parts[-1] if role in _NAMED else "")
