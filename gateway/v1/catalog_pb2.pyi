from gateway.v1 import program_pb2 as _program_pb2
from gateway.v1 import search_pb2 as _search_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OpenAccountRequest(_message.Message):
    __slots__ = ("account", "name", "admin", "request_id")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADMIN_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    account: str
    name: str
    admin: str
    request_id: str
    def __init__(self, account: _Optional[str] = ..., name: _Optional[str] = ..., admin: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class AccountRequest(_message.Message):
    __slots__ = ("account", "reason", "request_id")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    account: str
    reason: str
    request_id: str
    def __init__(self, account: _Optional[str] = ..., reason: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class MemberRequest(_message.Message):
    __slots__ = ("account", "member", "role", "request_id")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    account: str
    member: str
    role: str
    request_id: str
    def __init__(self, account: _Optional[str] = ..., member: _Optional[str] = ..., role: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetAccountRequest(_message.Message):
    __slots__ = ("account",)
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    account: str
    def __init__(self, account: _Optional[str] = ...) -> None: ...

class GetAccountResponse(_message.Message):
    __slots__ = ("state", "name", "members", "programs")
    STATE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    PROGRAMS_FIELD_NUMBER: _ClassVar[int]
    state: str
    name: str
    members: _containers.RepeatedCompositeFieldContainer[TeamMember]
    programs: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, state: _Optional[str] = ..., name: _Optional[str] = ..., members: _Optional[_Iterable[_Union[TeamMember, _Mapping]]] = ..., programs: _Optional[_Iterable[str]] = ...) -> None: ...

class TeamMember(_message.Message):
    __slots__ = ("member", "state", "role")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    member: str
    state: str
    role: str
    def __init__(self, member: _Optional[str] = ..., state: _Optional[str] = ..., role: _Optional[str] = ...) -> None: ...

class RegisterProgramRequest(_message.Message):
    __slots__ = ("account", "program", "title", "category", "request_id")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    account: str
    program: str
    title: str
    category: str
    request_id: str
    def __init__(self, account: _Optional[str] = ..., program: _Optional[str] = ..., title: _Optional[str] = ..., category: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class DescribeProgramRequest(_message.Message):
    __slots__ = ("program", "aliases", "city", "location", "request_id")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    CITY_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program: str
    aliases: _containers.RepeatedScalarFieldContainer[str]
    city: str
    location: _search_pb2.Location
    request_id: str
    def __init__(self, program: _Optional[str] = ..., aliases: _Optional[_Iterable[str]] = ..., city: _Optional[str] = ..., location: _Optional[_Union[_search_pb2.Location, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class SetPackageKeyRequest(_message.Message):
    __slots__ = ("account", "key", "request_id")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    account: str
    key: bytes
    request_id: str
    def __init__(self, account: _Optional[str] = ..., key: _Optional[bytes] = ..., request_id: _Optional[str] = ...) -> None: ...

class UploadPackageRequest(_message.Message):
    __slots__ = ("program", "signature", "request_id", "chunk")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    program: str
    signature: bytes
    request_id: str
    chunk: bytes
    def __init__(self, program: _Optional[str] = ..., signature: _Optional[bytes] = ..., request_id: _Optional[str] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class UploadPackageResponse(_message.Message):
    __slots__ = ("position", "duplicate", "hash", "code")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    position: _program_pb2.Position
    duplicate: bool
    hash: str
    code: int
    def __init__(self, position: _Optional[_Union[_program_pb2.Position, _Mapping]] = ..., duplicate: _Optional[bool] = ..., hash: _Optional[str] = ..., code: _Optional[int] = ...) -> None: ...

class VersionRequest(_message.Message):
    __slots__ = ("program", "code", "request_id")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program: str
    code: int
    request_id: str
    def __init__(self, program: _Optional[str] = ..., code: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class TakeReviewRequest(_message.Message):
    __slots__ = ("lane", "request_id")
    LANE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    lane: int
    request_id: str
    def __init__(self, lane: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class TakeReviewResponse(_message.Message):
    __slots__ = ("program", "code")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    program: str
    code: int
    def __init__(self, program: _Optional[str] = ..., code: _Optional[int] = ...) -> None: ...

class JudgeVersionRequest(_message.Message):
    __slots__ = ("program", "code", "verdict", "reason", "request_id")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program: str
    code: int
    verdict: str
    reason: str
    request_id: str
    def __init__(self, program: _Optional[str] = ..., code: _Optional[int] = ..., verdict: _Optional[str] = ..., reason: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class SetGrayRequest(_message.Message):
    __slots__ = ("program", "code", "gray", "request_id")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    GRAY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program: str
    code: int
    gray: Gray
    request_id: str
    def __init__(self, program: _Optional[str] = ..., code: _Optional[int] = ..., gray: _Optional[_Union[Gray, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class Gray(_message.Message):
    __slots__ = ("share", "persons", "cities", "cohorts")
    SHARE_FIELD_NUMBER: _ClassVar[int]
    PERSONS_FIELD_NUMBER: _ClassVar[int]
    CITIES_FIELD_NUMBER: _ClassVar[int]
    COHORTS_FIELD_NUMBER: _ClassVar[int]
    share: int
    persons: _containers.RepeatedScalarFieldContainer[str]
    cities: _containers.RepeatedScalarFieldContainer[str]
    cohorts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, share: _Optional[int] = ..., persons: _Optional[_Iterable[str]] = ..., cities: _Optional[_Iterable[str]] = ..., cohorts: _Optional[_Iterable[str]] = ...) -> None: ...

class CatalogChange(_message.Message):
    __slots__ = ("position", "duplicate")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    position: _program_pb2.Position
    duplicate: bool
    def __init__(self, position: _Optional[_Union[_program_pb2.Position, _Mapping]] = ..., duplicate: _Optional[bool] = ...) -> None: ...

class GetProgramRequest(_message.Message):
    __slots__ = ("program",)
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    program: str
    def __init__(self, program: _Optional[str] = ...) -> None: ...

class GetProgramResponse(_message.Message):
    __slots__ = ("account", "title", "category", "live", "gray", "versions", "lane", "position", "aliases", "city", "location", "decides", "trouble", "submits_left", "withdrawals_left", "day_ends_ms", "month_ends_ms")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    GRAY_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    LANE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    CITY_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    DECIDES_FIELD_NUMBER: _ClassVar[int]
    TROUBLE_FIELD_NUMBER: _ClassVar[int]
    SUBMITS_LEFT_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWALS_LEFT_FIELD_NUMBER: _ClassVar[int]
    DAY_ENDS_MS_FIELD_NUMBER: _ClassVar[int]
    MONTH_ENDS_MS_FIELD_NUMBER: _ClassVar[int]
    account: str
    title: str
    category: str
    live: int
    gray: int
    versions: _containers.RepeatedCompositeFieldContainer[Version]
    lane: int
    position: int
    aliases: _containers.RepeatedScalarFieldContainer[str]
    city: str
    location: _search_pb2.Location
    decides: int
    trouble: str
    submits_left: int
    withdrawals_left: int
    day_ends_ms: int
    month_ends_ms: int
    def __init__(self, account: _Optional[str] = ..., title: _Optional[str] = ..., category: _Optional[str] = ..., live: _Optional[int] = ..., gray: _Optional[int] = ..., versions: _Optional[_Iterable[_Union[Version, _Mapping]]] = ..., lane: _Optional[int] = ..., position: _Optional[int] = ..., aliases: _Optional[_Iterable[str]] = ..., city: _Optional[str] = ..., location: _Optional[_Union[_search_pb2.Location, _Mapping]] = ..., decides: _Optional[int] = ..., trouble: _Optional[str] = ..., submits_left: _Optional[int] = ..., withdrawals_left: _Optional[int] = ..., day_ends_ms: _Optional[int] = ..., month_ends_ms: _Optional[int] = ...) -> None: ...

class Version(_message.Message):
    __slots__ = ("code", "name", "hash", "state", "reason", "gray")
    CODE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    GRAY_FIELD_NUMBER: _ClassVar[int]
    code: int
    name: str
    hash: str
    state: str
    reason: str
    gray: Gray
    def __init__(self, code: _Optional[int] = ..., name: _Optional[str] = ..., hash: _Optional[str] = ..., state: _Optional[str] = ..., reason: _Optional[str] = ..., gray: _Optional[_Union[Gray, _Mapping]] = ...) -> None: ...

class GetShownRequest(_message.Message):
    __slots__ = ("program", "openid", "city", "cohorts")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    OPENID_FIELD_NUMBER: _ClassVar[int]
    CITY_FIELD_NUMBER: _ClassVar[int]
    COHORTS_FIELD_NUMBER: _ClassVar[int]
    program: str
    openid: str
    city: str
    cohorts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, program: _Optional[str] = ..., openid: _Optional[str] = ..., city: _Optional[str] = ..., cohorts: _Optional[_Iterable[str]] = ...) -> None: ...

class GetShownResponse(_message.Message):
    __slots__ = ("code", "name", "hash")
    CODE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    code: int
    name: str
    hash: str
    def __init__(self, code: _Optional[int] = ..., name: _Optional[str] = ..., hash: _Optional[str] = ...) -> None: ...
