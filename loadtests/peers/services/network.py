"""A network of its own for what listens on every interface whatever it is told: there is none but loopback in it."""

import fcntl
import socket
import struct

SIOCSIFFLAGS = 0x8914
UP_AND_RUNNING = 0x1 | 0x40


def loopback_up() -> None:
    """In a fresh network namespace loopback is down; bring it up. Where it is up already, nothing changes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", UP_AND_RUNNING))
