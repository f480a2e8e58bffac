"""A shop without staff: a door, shelves, and one basket for each person inside, all under the store's routing key.

Coming in, taking, putting back and leaving are one record each: the door, the basket and the shelf agree or nothing
happens. Leaving states what is owed, once: the sum of what is in the basket, at the prices it was taken at.
"""

from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors import Context, Decision, Entity, Owed, Ref, Reject, Role, Send, accept

ITEMS_MAX = 200  # different items in one basket
PLACES_MAX = 500  # people inside at a time

Item: TypeAlias = Annotated[str, Meta(min_length=1, max_length=48, pattern="^[^/]+$")]
Units: TypeAlias = Annotated[int, Meta(ge=1, le=1_000)]
Stock: TypeAlias = Annotated[int, Meta(ge=0, le=10**6)]
Minor: TypeAlias = Annotated[int, Meta(ge=1, le=10**9)]
Currency: TypeAlias = Annotated[str, Meta(pattern="^[A-Z]{3}$")]


def store_of(entity_id: str) -> str:
    return entity_id.partition("/")[0]


def person_of(basket_id: str) -> str:
    return basket_id.partition("/")[2]


def _only_from(kind: str, ctx: Context) -> str:
    """What the sender is called within this store. Rejects what no entity of that kind and this store has sent."""
    prefix = f"{kind}/{store_of(ctx.entity_id)}/"
    if not ctx.sender.startswith(prefix):
        raise Reject("not_for_clients")
    return ctx.sender.removeprefix(prefix)


# -- the door ---------------------------------------------------------------------------------------------------------


class Open(Struct, frozen=True, tag="store.door.open"):
    """Open the store, or say anew how many may be inside. None closes it; who is inside may still leave."""

    places: Annotated[int, Meta(ge=0, le=PLACES_MAX)]
    currency: Currency


class Admit(Struct, frozen=True, tag="store.door.admit"):
    """A person's: let me in."""


class Release(Struct, frozen=True, tag="store.door.release"):
    """A person's: let me out."""


class Opened(Struct, frozen=True, tag="store.door.opened"):
    places: int
    currency: str


class Admitted(Struct, frozen=True, tag="store.door.admitted"):
    person: str
    at_ms: int


class Released(Struct, frozen=True, tag="store.door.released"):
    person: str


class Door(Struct, frozen=True):
    """`inside` is since when each person has been inside."""

    places: int = 0
    currency: str = ""
    inside: dict[str, int] = {}


DoorCommand: TypeAlias = Open | Admit | Release
DoorEvent: TypeAlias = Opened | Admitted | Released


def decide_door(door: Door, command: DoorCommand, ctx: Context) -> Decision[DoorEvent]:
    match command:
        case Open(places, currency):
            if "/" in ctx.entity_id:
                raise Reject("not_a_store")  # its baskets would be those of the store before the slash
            if door.currency not in ("", currency):
                raise Reject("currency_is_fixed", currency=door.currency)
            return accept(Opened(places, currency), reply={"places": places, "inside": len(door.inside)})
        case Admit():
            person = _only_from("store.basket", ctx)
            if person in door.inside:
                raise Reject("already_inside")
            if len(door.inside) >= door.places:
                raise Reject("full" if door.places else "closed", places=str(door.places))
            basket: Ref[BasketCommand] = Ref("store.basket", f"{ctx.entity_id}/{person}")
            return accept(Admitted(person, ctx.now_ms), actions=(Send(basket, Begin(door.currency)),))
        case Release():
            person = _only_from("store.basket", ctx)
            if person not in door.inside:
                raise Reject("not_inside")
            return accept(Released(person))
        case _:
            assert_never(command)


def evolve_door(door: Door, event: DoorEvent) -> Door:
    match event:
        case Opened(places, currency):
            return replace(door, places=places, currency=currency)
        case Admitted(person, at_ms):
            return replace(door, inside={**door.inside, person: at_ms})
        case Released(person):
            return replace(door, inside={who: since for who, since in door.inside.items() if who != person})
        case _:
            assert_never(event)


