"""Who has any business with what: the tables of methods' roles, and those of entities."""

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import FileDescriptor

from actors import Role
from actors.entity import AnyEntity
from actors.errors import PermissionDenied, SetupError
from actors.principal import Principal
from actors.shape import check_entity
from gateway import v1
from gateway.authority import RPCS, check_method
from tests.gateway.jar import JAR

ROLES: Mapping[str, str] = {
    "ProgramService/Invoke": "person server merchant operator",
    "ProgramService/InvokeStream": "person server merchant operator",
    "ProgramService/Query": "person server merchant operator",
    "ProgramService/Describe": "person server operator",
    "ProgramService/ListTransitions": "person server member operator",
    "ProgramService/Listen": "person server merchant operator",
    "CatalogService/OpenAccount": "operator",
    "CatalogService/SuspendAccount": "operator",
    "CatalogService/ResumeAccount": "operator",
    "CatalogService/CloseAccount": "operator",
    "CatalogService/InviteMember": "member operator",
    "CatalogService/JoinTeam": "member operator",
    "CatalogService/GrantRole": "member operator",
    "CatalogService/RemoveMember": "member operator",
    "CatalogService/GetAccount": "member operator",
    "CatalogService/RegisterProgram": "member operator",
    "CatalogService/DescribeProgram": "member operator",
    "CatalogService/SetPackageKey": "member operator",
    "CatalogService/UploadPackage": "member operator",
    "CatalogService/SubmitVersion": "member operator",
    "CatalogService/WithdrawVersion": "member operator",
    "CatalogService/TakeReview": "operator",
    "CatalogService/JudgeVersion": "operator",
    "CatalogService/SetGray": "member operator",
    "CatalogService/ReleaseVersion": "member operator",
    "CatalogService/RollBack": "member operator",
    "CatalogService/GetProgram": "person account server member merchant operator platform",
    "CatalogService/GetShown": "person account server member merchant operator platform",
    "SearchService/Search": "person account server member merchant operator platform",
    "SearchService/Nearby": "person account server member merchant operator platform",
    "SearchService/ListPrograms": "person account server member merchant operator platform",
    "SearchService/ListRecent": "account",
    "SearchService/ListFavourites": "account",
    "SearchService/Favour": "account",
    "SearchService/Unfavour": "account",
    "WaysService/MintCode": "server member operator",
    "WaysService/GetCode": "server member operator",
    "WaysService/ResolveCode": "person account server member merchant operator platform",
    "WaysService/RevokeCode": "server member operator",
    "WaysService/MintLink": "server member operator",
    "WaysService/ResolveLink": "person",
    "WaysService/Share": "person",
    "WaysService/GetShare": "person server member operator",
    "WaysService/Withdraw": "person server operator",
    "WaysService/AddRule": "server member operator",
    "WaysService/PublishRules": "server member operator",
    "WaysService/MatchRule": "person account server member merchant operator platform",
    "SessionService/Open": "person account",
    "SessionService/OpenStream": "person operator platform",
    "SessionService/Show": "person",
    "SessionService/Hide": "person",
    "SessionService/EnterPage": "person",
    "SessionService/RenderPage": "person",
    "SessionService/LeavePage": "person",
    "SessionService/Close": "person",
    "IdentityService/SignIn": "platform",
    "IdentityService/SignInWith": "credential",
    "IdentityService/Refresh": "credential",
    "IdentityService/SignOut": "credential",
    "IdentityService/IssueCode": "account",
    "IdentityService/ExchangeCode": "server",
    "IdentityService/CheckSession": "server",
    "IdentityService/RevokeSession": "server operator",
    "IdentityService/GetPersonToken": "account",
    "IdentityService/BlockPerson": "operator",
    "IdentityService/UnblockPerson": "operator",
    "IdentityService/Erase": "account operator",
    "IdentityService/GetPerson": "account operator",
    "CredentialService/RenewSecret": "member operator",
    "CredentialService/IssueToken": "credential",
    "CredentialService/GetQuota": "credential server merchant member operator",
    "CredentialService/DisableCredential": "member operator",
    "FriendsService/RequestFriend": "account",
    "FriendsService/AcceptFriend": "account",
    "FriendsService/RefuseFriend": "account",
    "FriendsService/RemoveFriend": "account",
    "FriendsService/BlockFriend": "account",
    "FriendsService/UnblockFriend": "account",
    "FriendsService/ListFriends": "account",
    "FriendsService/ListBoard": "account",
    "NotifyService/DraftTemplate": "server member operator",
    "NotifyService/ApproveTemplate": "operator",
    "NotifyService/DisableTemplate": "server member operator",
    "NotifyService/GetTemplate": "person server member operator",
    "NotifyService/AnswerPrompt": "person operator",
    "NotifyService/GetGrants": "person server operator",
    "NotifyService/SendMessage": "server operator",
    "NotifyService/ListenBox": "person operator",
    "NotifyService/AcknowledgeBox": "person operator",
    "NotifyService/ListInbox": "person operator",
    "NotifyService/ReadInbox": "person operator",
    "NotifyService/NoteAct": "person operator",
    "NotifyService/ReplyTo": "server operator",
    "NotifyService/GetWindows": "person server operator",
    "WebhookService/SetEndpoint": "server member operator",
    "WebhookService/RotateSecret": "server member operator",
    "WebhookService/PauseEndpoint": "server member operator",
    "WebhookService/ResumeEndpoint": "server member operator",
    "WebhookService/RemoveEndpoint": "server member operator",
    "WebhookService/GetEndpoint": "server member operator",
    "WebhookService/GetDelivery": "server member operator",
    "WebhookService/ReplayDelivery": "server member operator",
}
"""The whole table once more, to be changed on purpose only."""


