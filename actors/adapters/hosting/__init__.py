"""The host's shell: an event loop that feeds the pure host core and carries its work out."""

from actors.adapters.hosting.config import HostConfig
from actors.adapters.hosting.shell import Hosting, Parts
from actors.adapters.hosting.thread import HostThread

__all__ = ["HostConfig", "HostThread", "Hosting", "Parts"]
