"""Friendships through a gateway: asked, accepted, ended, blocked; a board of friends; by whom, and what is refused."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest

from actors.adapters.memory_keys import MemoryKeys
from actors.clocks import wall_ms
from actors.principal import parse
from actors.programs.jump.program import CENTRE_MS, platforms
from actors.settings import ProcessSettings
from gateway.deriving import Derived
from gateway.services import friends
from gateway.tokens import sign
from gateway.v1 import friends_pb2 as pb
from gateway.v1 import friends_pb2_grpc, identity_pb2, identity_pb2_grpc, program_pb2, program_pb2_grpc
from tests.gateway.scene import CLUSTER, Scene, new_id, play, reason_of, refused

REQUIRED = ProcessSettings(identity_required=True)
INVALID, ABSENT, DENIED = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
)
SEASON = "autumn-1"
BOARD = pb.ListBoardRequest(program="jump", collection="players", under=SEASON, view="player", by="best")


class Circle:
    """A gateway of a platform that runs the game, and persons who know each other."""

    def __init__(self, scene: Scene, keys: MemoryKeys | None) -> None:
        self.scene = scene
        self.scene.keys = self.keys = keys

    async def opens(self, process: ProcessSettings) -> None:
        """Everything starts."""
        self.scene.runs("jump", "bike")
        await self.scene.served(process)
        channel = self.scene.channels[-1]
        self.friends: Any = friends_pb2_grpc.FriendsServiceStub(channel)
        self.people: Any = identity_pb2_grpc.IdentityServiceStub(channel)
        self.programs: Any = program_pb2_grpc.ProgramServiceStub(channel)

    def by(self, caller: str) -> tuple[tuple[str, str], ...]:
        """What the caller says of itself."""
        if self.keys is None:
            return (("hutong-caller", caller),)
        principal = parse(caller)
        assert principal is not None
        return (("authorization", f"Bearer {sign(self.keys, principal, wall_ms(), None)}"),)

    async def ask(self, caller: str, method: str, person: str, request_id: str = "") -> Any:
        """A change of the caller's ties."""
        request = pb.FriendRequest(person=person, request_id=request_id)
        return await getattr(self.friends, method)(request, metadata=self.by(caller))

    async def ties(self, caller: str) -> dict[str, list[str]]:
        """The caller's ties, those that there are."""
        found = await self.friends.ListFriends(pb.ListFriendsRequest(), metadata=self.by(caller))
        return {field.name: list(value) for field, value in found.ListFields()}

    async def until(self, caller: str, ties: dict[str, list[str]]) -> None:
        """Wait until the caller's ties are these: what the other did is told a little later."""
        found: dict[str, list[str]] = {"nothing": []}
        while found != ties:
            found = await self.ties(caller)

    async def befriend(self, one: str, other: str) -> None:
        """They are friends."""
        await self.ask(one, "RequestFriend", other)
        await self.ask(other, "RequestFriend", one)
        await self.until(one, {"friends": [other]})
        await self.until(other, {"friends": [one]})

    async def plays(self, name: str, leaps: int, caller: str) -> None:
        """The player makes so many leaps in a game, and falls; the game lasts as long as it lasts."""
        entity = f"programs/jump/players/{name}/{SEASON}"
        seed = (await self._call(entity, "jump.start", {}, caller))["seed"]
        presses = [*(centre + CENTRE_MS + 1 for centre, _ in platforms(seed, leaps)), 1]
        finish = {"seed": seed, "presses_ms": presses, "score": leaps}
        while True:
            try:
                await self._call(entity, "jump.finish", finish, caller)
            except grpc.aio.AioRpcError as error:
                if "too_fast" not in str(error.details()):
                    raise
            else:
                return

    async def _call(self, entity: str, command: str, fields: Any, caller: str) -> Any:
        call = program_pb2.InvokeRequest(entity=entity, command=command, payload=json.dumps(fields).encode())
        return json.loads((await self.programs.Invoke(call, metadata=self.by(caller))).payload)

    def on_log(self) -> int:
        """How many calls the log has."""
        return sum(len(self.scene.log.calls(partition)) for partition in range(CLUSTER.partitions))


def in_circle(act: Callable[[Circle], Awaitable[None]], process: ProcessSettings | None = None) -> None:
    """Run this where people know each other."""

    async def run(scene: Scene) -> None:
        circle = Circle(scene, MemoryKeys() if process is not None else None)
        await circle.opens(process or ProcessSettings())
        await act(circle)

    play(run)


def test_two_are_friends_once_both_want_it_and_until_one_does_not() -> None:
    async def act(circle: Circle) -> None:
        name = new_id()
        asked = await circle.ask("ann", "RequestFriend", "bob", name)
        assert (asked.state, asked.duplicate) == ("asked", False)
        assert (await circle.ask("ann", "RequestFriend", "bob", name)).duplicate
        await circle.until("bob", {"asks": ["ann"]})
        assert (await circle.ask("bob", "AcceptFriend", "ann")).state == "friends"
        await circle.until("ann", {"friends": ["bob"]})
        assert (await circle.ask("ann", "RemoveFriend", "bob")).state == "none"
        await circle.until("bob", {})
        await circle.ask("bob", "RequestFriend", "ann")
        await circle.until("ann", {"asks": ["bob"]})
        assert (await circle.ask("ann", "RefuseFriend", "bob")).state == "none"
        await circle.until("bob", {})

    in_circle(act)


