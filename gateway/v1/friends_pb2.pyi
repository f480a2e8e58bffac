from gateway.v1 import program_pb2 as _program_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FriendRequest(_message.Message):
    __slots__ = ("person", "request_id")
    PERSON_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    person: str
    request_id: str
    def __init__(self, person: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class FriendResponse(_message.Message):
    __slots__ = ("state", "position", "duplicate")
    STATE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    state: str
    position: _program_pb2.Position
    duplicate: bool
    def __init__(self, state: _Optional[str] = ..., position: _Optional[_Union[_program_pb2.Position, _Mapping]] = ..., duplicate: _Optional[bool] = ...) -> None: ...

class ListFriendsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListFriendsResponse(_message.Message):
    __slots__ = ("friends", "asks", "asked", "blocked")
    FRIENDS_FIELD_NUMBER: _ClassVar[int]
    ASKS_FIELD_NUMBER: _ClassVar[int]
    ASKED_FIELD_NUMBER: _ClassVar[int]
    BLOCKED_FIELD_NUMBER: _ClassVar[int]
    friends: _containers.RepeatedScalarFieldContainer[str]
    asks: _containers.RepeatedScalarFieldContainer[str]
    asked: _containers.RepeatedScalarFieldContainer[str]
    blocked: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, friends: _Optional[_Iterable[str]] = ..., asks: _Optional[_Iterable[str]] = ..., asked: _Optional[_Iterable[str]] = ..., blocked: _Optional[_Iterable[str]] = ...) -> None: ...

class ListBoardRequest(_message.Message):
    __slots__ = ("program", "collection", "under", "view", "by")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    UNDER_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    program: str
    collection: str
    under: str
    view: str
    by: str
    def __init__(self, program: _Optional[str] = ..., collection: _Optional[str] = ..., under: _Optional[str] = ..., view: _Optional[str] = ..., by: _Optional[str] = ...) -> None: ...

class ListBoardResponse(_message.Message):
    __slots__ = ("rows", "more")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[BoardRow]
    more: bool
    def __init__(self, rows: _Optional[_Iterable[_Union[BoardRow, _Mapping]]] = ..., more: _Optional[bool] = ...) -> None: ...

class BoardRow(_message.Message):
    __slots__ = ("rank", "person", "payload")
    RANK_FIELD_NUMBER: _ClassVar[int]
    PERSON_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    rank: int
    person: str
    payload: bytes
    def __init__(self, rank: _Optional[int] = ..., person: _Optional[str] = ..., payload: _Optional[bytes] = ...) -> None: ...
