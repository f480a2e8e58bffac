"""A shop: its lines, the stock of each article, and what each customer holds, all under the merchant's routing key.

A line is one record: sold by the shop, noted by its customer and taken off the shelf, or nothing of it. An ordinary
sale is three decisions. A line that breaks a rule of the shop is an event too; only an empty shelf rejects.
"""

from typing import Annotated, Any, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors import Context, Decision, Entity, Ref, Reject, Role, Send, accept

ARTICLES_MAX = 4_000  # different articles that one customer holds at a time

Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=48)]
Units: TypeAlias = Annotated[int, Meta(ge=-(10**7), le=10**7)]
Pence: TypeAlias = Annotated[int, Meta(ge=-(10**9), le=10**9)]
Stock: TypeAlias = Annotated[int, Meta(ge=0, le=10**12)]


class Line(Struct, frozen=True):
    order: Name
    sku: Name
    customer: Name
    quantity: Units
    price_pence: Pence


class Buy(Line, frozen=True, tag="shop.buy"):
    pass


class Return(Line, frozen=True, tag="shop.return"):
    pass


class Judge(Line, frozen=True, tag="shop.judge"):
    """A customer's answer to a line that is to be returned: whether it can be (`reason` is empty), or why not."""

    reason: str


class Welcome(Struct, frozen=True, tag="shop.welcome"):
    """A customer says that this is the first line it has here."""


class LineSold(Line, frozen=True, tag="shop.line-sold"):
    pass


class LineReturned(Line, frozen=True, tag="shop.line-returned"):
    pass


class LineRefused(Line, frozen=True, tag="shop.line-refused"):
    reason: str


class CustomerWelcomed(Struct, frozen=True, tag="shop.customer-welcomed"):
    pass


class Shop(Struct, frozen=True, array_like=True):
    lines_sold: int = 0
    lines_returned: int = 0
    lines_refused: dict[str, int] = {}
    units_sold: int = 0
    units_returned: int = 0
    revenue_pence: int = 0
    customers: int = 0


ShopCommand: TypeAlias = Buy | Return | Judge | Welcome
ShopEvent: TypeAlias = LineSold | LineReturned | LineRefused | CustomerWelcomed


def decide(_: Shop, command: ShopCommand, ctx: Context) -> Decision[ShopEvent]:
    match command:
        case Buy() | Return():
            if "/" in ctx.entity_id:
                raise Reject("not_a_shop")  # its customers would be those of the merchant before the slash
            return _line(command, ctx.entity_id)
        case Judge():
            _only_from("shop.customer", ctx)
            return _judged(command, ctx.entity_id)
        case Welcome():
            _only_from("shop.customer", ctx)
            return accept(CustomerWelcomed())
        case _:
            assert_never(command)


def _line(line: Buy | Return, merchant: str) -> Decision[ShopEvent]:
    order, sku, who, quantity, price_pence = line.order, line.sku, line.customer, line.quantity, line.price_pence
    customer: Ref[CustomerCommand] = Ref("shop.customer", f"{merchant}/{who}")
    if price_pence <= 0 or quantity <= 0:
        reason = "price_not_positive" if price_pence <= 0 else "quantity_not_positive"
        refused = LineRefused(order, sku, who, quantity, price_pence, reason)
        return accept(refused, reply={"outcome": reason}, actions=(Send(customer, Come()),))
    if isinstance(line, Return):
        return accept(actions=(Send(customer, GiveBack(order, sku, who, quantity, price_pence)),))
    shelf: Ref[SkuCommand] = Ref("shop.sku", f"{merchant}/{sku}")
    sends = (Send(customer, Take(sku, quantity)), Send(shelf, Move(-quantity)))
    return accept(LineSold(order, sku, who, quantity, price_pence), reply={"outcome": "sold"}, actions=sends)


def _judged(line: Judge, merchant: str) -> Decision[ShopEvent]:
    parts = (line.order, line.sku, line.customer, line.quantity, line.price_pence)
    if line.reason:
        return accept(LineRefused(*parts, line.reason), reply={"outcome": line.reason})
    shelf: Ref[SkuCommand] = Ref("shop.sku", f"{merchant}/{line.sku}")
    return accept(LineReturned(*parts), reply={"outcome": "returned"}, actions=(Send(shelf, Move(line.quantity)),))


def reaches(_: Shop, command: ShopCommand, merchant: str) -> tuple[Ref[Any], ...]:
    """The customer and the shelf of a line, but not what else a customer's answer leads to."""
    if not isinstance(command, Buy | Return):
        return ()
    return Ref("shop.customer", f"{merchant}/{command.customer}"), Ref("shop.sku", f"{merchant}/{command.sku}")


def evolve(shop: Shop, event: ShopEvent) -> Shop:
    match event:
        case LineSold():
            return replace(
                shop,
                lines_sold=shop.lines_sold + 1,
                units_sold=shop.units_sold + event.quantity,
                revenue_pence=shop.revenue_pence + event.quantity * event.price_pence,
            )
        case LineReturned():
            return replace(
                shop,
                lines_returned=shop.lines_returned + 1,
                units_returned=shop.units_returned + event.quantity,
                revenue_pence=shop.revenue_pence - event.quantity * event.price_pence,
            )
        case LineRefused():
            lines = shop.lines_refused.get(event.reason, 0) + 1
            return replace(shop, lines_refused={**shop.lines_refused, event.reason: lines})
        case CustomerWelcomed():
            return replace(shop, customers=shop.customers + 1)
        case _:
            assert_never(event)


