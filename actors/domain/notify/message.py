"""What is sent to a person, as the grants, the box and the inbox hand it on."""

import hashlib
from collections.abc import Mapping
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Struct

from actors.entity import Personal, Reject

MESSAGES_MAX = 256
"""How many messages are remembered by their ids."""

MessageId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
TemplateName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]


class Message(Struct, frozen=True):
    """A notification by a template with its fields, or without a template a reply of customer service with its text.

    What it says of the person is sealed; what it may say is judged before that (`fields.py`).
    """

    message_id: MessageId
    template: Annotated[str, Meta(max_length=64)] = ""
    title: Annotated[str, Meta(max_length=64)] = ""
    fields: Personal[dict[str, str]] | None = None
    page: Annotated[str, Meta(max_length=256)] = ""
    text: Personal[str] | None = None


def digest_of(message: Message) -> str:
    """Two messages that say the same have the same."""
    return hashlib.blake2b(msgspec.json.encode(message, order="sorted"), digest_size=8).hexdigest()


def was_sent(sent: Mapping[str, str], message: Message, digest: str) -> bool:
    """Whether it is among those that were sent: digests by ids. Raises Reject when its id is another message's."""
    earlier = sent.get(message.message_id)
    if earlier not in (None, digest):
        raise Reject("message_id_taken", message_id=message.message_id)
    return earlier is not None


def with_sent(sent: Mapping[str, str], message_id: str, digest: str) -> dict[str, str]:
    """What is remembered once this one is sent: the oldest makes room."""
    after = {**sent, message_id: digest}
    if len(after) > MESSAGES_MAX:
        del after[next(iter(after))]
    return after
