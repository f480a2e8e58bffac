from gateway.v1 import program_pb2 as _program_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SetEndpointRequest(_message.Message):
    __slots__ = ("program", "endpoint", "url", "events", "request_id")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program: str
    endpoint: str
    url: str
    events: _containers.RepeatedScalarFieldContainer[str]
    request_id: str
    def __init__(self, program: _Optional[str] = ..., endpoint: _Optional[str] = ..., url: _Optional[str] = ..., events: _Optional[_Iterable[str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class EndpointRequest(_message.Message):
    __slots__ = ("program", "endpoint", "request_id")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program: str
    endpoint: str
    request_id: str
    def __init__(self, program: _Optional[str] = ..., endpoint: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class WebhookChange(_message.Message):
    __slots__ = ("position", "duplicate")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    position: _program_pb2.Position
    duplicate: bool
    def __init__(self, position: _Optional[_Union[_program_pb2.Position, _Mapping]] = ..., duplicate: _Optional[bool] = ...) -> None: ...

class GetEndpointResponse(_message.Message):
    __slots__ = ("state", "url", "events", "version", "both_until_ms", "since_ms")
    STATE_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    BOTH_UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    state: str
    url: str
    events: _containers.RepeatedScalarFieldContainer[str]
    version: int
    both_until_ms: int
    since_ms: int
    def __init__(self, state: _Optional[str] = ..., url: _Optional[str] = ..., events: _Optional[_Iterable[str]] = ..., version: _Optional[int] = ..., both_until_ms: _Optional[int] = ..., since_ms: _Optional[int] = ...) -> None: ...

class DeliveryRequest(_message.Message):
    __slots__ = ("program", "delivery", "request_id")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program: str
    delivery: str
    request_id: str
    def __init__(self, program: _Optional[str] = ..., delivery: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeliveryTry(_message.Message):
    __slots__ = ("attempt", "status", "note", "at_ms")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    attempt: int
    status: int
    note: str
    at_ms: int
    def __init__(self, attempt: _Optional[int] = ..., status: _Optional[int] = ..., note: _Optional[str] = ..., at_ms: _Optional[int] = ...) -> None: ...

class GetDeliveryResponse(_message.Message):
    __slots__ = ("state", "endpoint", "left", "tries")
    STATE_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    TRIES_FIELD_NUMBER: _ClassVar[int]
    state: str
    endpoint: str
    left: int
    tries: _containers.RepeatedCompositeFieldContainer[DeliveryTry]
    def __init__(self, state: _Optional[str] = ..., endpoint: _Optional[str] = ..., left: _Optional[int] = ..., tries: _Optional[_Iterable[_Union[DeliveryTry, _Mapping]]] = ...) -> None: ...
