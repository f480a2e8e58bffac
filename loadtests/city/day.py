"""One person's day in the city, through the gateway, step by step; each step looks at what came of it.

A step is one call that changes something, by the request id that it is given, and what follows from it; what others do
meanwhile (the kitchen cooks, a friend opens a card) are calls of theirs.
"""

import asyncio
import contextlib
import hashlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import msgspec

from actors.clocks import wall_ms
from actors.errors import PlatformError, Unauthenticated
from actors.programs.bike.program import FARE_TO, fare_minor
from actors.programs.jump.program import FLIGHT_MS, platforms
from gateway.client import Client
from gateway.v1 import friends_pb2, identity_pb2, notify_pb2, search_pb2, session_pb2, ways_pb2
from gateway.v1.friends_pb2_grpc import FriendsServiceStub
from gateway.v1.identity_pb2_grpc import IdentityServiceStub
from gateway.v1.notify_pb2_grpc import NotifyServiceStub
from gateway.v1.search_pb2_grpc import SearchServiceStub
from gateway.v1.session_pb2_grpc import SessionServiceStub
from gateway.v1.ways_pb2_grpc import WaysServiceStub
from loadtests.city.citizen import (
    LOOK_S,
    WAIT_S_MAX,
    Citizen,
    Unexpected,
    Visitor,
    asked,
    called,
    expect,
    refusal,
    until,
)
from loadtests.city.town import CURRENCY, DISH, DISH_MINOR, ITEM_MINOR, JACKET, JACKET_MINOR, SEAT_MINOR, Town

TAXI_MINOR = 1_200
"""What a taxi costs that goes nowhere."""
LEAPS = 2
FRIENDS_LEAPS = 1
PHONE = "phone"
SHOP = "Wear"


class Debt(NamedTuple):
    """What a step leaves owed: by which entity, to whom, how much."""

    entity: str
    to: str
    amount_minor: int


class Step(NamedTuple):
    """One step of a day: what it is called, its call's request id, whether all was as it must be, and what was seen."""

    name: str
    request_id: str
    ok: bool
    seen: str


