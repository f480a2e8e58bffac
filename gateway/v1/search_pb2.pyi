from gateway.v1 import program_pb2 as _program_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SearchRequest(_message.Message):
    __slots__ = ("text", "category", "city", "hits_max")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    CITY_FIELD_NUMBER: _ClassVar[int]
    HITS_MAX_FIELD_NUMBER: _ClassVar[int]
    text: str
    category: str
    city: str
    hits_max: int
    def __init__(self, text: _Optional[str] = ..., category: _Optional[str] = ..., city: _Optional[str] = ..., hits_max: _Optional[int] = ...) -> None: ...

class Location(_message.Message):
    __slots__ = ("latitude", "longitude")
    LATITUDE_FIELD_NUMBER: _ClassVar[int]
    LONGITUDE_FIELD_NUMBER: _ClassVar[int]
    latitude: float
    longitude: float
    def __init__(self, latitude: _Optional[float] = ..., longitude: _Optional[float] = ...) -> None: ...

class NearbyRequest(_message.Message):
    __slots__ = ("location", "hits_max")
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    HITS_MAX_FIELD_NUMBER: _ClassVar[int]
    location: Location
    hits_max: int
    def __init__(self, location: _Optional[_Union[Location, _Mapping]] = ..., hits_max: _Optional[int] = ...) -> None: ...

class ListProgramsRequest(_message.Message):
    __slots__ = ("after", "hits_max")
    AFTER_FIELD_NUMBER: _ClassVar[int]
    HITS_MAX_FIELD_NUMBER: _ClassVar[int]
    after: str
    hits_max: int
    def __init__(self, after: _Optional[str] = ..., hits_max: _Optional[int] = ...) -> None: ...

class FoundPrograms(_message.Message):
    __slots__ = ("programs",)
    PROGRAMS_FIELD_NUMBER: _ClassVar[int]
    programs: _containers.RepeatedCompositeFieldContainer[FoundProgram]
    def __init__(self, programs: _Optional[_Iterable[_Union[FoundProgram, _Mapping]]] = ...) -> None: ...

class FoundProgram(_message.Message):
    __slots__ = ("program", "title", "account", "aliases", "category", "city", "location", "metres")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    CITY_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    METRES_FIELD_NUMBER: _ClassVar[int]
    program: str
    title: str
    account: str
    aliases: _containers.RepeatedScalarFieldContainer[str]
    category: str
    city: str
    location: Location
    metres: int
    def __init__(self, program: _Optional[str] = ..., title: _Optional[str] = ..., account: _Optional[str] = ..., aliases: _Optional[_Iterable[str]] = ..., category: _Optional[str] = ..., city: _Optional[str] = ..., location: _Optional[_Union[Location, _Mapping]] = ..., metres: _Optional[int] = ...) -> None: ...

class ListRecentRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListFavouritesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PersonsPrograms(_message.Message):
    __slots__ = ("programs",)
    PROGRAMS_FIELD_NUMBER: _ClassVar[int]
    programs: _containers.RepeatedCompositeFieldContainer[PersonsProgram]
    def __init__(self, programs: _Optional[_Iterable[_Union[PersonsProgram, _Mapping]]] = ...) -> None: ...

class PersonsProgram(_message.Message):
    __slots__ = ("program", "at_ms")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    program: str
    at_ms: int
    def __init__(self, program: _Optional[str] = ..., at_ms: _Optional[int] = ...) -> None: ...

class FavourRequest(_message.Message):
    __slots__ = ("program", "request_id")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program: str
    request_id: str
    def __init__(self, program: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class FavourResponse(_message.Message):
    __slots__ = ("position", "duplicate")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    position: _program_pb2.Position
    duplicate: bool
    def __init__(self, position: _Optional[_Union[_program_pb2.Position, _Mapping]] = ..., duplicate: _Optional[bool] = ...) -> None: ...
