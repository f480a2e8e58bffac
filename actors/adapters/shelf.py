"""Programs from the packages that are kept, loaded by content hash: the same for hosts, gateways, follower, replay."""

from collections.abc import Sequence

from actors.entity import AnyEntity
from actors.errors import SetupError
from actors.packages import KEPT, place_of, read_package
from actors.ports import Objects, Packages
from actors.registry import Program, load_package


def program_on(objects: Objects, hash: str) -> Program:
    """The program of the package with this hash.

    Raises NotFound when it is not kept, Unavailable while the objects are away, SetupError and InvalidCommand for one
    that cannot be loaded.
    """
    package = read_package(objects.get(place_of(hash)), KEPT)
    if package.hash != hash:
        raise SetupError(f"{place_of(hash)} is not the package of that name", reason="PACKAGE_DAMAGED")
    return load_package(package)


def packages_on(objects: Objects) -> Packages:
    """Loads packages for a host or a replay."""

    def load(hash: str) -> Sequence[AnyEntity]:
        return program_on(objects, hash).entities

    return load