def test_who_is_blocked_is_heard_no_more_until_it_is_unblocked() -> None:
    async def act(circle: Circle) -> None:
        await circle.befriend("ann", "bob")
        assert (await circle.ask("ann", "BlockFriend", "bob")).state == "blocked"
        await circle.until("bob", {})
        await circle.ask("bob", "RequestFriend", "ann")
        await circle.until("bob", {})
        assert await circle.ties("ann") == {"blocked": ["bob"]}
        assert (await circle.ask("ann", "UnblockFriend", "bob")).state == "none"
        await circle.befriend("bob", "ann")

    in_circle(act)


REFUSED = [
    ("RequestFriend", "", INVALID, "INVALID_PERSON"),
    ("RequestFriend", "a/b", INVALID, "INVALID_PERSON"),
    ("BlockFriend", "x" * 65, INVALID, "INVALID_PERSON"),
    ("RequestFriend", "ann", grpc.StatusCode.FAILED_PRECONDITION, "oneself"),
    ("AcceptFriend", "bob", grpc.StatusCode.FAILED_PRECONDITION, "wrong_state"),
    ("UnblockFriend", "bob", grpc.StatusCode.FAILED_PRECONDITION, "wrong_state"),
]


@pytest.mark.parametrize(("method", "person", "expected", "reason"), REFUSED)
def test_what_cannot_be_is_refused_by_its_reason_and_changes_nothing(
    method: str, person: str, expected: grpc.StatusCode, reason: str
) -> None:
    async def act(circle: Circle) -> None:
        code, status = await refused(circle.ask("ann", method, person))
        assert (code, reason_of(status)) == (expected, reason)
        assert await circle.ties("ann") == {}
        code, status = await refused(circle.ask("a b", "RequestFriend", "bob"))
        assert (code, reason_of(status)) == (INVALID, "INVALID_PERSON")

    in_circle(act)


def test_friends_see_each_other_on_a_games_board_in_order_and_nobody_else() -> None:
    async def act(circle: Circle) -> None:
        await circle.befriend("ann", "bob")
        for name, leaps in (("ann", 0), ("bob", 1), ("eve", 0)):
            await circle.plays(name, leaps, name)
        board = await circle.friends.ListBoard(BOARD, metadata=circle.by("ann"))
        rows = [(row.rank, row.person, json.loads(row.payload)["best"]) for row in board.rows]
        assert (rows, board.more) == ([(1, "bob", 1), (2, "ann", 0)], False)
        for changed, code in (
            ({"view": "nothing"}, DENIED),
            ({"collection": "leaves"}, DENIED),
            ({"collection": "boards", "view": "top"}, DENIED),
            ({"program": "bike", "collection": "riders", "under": "", "view": "rider"}, DENIED),
            ({"program": "nothing"}, ABSENT),
            ({"collection": "nothing"}, ABSENT),
        ):
            odd = pb.ListBoardRequest()
            odd.CopyFrom(BOARD)
            for field, value in changed.items():
                setattr(odd, field, value)
            found, _ = await refused(circle.friends.ListBoard(odd, metadata=circle.by("ann")))
            assert found == code, changed
        by_nothing = pb.ListBoardRequest(program="jump", collection="players", under=SEASON, view="player", by="losses")
        unranked = await circle.friends.ListBoard(by_nothing, metadata=circle.by("ann"))
        assert [(row.rank, row.person) for row in unranked.rows] == [(0, "ann"), (0, "bob")]

    in_circle(act)


def test_where_persons_sign_in_friends_are_persons_and_players_are_who_the_game_knows() -> None:
    async def act(circle: Circle) -> None:
        assert circle.keys is not None
        derived, persons = Derived(circle.keys), list[str]()
        for subject in ("ann", "bob"):
            request = identity_pb2.SignInRequest(issuer="development", subject=subject)
            answer = await circle.people.SignIn(request, metadata=circle.by("platform/issuer"))
            persons.append(answer.person)
        ann, bob = persons
        await circle.ask(f"account/{ann}", "RequestFriend", bob)
        await circle.until(f"account/{bob}", {"asks": [ann]})
        await circle.ask(f"account/{bob}", "AcceptFriend", ann)
        await circle.until(f"account/{ann}", {"friends": [bob]})
        openid = derived.openid("jump", bob)
        await circle.plays(openid, 0, f"person/jump/{openid}")
        board = await circle.friends.ListBoard(BOARD, metadata=circle.by(f"account/{ann}"))
        rows = [(row.rank, row.person, json.loads(row.payload)["best"]) for row in board.rows]
        assert rows == [(1, bob, 0), (0, ann, None)], "who never played has no rank"
        before = circle.on_log()
        code, status = await refused(circle.ask(f"account/{ann}", "RequestFriend", "stranger"))
        assert (code, reason_of(status)) == (ABSENT, "NO_SUCH_PERSON")
        for caller in (f"person/jump/{openid}", "server/jump", "operator/op", "member/acme/ann"):
            code, _ = await refused(circle.ask(caller, "RequestFriend", ann))
            assert code == DENIED, caller
            code, _ = await refused(circle.friends.ListBoard(BOARD, metadata=circle.by(caller)))
            assert code == DENIED, caller
        assert circle.on_log() == before

    in_circle(act, REQUIRED)


def test_of_very_many_friends_a_board_has_the_first_and_says_that_there_are_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def act(circle: Circle) -> None:
        await circle.befriend("ann", "bob")
        await circle.ask("ann", "RequestFriend", "cid")
        await circle.ask("cid", "RequestFriend", "ann")
        await circle.until("ann", {"friends": ["bob", "cid"]})
        for friends_max, more in ((1, True), (2, False)):
            monkeypatch.setattr(friends, "BOARD_FRIENDS_MAX", friends_max)
            board = await circle.friends.ListBoard(BOARD, metadata=circle.by("ann"))
            assert [row.person for row in board.rows] == ["ann", "bob", "cid"][: 1 + friends_max]
            assert board.more == more

    in_circle(act)
