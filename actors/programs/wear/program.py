"""A clothing shop: styles in sizes, and orders whose garments may be exchanged or returned for fourteen days.

Shelves and lines are those of the program `shop`: a garment in a size is one of its articles, `<style>-<size>`, and all
is routed by the merchant's id, as there. So an order, an exchange and a return are one record each, with the shop's
lines and stock in it, all or nothing: whoever finds an empty shelf has changed nothing.
"""

from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors import Context, Decision, Entity, Owed, Ref, Reject, Role, Send, accept

RETURN_MS = 14 * 24 * 3_600_000
PART_CHARS_MAX = 40  # of a person and of an order's number: the shop takes names of 48

Size: TypeAlias = Annotated[str, Meta(pattern="^(XS|S|M|L|XL|XXL)$")]
StyleName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=40, pattern="^[^/]+$")]
Title: TypeAlias = Annotated[str, Meta(max_length=200)]
Units: TypeAlias = Annotated[int, Meta(ge=1, le=100)]
Minor: TypeAlias = Annotated[int, Meta(ge=1, le=10**7)]
Currency: TypeAlias = Annotated[str, Meta(pattern="^[A-Z]{3}$")]


class ShopLine(Struct, frozen=True):
    """A line as the program `shop` reads it."""

    order: str
    sku: str
    customer: str
    quantity: int
    price_pence: int


class ShopBuy(ShopLine, frozen=True, tag="shop.buy"):
    pass


class ShopReturn(ShopLine, frozen=True, tag="shop.return"):
    pass


# -- a style of garment -----------------------------------------------------------------------------------------------


class Offer(Struct, frozen=True, tag="wear.style.offer"):
    """Offer the style at this price from now on."""

    title: Title
    price_minor: Minor
    currency: Currency


class Quote(Struct, frozen=True, tag="wear.style.quote"):
    size: Size
    units: Units


class Offered(Struct, frozen=True, tag="wear.style.offered"):
    title: str
    price_minor: int
    currency: str


class Style(Struct, frozen=True):
    title: str = ""
    price_minor: int = 0
    currency: str = ""


StyleCommand: TypeAlias = Offer | Quote


def decide_style(style: Style, command: StyleCommand, ctx: Context) -> Decision[Offered]:
    match command:
        case Offer(title, price_minor, currency):
            if ctx.entity_id.count("/") != 1:
                raise Reject("not_a_style")  # it is <merchant>/<style>
            return accept(Offered(title, price_minor, currency))
        case Quote(size, units):
            order = ctx.only_from("wear.order")
            name = ctx.entity_id.partition("/")[2]
            if not style.price_minor:
                raise Reject("no_such_style", style=name)
            line = AddLine(name, size, units, style.title, style.price_minor, style.currency)
            return accept(actions=(Send(ORDER.at(order), line),))
        case _:
            assert_never(command)


# -- an order ---------------------------------------------------------------------------------------------------------


class Wanted(Struct, frozen=True):
    style: StyleName
    size: Size
    units: Units = 1


class Buy(Struct, frozen=True, tag="wear.buy"):
    garments: Annotated[tuple[Wanted, ...], Meta(min_length=1, max_length=20)]


class Exchange(Struct, frozen=True, tag="wear.exchange"):
    """Another size of the same style, at what was paid for it."""

    style: StyleName
    size: Size
    to_size: Size
    units: Units = 1


class Return(Struct, frozen=True, tag="wear.return"):
    style: StyleName
    size: Size
    units: Units = 1


class AddLine(Struct, frozen=True, tag="wear.add-line"):
    """The style's: this is what it costs."""

    style: str
    size: str
    units: int
    title: str
    price_minor: int
    currency: str


class OrderPlaced(Struct, frozen=True, tag="wear.order-placed"):
    at_ms: int


class GarmentBought(Struct, frozen=True, tag="wear.garment-bought"):
    sku: str
    units: int
    price_minor: int
    currency: str


class GarmentOwed(Owed, frozen=True, kw_only=True, tag="wear.garment-owed"):
    """These garments are the person's, and are to be paid."""


class GarmentExchanged(Struct, frozen=True, tag="wear.garment-exchanged"):
    sku: str
    to_sku: str
    units: int


class GarmentReturned(Struct, frozen=True, tag="wear.garment-returned"):
    """What was owed or paid for these is to be given back to the person."""

    sku: str
    units: int
    amount_minor: int
    currency: str


class Line(Struct, frozen=True):
    units: int
    price_minor: int
    currency: str


class Order(Struct, frozen=True):
    """`lines` are the garments that the person has of it, by article. `at_ms` is 0 until it is placed."""

    at_ms: int = 0
    lines: dict[str, Line] = {}


OrderCommand: TypeAlias = Buy | Exchange | Return | AddLine
OrderEvent: TypeAlias = OrderPlaced | GarmentBought | GarmentOwed | GarmentExchanged | GarmentReturned


