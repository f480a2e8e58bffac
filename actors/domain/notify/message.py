"""What is sent to a person, as the grants, the box and the inbox hand it on."""

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from actors.domain.notify.fields import FIELDS_MAX

TEXT_CHARS_MAX = 600

MessageId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
TemplateName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]


class Message(Struct, frozen=True):
    """A notification by a template with its fields, or without a template a reply of customer service with its text."""

    message_id: MessageId
    template: Annotated[str, Meta(max_length=64)] = ""
    title: Annotated[str, Meta(max_length=64)] = ""
    fields: Annotated[dict[str, Annotated[str, Meta(max_length=32)]], Meta(max_length=FIELDS_MAX)] = {}
    page: Annotated[str, Meta(max_length=256)] = ""
    text: Annotated[str, Meta(max_length=TEXT_CHARS_MAX)] = ""