def totals(shop: Shop, _: object) -> object:
    return {name: getattr(shop, name) for name in shop.__struct_fields__}


# -- a customer of one shop -------------------------------------------------------------------------------------------


class Take(Struct, frozen=True, tag="shop.customer.take"):
    sku: Name
    quantity: Units


class GiveBack(Line, frozen=True, tag="shop.customer.give-back"):
    pass


class Come(Struct, frozen=True, tag="shop.customer.come"):
    pass


class Held(Struct, frozen=True, tag="shop.customer.held"):
    sku: str
    units: int


class Came(Struct, frozen=True, tag="shop.customer.came"):
    pass


class Customer(Struct, frozen=True, array_like=True):
    came: bool = False
    units: dict[str, int] = {}


CustomerCommand: TypeAlias = Take | GiveBack | Come
CustomerEvent: TypeAlias = Held | Came


def decide_customer(customer: Customer, command: CustomerCommand, ctx: Context) -> Decision[CustomerEvent]:
    shop = _only_from("shop", ctx)
    welcome = () if customer.came else (Send(shop, Welcome()),)
    match command:
        case Take():
            held = customer.units.get(command.sku, 0)
            if not held and len(customer.units) >= ARTICLES_MAX:
                raise Reject("too_many_articles", articles_max=str(ARTICLES_MAX))
            return accept(Held(command.sku, held + command.quantity), actions=welcome)
        case GiveBack(order, sku, who, quantity, price_pence):
            left = customer.units.get(sku, 0) - quantity
            reason = "nothing_to_return" if left < 0 else ""
            answer = (*welcome, Send(shop, Judge(order, sku, who, quantity, price_pence, reason)))
            return accept(Came() if reason else Held(sku, left), actions=answer)
        case Come():
            return accept() if customer.came else accept(Came(), actions=welcome)
        case _:
            assert_never(command)


def evolve_customer(customer: Customer, event: CustomerEvent) -> Customer:
    if isinstance(event, Came):
        return replace(customer, came=True)
    units = {**customer.units, event.sku: event.units}
    if not event.units:
        del units[event.sku]
    return Customer(True, units)


# -- the shelf of one article -----------------------------------------------------------------------------------------


class SetStock(Struct, frozen=True, tag="shop.sku.stock"):
    units: Stock


class Move(Struct, frozen=True, tag="shop.sku.move"):
    """The shop takes from the shelf (`units` below zero) or puts back."""

    units: Units


class Stocked(Struct, frozen=True, tag="shop.sku.stocked"):
    units: int


class Sku(Struct, frozen=True, array_like=True):
    units: int = 0


SkuCommand: TypeAlias = SetStock | Move


def decide_sku(sku: Sku, command: SkuCommand, ctx: Context) -> Decision[Stocked]:
    if isinstance(command, SetStock):
        return accept(Stocked(command.units), reply={"units": command.units})
    _only_from("shop", ctx)
    left = sku.units + command.units
    if left < 0:
        raise Reject("out_of_stock", sku=ctx.entity_id.partition("/")[2], units=str(sku.units))
    return accept(Stocked(left))


def merchant_of(entity_id: str) -> str:
    return entity_id.partition("/")[0]


def _only_from(kind: str, ctx: Context) -> Ref[ShopCommand]:
    """The shop of this merchant. Rejects what neither it nor one of its customers has sent: clients do not say this."""
    merchant = merchant_of(ctx.entity_id)
    if not f"{ctx.sender}/".startswith(f"{kind}/{merchant}/"):
        raise Reject("not_for_clients")
    return Ref("shop", merchant)


AT_THE_TILL = (Role.MERCHANT, Role.SERVER)
ITS_MERCHANTS = {Role.MERCHANT: merchant_of}
SHOP = Entity(
    "shop",
    Shop(),
    ShopCommand,
    ShopEvent,
    decide,
    evolve,
    views={"totals": totals},
    routing=merchant_of,
    access=dict.fromkeys(("shop.buy", "shop.return", "totals"), AT_THE_TILL),
    owner=ITS_MERCHANTS,
    takes_from=("wear",),
    reaches=reaches,
)
CUSTOMER = Entity(
    "shop.customer",
    Customer(),
    CustomerCommand,
    CustomerEvent,
    decide_customer,
    evolve_customer,
    views={"articles": lambda customer, _: customer.units},
    routing=merchant_of,
    access={"articles": AT_THE_TILL},
    owner=ITS_MERCHANTS,
    state_bytes_max=1 << 20,
)
SKU = Entity(
    "shop.sku",
    Sku(),
    SkuCommand,
    Stocked,
    decide_sku,
    lambda _, event: Sku(event.units),
    views={"stock": lambda sku, _: {"units": sku.units}},
    routing=merchant_of,
    access={"shop.sku.stock": AT_THE_TILL, "stock": (*AT_THE_TILL, Role.PERSON)},
    owner=ITS_MERCHANTS,
)
ENTITIES = (SHOP, CUSTOMER, SKU)
