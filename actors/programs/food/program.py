"""Food ordering: a merchant's menu with its stock, a kitchen with so many places, and orders, under one routing key.

An order takes its dishes off the menu in the record that makes it, and gives them back in the one that cancels it.
Nothing is owed before the kitchen begins to cook, and from then on an order cannot be cancelled: no debt is taken back.
"""

from typing import Annotated, Literal, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors import (
    CancelTimer,
    Context,
    Decision,
    Entity,
    Owed,
    Personal,
    Ref,
    Reject,
    Role,
    Send,
    SetTimer,
    Stage,
    accept,
    after,
)

DISHES_MAX, LINES_MAX = 500, 50  # on one menu, and of one order
PLACES_MAX = 200  # orders that one kitchen has in hand
ANSWER_MS = 10 * 60_000  # what a kitchen has not confirmed by then is cancelled
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=48)]
OrderName: TypeAlias = Annotated[str, Meta(max_length=120, pattern="^[^/]+/[^/]+$")]  # <person>/<order>
Minor: TypeAlias = Annotated[int, Meta(ge=1, le=10**9)]
Stock: TypeAlias = Annotated[int, Meta(ge=0, le=10**9)]
Currency: TypeAlias = Annotated[str, Meta(pattern="^[A-Z]{3}$")]
Contact: TypeAlias = Personal[Annotated[str, Meta(max_length=300)]] | None  # name, phone, where it is brought


class Wish(Struct, frozen=True):
    dish: Name
    count: Annotated[int, Meta(ge=1, le=1_000)]


Wishes: TypeAlias = Annotated[tuple[Wish, ...], Meta(min_length=1, max_length=LINES_MAX)]


class Line(Struct, frozen=True):
    dish: str
    count: int
    price_minor: int


def merchant_of(entity_id: str) -> str:
    return entity_id.partition("/")[0]


def person_of(order_id: str) -> str:
    return order_id.split("/")[1] if order_id.count("/") == 2 else ""


def _order(ctx: Context) -> "Ref[OrderCommand]":
    """The order of this merchant that sent this. Rejects what no such order has sent."""
    order_id = ctx.only_from("food.order")
    if not order_id.startswith(f"{ctx.entity_id}/"):
        raise Reject("not_for_clients")
    return Ref("food.order", order_id)


def _only_merchants(ctx: Context) -> None:
    if "/" in ctx.entity_id:
        raise Reject("not_a_merchant")  # its orders would be those of the merchant before the slash


# -- the menu ---------------------------------------------------------------------------------------------------------


class OpenMenu(Struct, frozen=True, tag="food.menu.open"):
    currency: Currency


class Offer(Struct, frozen=True, tag="food.menu.offer"):
    """Put the dish on the menu, or say anew what it costs and how many there are. Orders keep their prices."""

    dish: Name
    price_minor: Minor
    stock: Stock


class Withdraw(Struct, frozen=True, tag="food.menu.withdraw"):
    dish: Name


class Take(Struct, frozen=True, tag="food.menu.take"):
    """An order's: take these off."""

    wishes: Wishes


class PutBack(Struct, frozen=True, tag="food.menu.put-back"):
    """A cancelled order's: they are free again."""

    lines: tuple[Line, ...]


class MenuOpened(Struct, frozen=True, tag="food.menu.opened"):
    currency: str


class Offered(Struct, frozen=True, tag="food.menu.offered"):
    dish: str
    price_minor: int
    stock: int


class Withdrawn(Struct, frozen=True, tag="food.menu.withdrawn"):
    dish: str


class StockTaken(Struct, frozen=True, tag="food.menu.stock-taken"):
    lines: tuple[Line, ...]


class StockPutBack(Struct, frozen=True, tag="food.menu.stock-put-back"):
    lines: tuple[Line, ...]


class Dish(Struct, frozen=True):
    price_minor: int
    stock: int


class Menu(Struct, frozen=True):
    currency: str = ""
    dishes: dict[str, Dish] = {}


MenuCommand: TypeAlias = OpenMenu | Offer | Withdraw | Take | PutBack
MenuEvent: TypeAlias = MenuOpened | Offered | Withdrawn | StockTaken | StockPutBack


