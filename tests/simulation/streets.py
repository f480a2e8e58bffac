"""What people do in the streets: bikes, seats, drops, taxis, meals, a store; and what must add up in the evening."""

from collections import Counter
from random import Random

import msgspec

from actors.programs.bike import program as bike
from actors.programs.drops import program as drops
from actors.programs.food import program as food
from actors.programs.store import program as store
from actors.programs.taxi import program as taxi
from actors.programs.tickets import program as tickets
from tests.simulation.broken import require
from tests.simulation.evening import Area, Asking, Evening
from tests.simulation.people import PERSONS, nothing_before

encode = msgspec.msgpack.Encoder().encode

# -- bikes --------------------------------------------------------------------------------------------------------

STATIONS = {"east": 5, "west": 2}
DOCKS = 6
RIDERS = tuple(f"r{n}" for n in range(10))


def open_stations(_: Random) -> list[Asking]:
    """Few bikes, and few docks."""
    return [Asking(f"bike.station/{at}", encode(bike.Open(at, DOCKS, bikes))) for at, bikes in STATIONS.items()]


def ride(chance: Random) -> Asking:
    """Hire a bike, or return it."""
    kind = chance.choice((bike.Hire, bike.Return))
    return Asking(f"bike.rider/{chance.choice(RIDERS)}", encode(kind(chance.choice(tuple(STATIONS)))))


def no_bike_is_lost(evening: Evening) -> None:
    """Every bike stands at a station or is ridden, and nobody waits for an answer."""
    stations, riders = evening.states(bike.STATION), evening.states(bike.RIDER)
    states = Counter(rider.state for rider in riders.values())
    require(set(states) <= {"idle", "riding"}, f"riders are {states}")
    there = sum(station.bikes for station in stations.values())
    opened = sum(STATIONS[name] for name in stations)
    require(there + states["riding"] == opened, f"{there} bikes stand there, riders are {states}")
    require(all(0 <= station.bikes <= DOCKS for station in stations.values()), f"the stations are {stations}")


BIKES = Area((bike.STATION, bike.RIDER), open_stations, ride, no_bike_is_lost, ("bike.station/east", "station"))

# -- seats --------------------------------------------------------------------------------------------------------

SEATS = tuple(f"{row}{n}" for row in "AB" for n in (1, 2, 3))


def open_hall(_: Random) -> list[Asking]:
    """Six seats."""
    return [Asking("tickets.hall/h", encode(tickets.Open("Tosca", "opera", 2, 3, 100, "CNY")))]


def go_out(chance: Random) -> Asking:
    """Hold seats, book or cancel."""
    at = f"tickets.order/{chance.choice(PERSONS)}/{chance.randrange(6)}"
    command = chance.choice((tickets.Book(), tickets.Cancel()))
    if chance.random() < 0.6:
        return Asking(at, encode(tickets.HoldSeats("h", tuple(chance.sample(SEATS, chance.randint(1, 2))))))
    return Asking(at, encode(command))


def no_seat_is_sold_twice(evening: Evening) -> None:
    """A seat is held or sold to one order, what is sold is booked and owed once, and nobody waits for an answer."""
    taken: dict[str, str] = {}
    sold: dict[str, tuple[str, ...]] = {}
    for event in evening.events(tickets.HALL).get("h", []):
        match event:
            case tickets.SeatsHeld(order, seats):
                require(not taken.keys() & set(seats), f"{order} holds {seats} beside {taken}")
                taken |= dict.fromkeys(seats, order)
            case tickets.SeatsFreed(order, seats):
                require(all(taken.pop(seat) == order for seat in seats), f"{order} gave {seats} back")
            case tickets.SeatsSold(order, seats):
                require(all(taken[seat] == order for seat in seats), f"{order} bought {seats} of {taken}")
                sold[order] = seats
            case _:
                pass
    orders = evening.states(tickets.ORDER)
    booked = {name: order.seats for name, order in orders.items() if order.state == "booked"}
    require(booked == sold, f"{booked} are booked, {sold} sold")
    waiting = {
        name: order.state for name, order in orders.items() if order.state in ("asking", "booking", "cancelling")
    }
    require(not waiting, f"orders wait: {waiting}")
    require(evening.owed(tickets.ORDER) == {name: [100 * len(seats)] for name, seats in sold.items()}, "owed seats")


EVENINGS = Area((tickets.HALL, tickets.ORDER), open_hall, go_out, no_seat_is_sold_twice, ("tickets.hall/h", "seats"))

