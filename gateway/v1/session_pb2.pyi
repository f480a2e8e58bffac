from gateway.v1 import program_pb2 as _program_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OpenRequest(_message.Message):
    __slots__ = ("program", "path", "source", "via", "device", "city", "request_id", "openid", "cohorts")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    VIA_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    CITY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    OPENID_FIELD_NUMBER: _ClassVar[int]
    COHORTS_FIELD_NUMBER: _ClassVar[int]
    program: str
    path: str
    source: str
    via: str
    device: str
    city: str
    request_id: str
    openid: str
    cohorts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, program: _Optional[str] = ..., path: _Optional[str] = ..., source: _Optional[str] = ..., via: _Optional[str] = ..., device: _Optional[str] = ..., city: _Optional[str] = ..., request_id: _Optional[str] = ..., openid: _Optional[str] = ..., cohorts: _Optional[_Iterable[str]] = ...) -> None: ...

class OpenBatch(_message.Message):
    __slots__ = ("opens",)
    OPENS_FIELD_NUMBER: _ClassVar[int]
    opens: _containers.RepeatedCompositeFieldContainer[OpenRequest]
    def __init__(self, opens: _Optional[_Iterable[_Union[OpenRequest, _Mapping]]] = ...) -> None: ...

class OpenResultBatch(_message.Message):
    __slots__ = ("results", "level", "own_level")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    OWN_LEVEL_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[OpenResult]
    level: int
    own_level: int
    def __init__(self, results: _Optional[_Iterable[_Union[OpenResult, _Mapping]]] = ..., level: _Optional[int] = ..., own_level: _Optional[int] = ...) -> None: ...

class OpenResult(_message.Message):
    __slots__ = ("request_id", "response", "error")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    response: OpenResponse
    error: _status_pb2.Status
    def __init__(self, request_id: _Optional[str] = ..., response: _Optional[_Union[OpenResponse, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class OpenResponse(_message.Message):
    __slots__ = ("session", "path", "version", "visit", "began", "position", "duplicate")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    VISIT_FIELD_NUMBER: _ClassVar[int]
    BEGAN_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    session: str
    path: str
    version: str
    visit: int
    began: bool
    position: _program_pb2.Position
    duplicate: bool
    def __init__(self, session: _Optional[str] = ..., path: _Optional[str] = ..., version: _Optional[str] = ..., visit: _Optional[int] = ..., began: _Optional[bool] = ..., position: _Optional[_Union[_program_pb2.Position, _Mapping]] = ..., duplicate: _Optional[bool] = ...) -> None: ...

class SessionRequest(_message.Message):
    __slots__ = ("session", "request_id")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    session: str
    request_id: str
    def __init__(self, session: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class PageRequest(_message.Message):
    __slots__ = ("session", "path", "request_id")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    session: str
    path: str
    request_id: str
    def __init__(self, session: _Optional[str] = ..., path: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class SessionResponse(_message.Message):
    __slots__ = ("position", "duplicate")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    position: _program_pb2.Position
    duplicate: bool
    def __init__(self, position: _Optional[_Union[_program_pb2.Position, _Mapping]] = ..., duplicate: _Optional[bool] = ...) -> None: ...