def methods() -> list[str]:
    """Every method of every service in the generated code."""
    names = sorted(path.stem for path in Path(v1.__path__[0]).glob("*_pb2.py"))
    files: list[FileDescriptor] = [import_module(f"gateway.v1.{name}").DESCRIPTOR for name in names]
    return [
        f"/{service.full_name}/{method.name}"
        for file in files
        for service in file.services_by_name.values()
        for method in service.methods
    ]


def test_every_method_of_every_service_says_who_may_call_it() -> None:
    missing = [method for method in methods() if method not in RPCS]
    assert not missing, "a method without an entry in gateway.authority.RPCS is for nobody"


def test_methods_stand_in_the_order_of_their_services_protos() -> None:
    services = list(dict.fromkeys(method.rpartition("/")[0] for method in RPCS))
    assert list(RPCS) == sorted(methods(), key=lambda method: services.index(method.rpartition("/")[0]))


def test_every_methods_roles_are_those_that_were_meant() -> None:
    written = {method.removeprefix("/gateway.v1."): " ".join(roles) for method, roles in RPCS.items()}
    assert written == ROLES


@pytest.mark.parametrize("role", Role)
def test_a_role_without_business_with_a_method_is_refused_and_so_is_every_method_that_is_not_there(role: Role) -> None:
    principal = Principal(role, "t", "s")
    for method in (*methods(), "/gateway.v1.ProgramService/Destroy", "Invoke", ""):
        if role in RPCS.get(method, ()):
            check_method(principal, method)
        else:
            with pytest.raises(PermissionDenied) as refusal:
                check_method(principal, method)
            told = (
                f"'{method.rpartition('/')[2]}' is for the role {' or '.join(RPCS.get(method, ()))}; this caller's is"
            )
            assert str(refusal.value).startswith(told if method in RPCS else "this caller may not do this here")


def _jar(**changes: Any) -> AnyEntity:
    return replace(JAR, **changes)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"access": {"jar.fly": (Role.PERSON,)}}, "jar.fly"),
        ({"access": {"peek": (Role.SERVER,)}}, "peek"),
        ({"access": {"jar.put": (Role.MERCHANT,)}}, "owner="),
        ({"access": {"jar.put": (Role.OPERATOR,)}}, "role 'operator'"),
        ({"access": {"jar.put": ("persons",)}}, "role 'persons'"),
        ({"owner": {Role.SERVER: str}}, "role 'server'"),
        ({"opens_to": {"peek": (Role.PERSON,)}, "owner": {Role.PERSON: str}}, "opens 'peek'"),
        ({"opens_to": {"look": (Role.PERSON,)}, "owner": {Role.PERSON: str}}, "opens 'look'"),
        ({"opens_to": {"look": (Role.PERSON,)}, "access": {"look": (Role.PERSON,)}}, "opens 'look'"),
    ],
)
def test_an_access_table_that_names_what_is_not_there_is_refused_when_the_entity_is_loaded(
    changes: dict[str, Any], says: str
) -> None:
    check_entity(_jar())
    with pytest.raises(SetupError, match=says):
        check_entity(_jar(**changes))
