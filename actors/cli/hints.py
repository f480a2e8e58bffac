"""What to do about a no of the platform's own services, whose reason alone is for programs to read."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

from actors.cli import output
from actors.errors import Reject

HINTS: Mapping[str, str] = {
    "link_expired": "a link lives for some time only: ask whom it is from for a new one",
    "link_of_another": "whoever opens a link first has it: ask whom it is from for one of your own",
    "share_loop": "this person has shared the card already, or one that it came from: nobody is on a card's path twice",
    "version_not_growing": "versions come up to {newest}: raise `code` in manifest.json to {newest} + 1 or more",
}


@contextmanager
def hinted() -> Generator[None]:
    """Say on stderr what can be done about a no that is raised in here, and raise it on."""
    try:
        yield
    except Reject as reject:
        if reject.reason in HINTS:
            output.say(HINTS[reject.reason].format(**reject.details))
        raise
