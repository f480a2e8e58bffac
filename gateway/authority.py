"""Who may do what, where callers must prove who they are: tables, and nothing that is not in them.

Whoever asks for what is not its own gets one answer, made from the name alone: whether it exists cannot be told.
"""

from collections.abc import Mapping

from actors.entity import AnyEntity
from actors.errors import NotFound, PermissionDenied, PlatformError
from actors.principal import Principal, Role
from actors.registry import PREFIX, Registry
from gateway.routes import Route, Routes

_PROGRAM = "/gateway.v1.ProgramService/"
_OF_PROGRAMS = (Role.PERSON, Role.SERVER)
_CATALOG = "/gateway.v1.CatalogService/"
_WAYS = "/gateway.v1.WaysService/"
_SESSION = "/gateway.v1.SessionService/"
_SEARCH = "/gateway.v1.SearchService/"
_FRIENDS = "/gateway.v1.FriendsService/"
_IDENTITY = "/gateway.v1.IdentityService/"
_NOTIFY = "/gateway.v1.NotifyService/"
_WEBHOOKS = "/gateway.v1.WebhookService/"
_CREDENTIALS = "/gateway.v1.CredentialService/"
_CALLING = (*_OF_PROGRAMS, Role.MERCHANT, Role.OPERATOR)
_ANYBODY = tuple(role for role in Role if role is not Role.CREDENTIAL)
"""Everybody with a token; a secret is good for a token alone."""

_PUBLISHING = (
    *("RegisterProgram", "DescribeProgram", "UploadPackage", "SubmitVersion", "WithdrawVersion"),
    *("SetGray", "ReleaseVersion", "RollBack"),
    *("InviteMember", "JoinTeam", "GrantRole", "RemoveMember", "GetAccount", "SetPackageKey"),
)
"""What a team does; which of its roles does what, the service says."""

_OF_FRIENDS = (
    *("RequestFriend", "AcceptFriend", "RefuseFriend", "RemoveFriend", "BlockFriend", "UnblockFriend"),
    *("ListFriends", "ListBoard"),
)
_OF_A_PERSON = ("AnswerPrompt", "ListenBox", "AcknowledgeBox", "ListInbox", "ReadInbox", "NoteAct")
"""What of notifications a person alone does and sees, of itself."""
_TOLD = (
    *("SetEndpoint", "RotateSecret", "PauseEndpoint", "ResumeEndpoint", "RemoveEndpoint"),
    *("GetEndpoint", "GetDelivery", "ReplayDelivery"),
)

_OF_OWN_SESSION = ("session", "pushes", "session.acknowledge")
"""What a person sees and says of its own session beside what `SessionService` does: so it can `Listen`."""

_OPERATED = ("merchants", "sessions")
"""What of the platform's own an operator reaches as it reaches programs: merchants have no service of their own."""