# -- a shelf ----------------------------------------------------------------------------------------------------------


class Fill(Struct, frozen=True, tag="store.shelf.fill"):
    """What lies there now, as it was counted, and what one of it costs. Baskets keep the price they took it at."""

    price_minor: Minor
    units: Stock


class Lend(Struct, frozen=True, tag="store.shelf.lend"):
    units: Units


class Receive(Struct, frozen=True, tag="store.shelf.receive"):
    units: Units


class Filled(Struct, frozen=True, tag="store.shelf.filled"):
    price_minor: int
    units: int


class Shelf(Struct, frozen=True):
    price_minor: int = 0
    units: int = 0


ShelfCommand: TypeAlias = Fill | Lend | Receive


def decide_shelf(shelf: Shelf, command: ShelfCommand, ctx: Context) -> Decision[Filled]:
    store, _, item = ctx.entity_id.partition("/")
    match command:
        case Fill(price_minor, units):
            if not item or "/" in item:
                raise Reject("not_a_shelf")  # no basket could name it
            return accept(Filled(price_minor, units), reply={"units": units})
        case Lend(units):
            basket: Ref[BasketCommand] = Ref("store.basket", f"{store}/{_only_from('store.basket', ctx)}")
            if shelf.units < units:
                raise Reject("sold_out", item=item, units=str(shelf.units))
            laid = Lay(item, units, shelf.price_minor)
            return accept(Filled(shelf.price_minor, shelf.units - units), actions=(Send(basket, laid),))
        case Receive(units):
            _only_from("store.basket", ctx)
            return accept(Filled(shelf.price_minor, shelf.units + units))
        case _:
            assert_never(command)


# -- a person's basket ------------------------------------------------------------------------------------------------


class Enter(Struct, frozen=True, tag="store.enter"):
    pass


class Take(Struct, frozen=True, tag="store.take"):
    item: Item
    units: Units


class PutBack(Struct, frozen=True, tag="store.put-back"):
    item: Item
    units: Units


class Leave(Struct, frozen=True, tag="store.leave"):
    pass


class Begin(Struct, frozen=True, tag="store.begin"):
    """The door's: come in."""

    currency: str


class Lay(Struct, frozen=True, tag="store.lay"):
    """The shelf's: here it is."""

    item: str
    units: int
    price_minor: int


class Entered(Struct, frozen=True, tag="store.entered"):
    visit: str
    currency: str


class ItemTaken(Struct, frozen=True, tag="store.item-taken"):
    item: str
    units: int
    price_minor: int


class ItemPutBack(Struct, frozen=True, tag="store.item-put-back"):
    item: str
    units: int


class Left(Struct, frozen=True, tag="store.left"):
    visit: str


class BasketOwed(Owed, frozen=True, kw_only=True, tag="store.basket-owed"):
    pass


class Line(Struct, frozen=True):
    units: int
    price_minor: int


class Basket(Struct, frozen=True):
    """`visit` is empty while its person is outside."""

    visit: str = ""
    currency: str = ""
    lines: dict[str, Line] = {}


BasketCommand: TypeAlias = Enter | Take | PutBack | Leave | Begin | Lay
BasketEvent: TypeAlias = Entered | ItemTaken | ItemPutBack | Left | BasketOwed


def decide_basket(basket: Basket, command: BasketCommand, ctx: Context) -> Decision[BasketEvent]:
    store, _, person = ctx.entity_id.partition("/")
    match command:
        case Enter():
            if not person:
                raise Reject("not_a_basket")
            return accept(actions=(Send(DOOR.at(store), Admit()),))  # who is inside already is the door's to say
        case Begin(currency):
            ctx.only_from("store.door", store)
            visit = ctx.id()
            return accept(Entered(visit, currency), reply={"visit": visit, "currency": currency})
        case Lay(item, units, price_minor):
            ctx.only_from("store.shelf", f"{store}/{item}")
            return _laid(basket, item, units, price_minor)
        case Take() | PutBack() | Leave():
            if not basket.visit:
                raise Reject("not_inside")
            return _leave(basket, store) if isinstance(command, Leave) else _handle(basket, command, store)
        case _:
            assert_never(command)


