"""`FriendsService`: friendships of the person who calls, and what programs show of them to each other."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec
from msgspec import Struct

from actors.domain import friends as social
from actors.domain.friends import FRIENDS
from actors.domain.identity.person import PERSON, Person
from actors.entity import Ref
from actors.errors import InvalidCommand, NotFound
from actors.principal import PART, Role
from actors.registry import PREFIX
from gateway.answering import Context
from gateway.authority import denied
from gateway.services.belonging import check_runs
from gateway.services.persons import openid_of
from gateway.services.vault import KeyedService
from gateway.steps import Steps, stamped
from gateway.v1 import friends_pb2 as pb
from gateway.v1 import friends_pb2_grpc

BOARD_FRIENDS_MAX = 200
ASKED_AT_ONCE = 50


class _Friends(Struct):
    friends: list[str]
    asks: list[str]
    asked: list[str]
    blocked: list[str]


class _Tie(Struct):
    state: str


class FriendsService(KeyedService, friends_pb2_grpc.FriendsServiceServicer):
    """See `protos/gateway/v1/friends.proto`."""

    async def RequestFriend(self, request: pb.FriendRequest, context: Context) -> pb.FriendResponse:
        """Asked, or accepted."""
        return await self._change(context, "RequestFriend", request, social.Request)

    async def AcceptFriend(self, request: pb.FriendRequest, context: Context) -> pb.FriendResponse:
        """Friends."""
        return await self._change(context, "AcceptFriend", request, social.Accept)

    async def RefuseFriend(self, request: pb.FriendRequest, context: Context) -> pb.FriendResponse:
        """No friends."""
        return await self._change(context, "RefuseFriend", request, social.Refuse)

    async def RemoveFriend(self, request: pb.FriendRequest, context: Context) -> pb.FriendResponse:
        """Friends no more."""
        return await self._change(context, "RemoveFriend", request, social.Remove)

    async def BlockFriend(self, request: pb.FriendRequest, context: Context) -> pb.FriendResponse:
        """Unheard."""
        return await self._change(context, "BlockFriend", request, social.Block)

    async def UnblockFriend(self, request: pb.FriendRequest, context: Context) -> pb.FriendResponse:
        """Heard again."""
        return await self._change(context, "UnblockFriend", request, social.Unblock)

    async def ListFriends(self, request: pb.ListFriendsRequest, context: Context) -> pb.ListFriendsResponse:
        """Everybody whom there is anything to."""
        del request

        async def work(steps: Steps) -> pb.ListFriendsResponse:
            ties = await steps.look(FRIENDS.at(steps.person), "friends", _Friends)
            return pb.ListFriendsResponse(friends=ties.friends, asks=ties.asks, asked=ties.asked, blocked=ties.blocked)

        return await self.answer(context, "ListFriends", self._own(context), "", work)

    async def ListBoard(self, request: pb.ListBoardRequest, context: Context) -> pb.ListBoardResponse:
        """The view of each, so many at a time."""

        async def work(steps: Steps) -> pb.ListBoardResponse:
            check_runs(self._routes, request.program)
            person = steps.person
            friends = (await steps.look(FRIENDS.at(person), "friends", _Friends)).friends
            people = (person, *friends[:BOARD_FRIENDS_MAX])
            shown: list[object] = []
            for at in range(0, len(people), ASKED_AT_ONCE):
                some = people[at : at + ASKED_AT_ONCE]
                shown += await asyncio.gather(*(self._seen(steps, request, one) for one in some))
            rows = _ranked(dict(zip(people, shown, strict=True)), request.by)
            return pb.ListBoardResponse(rows=rows, more=len(friends) > BOARD_FRIENDS_MAX)

        return await self.answer(context, "ListBoard", self._own(context), "", work)

    async def _seen(self, steps: Steps, request: pb.ListBoardRequest, person: str) -> object:
        """What the person's entity shows, if friends may see it. Raises NotFound, PermissionDenied, InvalidCommand."""
        who = person
        if self.vault is not None:
            who = await openid_of(steps, self.vault.derived, request.program, person)
        path = "/".join(part for part in (request.collection, who, request.under) if part)
        route = self._routes.to(f"{PREFIX}/{request.program}/{path}")
        entity_id = route.entity.partition("/")[2]
        whose = route.kind.owner.get(Role.PERSON)
        if request.view not in route.kind.friends_see or whose is None or whose(entity_id) != who:
            raise denied()
        return await steps.shown(route.kind.at(entity_id), request.view)

    async def _change(
        self,
        context: Context,
        method: str,
        request: pb.FriendRequest,
        command: Callable[[str], social.FriendsCommand],
    ) -> pb.FriendResponse:
        async def work(steps: Steps) -> pb.FriendResponse:
            own = FRIENDS.at(steps.person)
            await _check_known(steps, request.person)
            answer = await steps.ask(own, command(request.person))
            state = answer.reply(_Tie).state
            return stamped(pb.FriendResponse(state=state), answer)

        return await self.answer(context, method, self._own(context), request.request_id, work)

    def _own(self, context: Context) -> Ref[Any]:
        """What a call is about, for the door; a caller that is none is refused there."""
        caller = self.seen_caller(context)
        return FRIENDS.at("" if caller is None else caller.name)


async def _check_known(steps: Steps, person: str) -> None:
    """Raises InvalidCommand for what names nobody; NotFound, where persons sign in, for who never did."""
    if not PART.fullmatch(person):
        message = "a person is named by 1 to 64 letters, digits and . _ ~ -"
        raise InvalidCommand(message, field="person", reason="INVALID_PERSON")
    if steps.principal is not None and (await steps.look(PERSON.at(person), "person", Person)).state == "none":
        raise NotFound("there is no such person", reason="NO_SUCH_PERSON")


def _ranked(shown: Mapping[str, object], by: str) -> list[pb.BoardRow]:
    """Equal numbers share a rank; whoever has none comes last. Both in the order of names."""
    numbers = {person: number for person, value in shown.items() if (number := _number(value, by)) is not None}
    order = sorted(numbers, key=lambda person: (-numbers[person], person))
    ranked = sorted(numbers.values(), reverse=True)
    ranks = {person: 1 + ranked.index(numbers[person]) for person in order}
    return [
        pb.BoardRow(rank=ranks.get(person, 0), person=person, payload=msgspec.json.encode(shown[person]))
        for person in (*order, *sorted(shown.keys() - numbers.keys()))
    ]


def _number(value: object, by: str) -> float | None:
    """The number that a view shows under this name."""
    found = cast("dict[str, object]", value).get(by) if isinstance(value, dict) else None
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None