# -- drops --------------------------------------------------------------------------------------------------------

LIMITS = {"tram": 2, "tower": 3}


def announce_drops(_: Random) -> list[Asking]:
    """Fewer than there are persons."""
    return [Asking(f"drops.drop/{name}", encode(drops.Announce(name, "m", n, 70, "CNY"))) for name, n in LIMITS.items()]


def collect(chance: Random) -> Asking:
    """Claim, or give away."""
    who, drop = f"drops.collector/{chance.choice(PERSONS)}", chance.choice(tuple(LIMITS))
    if chance.random() < 0.5:
        return Asking(who, encode(drops.Claim(drop)))
    return Asking(who, encode(drops.Give(f"{drop}/{chance.randint(1, LIMITS[drop])}", chance.choice(PERSONS))))


def no_more_than_the_limit(evening: Evening) -> None:
    """Numbers are given out once, up to the limit; each is on one shelf and was owed once."""
    issued: list[str] = []
    for drop, events in evening.events(drops.DROP).items():
        numbers = [event.number for event in events if isinstance(event, drops.Issued)]
        require(numbers == list(range(1, len(numbers) + 1)), f"{drop} gave out {numbers}")
        require(len(numbers) <= LIMITS[drop], f"{drop} gave out {len(numbers)} of {LIMITS[drop]}")
        issued += [f"{drop}/{number}" for number in numbers]
    collectors = evening.states(drops.COLLECTOR)
    shelves = sorted(item for collector in collectors.values() for item in collector.shelf)
    require(shelves == sorted(issued), f"{sorted(issued)} were given out, {shelves} are there")
    waiting = {who: one for who, one in collectors.items() if one.leaving or not all(one.claims.values())}
    require(not waiting, f"collectors wait: {waiting}")
    owed = sum(len(amounts) for amounts in evening.owed(drops.COLLECTOR).values())
    require(owed == len(issued), f"{len(issued)} were given out, {owed} are owed")


DROPS = Area(
    (drops.DROP, drops.COLLECTOR), announce_drops, collect, no_more_than_the_limit, ("drops.drop/tram", "drop")
)

# -- taxis --------------------------------------------------------------------------------------------------------

CELLS = ("ws0e3", "ws0e9")
STEPS: tuple[taxi.Step, ...] = ("arrive", "start", "end", "give_up")
BUSY = ("matched", "arrived", "riding")


def hail(chance: Random) -> Asking:
    """Ask for a taxi, or drive one."""
    draw = chance.random()
    if draw < 0.35:
        return Asking(f"taxi.driver/{chance.choice(PERSONS[:2])}", encode(taxi.Stand(chance.choice((*CELLS, "")))))
    if draw < 0.65:
        return Asking(f"taxi.driver/{chance.choice(PERSONS[:2])}", encode(taxi.Drive(chance.choice(STEPS))))
    at = f"taxi.ride/{chance.choice(PERSONS)}/{chance.randrange(8)}"
    return Asking(at, encode(taxi.Cancel() if chance.random() < 0.2 else taxi.Ask(chance.choice(CELLS))))


def one_ride_a_driver(evening: Evening) -> None:
    """Drivers and rides agree who has whom, a driver takes an offer only while free, and a ride is owed once."""
    drivers, rides = evening.states(taxi.DRIVER), evening.states(taxi.RIDE)
    busy = {name: driver.ride for name, driver in drivers.items() if driver.state == "busy"}
    going = {ride.driver: name for name, ride in rides.items() if ride.state in BUSY}
    require(busy == going, f"drivers have {busy}, rides {going}")
    require(sum(ride.state in BUSY for ride in rides.values()) == len(going), f"two rides have one driver: {rides}")
    for name, events in evening.events(taxi.DRIVER).items():
        free = True
        for event in events:
            require(free or not isinstance(event, taxi.OfferTaken), f"{name} took an offer while busy")
            free = (
                free if isinstance(event, taxi.Confirmed | taxi.StepRefused) else not isinstance(event, taxi.OfferTaken)
            )
    owed = evening.owed(taxi.RIDE)
    wanted = {name: [ride.owed_minor] for name, ride in rides.items() if ride.owed_minor}
    require(owed == wanted, f"{owed} is owed, the rides say {wanted}")


TAXIS = Area(
    (taxi.CELL, taxi.DRIVER, taxi.RIDE), nothing_before, hail, one_ride_a_driver, ("taxi.cell/ws0e3", "waiting")
)