def _handle(basket: Basket, command: Take | PutBack, store: str) -> Decision[BasketEvent]:
    item, units = command.item, command.units
    shelf: Ref[ShelfCommand] = SHELF.at(f"{store}/{item}")
    line = basket.lines.get(item)
    if isinstance(command, Take):
        if line is None and len(basket.lines) >= ITEMS_MAX:
            raise Reject("too_many_items", items_max=str(ITEMS_MAX))
        return accept(actions=(Send(shelf, Lend(units)),))
    if line is None or line.units < units:
        raise Reject("not_in_basket", units=str(line.units if line else 0))
    left = _sum(basket) - units * line.price_minor
    return accept(ItemPutBack(item, units), reply={"sum_minor": left}, actions=(Send(shelf, Receive(units)),))


def _laid(basket: Basket, item: str, units: int, price_minor: int) -> Decision[BasketEvent]:
    line = basket.lines.get(item)
    price_minor = (
        line.price_minor if line else price_minor
    )  # one price an item and visit, also when it changes meanwhile
    return accept(ItemTaken(item, units, price_minor), reply={"sum_minor": _sum(basket) + units * price_minor})


def _leave(basket: Basket, store: str) -> Decision[BasketEvent]:
    amount, visit, currency = _sum(basket), basket.visit, basket.currency
    owed = BasketOwed(amount_minor=amount, currency=currency, to=store, what_for="basket", reference=visit)
    events: tuple[BasketEvent, ...] = (Left(visit), owed) if amount else (Left(visit),)
    reply = {"visit": visit, "owed_minor": amount, "currency": currency}
    return accept(*events, reply=reply, actions=(Send(DOOR.at(store), Release()),))


def _sum(basket: Basket) -> int:
    return sum(line.units * line.price_minor for line in basket.lines.values())


def evolve_basket(basket: Basket, event: BasketEvent) -> Basket:
    match event:
        case Entered(visit, currency):
            return Basket(visit, currency)
        case ItemTaken(item, units, price_minor):
            held = basket.lines[item].units if item in basket.lines else 0
            return replace(basket, lines={**basket.lines, item: Line(held + units, price_minor)})
        case ItemPutBack(item, units):
            line = basket.lines[item]
            lines = {**basket.lines, item: Line(line.units - units, line.price_minor)}
            return replace(basket, lines={name: line for name, line in lines.items() if line.units})
        case Left():
            return Basket()
        case BasketOwed():
            return basket
        case _:
            assert_never(event)


STAFF = (Role.MERCHANT, Role.SERVER)
EVERYBODY = (Role.PERSON, *STAFF)
DOOR = Entity(
    "store.door",
    Door(),
    DoorCommand,
    DoorEvent,
    decide_door,
    evolve_door,
    views={"door": lambda door, _: {"places": door.places, "currency": door.currency, "inside": len(door.inside)}},
    routing=store_of,
    access={"store.door.open": STAFF, "door": EVERYBODY},
    owner={Role.MERCHANT: store_of},
)
SHELF = Entity(
    "store.shelf",
    Shelf(),
    ShelfCommand,
    Filled,
    decide_shelf,
    lambda _, event: Shelf(event.price_minor, event.units),
    views={"shelf": lambda shelf, _: shelf},
    routing=store_of,
    collection="shelves",
    access={"store.shelf.fill": STAFF, "shelf": EVERYBODY},
    owner={Role.MERCHANT: store_of},
)
BASKET = Entity(
    "store.basket",
    Basket(),
    BasketCommand,
    BasketEvent,
    decide_basket,
    evolve_basket,
    views={"basket": lambda basket, _: {"visit": basket.visit, "lines": basket.lines, "sum_minor": _sum(basket)}},
    routing=store_of,
    access=dict.fromkeys(("store.enter", "store.take", "store.put-back", "store.leave", "basket"), (Role.PERSON,)),
    owner={Role.PERSON: person_of},
)
ENTITIES = (DOOR, SHELF, BASKET)
