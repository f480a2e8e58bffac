"""The host's shell: a thread with an event loop that feeds the pure host core and carries its work out."""

from actors.adapters.hosting.config import HostConfig
from actors.adapters.hosting.shell import Hosting

__all__ = ["HostConfig", "Hosting"]
