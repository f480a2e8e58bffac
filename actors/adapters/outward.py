"""Where a request of ours may go: to servers of the public network, by https, and nowhere within. Pure.

What a name stands for is asked once, every answer is checked, and the checked address is the one that is connected to:
a name that says something else the next time changes nothing.
"""

import re
from collections.abc import Sequence
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import NamedTuple

from actors.errors import InvalidCommand

PORTS = (443, 8443)
URL_CHARS_MAX = 2_048
NAME_CHARS_MAX = 253
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_URL = re.compile(
    rf"https://(?P<name>(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9]))"
    r"(?::(?P<port>[1-9][0-9]{1,4}))?(?P<path>/[!$-\[\]-~]*)?",
    re.ASCII,
)
_LOCAL = re.compile(r"http://127\.0\.0\.1:(?P<port>[1-9][0-9]{1,4})(?P<path>/[!$-\[\]-~]*)?", re.ASCII)
_WITHIN = (
    *("localhost", "local", "localdomain", "internal", "intranet", "lan", "home", "corp", "private", "arpa"),
    *("test", "invalid", "example", "onion", "alt"),
)
"""Last parts of names that nobody has on the public network."""

# Written out, since what the standard library calls private has changed between its versions.
_NOT_PUBLIC_4 = tuple(
    IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *("168.63.129.16/32", "100.100.100.200/32"),  # where two clouds answer about the machine itself
    )
)
_PUBLIC_6 = IPv6Network("2000::/3")
"""All else is local, of a group, or an IPv4 address in disguise."""
_NOT_PUBLIC_6 = tuple(
    IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)


class Target(NamedTuple):
    """Where a URL leads. `secure` is false only for the one port of this machine that a developer allows."""

    name: str
    port: int
    path: str
    secure: bool


def target_of(url: str, local_port: int = 0) -> Target:
    """Where this URL leads. Raises InvalidCommand for one that no request of ours may follow.

    `local_port`, when it is not 0, is a port of this machine that `http://127.0.0.1:PORT` may name: for development.
    """
    local = _LOCAL.fullmatch(url)
    if local and local_port and int(local["port"]) == local_port:
        return Target("127.0.0.1", local_port, local["path"] or "/", secure=False)
    found = _URL.fullmatch(url) if len(url) <= URL_CHARS_MAX else None
    if found is None:
        raise _refused("it is `https://NAME[:PORT][/PATH]`, with a public name in small letters and nothing else")
    name, port = found["name"], int(found["port"] or PORTS[0])
    if len(name) > NAME_CHARS_MAX or name.rpartition(".")[2] in _WITHIN:
        raise _refused("its name is none of the public network")
    if port not in PORTS:
        raise _refused(f"its port is one of {', '.join(map(str, PORTS))}")
    return Target(name, port, found["path"] or "/", secure=True)


def is_public(address: str) -> bool:
    """Whether this is an address, in its usual notation, of a server on the public network."""
    try:
        if ":" not in address:
            four = IPv4Address(address)
            return not any(four in network for network in _NOT_PUBLIC_4)
        six = IPv6Address(address)
    except AddressValueError:
        return False
    return six.scope_id is None and six in _PUBLIC_6 and not any(six in network for network in _NOT_PUBLIC_6)


def address_of(target: Target, answers: Sequence[str]) -> str:
    """The one of these addresses of its name to connect to. Raises InvalidCommand unless all of them are public."""
    if not target.secure:
        return target.name
    if not answers or not all(is_public(answer) for answer in answers):
        raise _refused("its name stands for an address that is none of the public network")
    return answers[0]


def _refused(why: str) -> InvalidCommand:
    message = f"a webhook does not go to this address: {why}"
    return InvalidCommand(message, field="url", reason="WEBHOOK_ADDRESS")