class Day:
    """A person's day, with a friend."""

    def __init__(self, town: Town, name: str) -> None:
        self.town = town
        self.me = town.citizen(name)
        self.friend = town.citizen(f"a friend of {name}")
        self.debts: list[Debt] = []
        self.seat = ""
        self.item = ""
        self.claimed_ns = (0, 0)
        """When the item was asked for, and when it was there."""
        self._name = name
        self._hired_at = ""
        self._shared = ""
        self._order = ""
        self._contact = f"{name}, at the table under the third lamp"

    async def play(self) -> AsyncIterator[Step]:
        """Every step in turn; after one that is not ok there is none, since later ones build on it."""
        steps: tuple[tuple[str, Callable[[str], Awaitable[str]]], ...] = (
            ("sign in", self.sign_in),
            ("log in to the bike program by a code", self.log_in),
            ("scan the code at a bike station", self.scan),
            ("hire a bike", self.hire),
            ("return the bike", self.give_back),
            ("order food", self.order_food),
            ("allow a notification", self.allow),
            ("hear that the food is ready", self.hear),
            ("find a shop by its name", self.find_shop),
            ("buy a jacket", self.buy_jacket),
            ("become friends", self.become_friends),
            ("share a card", self.share),
            ("a friend opens the card", self.open_shared),
            ("hold a seat", self.hold_seat),
            ("book the seat", self.book_seat),
            ("claim one of few", self.claim),
            ("call a taxi", self.call_taxi),
            ("beat a friend's score", self.beat_score),
            ("show the identity card", self.show_card),
            ("erase the account", self.erase_account),
        )
        for name, act in steps:
            request_id = self.town.connection.new_request_id()
            try:
                step = Step(name, request_id, True, await act(request_id))
            except (PlatformError, Unexpected, TimeoutError) as error:
                step = Step(name, request_id, False, str(error) or type(error).__name__)
            yield step
            if not step.ok:
                return

    # -- who one is -----------------------------------------------------------------------------------------------

    async def sign_in(self, request_id: str) -> str:
        """The platform knows the person from now on; the friend signs in, too."""
        await self.me.sign_in(request_id)
        await self.friend.sign_in()
        expect(self.me.person != self.friend.person, "two persons of one name")
        return f"person {self.me.person}"

    async def log_in(self, request_id: str) -> str:
        """A login code becomes a session with the program's own server, once."""
        issue = identity_pb2.IssueCodeRequest(program="bike")
        code = (await asked(self.me.account, IdentityServiceStub, "IssueCode", issue)).code
        server, shown = self.town.by("server/bike"), identity_pb2.ExchangeCodeRequest(program="bike", code=code)
        session = await asked(server, IdentityServiceStub, "ExchangeCode", shown, request_id)
        expect(session.openid == (await self.me.at("bike")).openid, f"the code is of {session.openid}")
        twice = await refusal(asked(server, IdentityServiceStub, "ExchangeCode", shown))
        expect(twice == "code_used", f"a code used twice is {twice}")
        check = identity_pb2.CheckSessionRequest(program="bike", openid=session.openid, session=session.session)
        state = (await asked(server, IdentityServiceStub, "CheckSession", check)).state
        expect(state == "active", f"the session is {state}")
        return f"openid {session.openid}; the code is used up"

    async def _open(self, who: Visitor, program: str, source: str, via: str, request_id: str) -> str:
        request = session_pb2.OpenRequest(program=program, source=source, via=via, device=PHONE)
        opened = await asked(who.client, SessionServiceStub, "Open", request, request_id)
        expect(opened.session.startswith(f"sessions/{program}/{who.openid}/"), f"the session is {opened.session}")
        return f"{opened.session} at {opened.path}"

    # -- a bike ---------------------------------------------------------------------------------------------------

    async def scan(self, request_id: str) -> str:
        """The code leads to the station where it hangs."""
        me = await self.me.at("bike")
        found = await asked(me.client, WaysServiceStub, "ResolveCode", ways_pb2.ResolveCodeRequest(text=self.town.code))
        self._hired_at = found.scene.decode()
        expect(self._hired_at == self.town.east, f"the code leads to {self._hired_at}")
        return await self._open(me, found.program, "scan", f"codes/{found.program}/{found.code}", request_id)

    async def hire(self, request_id: str) -> str:
        """One bike of the station is the person's."""
        me = await self.me.at("bike")
        rider = f"bike/riders/{me.openid}"
        asking = await me.invoke(rider, "bike.hire", {"station": self._hired_at}, request_id)
        riding = await until(me.client, rider, "rider", lambda shown: shown["state"] != "asking")
        expect(riding["state"] == "riding" and riding["ride"] == asking["ride"], f"the rider is {riding}")
        return f"ride {riding['ride']}"

    async def give_back(self, request_id: str) -> str:
        """It stands at the other station."""
        me = await self.me.at("bike")
        rider = f"bike/riders/{me.openid}"
        await me.invoke(rider, "bike.return", {"station": self.town.west}, request_id)
        idle = await until(me.client, rider, "rider", lambda shown: shown["state"] != "returning")
        expect(idle["state"] == "idle" and idle["rides"] == 1, f"the rider is {idle}")
        self.debts.append(Debt(rider, FARE_TO, fare_minor(idle["ridden_ms"])))
        return f"{idle['ridden_ms']} ms ridden, {fare_minor(idle['ridden_ms'])} {CURRENCY} owed"

    # -- a meal, and word of it -----------------------------------------------------------------------------------

    async def order_food(self, request_id: str) -> str:
        """The kitchen confirms and cooks it; from then on it is owed."""
        me, merchant = await self.me.at("food"), self.town.merchant
        name = f"{me.openid}/lunch"
        order = f"food/orders/{merchant}/{name}"
        wish = {"lines": [{"dish": DISH, "count": 2}], "contact": self._contact}
        placed = await me.invoke(order, "food.order.place", wish, request_id)
        expect(placed["total_minor"] == 2 * DISH_MINOR, f"the order is {placed}")
        cook = self.town.by(f"merchant/{merchant}")
        for say in ("confirm", "cook"):
            await called(cook, f"food/kitchens/{merchant}", f"food.kitchen.{say}", {"order": name})
        shown = await until(me.client, order, "order", lambda shown: shown["state"] == "cooking")
        expect(shown["contact"] == self._contact, f"the person's own contact is {shown['contact']}")
        self.debts.append(Debt(order, merchant, shown["total_minor"]))
        return f"{shown['total_minor']} {shown['currency']} owed to {merchant}"

    async def allow(self, request_id: str) -> str:
        """One grant: one message may be sent."""
        me = await self.me.at("food")
        prompt = notify_pb2.AnswerPromptRequest(program="food", openid=me.openid)
        prompt.templates.append(self.town.template)
        prompt.answers.append("accept")
        await asked(me.client, NotifyServiceStub, "AnswerPrompt", prompt, request_id)
        await self._expect_grant(me, 1)
        return f"one message by {self.town.template}"

    async def _expect_grant(self, me: Visitor, left: int) -> None:
        request = notify_pb2.NotifiedRequest(program="food", openid=me.openid)
        (grant,) = (await asked(me.client, NotifyServiceStub, "GetGrants", request)).grants
        expect((grant.left, grant.used) == (left, 1 - left), f"of the grant {grant.left} are left, {grant.used} used")

    async def hear(self, request_id: str) -> str:
        """The kitchen has finished, the program's server says so, the person hears it and fetches the meal."""
        me, merchant, server = await self.me.at("food"), self.town.merchant, self.town.by("server/food")
        name = f"{me.openid}/lunch"
        await called(
            self.town.by(f"merchant/{merchant}"), f"food/kitchens/{merchant}", "food.kitchen.finish", {"order": name}
        )
        said = notify_pb2.SendMessageRequest(program="food", openid=me.openid, template=self.town.template)
        said.message_id = f"lunch-{self.town.mark}"
        said.fields = msgspec.json.encode({"thing1": DISH, "time2": "12:30"})
        async with contextlib.aclosing(me.client.listen_box("food", me.openid)) as box:
            heard = asyncio.ensure_future(anext(box))
            await asked(server, NotifyServiceStub, "SendMessage", said, request_id)
            message = await asyncio.wait_for(heard, WAIT_S_MAX)
        expect(message.value["message_id"] == said.message_id, f"what came is {message.value}")
        await self._expect_grant(me, 0)
        said.message_id += "-again"
        refused = await refusal(asked(server, NotifyServiceStub, "SendMessage", said))
        expect(refused == "notify_used_up", f"a second message is {refused}")
        noted = notify_pb2.CursorRequest(program="food", openid=me.openid, cursor=message.cursor)
        await asked(me.client, NotifyServiceStub, "AcknowledgeBox", noted)
        await me.invoke(f"food/orders/{merchant}/{name}", "food.order.pick")
        return f"{message.value['title']!r}; no second one may be sent"

    # -- a shop ---------------------------------------------------------------------------------------------------

    async def find_shop(self, request_id: str) -> str:
        """The search finds it, which may know of what was released some seconds later, and it opens."""
        give_up_at = time.monotonic() + WAIT_S_MAX
        search, found = search_pb2.SearchRequest(text=SHOP), [""]
        while found[:1] != ["wear"]:
            expect(time.monotonic() < give_up_at, f"a search for {SHOP} finds {found}")
            hits = (await asked(self.me.account, SearchServiceStub, "Search", search)).programs
            found = [hit.program for hit in hits]
            await asyncio.sleep(LOOK_S)
        return await self._open(await self.me.at("wear"), found[0], "search", SHOP, request_id)

    async def buy_jacket(self, request_id: str) -> str:
        """It comes off the shelf and is owed, in one record."""
        me, merchant = await self.me.at("wear"), self.town.merchant
        order = f"wear/orders/{merchant}/{me.openid}/1"
        garments = {"garments": [{"style": JACKET, "size": "M", "units": 1}]}
        await me.invoke(order, "wear.buy", garments, request_id)
        lines = (await me.client.query(f"programs/{order}", "order")).value["lines"]
        expect(list(lines) == [f"{JACKET}-M"], f"the order has {lines}")
        self.debts.append(Debt(order, merchant, JACKET_MINOR))
        return f"{JACKET_MINOR} owed to {merchant}"

    async def become_friends(self, request_id: str) -> str:
        """One asks, the other accepts, and both say so."""
        ask = friends_pb2.FriendRequest(person=self.friend.person)
        state = (await asked(self.me.account, FriendsServiceStub, "RequestFriend", ask, request_id)).state
        expect(state == "asked", f"a request of somebody unknown is {state}")
        await self._sees(self.friend, "asks", self.me)
        accept = friends_pb2.FriendRequest(person=self.me.person)
        await asked(self.friend.account, FriendsServiceStub, "AcceptFriend", accept)
        await self._sees(self.me, "friends", self.friend)
        await self._sees(self.friend, "friends", self.me)
        return f"with {self.friend.person}"

    async def _sees(self, who: Citizen, what: str, whom: Citizen) -> None:
        """Wait until somebody is told this of somebody."""
        give_up_at = time.monotonic() + WAIT_S_MAX
        listed: list[str] = []
        while whom.person not in listed:
            expect(time.monotonic() < give_up_at, f"{what} of {who.name} are {listed}")
            told = await asked(who.account, FriendsServiceStub, "ListFriends", friends_pb2.ListFriendsRequest())
            listed = list(getattr(told, what))
            await asyncio.sleep(LOOK_S)

    async def share(self, request_id: str) -> str:
        """A card that leads to the jacket."""
        me = await self.me.at("wear")
        request = ways_pb2.ShareRequest(program="wear", page="pages/style/index", scene=JACKET.encode())
        card = await asked(me.client, WaysServiceStub, "Share", request, request_id)
        expect(card.depth == 1, f"the card is {card.depth} deep")
        self._shared = card.share
        return str(card.text)

    async def open_shared(self, request_id: str) -> str:
        """The friend opens it, and hands it on: the path says through whose hands it went."""
        friend = await self.friend.at("wear")
        way = ways_pb2.GetShareRequest(text=f"wear/{self._shared}")
        found = await asked(friend.client, WaysServiceStub, "GetShare", way)
        expect((found.state, found.scene) == ("shared", JACKET.encode()), f"the card is {found}")
        opened = await self._open(friend, "wear", "share", f"shares/wear/{self._shared}", request_id)
        on = ways_pb2.ShareRequest(program="wear", page=found.page, scene=found.scene, parent=self._shared)
        handed = await asked(friend.client, WaysServiceStub, "Share", on)
        way.text = f"wear/{handed.share}"
        path = [hop.by for hop in (await asked(self.town.by("server/wear"), WaysServiceStub, "GetShare", way)).path]
        mine = (await self.me.at("wear")).openid
        expect([by.rpartition("/")[2] for by in path] == [mine, friend.openid], f"the card's path is {path}")
        return f"{opened}; handed on by {len(path)}"

    # -- an evening -----------------------------------------------------------------------------------------------

    async def hold_seat(self, request_id: str) -> str:
        """The first seat that nobody else has; the friend cannot have the same."""
        me, friend = await self.me.at("tickets"), await self.friend.at("tickets")
        for n, seat in enumerate(self.town.seats):
            self._order = f"tickets/orders/{me.openid}/{self.town.mark}-{n}"
            state = await self._held(me, self._order, seat, "" if n else request_id)
            self.town.taken.add(seat)
            if state == "held":
                self.seat = seat
                break
            expect(state == "refused", f"the order is {state}")
        expect(self.seat != "", "no seat is left")
        refused = await self._held(friend, f"tickets/orders/{friend.openid}/{self.town.mark}", self.seat)
        expect(refused == "refused", f"the seat that is held is {refused} for another")
        return f"{self.seat}; another who asks for it is refused"

    async def _held(self, who: Visitor, order: str, seat: str, request_id: str = "") -> str:
        """What becomes of the order of somebody who wants this seat."""
        await who.invoke(order, "tickets.hold", {"hall": self.town.hall, "seats": [seat]}, request_id)
        return str((await until(who.client, order, "order", lambda shown: shown["state"] != "asking"))["state"])

    async def book_seat(self, request_id: str) -> str:
        """It is sold to the person."""
        me = await self.me.at("tickets")
        await me.invoke(self._order, "tickets.book", b"", request_id)
        booked = await until(me.client, self._order, "order", lambda shown: shown["state"] != "booking")
        expect((booked["state"], booked["seats"]) == ("booked", [self.seat]), f"the order is {booked}")
        self.debts.append(Debt(self._order, self.town.merchant, SEAT_MINOR))
        return f"{self.seat}, {booked['amount_minor']} {booked['currency']} owed to {booked['merchant']}"

    async def claim(self, request_id: str) -> str:
        """A number of a drop, as long as there are any."""
        me, drop = await self.me.at("drops"), self.town.drop
        shelf = f"drops/collectors/{me.openid}"
        began_ns = time.monotonic_ns()
        await me.invoke(shelf, "drops.claim", {"drop": drop}, request_id)
        shown = await until(me.client, shelf, "shelf", lambda shown: not shown["asking"])
        items = [item["item"] for item in shown["items"]]
        if not items:
            expect(shown["refused"] == {"drop": drop, "reason": "sold_out"}, f"the shelf is {shown}")
            return "sold out"
        self.item = items[0]
        self.claimed_ns = (began_ns, time.monotonic_ns())
        self.debts.append(Debt(shelf, self.town.merchant, ITEM_MINOR))
        return self.item

    async def call_taxi(self, request_id: str) -> str:
        """Some driver who waits is matched, comes, and brings the person home; the fare is owed to them."""
        await self.town.hail(f"a driver for {self._name}")
        me = await self.me.at("taxi")
        ride = f"taxi/rides/{me.openid}/{self.town.mark}"
        await me.invoke(ride, "taxi.ask", {"cell": self.town.cell, "place": "at the hall"}, request_id)
        matched = await _came_to(me, ride, "matched")
        driver = await self.town.cabs[matched["driver"]].at("taxi")
        cab = f"taxi/drivers/{driver.openid}"
        mine = await until(driver.client, cab, "driver", lambda shown: shown["ride"] != "")
        expect(mine["ride"] == ride.removeprefix("taxi/rides/"), f"the driver has {mine}")
        for step, state in (("arrive", "arrived"), ("start", "riding"), ("end", "ended")):
            await driver.invoke(cab, "taxi.drive", {"step": step})
            matched = await _came_to(me, ride, state)
        expect(matched["owed_minor"] == TAXI_MINOR, f"the ride is {matched}")
        self.debts.append(Debt(ride, driver.openid, TAXI_MINOR))
        return f"{TAXI_MINOR} owed to {driver.openid}"

    async def beat_score(self, request_id: str) -> str:
        """The friend plays first; the board of friends has the better one above."""
        friend, me = await self.friend.at("jump"), await self.me.at("jump")
        theirs = await self.played(friend, FRIENDS_LEAPS, "")
        mine = await self.played(me, LEAPS, request_id)
        expect(mine > theirs, f"{mine} against {theirs}")
        board = friends_pb2.ListBoardRequest(program="jump", collection="players", under=self.town.board)
        board.view, board.by = "player", "best"
        rows = (await asked(self.me.account, FriendsServiceStub, "ListBoard", board)).rows
        ranks = [(row.rank, row.person) for row in rows]
        expect(ranks == [(1, self.me.person), (2, self.friend.person)], f"the board of friends is {ranks}")
        return f"{mine} against {theirs}"

    async def played(self, who: Visitor, leaps: int, request_id: str) -> int:
        """A game of so many leaps that hit the centre, and a fall."""
        player = f"jump/players/{who.openid}/{self.town.board}"
        seed = (await who.invoke(player, "jump.start"))["seed"]
        centres = [centre_ms for centre_ms, _ in platforms(seed, leaps)]
        presses_ms = [*centres, 1]
        score = sum(2 * (n + 1) for n in range(leaps))
        await asyncio.sleep((sum(presses_ms) + FLIGHT_MS * len(presses_ms)) / 1_000)  # a game lasts its time
        game = {"seed": seed, "presses_ms": presses_ms, "score": score}
        finished = await who.invoke(player, "jump.finish", game, request_id)
        return int(finished["score"])

    async def show_card(self, request_id: str) -> str:
        """Who asks learns yes, and by the same showing nothing more."""
        me, verifier = await self.me.at("civic"), f"bar-{self.town.mark}"
        salt, nonce = os.urandom(16).hex(), os.urandom(16).hex()
        digest = hashlib.sha256(f"{salt}over 18".encode()).hexdigest()
        issue = {"digests": [digest], "until_ms": wall_ms() + 86_400_000}
        await called(self.town.by("server/civic"), f"civic/cards/{me.openid}", "civic.card.issue", issue)
        await me.invoke(f"civic/cards/{me.openid}", "civic.present", {"verifier": verifier, "nonce": nonce}, request_id)
        bar = self.town.by(f"merchant/{verifier}")
        answers = [await _verified(bar, verifier, nonce, digest) for _ in range(2)]
        expect(answers == ["yes", "yes"], f"the verifier hears {answers}")
        return "over 18: yes"

    async def erase_account(self, request_id: str) -> str:
        """What identifies the person is forgotten, also by those whom they told; their codes and tokens end."""
        food = await self.me.at("food")
        dinner = f"food/orders/{self.town.merchant}/{food.openid}/dinner"
        await food.invoke(dinner, "food.order.place", {"lines": [{"dish": DISH, "count": 1}], "contact": self._contact})
        kitchen, order = self.town.by("server/food"), f"programs/{dinner}"
        contact = (await kitchen.query(order, "order")).value["contact"]
        expect(contact == self._contact, f"the kitchen knows {contact}")
        erase = identity_pb2.PersonRequest()
        try:
            await asked(self.me.account, IdentityServiceStub, "Erase", erase, request_id)
        except Unauthenticated as error:  # it was done by an earlier try, whose answer was lost
            expect(error.reason == "TOKEN_PERSON_ERASED", f"a person who is erased is told {error.reason}")
        operator, person = self.town.by("operator/city"), identity_pb2.GetPersonRequest(person=self.me.person)
        give_up_at = time.monotonic() + WAIT_S_MAX
        while (state := (await asked(operator, IdentityServiceStub, "GetPerson", person)).state) != "erased":
            expect(time.monotonic() < give_up_at, f"the person is still {state}")
            await asyncio.sleep(LOOK_S)
        contact = (await kitchen.query(order, "order")).value["contact"]
        expect(contact is None, f"the kitchen still knows {contact}")
        cook = self.town.by(f"merchant/{self.town.merchant}")
        said = {"order": f"{food.openid}/dinner"}
        await called(cook, f"food/kitchens/{self.town.merchant}", "food.kitchen.decline", said)
        token = identity_pb2.GetPersonTokenRequest(program="bike")
        refused = await refusal(asked(self.me.account, IdentityServiceStub, "GetPersonToken", token))
        expect(refused in ("person_erased", "TOKEN_PERSON_ERASED"), f"the erased person is told {refused}")
        return "forgotten"


async def _came_to(who: Visitor, ride: str, state: str) -> Any:
    """The ride, once it is in this state."""
    return await until(who.client, ride, "ride", lambda shown: shown["state"] == state)


async def _verified(bar: Client, verifier: str, nonce: str, digest: str) -> str:
    """What a verifier learns of the claim."""
    await called(bar, f"civic/verifiers/{verifier}", "civic.ask", {"nonce": nonce, "digest": digest})
    shown = await until(
        bar, f"civic/verifiers/{verifier}", "answer", lambda shown: shown["outcome"] != "", {"nonce": nonce}
    )
    return str(shown["outcome"])