# -- meals --------------------------------------------------------------------------------------------------------

DISH, PRICE, STOCK = "noodles", 18, 20
SAYS = (food.Confirm, food.Confirm, food.Cook, food.Finish, food.Decline)


def open_kitchen(_: Random) -> list[Asking]:
    """Two places in the kitchen."""
    menu = (food.OpenMenu("CNY"), food.Offer(DISH, PRICE, STOCK))
    kitchen = Asking("food.kitchen/m", encode(food.OpenKitchen(2)))
    return [*(Asking("food.menu/m", encode(command)) for command in menu), kitchen]


def eat(chance: Random) -> Asking:
    """Order, cook, pick up."""
    name = f"{chance.choice(PERSONS[:2])}/{chance.randrange(7)}"
    draw = chance.random()
    if draw < 0.4:
        return Asking(f"food.order/m/{name}", encode(food.Place((food.Wish(DISH, chance.randint(1, 3)),))))
    if draw < 0.55:
        return Asking(f"food.order/m/{name}", encode(chance.choice((food.Cancel(), food.Pick()))))
    return Asking("food.kitchen/m", encode(chance.choice(SAYS)(name)))


def no_dish_is_lost(evening: Evening) -> None:
    """What is not on the menu is in orders, the kitchen has what is confirmed, and what was cooked is owed once."""
    orders = evening.states(food.ORDER)
    ordered = sum(food.total_of(order.lines) // PRICE for order in orders.values() if order.state != "cancelled")
    menu, kitchen = evening.states(food.MENU).get("m"), evening.states(food.KITCHEN).get("m")
    left = menu.dishes[DISH].stock if menu is not None and menu.dishes else STOCK
    require(left >= 0 and left + ordered == STOCK, f"{left} dishes are left, {ordered} ordered")
    in_hand = {f"m/{name}" for name in (kitchen.orders if kitchen is not None else ())}
    cooking = {name for name, order in orders.items() if order.state in ("confirmed", "cooking")}
    require(in_hand == cooking, f"the kitchen has {in_hand}, and {cooking} are to be there")
    cooked = ("cooking", "ready", "picked")
    owed = {name: [food.total_of(order.lines)] for name, order in orders.items() if order.state in cooked}
    require(evening.owed(food.ORDER) == owed, f"{owed} should be owed")


MEALS = Area((food.MENU, food.KITCHEN, food.ORDER), open_kitchen, eat, no_dish_is_lost, ("food.menu/m", "menu"))

# -- a store without staff ----------------------------------------------------------------------------------------

SHELVES = {"mug": 12, "lamp": 4}
PLACES = 2


def open_store(_: Random) -> list[Asking]:
    """Room for two."""
    shelves = [Asking(f"store.shelf/s/{item}", encode(store.Fill(50, units))) for item, units in SHELVES.items()]
    return [Asking("store.door/s", encode(store.Open(PLACES, "CNY"))), *shelves]


def shop_around(chance: Random) -> Asking:
    """Come in, take, put back, leave."""
    item, units = chance.choice(tuple(SHELVES)), chance.randint(1, 3)
    chosen = chance.choices(
        (store.Enter(), store.Take(item, units), store.PutBack(item, 1), store.Leave()), (3, 4, 2, 2)
    )
    return Asking(f"store.basket/s/{chance.choice(PERSONS[:3])}", encode(chosen[0]))


def no_article_is_lost(evening: Evening) -> None:
    """What is not on the shelves is in baskets or was carried out, and that is owed."""
    shelves, baskets = evening.states(store.SHELF), evening.states(store.BASKET)
    there = sum(shelf.units for shelf in shelves.values())
    carried = sum(line.units for basket in baskets.values() for line in basket.lines.values())
    owed = sum(sum(amounts) for amounts in evening.owed(store.BASKET).values())
    stocked = sum(SHELVES[name.partition("/")[2]] for name in shelves)
    require(there + carried + owed // 50 == stocked, f"{there} on shelves, {carried} in baskets, {owed} owed")
    inside = {name.partition("/")[2] for name, basket in baskets.items() if basket.visit}
    doors = evening.states(store.DOOR).values()
    let_in = {person for door in doors for person in door.inside}
    require(inside == let_in and len(inside) <= PLACES, f"{inside} have baskets, {let_in} are inside")


STORES = Area(
    (store.DOOR, store.SHELF, store.BASKET), open_store, shop_around, no_article_is_lost, ("store.shelf/s/mug", "shelf")
)