RPCS: Mapping[str, tuple[Role, ...]] = {
    f"{_PROGRAM}Invoke": _CALLING,
    f"{_PROGRAM}InvokeStream": _CALLING,
    f"{_PROGRAM}Query": _CALLING,
    f"{_PROGRAM}Listen": _CALLING,
    f"{_PROGRAM}Describe": (*_OF_PROGRAMS, Role.OPERATOR),
    f"{_PROGRAM}ListTransitions": (*_OF_PROGRAMS, Role.MEMBER, Role.OPERATOR),
    **dict.fromkeys((f"{_CATALOG}{name}" for name in ("GetProgram", "GetShown")), _ANYBODY),
    **dict.fromkeys((f"{_CATALOG}{name}" for name in _PUBLISHING), (Role.MEMBER, Role.OPERATOR)),
    **dict.fromkeys((f"{_CATALOG}{name}" for name in ("OpenAccount", "TakeReview", "JudgeVersion")), (Role.OPERATOR,)),
    **dict.fromkeys(
        (f"{_WAYS}{name}" for name in ("MintCode", "GetCode", "RevokeCode", "MintLink", "AddRule", "PublishRules")),
        (Role.SERVER, Role.MEMBER, Role.OPERATOR),
    ),
    **dict.fromkeys((f"{_WAYS}{name}" for name in ("ResolveCode", "MatchRule")), _ANYBODY),
    **dict.fromkeys((f"{_WAYS}{name}" for name in ("ResolveLink", "Share")), (Role.PERSON,)),
    f"{_WAYS}Withdraw": (*_OF_PROGRAMS, Role.OPERATOR),
    f"{_WAYS}GetShare": (*_OF_PROGRAMS, Role.MEMBER, Role.OPERATOR),
    **dict.fromkeys(
        (f"{_SESSION}{name}" for name in ("Show", "Hide", "EnterPage", "RenderPage", "LeavePage", "Close")),
        (Role.PERSON,),
    ),
    **dict.fromkeys((f"{_SEARCH}{name}" for name in ("Search", "Nearby", "ListPrograms")), _ANYBODY),
    f"{_SESSION}Open": (Role.PERSON, Role.ACCOUNT),
    **dict.fromkeys(
        (f"{_SEARCH}{name}" for name in ("ListRecent", "ListFavourites", "Favour", "Unfavour")), (Role.ACCOUNT,)
    ),
    **dict.fromkeys((f"{_FRIENDS}{name}" for name in _OF_FRIENDS), (Role.ACCOUNT,)),
    f"{_SESSION}OpenStream": (Role.PERSON, Role.OPERATOR, Role.PLATFORM),
    f"{_IDENTITY}SignIn": (Role.PLATFORM,),
    **dict.fromkeys((f"{_IDENTITY}{name}" for name in ("SignInWith", "Refresh", "SignOut")), (Role.CREDENTIAL,)),
    **dict.fromkeys((f"{_IDENTITY}{name}" for name in ("IssueCode", "GetPersonToken")), (Role.ACCOUNT,)),
    **dict.fromkeys((f"{_IDENTITY}{name}" for name in ("ExchangeCode", "CheckSession")), (Role.SERVER,)),
    f"{_IDENTITY}RevokeSession": (Role.SERVER, Role.OPERATOR),
    **dict.fromkeys((f"{_IDENTITY}{name}" for name in ("BlockPerson", "UnblockPerson")), (Role.OPERATOR,)),
    **dict.fromkeys((f"{_IDENTITY}{name}" for name in ("Erase", "GetPerson")), (Role.ACCOUNT, Role.OPERATOR)),
    **dict.fromkeys(
        (f"{_NOTIFY}{name}" for name in ("DraftTemplate", "DisableTemplate")), (Role.SERVER, Role.MEMBER, Role.OPERATOR)
    ),
    f"{_NOTIFY}ApproveTemplate": (Role.OPERATOR,),
    f"{_NOTIFY}GetTemplate": (*_OF_PROGRAMS, Role.MEMBER, Role.OPERATOR),
    **dict.fromkeys((f"{_NOTIFY}{name}" for name in _OF_A_PERSON), (Role.PERSON, Role.OPERATOR)),
    **dict.fromkeys((f"{_NOTIFY}{name}" for name in ("SendMessage", "ReplyTo")), (Role.SERVER, Role.OPERATOR)),
    **dict.fromkeys((f"{_NOTIFY}{name}" for name in ("GetGrants", "GetWindows")), (*_OF_PROGRAMS, Role.OPERATOR)),
    **dict.fromkeys(
        (f"{_CREDENTIALS}{name}" for name in ("RenewSecret", "DisableCredential")), (Role.MEMBER, Role.OPERATOR)
    ),
    f"{_CREDENTIALS}IssueToken": (Role.CREDENTIAL,),
    f"{_CREDENTIALS}GetQuota": (Role.CREDENTIAL, Role.SERVER, Role.MERCHANT, Role.MEMBER, Role.OPERATOR),
    **dict.fromkeys((f"{_WEBHOOKS}{name}" for name in _TOLD), (Role.SERVER, Role.MEMBER, Role.OPERATOR)),
}
"""Every method of every service of ours, and the roles that have any business with it."""