def decide_menu(menu: Menu, command: MenuCommand, ctx: Context) -> Decision[MenuEvent]:
    match command:
        case OpenMenu(currency):
            _only_merchants(ctx)
            if menu.currency not in ("", currency):
                raise Reject("currency_is_fixed", currency=menu.currency)
            return accept(MenuOpened(currency), reply={"currency": currency})
        case Offer(dish, price_minor, stock):
            if not menu.currency:
                raise Reject("not_open")
            if dish not in menu.dishes and len(menu.dishes) >= DISHES_MAX:
                raise Reject("too_many_dishes", dishes_max=str(DISHES_MAX))
            return accept(Offered(dish, price_minor, stock), reply={"dish": dish, "stock": stock})
        case Withdraw(dish):
            return accept(Withdrawn(dish)) if dish in menu.dishes else accept()
        case Take(wishes):
            order = _order(ctx)
            lines = tuple(_line(menu, wish) for wish in wishes)
            return accept(StockTaken(lines), actions=(Send(order, Create(lines, menu.currency)),))
        case PutBack(lines):
            _order(ctx)
            return accept(StockPutBack(lines))
        case _:
            assert_never(command)


def _line(menu: Menu, wish: Wish) -> Line:
    dish = menu.dishes.get(wish.dish)
    if dish is None:
        raise Reject("not_on_the_menu", dish=wish.dish)
    if dish.stock < wish.count:
        raise Reject("sold_out", dish=wish.dish, stock=str(dish.stock))
    return Line(wish.dish, wish.count, dish.price_minor)


def evolve_menu(menu: Menu, event: MenuEvent) -> Menu:
    match event:
        case MenuOpened(currency):
            return replace(menu, currency=currency)
        case Offered(dish, price_minor, stock):
            return replace(menu, dishes={**menu.dishes, dish: Dish(price_minor, stock)})
        case Withdrawn(dish):
            return replace(menu, dishes={name: kept for name, kept in menu.dishes.items() if name != dish})
        case StockTaken(lines):
            return _moved(menu, lines, -1)
        case StockPutBack(lines):
            return _moved(menu, lines, 1)
        case _:
            assert_never(event)


def _moved(menu: Menu, lines: tuple[Line, ...], sign: int) -> Menu:
    """The menu with these dishes taken off it or put back; one that was withdrawn meanwhile stays off."""
    dishes = dict(menu.dishes)
    for line in lines:
        if line.dish in dishes:
            dish = dishes[line.dish]
            dishes[line.dish] = replace(dish, stock=dish.stock + sign * line.count)
    return replace(menu, dishes=dishes)


# -- the kitchen ------------------------------------------------------------------------------------------------------


class OpenKitchen(Struct, frozen=True, tag="food.kitchen.open"):
    """Say how many orders the kitchen has in hand at a time. None closes it to new ones."""

    places: Annotated[int, Meta(ge=0, le=PLACES_MAX)]


class Ticket(Struct, frozen=True):
    """What the kitchen's staff says of one order."""

    order: OrderName


class Confirm(Ticket, frozen=True, tag="food.kitchen.confirm"):
    pass


class Decline(Ticket, frozen=True, tag="food.kitchen.decline"):
    pass


class Cook(Ticket, frozen=True, tag="food.kitchen.cook"):
    pass


class Finish(Ticket, frozen=True, tag="food.kitchen.finish"):
    pass


class Drop(Ticket, frozen=True, tag="food.kitchen.drop"):
    """An order's: it was cancelled after you confirmed it."""


class KitchenOpened(Struct, frozen=True, tag="food.kitchen.opened"):
    places: int


class OrderTaken(Struct, frozen=True, tag="food.kitchen.order-taken"):
    order: str


class OrderLeft(Struct, frozen=True, tag="food.kitchen.order-left"):
    order: str


class Kitchen(Struct, frozen=True):
    """`orders` are those in hand, confirmed or cooking, the oldest first."""

    places: int = 0
    orders: tuple[str, ...] = ()


KitchenCommand: TypeAlias = OpenKitchen | Confirm | Decline | Cook | Finish | Drop
KitchenEvent: TypeAlias = KitchenOpened | OrderTaken | OrderLeft


