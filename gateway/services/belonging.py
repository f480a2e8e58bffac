"""What services check before they ask: is the program there, is the caller of it, of its team, or the person itself.

A look says what was so a moment ago; what no refusal may depend on stands in the entity. Where identity is not required
whoever calls may do all, and an operator may everywhere.
"""

from actors.domain.catalog.name import NAME, Name
from actors.domain.catalog.program import PROGRAM, Command
from actors.domain.developer import ACCOUNT, Account
from actors.entity import Ref
from actors.errors import InvalidCommand, NotFound
from actors.principal import Principal, Role
from actors.registry import Program
from gateway.authority import denied
from gateway.routes import Routes
from gateway.steps import Steps


def check_runs(routes: Routes, program: str) -> Program:
    """The program of this name. Raises NotFound when none runs here; see also `Routes.missing`."""
    found = routes.registry.programs.get(program)
    if found is None:
        raise routes.missing(NotFound(f"there is no program {program[:100]!r} here", reason="NO_SUCH_PROGRAM"))
    return found


def check_page(routes: Routes, program: str, page: str, field: str = "page") -> None:
    """Raises what `check_runs` raises, and InvalidCommand for a page that the program has not."""
    pages = check_runs(routes, program).manifest.pages
    if page not in pages:
        message = f"{program} has no page {page[:100]!r}; it has {', '.join(pages)}"
        raise InvalidCommand(message, field=field, reason="NO_SUCH_PAGE")


def has_page(routes: Routes, program: str, page: str, request_id: bytes, field: str = "page") -> bool:
    """Whether the program has the page; False where it may have had it when this call was made for the first time: then
    the log tells, and an entity refuses what it has not done before by `page_gone`.

    Raises what `check_page` raises.
    """
    try:
        check_page(routes, program, page, field)
    except InvalidCommand:
        if not routes.may_precede(request_id, program):
            raise
        return False
    return True


async def program_named(steps: Steps, name: str) -> Ref[Command]:
    """The program of the catalogue that has this name. Raises NotFound."""
    found = await steps.look(NAME.at(name), "name", Name)
    if found.state != "kept":
        raise NotFound(f"there is no program {name[:100]!r} in the catalogue", reason="NO_SUCH_PROGRAM")
    return PROGRAM.at(f"{found.account}/{name}")


async def program_of_team(steps: Steps, name: str, roles: tuple[str, ...]) -> Ref[Command]:
    """The same, for one of its team in one of these roles. Raises NotFound, PermissionDenied."""
    program = await program_named(steps, name)
    await check_team(steps, program.id.partition("/")[0], roles)
    return program


async def check_of_program(steps: Steps, program: str, team: tuple[str, ...] = (), *, persons: bool = False) -> None:
    """Raises PermissionDenied unless the program's server calls, or one of its team in one of these roles.

    With `persons`, so may each of its persons.
    """
    principal = steps.principal
    if principal is None or principal.role is Role.OPERATOR:
        return
    if principal.role is Role.MEMBER:
        await program_of_team(steps, program, team)
        return
    is_of_it = principal.role is Role.SERVER or (persons and principal.role is Role.PERSON)
    if principal.tenant != program or not is_of_it:
        raise denied()


async def check_team(steps: Steps, account: str, roles: tuple[str, ...]) -> None:
    """Raises PermissionDenied unless one of the account's team calls, in one of these roles."""
    if not await is_of_team(steps, account, roles):
        raise denied()


async def is_of_team(steps: Steps, account: str, roles: tuple[str, ...]) -> bool:
    """Whether the caller is in one of these roles in the team of an account that is neither suspended nor closed."""
    principal = steps.principal
    if principal is None or principal.role is Role.OPERATOR:
        return True
    if principal.role is not Role.MEMBER or principal.tenant != account:
        return False
    found = await steps.look(ACCOUNT.at(account), "account", Account)
    member = found.members.get(principal.subject) if found.state == "open" else None
    return member is not None and member.state == "member" and member.role in roles


def check_person(principal: Principal | None, program: str, openid: str) -> None:
    """Raises PermissionDenied unless the person itself calls, or its program's server, or a process of ours."""
    if principal is None or principal.role in (Role.OPERATOR, Role.PLATFORM):
        return
    is_own = principal.role is Role.SERVER or (principal.role is Role.PERSON and principal.subject == openid)
    if principal.tenant != program or not is_own:
        raise denied()
