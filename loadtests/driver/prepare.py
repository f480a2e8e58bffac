"""What must be there before anybody arrives: codes, templates, stations, shelves, all named by the run's mark."""

from collections.abc import Iterable, Sequence

from actors.errors import PlatformError, SetupError
from gateway.client import CallTuple, Client
from gateway.v1 import notify_pb2, ways_pb2
from gateway.v1.notify_pb2_grpc import NotifyServiceStub
from gateway.v1.ways_pb2_grpc import WaysServiceStub
from loadtests.journeys.buy import SKU
from loadtests.journeys.hire import STATIONS
from loadtests.journeys.steps import Town
from loadtests.journeys.ways import PAGES

STOCK = 10**12
DOCKS, BIKES = 1_000, 500
TEMPLATE_FIELDS = ("thing1", "time2")


async def founded(client: Client, mark: str) -> Town:
    """A town with a code and a template for each program. Raises what the platform refuses it with."""
    town = Town(mark)
    missing = set(PAGES) - set(await client.programs())
    if missing:
        raise SetupError(
            f"this platform lacks programs that journeys open: {', '.join(sorted(missing))}", reason="PROGRAMS"
        )
    for program, page in PAGES.items():
        mint = ways_pb2.MintCodeRequest(program=program, page=page, scene=mark.encode())
        mint.request_id = client.new_request_id()
        town.codes[program] = (await client.ask(WaysServiceStub, "MintCode", mint)).text
        draft = notify_pb2.DraftTemplateRequest(program=program, template=town.template, title="It waits for you")
        draft.fields.extend(TEMPLATE_FIELDS)
        draft.request_id = client.new_request_id()
        await client.ask(NotifyServiceStub, "DraftTemplate", draft)
        approve = notify_pb2.TemplateRequest(program=program, template=town.template)
        approve.request_id = client.new_request_id()
        await client.ask(NotifyServiceStub, "ApproveTemplate", approve)
    return town


def opening_calls(town: Town, merchants: Iterable[int], cities: Iterable[str]) -> list[CallTuple]:
    """What fills shelves and stations. Made twice it is as if it was made once."""
    stock: CallTuple
    calls: list[CallTuple] = []
    for merchant in merchants:
        stock = (f"programs/shop/skus/{town.mark}m{merchant}/{SKU}", "shop.sku.stock", {"units": STOCK})
        calls.append(stock)
    for city in cities:
        for n in range(STATIONS):
            name = f"{town.mark}-{city}-{n}"
            opening = {"name": name, "docks": DOCKS, "bikes": BIKES}
            calls.append((f"programs/bike/stations/{name}", "bike.station.open", opening))
    return calls


async def prepare(client: Client, calls: Sequence[CallTuple]) -> None:
    """Make these calls. Raises the first one's error."""
    for outcome in await client.invoke_many(calls):
        if isinstance(outcome, PlatformError):
            raise outcome
