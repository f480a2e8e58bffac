from gateway.v1 import program_pb2 as _program_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SignInRequest(_message.Message):
    __slots__ = ("issuer", "subject", "request_id")
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    issuer: str
    subject: str
    request_id: str
    def __init__(self, issuer: _Optional[str] = ..., subject: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class SignInResponse(_message.Message):
    __slots__ = ("person", "token", "position", "duplicate", "refresh")
    PERSON_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    REFRESH_FIELD_NUMBER: _ClassVar[int]
    person: str
    token: str
    position: _program_pb2.Position
    duplicate: bool
    refresh: str
    def __init__(self, person: _Optional[str] = ..., token: _Optional[str] = ..., position: _Optional[_Union[_program_pb2.Position, _Mapping]] = ..., duplicate: _Optional[bool] = ..., refresh: _Optional[str] = ...) -> None: ...

class SignInWithRequest(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class RefreshRequest(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class RefreshResponse(_message.Message):
    __slots__ = ("token", "refresh", "until_ms", "position", "duplicate")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    REFRESH_FIELD_NUMBER: _ClassVar[int]
    UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    token: str
    refresh: str
    until_ms: int
    position: _program_pb2.Position
    duplicate: bool
    def __init__(self, token: _Optional[str] = ..., refresh: _Optional[str] = ..., until_ms: _Optional[int] = ..., position: _Optional[_Union[_program_pb2.Position, _Mapping]] = ..., duplicate: _Optional[bool] = ...) -> None: ...

class SignOutRequest(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class IssueCodeRequest(_message.Message):
    __slots__ = ("program", "request_id")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program: str
    request_id: str
    def __init__(self, program: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class IssueCodeResponse(_message.Message):
    __slots__ = ("code", "until_ms", "position", "duplicate")
    CODE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    code: str
    until_ms: int
    position: _program_pb2.Position
    duplicate: bool
    def __init__(self, code: _Optional[str] = ..., until_ms: _Optional[int] = ..., position: _Optional[_Union[_program_pb2.Position, _Mapping]] = ..., duplicate: _Optional[bool] = ...) -> None: ...

class ExchangeCodeRequest(_message.Message):
    __slots__ = ("program", "code", "request_id")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program: str
    code: str
    request_id: str
    def __init__(self, program: _Optional[str] = ..., code: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ExchangeCodeResponse(_message.Message):
    __slots__ = ("openid", "unionid", "session", "until_ms", "position", "duplicate")
    OPENID_FIELD_NUMBER: _ClassVar[int]
    UNIONID_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    openid: str
    unionid: str
    session: str
    until_ms: int
    position: _program_pb2.Position
    duplicate: bool
    def __init__(self, openid: _Optional[str] = ..., unionid: _Optional[str] = ..., session: _Optional[str] = ..., until_ms: _Optional[int] = ..., position: _Optional[_Union[_program_pb2.Position, _Mapping]] = ..., duplicate: _Optional[bool] = ...) -> None: ...

class CheckSessionRequest(_message.Message):
    __slots__ = ("program", "openid", "session")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    OPENID_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    program: str
    openid: str
    session: str
    def __init__(self, program: _Optional[str] = ..., openid: _Optional[str] = ..., session: _Optional[str] = ...) -> None: ...

class CheckSessionResponse(_message.Message):
    __slots__ = ("state", "until_ms")
    STATE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    state: str
    until_ms: int
    def __init__(self, state: _Optional[str] = ..., until_ms: _Optional[int] = ...) -> None: ...

class RevokeSessionRequest(_message.Message):
    __slots__ = ("program", "openid", "request_id")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    OPENID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program: str
    openid: str
    request_id: str
    def __init__(self, program: _Optional[str] = ..., openid: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetPersonTokenRequest(_message.Message):
    __slots__ = ("program",)
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    program: str
    def __init__(self, program: _Optional[str] = ...) -> None: ...

class GetPersonTokenResponse(_message.Message):
    __slots__ = ("openid", "token")
    OPENID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    openid: str
    token: str
    def __init__(self, openid: _Optional[str] = ..., token: _Optional[str] = ...) -> None: ...

class PersonRequest(_message.Message):
    __slots__ = ("person", "request_id")
    PERSON_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    person: str
    request_id: str
    def __init__(self, person: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class IdentityChange(_message.Message):
    __slots__ = ("position", "duplicate")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    position: _program_pb2.Position
    duplicate: bool
    def __init__(self, position: _Optional[_Union[_program_pb2.Position, _Mapping]] = ..., duplicate: _Optional[bool] = ...) -> None: ...

class EraseResponse(_message.Message):
    __slots__ = ("state", "position", "duplicate")
    STATE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    state: str
    position: _program_pb2.Position
    duplicate: bool
    def __init__(self, state: _Optional[str] = ..., position: _Optional[_Union[_program_pb2.Position, _Mapping]] = ..., duplicate: _Optional[bool] = ...) -> None: ...

class GetPersonRequest(_message.Message):
    __slots__ = ("person",)
    PERSON_FIELD_NUMBER: _ClassVar[int]
    person: str
    def __init__(self, person: _Optional[str] = ...) -> None: ...

class GetPersonResponse(_message.Message):
    __slots__ = ("state",)
    STATE_FIELD_NUMBER: _ClassVar[int]
    state: str
    def __init__(self, state: _Optional[str] = ...) -> None: ...