def decide_order(order: Order, command: OrderCommand, ctx: Context) -> Decision[OrderEvent]:
    parts = ctx.entity_id.split("/")
    if len(parts) != 3 or max(len(part) for part in parts[1:]) > PART_CHARS_MAX:
        raise Reject("not_an_order")  # it is <merchant>/<person>/<number>
    match command:
        case Buy(garments):
            return _placed(order, garments, ctx)
        case AddLine():
            return _added(order, command, ctx)
        case Exchange(style, size, to_size, units):
            sku, to_sku = sku_of(style, size), sku_of(style, to_size)
            if sku == to_sku:
                raise Reject("same_size")
            line = _line(order, sku, units, ctx.now_ms)
            lines = (ShopReturn, sku), (ShopBuy, to_sku)
            sends = tuple(
                Send(_shop(ctx), kind(*_names(ctx, article), units, line.price_minor)) for kind, article in lines
            )
            return accept(GarmentExchanged(sku, to_sku, units), actions=sends)
        case Return(style, size, units):
            sku = sku_of(style, size)
            line = _line(order, sku, units, ctx.now_ms)
            back = GarmentReturned(sku, units, units * line.price_minor, line.currency)
            send = Send(_shop(ctx), ShopReturn(*_names(ctx, sku), units, line.price_minor))
            return accept(back, actions=(send,))
        case _:
            assert_never(command)


def _placed(order: Order, garments: tuple[Wanted, ...], ctx: Context) -> Decision[OrderEvent]:
    if order.at_ms:
        raise Reject("already_placed")
    skus = [sku_of(wanted.style, wanted.size) for wanted in garments]
    twice = [sku for place, sku in enumerate(skus) if sku in skus[:place]]
    if twice:
        raise Reject("garment_twice", sku=twice[0])
    merchant = merchant_of(ctx.entity_id)
    quotes = tuple(Send(STYLE.at(f"{merchant}/{one.style}"), Quote(one.size, one.units)) for one in garments)
    return accept(OrderPlaced(ctx.now_ms), actions=quotes)


def _added(order: Order, line: AddLine, ctx: Context) -> Decision[OrderEvent]:
    merchant = merchant_of(ctx.entity_id)
    ctx.only_from("wear.style", f"{merchant}/{line.style}")
    sku = sku_of(line.style, line.size)
    owed = GarmentOwed(
        amount_minor=line.units * line.price_minor,
        currency=line.currency,
        to=merchant,
        what_for=f"{line.units} × {line.title}, {line.size}",
        reference=f"{ctx.entity_id}/{sku}",
    )
    send = Send(_shop(ctx), ShopBuy(*_names(ctx, sku), line.units, line.price_minor))
    return accept(GarmentBought(sku, line.units, line.price_minor, line.currency), owed, actions=(send,))


def _line(order: Order, sku: str, units: int, now_ms: int) -> Line:
    """The line that something is to come back of."""
    line = order.lines.get(sku)
    if line is None or line.units < units:
        raise Reject("not_bought", sku=sku, units=str(line.units if line else 0))
    if now_ms >= order.at_ms + RETURN_MS:
        raise Reject("too_late", until_ms=str(order.at_ms + RETURN_MS))
    return line


def _shop(ctx: Context) -> "Ref[ShopBuy | ShopReturn]":
    return Ref("shop", merchant_of(ctx.entity_id))


def _names(ctx: Context, sku: str) -> tuple[str, str, str]:
    """Order, article and customer of a shop's line. The till's customers are others, whatever they are called."""
    _, person, number = ctx.entity_id.split("/")
    return number, sku, f"wear.{person}"


def evolve_order(order: Order, event: OrderEvent) -> Order:
    match event:
        case OrderPlaced(at_ms):
            return replace(order, at_ms=at_ms)
        case GarmentBought(sku, units, price_minor, currency):
            return replace(order, lines={**order.lines, sku: Line(units, price_minor, currency)})
        case GarmentOwed():
            return order
        case GarmentExchanged(sku, to_sku, units):
            lines = {**order.lines, to_sku: order.lines.get(to_sku, replace(order.lines[sku], units=0))}
            return replace(order, lines=_moved(_moved(lines, to_sku, units), sku, -units))
        case GarmentReturned(sku, units):
            return replace(order, lines=_moved(order.lines, sku, -units))
        case _:
            assert_never(event)


def _moved(lines: dict[str, Line], sku: str, units: int) -> dict[str, Line]:
    left = lines[sku].units + units
    moved = {**lines, sku: replace(lines[sku], units=left)}
    return {name: line for name, line in moved.items() if line.units}


def sku_of(style: str, size: str) -> str:
    return f"{style}-{size}"


def merchant_of(entity_id: str) -> str:
    return entity_id.partition("/")[0]


def person_of(order_id: str) -> str:
    return order_id.split("/")[1] if order_id.count("/") == 2 else ""


STAFF = (Role.MERCHANT, Role.SERVER)
STYLE = Entity(
    "wear.style",
    Style(),
    StyleCommand,
    Offered,
    decide_style,
    lambda _, event: Style(event.title, event.price_minor, event.currency),
    views={"style": lambda style, _: style},
    routing=merchant_of,
    access={"wear.style.offer": STAFF, "style": (Role.PERSON, *STAFF)},
    owner={Role.MERCHANT: merchant_of},
)
ORDER = Entity(
    "wear.order",
    Order(),
    OrderCommand,
    OrderEvent,
    decide_order,
    evolve_order,
    views={"order": lambda order, _: order},
    routing=merchant_of,
    access={
        **dict.fromkeys(("wear.buy", "wear.exchange", "wear.return"), (Role.PERSON,)),
        "order": (Role.PERSON, *STAFF),
    },
    owner={Role.PERSON: person_of, Role.MERCHANT: merchant_of},
)
ENTITIES = (STYLE, ORDER)