def decide_kitchen(kitchen: Kitchen, command: KitchenCommand, ctx: Context) -> Decision[KitchenEvent]:
    match command:
        case OpenKitchen(places):
            _only_merchants(ctx)
            return accept(KitchenOpened(places), reply={"places": places, "orders": len(kitchen.orders)})
        case Confirm(order):
            if len(kitchen.orders) >= kitchen.places:
                raise Reject("kitchen_full" if kitchen.places else "kitchen_closed", places=str(kitchen.places))
            return accept(OrderTaken(order), actions=_advance(order, "confirm", ctx))
        case Decline(order):
            return accept(actions=_advance(order, "decline", ctx))  # the order tells when it has to be dropped
        case Cook(order):
            return accept(actions=_advance(order, "cook", ctx))
        case Finish(order):
            return accept(OrderLeft(order), actions=_advance(order, "finish", ctx))
        case Drop(order):
            ctx.only_from("food.order", f"{ctx.entity_id}/{order}")
            return accept(OrderLeft(order))
        case _:
            assert_never(command)


def _advance(order: str, move: "Move", ctx: Context) -> tuple[Send["OrderCommand"]]:
    """Whether it can be is for the order to say, in the same record: its no undoes all of it."""
    ref: Ref[OrderCommand] = Ref("food.order", f"{ctx.entity_id}/{order}")
    return (Send(ref, Advance(move)),)


def evolve_kitchen(kitchen: Kitchen, event: KitchenEvent) -> Kitchen:
    match event:
        case KitchenOpened(places):
            return replace(kitchen, places=places)
        case OrderTaken(order):
            return replace(kitchen, orders=(*kitchen.orders, order))
        case OrderLeft(order):
            return replace(kitchen, orders=tuple(other for other in kitchen.orders if other != order))
        case _:
            assert_never(event)


# -- an order ---------------------------------------------------------------------------------------------------------

LIFE = {
    "none": Stage({"create": "created"}),
    "created": Stage({"confirm": "confirmed", "decline": "cancelled", "cancel": "cancelled", "lapse": "cancelled"}),
    "confirmed": Stage({"cook": "cooking", "decline": "cancelled", "cancel": "cancelled"}),
    "cooking": Stage({"finish": "ready"}),
    "ready": Stage({"pick": "picked"}),
    **dict.fromkeys(("picked", "cancelled"), Stage({}, terminal=True)),
}
Move: TypeAlias = Literal["confirm", "decline", "cook", "finish"]


class Place(Struct, frozen=True, tag="food.order.place"):
    """Who calls this is the order's customer; dishes and prices are those of the menu now."""

    lines: Wishes
    contact: Contact = None


class Cancel(Struct, frozen=True, tag="food.order.cancel"):
    pass


class Pick(Struct, frozen=True, tag="food.order.pick"):
    pass


class Create(Struct, frozen=True, tag="food.order.create"):
    """The menu's: these are yours, at these prices."""

    lines: tuple[Line, ...]
    currency: str


class Advance(Struct, frozen=True, tag="food.order.advance"):
    """The kitchen's."""

    move: Move


class Lapse(Struct, frozen=True, tag="food.order.lapse"):
    """The order's own, when the kitchen did not answer."""


class Created(Struct, frozen=True, tag="food.order.created"):
    customer: str
    lines: tuple[Line, ...]
    currency: str
    at_ms: int


class ContactTold(Struct, frozen=True, tag="food.order.contact-told"):
    contact: Contact


class Moved(Struct, frozen=True, tag="food.order.moved"):
    """The order has come to this state; `why` is the move that led there."""

    state: str
    why: str
    at_ms: int


class MealOwed(Owed, frozen=True, kw_only=True, tag="food.meal-owed"):
    customer: str


class Order(Struct, frozen=True):
    state: str = "none"
    customer: str = ""
    lines: tuple[Line, ...] = ()
    currency: str = ""
    moved_ms: int = 0
    contact: Contact = None


OrderCommand: TypeAlias = Place | Cancel | Pick | Create | Advance | Lapse
OrderEvent: TypeAlias = Created | ContactTold | Moved | MealOwed


