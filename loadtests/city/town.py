"""A town that opens in the morning: its stations, kitchen, shop, hall, drop and taxis, by those who run them.

Everything is named by the town's mark, so that one after the other may open on one platform.
"""

import zlib

from gateway.client import Client
from gateway.v1 import notify_pb2, ways_pb2
from gateway.v1.notify_pb2_grpc import NotifyServiceStub
from gateway.v1.ways_pb2_grpc import WaysServiceStub
from loadtests.city.citizen import Citizen, Proof, asked, called

BIKES = DOCKS = 200
STOCK = 1_000
SEATS_IN_ROW = 40
ROWS = 6
DISH, DISH_MINOR = "noodles", 1_800
JACKET, JACKET_MINOR = "jacket", 39_900
SEAT_MINOR = 12_000
ITEM_MINOR = 5_000
TEMPLATE_FIELDS = ("thing1", "time2")
CURRENCY = "CNY"


class Town:
    """Who is called, and how: a connection, tokens for the roles that are needed, and the names of self."""

    def __init__(self, connection: Client, proof: Proof, mark: str, drop_limit: int) -> None:
        self.connection = connection
        self.proof = proof
        self.mark = mark
        self.drop_limit = drop_limit
        self.code = ""
        """What the code at the first station says."""
        self.cabs: dict[str, Citizen] = {}
        """The drivers by their openid."""
        self.taken: set[str] = set()
        """Seats that somebody has asked for."""

    @property
    def merchant(self) -> str:
        """Who sells meals, jackets and seats."""
        return f"m{self.mark}"

    @property
    def east(self) -> str:
        """The station where rides begin."""
        return f"{self.mark}-east"

    @property
    def west(self) -> str:
        """The station where rides end."""
        return f"{self.mark}-west"

    @property
    def hall(self) -> str:
        """Where the show is."""
        return f"hall-{self.mark}"

    @property
    def seats(self) -> list[str]:
        """Those that nobody is known to have asked for."""
        names = [f"{chr(ord('A') + row)}{seat + 1}" for row in range(ROWS) for seat in range(SEATS_IN_ROW)]
        return [name for name in names if name not in self.taken]

    @property
    def drop(self) -> str:
        """What is given out to a few."""
        return f"tram-{self.mark}"

    @property
    def template(self) -> str:
        """By what the kitchen tells that a meal is ready."""
        return f"ready-{self.mark}"

    @property
    def board(self) -> str:
        """The season's board of Jump."""
        return f"{self.mark}-1"

    @property
    def cell(self) -> str:
        """The cell of the map where the taxis wait."""
        return f"{zlib.crc32(self.mark.encode()):08x}"[:5].replace("a", "g")

    def by(self, principal: str) -> Client:
        """Somebody with this role."""
        return self.connection.by(self.proof(principal))

    def citizen(self, name: str) -> Citizen:
        """Somebody who has not signed in yet."""
        return Citizen(self.connection, self.proof, f"{name} {self.mark}")

    async def open(self) -> None:
        """Open everything."""
        bike, merchant = self.by("server/bike"), self.by(f"merchant/{self.merchant}")
        for station, bikes in ((self.east, BIKES), (self.west, 0)):
            opening = {"name": station, "docks": DOCKS, "bikes": bikes}
            await called(bike, f"bike/stations/{station}", "bike.station.open", opening)
        mint = ways_pb2.MintCodeRequest(program="bike", page="pages/map/index", scene=self.east.encode())
        self.code = (await asked(bike, WaysServiceStub, "MintCode", mint)).text
        await self._open_shops(merchant)
        hall = {"title": "The evening's show", "rows": ROWS, "row_seats": SEATS_IN_ROW, "price_minor": SEAT_MINOR}
        owed_to = {"merchant": self.merchant, "currency": CURRENCY}
        await called(self.by("server/tickets"), f"tickets/halls/{self.hall}", "tickets.hall.open", hall | owed_to)
        drop = {"title": "A tin tram", "limit": self.drop_limit, "price_minor": ITEM_MINOR}
        await called(self.by("server/drops"), f"drops/drops/{self.drop}", "drops.drop.announce", drop | owed_to)
        draft = notify_pb2.DraftTemplateRequest(program="food", template=self.template, title="Your meal is ready")
        draft.fields.extend(TEMPLATE_FIELDS)
        await asked(self.by("server/food"), NotifyServiceStub, "DraftTemplate", draft)
        template = notify_pb2.TemplateRequest(program="food", template=self.template)
        await asked(self.by("operator/city"), NotifyServiceStub, "ApproveTemplate", template)

    async def _open_shops(self, merchant: Client) -> None:
        await called(merchant, f"food/menus/{self.merchant}", "food.menu.open", {"currency": CURRENCY})
        dish = {"dish": DISH, "price_minor": DISH_MINOR, "stock": STOCK}
        await called(merchant, f"food/menus/{self.merchant}", "food.menu.offer", dish)
        await called(merchant, f"food/kitchens/{self.merchant}", "food.kitchen.open", {"places": 200})
        style = {"title": "Rain jacket", "price_minor": JACKET_MINOR, "currency": CURRENCY}
        await called(merchant, f"wear/styles/{self.merchant}/{JACKET}", "wear.style.offer", style)
        await called(merchant, f"shop/skus/{self.merchant}/{JACKET}-M", "shop.sku.stock", {"units": STOCK})

    async def hail(self, name: str) -> None:
        """A driver signs in, and waits for a ride."""
        driver = self.citizen(name)
        await driver.sign_in()
        cab = await driver.at("taxi")
        self.cabs[cab.openid] = driver
        await cab.invoke(f"taxi/drivers/{cab.openid}", "taxi.stand", {"cell": self.cell})
