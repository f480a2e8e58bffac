"""What is raised when a world did what it must not."""


class Broken(AssertionError):
    """A promise was broken; the message says which."""


def require(holds: object, broken: str) -> None:
    """Raise Broken unless it holds."""
    if not holds:
        raise Broken(broken)