WITHOUT_IDENTITY = ("/grpc.health.v1.Health/", "/grpc.reflection.v1alpha.ServerReflection/")
"""What is asked before anybody has a token: whether we serve, and what."""


def denied() -> PermissionDenied:
    """The one answer to whoever may not."""
    return PermissionDenied("this caller may not do this here; the program's access table says who may")


def check_method(principal: Principal | None, method: str) -> None:
    """Raises PermissionDenied unless the principal's role has business with the method. `/package.Service/Method`."""
    if principal is not None and principal.role not in RPCS.get(method, ()):
        raise denied()


def check_entity_call(principal: Principal | None, routes: Routes, name: str, what: str) -> None:
    """Whether a principal may ask the entity of this resource name for a command or a view.

    Raises PermissionDenied; NotFound for what is the platform's own, which is reached by services of its own (but a
    person may see and hear its own session, and an operator open merchants); and what `Routes.to` raises for names
    within the principal's own program.
    """
    if principal is None or (what in _OF_OWN_SESSION and _is_own_session(principal, name)):
        return
    role, tenant, subject = principal
    program = name.partition("/")[2].partition("/")[0] if name.startswith(f"{PREFIX}/") else ""
    if not program:
        if role is Role.OPERATOR and name.partition("/")[0] in _OPERATED:
            return
        raise NotFound("there is nothing of a program by this name", reason="NO_SUCH_KIND")
    if role in _OF_PROGRAMS and program != tenant:
        raise denied()
    kind, entity_id = _addressed(routes, role, name)
    if role is Role.OPERATOR:
        return
    whose = kind.kind.owner.get(role)
    if role not in kind.kind.access.get(what, ()) or (whose is not None and whose(entity_id) != (subject or tenant)):
        raise denied()


def opened_of(principal: Principal | None, kind: AnyEntity, entity_id: str, view: str) -> str:
    """The program of which this view opens all that is sealed in it to the principal, whose entity it is; "" for none.

    What is about the principal itself is opened anyway.
    """
    if principal is None or principal.role not in kind.opens_to.get(view, ()):
        return ""
    is_theirs = kind.owner[principal.role](entity_id) == (principal.subject or principal.tenant)
    is_of_it = principal.role is not Role.PERSON or principal.tenant == kind.program
    return kind.program if is_theirs and is_of_it else ""


def _is_own_session(principal: Principal, name: str) -> bool:
    """Whether this is a session that `SessionService` opened for the person."""
    collection, _, session_id = name.partition("/")
    visit, _, n = session_id.rpartition("/")
    is_it = collection == "sessions" and visit == f"{principal.tenant}/{principal.subject}" and n != ""
    return is_it and principal.role is Role.PERSON


def _addressed(routes: Routes, role: Role, name: str) -> tuple[Route, str]:
    """The route of a name, and the entity's id. A merchant, who is of no program, learns nothing of names."""
    try:
        route = routes.to(name)
    except PlatformError as error:
        raise denied() if role is Role.MERCHANT else error from error
    return route, route.entity.partition("/")[2]


def check_program(principal: Principal | None, program: str) -> None:
    """Raises PermissionDenied unless the principal may read what this program takes and tells; "" is the platform."""
    if principal is None or principal.role is Role.OPERATOR:
        return
    if principal.role not in _OF_PROGRAMS or program != principal.tenant:
        raise denied()


def check_kind(principal: Principal | None, registry: Registry, kind: str) -> None:
    """Raises PermissionDenied unless the principal may read the life of this kind: its program's, or the platform's."""
    program = kind.partition(".")[0]
    is_platforms = kind in registry.entities and program not in registry.programs
    if principal is not None and principal.role in _OF_PROGRAMS and program != principal.tenant and not is_platforms:
        raise denied()


def programs_told(principal: Principal | None, registry: Registry) -> list[str]:
    """The programs that a principal is told of."""
    programs = sorted(registry.programs)
    if principal is None or principal.role is Role.OPERATOR:
        return programs
    return [program for program in programs if program == principal.tenant]
