from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class InvokeRequest(_message.Message):
    __slots__ = ("entity", "command", "payload", "request_id")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    entity: str
    command: str
    payload: bytes
    request_id: str
    def __init__(self, entity: _Optional[str] = ..., command: _Optional[str] = ..., payload: _Optional[bytes] = ..., request_id: _Optional[str] = ...) -> None: ...

class InvokeResponse(_message.Message):
    __slots__ = ("payload", "position", "duplicate", "request_id")
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    payload: bytes
    position: Position
    duplicate: bool
    request_id: str
    def __init__(self, payload: _Optional[bytes] = ..., position: _Optional[_Union[Position, _Mapping]] = ..., duplicate: _Optional[bool] = ..., request_id: _Optional[str] = ...) -> None: ...

class Position(_message.Message):
    __slots__ = ("partition", "offset", "index")
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    partition: int
    offset: int
    index: int
    def __init__(self, partition: _Optional[int] = ..., offset: _Optional[int] = ..., index: _Optional[int] = ...) -> None: ...

class InvokeBatch(_message.Message):
    __slots__ = ("calls",)
    CALLS_FIELD_NUMBER: _ClassVar[int]
    calls: _containers.RepeatedCompositeFieldContainer[InvokeRequest]
    def __init__(self, calls: _Optional[_Iterable[_Union[InvokeRequest, _Mapping]]] = ...) -> None: ...

class InvokeResultBatch(_message.Message):
    __slots__ = ("results", "level", "own_level")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    OWN_LEVEL_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[InvokeResult]
    level: int
    own_level: int
    def __init__(self, results: _Optional[_Iterable[_Union[InvokeResult, _Mapping]]] = ..., level: _Optional[int] = ..., own_level: _Optional[int] = ...) -> None: ...

class InvokeResult(_message.Message):
    __slots__ = ("request_id", "response", "error")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    response: InvokeResponse
    error: _status_pb2.Status
    def __init__(self, request_id: _Optional[str] = ..., response: _Optional[_Union[InvokeResponse, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class QueryRequest(_message.Message):
    __slots__ = ("entity", "view", "args", "at_least", "linearizable")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    ARGS_FIELD_NUMBER: _ClassVar[int]
    AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    LINEARIZABLE_FIELD_NUMBER: _ClassVar[int]
    entity: str
    view: str
    args: bytes
    at_least: Position
    linearizable: bool
    def __init__(self, entity: _Optional[str] = ..., view: _Optional[str] = ..., args: _Optional[bytes] = ..., at_least: _Optional[_Union[Position, _Mapping]] = ..., linearizable: _Optional[bool] = ...) -> None: ...

class QueryResponse(_message.Message):
    __slots__ = ("payload", "position")
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    payload: bytes
    position: Position
    def __init__(self, payload: _Optional[bytes] = ..., position: _Optional[_Union[Position, _Mapping]] = ...) -> None: ...

class DescribeRequest(_message.Message):
    __slots__ = ("program",)
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    program: str
    def __init__(self, program: _Optional[str] = ...) -> None: ...

class DescribeResponse(_message.Message):
    __slots__ = ("description", "programs")
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PROGRAMS_FIELD_NUMBER: _ClassVar[int]
    description: bytes
    programs: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, description: _Optional[bytes] = ..., programs: _Optional[_Iterable[str]] = ...) -> None: ...

class ListTransitionsRequest(_message.Message):
    __slots__ = ("kind",)
    KIND_FIELD_NUMBER: _ClassVar[int]
    kind: str
    def __init__(self, kind: _Optional[str] = ...) -> None: ...

class ListTransitionsResponse(_message.Message):
    __slots__ = ("lives",)
    LIVES_FIELD_NUMBER: _ClassVar[int]
    lives: _containers.RepeatedCompositeFieldContainer[Life]
    def __init__(self, lives: _Optional[_Iterable[_Union[Life, _Mapping]]] = ...) -> None: ...

class Life(_message.Message):
    __slots__ = ("name", "states")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    name: str
    states: _containers.RepeatedCompositeFieldContainer[LifeState]
    def __init__(self, name: _Optional[str] = ..., states: _Optional[_Iterable[_Union[LifeState, _Mapping]]] = ...) -> None: ...

class LifeState(_message.Message):
    __slots__ = ("name", "terminal", "transitions")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TERMINAL_FIELD_NUMBER: _ClassVar[int]
    TRANSITIONS_FIELD_NUMBER: _ClassVar[int]
    name: str
    terminal: bool
    transitions: _containers.RepeatedCompositeFieldContainer[Transition]
    def __init__(self, name: _Optional[str] = ..., terminal: _Optional[bool] = ..., transitions: _Optional[_Iterable[_Union[Transition, _Mapping]]] = ...) -> None: ...

class Transition(_message.Message):
    __slots__ = ("move", "to")
    MOVE_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    move: str
    to: str
    def __init__(self, move: _Optional[str] = ..., to: _Optional[str] = ...) -> None: ...

class ListenRequest(_message.Message):
    __slots__ = ("entity", "cursor")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    entity: str
    cursor: int
    def __init__(self, entity: _Optional[str] = ..., cursor: _Optional[int] = ...) -> None: ...

class ListenResponse(_message.Message):
    __slots__ = ("cursor", "payload")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    cursor: int
    payload: bytes
    def __init__(self, cursor: _Optional[int] = ..., payload: _Optional[bytes] = ...) -> None: ...
