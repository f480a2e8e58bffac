from gateway.v1 import program_pb2 as _program_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class MintCodeRequest(_message.Message):
    __slots__ = ("program", "page", "scene", "env", "request_id")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    SCENE_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program: str
    page: str
    scene: bytes
    env: str
    request_id: str
    def __init__(self, program: _Optional[str] = ..., page: _Optional[str] = ..., scene: _Optional[bytes] = ..., env: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class MintCodeResponse(_message.Message):
    __slots__ = ("code", "text", "position", "duplicate")
    CODE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    code: str
    text: str
    position: _program_pb2.Position
    duplicate: bool
    def __init__(self, code: _Optional[str] = ..., text: _Optional[str] = ..., position: _Optional[_Union[_program_pb2.Position, _Mapping]] = ..., duplicate: _Optional[bool] = ...) -> None: ...

class GetCodeRequest(_message.Message):
    __slots__ = ("program", "code", "format", "scale")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    program: str
    code: str
    format: str
    scale: int
    def __init__(self, program: _Optional[str] = ..., code: _Optional[str] = ..., format: _Optional[str] = ..., scale: _Optional[int] = ...) -> None: ...

class GetCodeResponse(_message.Message):
    __slots__ = ("state", "text", "page", "scene", "env", "minted_ms", "media_type", "image")
    STATE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    SCENE_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    MINTED_MS_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    state: str
    text: str
    page: str
    scene: bytes
    env: str
    minted_ms: int
    media_type: str
    image: bytes
    def __init__(self, state: _Optional[str] = ..., text: _Optional[str] = ..., page: _Optional[str] = ..., scene: _Optional[bytes] = ..., env: _Optional[str] = ..., minted_ms: _Optional[int] = ..., media_type: _Optional[str] = ..., image: _Optional[bytes] = ...) -> None: ...

class ResolveCodeRequest(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class ResolveCodeResponse(_message.Message):
    __slots__ = ("program", "code", "page", "scene", "env")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    SCENE_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    program: str
    code: str
    page: str
    scene: bytes
    env: str
    def __init__(self, program: _Optional[str] = ..., code: _Optional[str] = ..., page: _Optional[str] = ..., scene: _Optional[bytes] = ..., env: _Optional[str] = ...) -> None: ...

class RevokeCodeRequest(_message.Message):
    __slots__ = ("program", "code", "request_id")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program: str
    code: str
    request_id: str
    def __init__(self, program: _Optional[str] = ..., code: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class RevokeCodeResponse(_message.Message):
    __slots__ = ("position", "duplicate")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    position: _program_pb2.Position
    duplicate: bool
    def __init__(self, position: _Optional[_Union[_program_pb2.Position, _Mapping]] = ..., duplicate: _Optional[bool] = ...) -> None: ...
