"""What every log says of topics that are missing, different or used wrongly."""

from actors.errors import SetupError
from actors.ports import Slice, Topic


def no_such_topic(topic: str) -> SetupError:
    """The topic, or that partition of it, was never created."""
    return SetupError(f"the topic {topic} or this partition of it does not exist; create the topics first")


def no_trim(topic: str) -> SetupError:
    """A compacted topic keeps the last frame of each key for ever."""
    return SetupError(f"the topic {topic} is compacted and cannot be trimmed")


def needs_key(slice: Slice) -> str:
    """Why a frame for a compacted topic was refused."""
    return f"a frame for the compacted topic {slice.topic} needs a key"


def check_same_topic(existing: Topic | None, wanted: Topic) -> None:
    """Raises SetupError naming each difference between a topic that exists and the wanted one."""
    if existing is None:
        return
    different = [
        f"{name}: exists with {getattr(existing, name)}, wanted {getattr(wanted, name)}"
        for name in ("partitions", "compacted")
        if getattr(existing, name) != getattr(wanted, name)
    ]
    if different:
        raise SetupError(
            f"the topic {wanted.name} differs from what is wanted ({'; '.join(different)}). "
            "It cannot be changed; use the settings it was made with, or another log.",
            reason="TOPIC_DIFFERS",
        )
