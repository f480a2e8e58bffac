"""Who may do what, where callers must prove who they are: tables, and nothing that is not in them.

Whoever asks for what is not its own gets one answer, made from the name alone: whether it exists cannot be told. Those
of a program are told for whom a command or a view of it is, and everybody for whom a method is.
"""

from collections.abc import Mapping, Sequence

from actors.entity import AnyEntity
from actors.errors import NotFound, PermissionDenied, PlatformError
from actors.principal import Principal, Role
from actors.registry import PREFIX, Registry
from gateway.routes import Route, Routes

_OF_PROGRAMS = (Role.PERSON, Role.SERVER)
_CALLING = (*_OF_PROGRAMS, Role.MERCHANT, Role.OPERATOR)
_ACCOUNT = (Role.ACCOUNT,)
_OPERATOR = (Role.OPERATOR,)
_TEAM = (Role.MEMBER, Role.OPERATOR)
"""What a team does; which of its roles does what, the service says."""
_DEVELOPING = (Role.SERVER, *_TEAM)
_OF_A_PERSON = (Role.PERSON, Role.OPERATOR)
"""What a person alone does and sees, of itself."""
_ANYBODY = tuple(role for role in Role if role is not Role.CREDENTIAL)
"""Everybody with a token; a secret is good for a token alone."""

_OF_OWN_SESSION = ("session", "pushes", "session.acknowledge")
"""What a person sees and says of its own session beside what `SessionService` does: so it can `Listen`."""

_OPERATED = ("merchants", "sessions")
"""What of the platform's own an operator reaches as it reaches programs: merchants have no service of their own."""

_ROLES: Mapping[str, Sequence[tuple[str, tuple[Role, ...]]]] = {
    "ProgramService": (
        ("Invoke InvokeStream Query", _CALLING),
        ("Describe", (*_OF_PROGRAMS, Role.OPERATOR)),
        ("ListTransitions", (*_OF_PROGRAMS, *_TEAM)),
        ("Listen", _CALLING),
    ),
    "CatalogService": (
        ("OpenAccount SuspendAccount ResumeAccount CloseAccount", _OPERATOR),
        ("InviteMember JoinTeam GrantRole RemoveMember GetAccount", _TEAM),
        ("RegisterProgram DescribeProgram SetPackageKey UploadPackage SubmitVersion WithdrawVersion", _TEAM),
        ("TakeReview JudgeVersion", _OPERATOR),
        ("SetGray ReleaseVersion RollBack", _TEAM),
        ("GetProgram GetShown", _ANYBODY),
    ),
    "SearchService": (
        ("Search Nearby ListPrograms", _ANYBODY),
        ("ListRecent ListFavourites Favour Unfavour", _ACCOUNT),
    ),
    "WaysService": (
        ("MintCode GetCode", _DEVELOPING),
        ("ResolveCode", _ANYBODY),
        ("RevokeCode MintLink", _DEVELOPING),
        ("ResolveLink Share", (Role.PERSON,)),
        ("GetShare", (*_OF_PROGRAMS, *_TEAM)),
        ("Withdraw", (*_OF_PROGRAMS, Role.OPERATOR)),
        ("AddRule PublishRules", _DEVELOPING),
        ("MatchRule", _ANYBODY),
    ),
    "SessionService": (
        ("Open", (Role.PERSON, Role.ACCOUNT)),
        ("OpenStream", (Role.PERSON, Role.OPERATOR, Role.PLATFORM)),
        ("Show Hide EnterPage RenderPage LeavePage Close", (Role.PERSON,)),
    ),
    "IdentityService": (
        ("SignIn", (Role.PLATFORM,)),
        ("SignInWith Refresh SignOut", (Role.CREDENTIAL,)),
        ("IssueCode", _ACCOUNT),
        ("ExchangeCode CheckSession", (Role.SERVER,)),
        ("RevokeSession", (Role.SERVER, Role.OPERATOR)),
        ("GetPersonToken", _ACCOUNT),
        ("BlockPerson UnblockPerson", _OPERATOR),
        ("Erase GetPerson", (Role.ACCOUNT, Role.OPERATOR)),
    ),
    "CredentialService": (
        ("RenewSecret", _TEAM),
        ("IssueToken", (Role.CREDENTIAL,)),
        ("GetQuota", (Role.CREDENTIAL, Role.SERVER, Role.MERCHANT, *_TEAM)),
        ("DisableCredential", _TEAM),
    ),
    "FriendsService": (
        ("RequestFriend AcceptFriend RefuseFriend RemoveFriend BlockFriend UnblockFriend", _ACCOUNT),
        ("ListFriends ListBoard", _ACCOUNT),
    ),
    "NotifyService": (
        ("DraftTemplate", _DEVELOPING),
        ("ApproveTemplate", _OPERATOR),
        ("DisableTemplate", _DEVELOPING),
        ("GetTemplate", (*_OF_PROGRAMS, *_TEAM)),
        ("AnswerPrompt", _OF_A_PERSON),
        ("GetGrants", (*_OF_PROGRAMS, Role.OPERATOR)),
        ("SendMessage", (Role.SERVER, Role.OPERATOR)),
        ("ListenBox AcknowledgeBox ListInbox ReadInbox NoteAct", _OF_A_PERSON),
        ("ReplyTo", (Role.SERVER, Role.OPERATOR)),
        ("GetWindows", (*_OF_PROGRAMS, Role.OPERATOR)),
    ),
    "WebhookService": (
        ("SetEndpoint RotateSecret PauseEndpoint ResumeEndpoint RemoveEndpoint", _DEVELOPING),
        ("GetEndpoint GetDelivery ReplayDelivery", _DEVELOPING),
    ),
}
"""The roles that have any business with each service's methods, in the order of its proto."""

RPCS: Mapping[str, tuple[Role, ...]] = {
    f"/gateway.v1.{service}/{name}": roles
    for service, rows in _ROLES.items()
    for names, roles in rows
    for name in names.split()
}
"""Every method of every service of ours, as gRPC names it, and its roles."""

WITHOUT_IDENTITY = ("/grpc.health.v1.Health/", "/grpc.reflection.v1alpha.ServerReflection/")
"""What is asked before anybody has a token: whether we serve, and what."""


def denied() -> PermissionDenied:
    """The one answer to whoever may not, where more words would tell what there is."""
    return PermissionDenied("this caller may not do this here: it is another's, or for other roles")


def _for_others(what: str, roles: Sequence[Role], role: Role) -> PermissionDenied:
    """To whoever may know what there is: what was asked, and for whom it is; nothing of whom it is about."""
    return PermissionDenied(f"{what[:100]!r} is for the role {' or '.join(roles)}; this caller's is {role}")


def check_method(principal: Principal | None, method: str) -> None:
    """Raises PermissionDenied unless the principal's role has business with the method. `/package.Service/Method`."""
    roles = RPCS.get(method, ())
    if principal is not None and principal.role not in roles:
        raise _for_others(method.rpartition("/")[2], roles, principal.role) if roles else denied()


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
    whose, roles = kind.kind.owner.get(role), kind.kind.access.get(what, ())
    if role in roles and (whose is None or whose(entity_id) == (subject or tenant)):
        return
    if role is Role.MERCHANT:  # who learns nothing of names
        raise denied()
    if role not in roles:
        raise _for_others(what, (*roles, Role.OPERATOR), role)
    raise PermissionDenied(f"{what[:100]!r} is for the role {role}, of its own alone; this is another's")


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
