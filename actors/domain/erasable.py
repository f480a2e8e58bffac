"""What is kept of a person until the person is erased: one life for all such kinds, and nothing after its end."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from actors.entity import Reject, Stage

LIFE = {
    "kept": Stage({"keep": "kept", "erase": "erased"}),
    "erased": Stage({"erase": "erased"}, terminal=True),
}


class Erasable(Struct, frozen=True, kw_only=True):
    """The base of such a state. It is stored without a word of this until it is erased."""

    erased: Literal[True] | UnsetType = UNSET

    @property
    def state(self) -> str:
        """Where it stands in LIFE."""
        return "erased" if self.erased else "kept"


def check_kept(kept: Erasable) -> None:
    """Raises Reject once the person is erased: whoever still has a token, and whatever is still on its way."""
    if kept.erased:
        raise Reject("person_erased")