def decide_order(order: Order, command: OrderCommand, ctx: Context) -> Decision[OrderEvent]:
    merchant, _, name = ctx.entity_id.partition("/")
    match command:
        case Place(lines, contact):
            if name.count("/") != 1:
                raise Reject("not_an_order")  # its kitchen could not name it
            after(LIFE, order.state, "create")
            if len(dict.fromkeys(wish.dish for wish in lines)) < len(lines):
                raise Reject("dish_twice")
            return accept(*([ContactTold(contact)] if contact else ()), actions=(Send(MENU.at(merchant), Take(lines)),))
        case Create(lines, currency):
            ctx.only_from("food.menu", merchant)
            created = Created(ctx.caller, lines, currency, ctx.now_ms)
            reply = {"state": "created", "total_minor": total_of(lines), "currency": currency}
            return accept(created, reply=reply, actions=(SetTimer("unanswered", ctx.now_ms + ANSWER_MS, Lapse()),))
        case Cancel() | Pick():
            if ctx.caller != order.customer or not order.customer:
                raise Reject("not_yours")
            return _move(order, "cancel" if isinstance(command, Cancel) else "pick", ctx)
        case Advance(move):
            ctx.only_from("food.kitchen", merchant)
            return _move(order, move, ctx)
        case Lapse():
            ctx.only_from("food.order", ctx.entity_id)
            return _move(order, "lapse", ctx)
        case _:
            assert_never(command)


def total_of(lines: tuple[Line, ...]) -> int:
    return sum(line.count * line.price_minor for line in lines)


def _move(order: Order, move: str, ctx: Context) -> Decision[OrderEvent]:
    merchant, _, name = ctx.entity_id.partition("/")
    state = after(LIFE, order.state, move)
    moved = Moved(state, move, ctx.now_ms)
    reply = {"state": state}
    if state == "cooking":
        owes, currency, by, reference = total_of(order.lines), order.currency, order.customer, ctx.entity_id
        owed = MealOwed(
            amount_minor=owes, currency=currency, to=merchant, what_for="meal", reference=reference, customer=by
        )
        return accept(moved, owed, reply=reply)
    answered = (CancelTimer("unanswered"),) if order.state == "created" else ()
    if state != "cancelled":
        return accept(moved, reply=reply, actions=answered)
    back = Send(MENU.at(merchant), PutBack(order.lines))
    drop = (Send(KITCHEN.at(merchant), Drop(name)),) if order.state == "confirmed" else ()
    return accept(moved, reply=reply, actions=(*answered, back, *drop))


def evolve_order(order: Order, event: OrderEvent) -> Order:
    match event:
        case Created(customer, lines, currency, at_ms):
            return Order("created", customer, lines, currency, at_ms, order.contact)
        case ContactTold(contact):
            return replace(order, contact=contact)
        case Moved(state, _, at_ms):
            return replace(order, state=state, moved_ms=at_ms, contact=None if LIFE[state].terminal else order.contact)
        case MealOwed():
            return order
        case _:
            assert_never(event)


def order_view(order: Order, _: object) -> object:
    """The order and what it comes to; who ordered is not for everybody, and the contact is opened for few."""
    shown = {"state": order.state, "lines": order.lines, "total_minor": total_of(order.lines)}
    return {**shown, "currency": order.currency, "contact": order.contact}


STAFF = (Role.MERCHANT, Role.SERVER)
EVERYBODY = (Role.PERSON, *STAFF)
MENU = Entity(
    "food.menu",
    Menu(),
    MenuCommand,
    MenuEvent,
    decide_menu,
    evolve_menu,
    views={"menu": lambda menu, _: menu},
    routing=merchant_of,
    access={**dict.fromkeys(("food.menu.open", "food.menu.offer", "food.menu.withdraw"), STAFF), "menu": EVERYBODY},
    owner={Role.MERCHANT: merchant_of},
)
KITCHEN = Entity(
    "food.kitchen",
    Kitchen(),
    KitchenCommand,
    KitchenEvent,
    decide_kitchen,
    evolve_kitchen,
    views={"kitchen": lambda kitchen, _: kitchen},
    routing=merchant_of,
    access={
        **dict.fromkeys([f"food.kitchen.{say}" for say in ("open", "confirm", "decline", "cook", "finish")], STAFF),
        "kitchen": STAFF,
    },
    owner={Role.MERCHANT: merchant_of},
)
ORDER = Entity(
    "food.order",
    Order(),
    OrderCommand,
    OrderEvent,
    decide_order,
    evolve_order,
    views={"order": order_view},
    routing=merchant_of,
    life={"order": LIFE},
    access={
        **dict.fromkeys(("food.order.place", "food.order.cancel", "food.order.pick"), (Role.PERSON,)),
        "order": EVERYBODY,
    },
    opens_to={"order": (Role.MERCHANT,)},
    owner={Role.PERSON: person_of, Role.MERCHANT: merchant_of},
)
ENTITIES = (MENU, KITCHEN, ORDER)
