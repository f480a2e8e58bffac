from gateway.v1 import program_pb2 as _program_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class NotifyChange(_message.Message):
    __slots__ = ("position", "duplicate")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    position: _program_pb2.Position
    duplicate: bool
    def __init__(self, position: _Optional[_Union[_program_pb2.Position, _Mapping]] = ..., duplicate: _Optional[bool] = ...) -> None: ...

class DraftTemplateRequest(_message.Message):
    __slots__ = ("program", "template", "title", "fields", "lasting", "request_id")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    LASTING_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program: str
    template: str
    title: str
    fields: _containers.RepeatedScalarFieldContainer[str]
    lasting: bool
    request_id: str
    def __init__(self, program: _Optional[str] = ..., template: _Optional[str] = ..., title: _Optional[str] = ..., fields: _Optional[_Iterable[str]] = ..., lasting: _Optional[bool] = ..., request_id: _Optional[str] = ...) -> None: ...

class TemplateRequest(_message.Message):
    __slots__ = ("program", "template", "request_id")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program: str
    template: str
    request_id: str
    def __init__(self, program: _Optional[str] = ..., template: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetTemplateResponse(_message.Message):
    __slots__ = ("state", "title", "fields", "lasting")
    STATE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    LASTING_FIELD_NUMBER: _ClassVar[int]
    state: str
    title: str
    fields: _containers.RepeatedScalarFieldContainer[str]
    lasting: bool
    def __init__(self, state: _Optional[str] = ..., title: _Optional[str] = ..., fields: _Optional[_Iterable[str]] = ..., lasting: _Optional[bool] = ...) -> None: ...

class AnswerPromptRequest(_message.Message):
    __slots__ = ("program", "openid", "templates", "answers", "request_id")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    OPENID_FIELD_NUMBER: _ClassVar[int]
    TEMPLATES_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program: str
    openid: str
    templates: _containers.RepeatedScalarFieldContainer[str]
    answers: _containers.RepeatedScalarFieldContainer[str]
    request_id: str
    def __init__(self, program: _Optional[str] = ..., openid: _Optional[str] = ..., templates: _Optional[_Iterable[str]] = ..., answers: _Optional[_Iterable[str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class NotifiedRequest(_message.Message):
    __slots__ = ("program", "openid")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    OPENID_FIELD_NUMBER: _ClassVar[int]
    program: str
    openid: str
    def __init__(self, program: _Optional[str] = ..., openid: _Optional[str] = ...) -> None: ...

class TemplateGrant(_message.Message):
    __slots__ = ("template", "left", "lasting", "used", "said")
    TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    LASTING_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    SAID_FIELD_NUMBER: _ClassVar[int]
    template: str
    left: int
    lasting: bool
    used: int
    said: str
    def __init__(self, template: _Optional[str] = ..., left: _Optional[int] = ..., lasting: _Optional[bool] = ..., used: _Optional[int] = ..., said: _Optional[str] = ...) -> None: ...

class GetGrantsResponse(_message.Message):
    __slots__ = ("grants",)
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    grants: _containers.RepeatedCompositeFieldContainer[TemplateGrant]
    def __init__(self, grants: _Optional[_Iterable[_Union[TemplateGrant, _Mapping]]] = ...) -> None: ...

class SendMessageRequest(_message.Message):
    __slots__ = ("program", "openid", "template", "message_id", "fields", "page", "request_id")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    OPENID_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program: str
    openid: str
    template: str
    message_id: str
    fields: bytes
    page: str
    request_id: str
    def __init__(self, program: _Optional[str] = ..., openid: _Optional[str] = ..., template: _Optional[str] = ..., message_id: _Optional[str] = ..., fields: _Optional[bytes] = ..., page: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class SendMessageResponse(_message.Message):
    __slots__ = ("position", "duplicate", "left", "lasting")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    LASTING_FIELD_NUMBER: _ClassVar[int]
    position: _program_pb2.Position
    duplicate: bool
    left: int
    lasting: bool
    def __init__(self, position: _Optional[_Union[_program_pb2.Position, _Mapping]] = ..., duplicate: _Optional[bool] = ..., left: _Optional[int] = ..., lasting: _Optional[bool] = ...) -> None: ...

class ListenBoxRequest(_message.Message):
    __slots__ = ("program", "openid", "cursor")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    OPENID_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    program: str
    openid: str
    cursor: int
    def __init__(self, program: _Optional[str] = ..., openid: _Optional[str] = ..., cursor: _Optional[int] = ...) -> None: ...

class CursorRequest(_message.Message):
    __slots__ = ("program", "openid", "cursor", "request_id")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    OPENID_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program: str
    openid: str
    cursor: int
    request_id: str
    def __init__(self, program: _Optional[str] = ..., openid: _Optional[str] = ..., cursor: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class ListInboxRequest(_message.Message):
    __slots__ = ("program", "openid", "after", "limit")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    OPENID_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    program: str
    openid: str
    after: int
    limit: int
    def __init__(self, program: _Optional[str] = ..., openid: _Optional[str] = ..., after: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class InboxItem(_message.Message):
    __slots__ = ("cursor", "message_id", "template", "title", "fields", "page", "text", "sent_ms", "read")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SENT_MS_FIELD_NUMBER: _ClassVar[int]
    READ_FIELD_NUMBER: _ClassVar[int]
    cursor: int
    message_id: str
    template: str
    title: str
    fields: bytes
    page: str
    text: str
    sent_ms: int
    read: bool
    def __init__(self, cursor: _Optional[int] = ..., message_id: _Optional[str] = ..., template: _Optional[str] = ..., title: _Optional[str] = ..., fields: _Optional[bytes] = ..., page: _Optional[str] = ..., text: _Optional[str] = ..., sent_ms: _Optional[int] = ..., read: _Optional[bool] = ...) -> None: ...

class ListInboxResponse(_message.Message):
    __slots__ = ("items", "missed", "next", "unread")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    MISSED_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    UNREAD_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[InboxItem]
    missed: int
    next: int
    unread: int
    def __init__(self, items: _Optional[_Iterable[_Union[InboxItem, _Mapping]]] = ..., missed: _Optional[int] = ..., next: _Optional[int] = ..., unread: _Optional[int] = ...) -> None: ...

class NoteActRequest(_message.Message):
    __slots__ = ("program", "openid", "act", "request_id")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    OPENID_FIELD_NUMBER: _ClassVar[int]
    ACT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program: str
    openid: str
    act: str
    request_id: str
    def __init__(self, program: _Optional[str] = ..., openid: _Optional[str] = ..., act: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ReplyToRequest(_message.Message):
    __slots__ = ("program", "openid", "message_id", "text", "request_id")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    OPENID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program: str
    openid: str
    message_id: str
    text: str
    request_id: str
    def __init__(self, program: _Optional[str] = ..., openid: _Optional[str] = ..., message_id: _Optional[str] = ..., text: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ServiceWindow(_message.Message):
    __slots__ = ("act", "left", "until_ms")
    ACT_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    act: str
    left: int
    until_ms: int
    def __init__(self, act: _Optional[str] = ..., left: _Optional[int] = ..., until_ms: _Optional[int] = ...) -> None: ...

class GetWindowsResponse(_message.Message):
    __slots__ = ("windows",)
    WINDOWS_FIELD_NUMBER: _ClassVar[int]
    windows: _containers.RepeatedCompositeFieldContainer[ServiceWindow]
    def __init__(self, windows: _Optional[_Iterable[_Union[ServiceWindow, _Mapping]]] = ...) -> None: ...
