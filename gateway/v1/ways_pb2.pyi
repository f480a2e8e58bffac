from gateway.v1 import program_pb2 as _program_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
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

class MintLinkRequest(_message.Message):
    __slots__ = ("program", "page", "scene", "ttl_ms", "request_id")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    SCENE_FIELD_NUMBER: _ClassVar[int]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program: str
    page: str
    scene: bytes
    ttl_ms: int
    request_id: str
    def __init__(self, program: _Optional[str] = ..., page: _Optional[str] = ..., scene: _Optional[bytes] = ..., ttl_ms: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class MintLinkResponse(_message.Message):
    __slots__ = ("link", "text", "position", "duplicate")
    LINK_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    link: str
    text: str
    position: _program_pb2.Position
    duplicate: bool
    def __init__(self, link: _Optional[str] = ..., text: _Optional[str] = ..., position: _Optional[_Union[_program_pb2.Position, _Mapping]] = ..., duplicate: _Optional[bool] = ...) -> None: ...

class ResolveLinkRequest(_message.Message):
    __slots__ = ("text", "request_id")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    text: str
    request_id: str
    def __init__(self, text: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ResolveLinkResponse(_message.Message):
    __slots__ = ("program", "link", "page", "scene", "expires_ms", "position", "duplicate")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    LINK_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    SCENE_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_MS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    program: str
    link: str
    page: str
    scene: bytes
    expires_ms: int
    position: _program_pb2.Position
    duplicate: bool
    def __init__(self, program: _Optional[str] = ..., link: _Optional[str] = ..., page: _Optional[str] = ..., scene: _Optional[bytes] = ..., expires_ms: _Optional[int] = ..., position: _Optional[_Union[_program_pb2.Position, _Mapping]] = ..., duplicate: _Optional[bool] = ...) -> None: ...

class ShareRequest(_message.Message):
    __slots__ = ("program", "page", "scene", "parent", "request_id")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    SCENE_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program: str
    page: str
    scene: bytes
    parent: str
    request_id: str
    def __init__(self, program: _Optional[str] = ..., page: _Optional[str] = ..., scene: _Optional[bytes] = ..., parent: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ShareResponse(_message.Message):
    __slots__ = ("share", "text", "depth", "position", "duplicate")
    SHARE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    share: str
    text: str
    depth: int
    position: _program_pb2.Position
    duplicate: bool
    def __init__(self, share: _Optional[str] = ..., text: _Optional[str] = ..., depth: _Optional[int] = ..., position: _Optional[_Union[_program_pb2.Position, _Mapping]] = ..., duplicate: _Optional[bool] = ...) -> None: ...

class GetShareRequest(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class GetShareResponse(_message.Message):
    __slots__ = ("program", "share", "state", "page", "scene", "shared_ms", "path")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    SCENE_FIELD_NUMBER: _ClassVar[int]
    SHARED_MS_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    program: str
    share: str
    state: str
    page: str
    scene: bytes
    shared_ms: int
    path: _containers.RepeatedCompositeFieldContainer[ShareHop]
    def __init__(self, program: _Optional[str] = ..., share: _Optional[str] = ..., state: _Optional[str] = ..., page: _Optional[str] = ..., scene: _Optional[bytes] = ..., shared_ms: _Optional[int] = ..., path: _Optional[_Iterable[_Union[ShareHop, _Mapping]]] = ...) -> None: ...

class ShareHop(_message.Message):
    __slots__ = ("share", "by")
    SHARE_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    share: str
    by: str
    def __init__(self, share: _Optional[str] = ..., by: _Optional[str] = ...) -> None: ...

class WithdrawRequest(_message.Message):
    __slots__ = ("program", "share", "request_id")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program: str
    share: str
    request_id: str
    def __init__(self, program: _Optional[str] = ..., share: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class WithdrawResponse(_message.Message):
    __slots__ = ("position", "duplicate")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    position: _program_pb2.Position
    duplicate: bool
    def __init__(self, position: _Optional[_Union[_program_pb2.Position, _Mapping]] = ..., duplicate: _Optional[bool] = ...) -> None: ...

class AddRuleRequest(_message.Message):
    __slots__ = ("program", "host", "prefix", "page", "request_id")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program: str
    host: str
    prefix: str
    page: str
    request_id: str
    def __init__(self, program: _Optional[str] = ..., host: _Optional[str] = ..., prefix: _Optional[str] = ..., page: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class PublishRulesRequest(_message.Message):
    __slots__ = ("program", "host", "request_id")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program: str
    host: str
    request_id: str
    def __init__(self, program: _Optional[str] = ..., host: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class RuleChange(_message.Message):
    __slots__ = ("position", "duplicate")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    position: _program_pb2.Position
    duplicate: bool
    def __init__(self, position: _Optional[_Union[_program_pb2.Position, _Mapping]] = ..., duplicate: _Optional[bool] = ...) -> None: ...

class MatchRuleRequest(_message.Message):
    __slots__ = ("url",)
    URL_FIELD_NUMBER: _ClassVar[int]
    url: str
    def __init__(self, url: _Optional[str] = ...) -> None: ...

class MatchRuleResponse(_message.Message):
    __slots__ = ("program", "page", "prefix")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    program: str
    page: str
    prefix: str
    def __init__(self, program: _Optional[str] = ..., page: _Optional[str] = ..., prefix: _Optional[str] = ...) -> None: ...
