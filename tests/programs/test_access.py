"""Who may use what of the programs that ship: every command and view of every kind, asked for by everybody.

The table says it once more, in other words than the programs do, so that it is changed on purpose only.
"""

from collections.abc import Mapping
from typing import NamedTuple

import pytest

from actors import Role
from actors.errors import PermissionDenied
from actors.principal import Principal
from actors.registry import load_programs, shipped_programs
from actors.settings import ClusterSettings, ProcessSettings
from actors.shape import structs_of, tag_of
from gateway.authority import check_entity_call
from gateway.routes import Routes
from gateway.sealing import Sealing

TABLE = """
bike.rider ann
    person                  bike.hire bike.return
    nobody                  bike.started bike.ended bike.refused
    person server           rider
bike.station 42
    server                  bike.station.open
    nobody                  bike.station.lend bike.station.take
    persons server          station
civic.card ann
    server                  civic.card.issue civic.card.revoke
    person                  civic.present civic.take-number card
    nobody                  civic.card.prove civic.card.given civic.card.none-left
civic.desk tax
    server                  civic.desk.open civic.desk.call-next
    nobody                  civic.desk.give
    persons server          desk
civic.presentation n1
    nobody                  civic.presentation.show civic.presentation.check civic.presentation.proved
civic.verifier m1
    merchant                civic.ask answer
    nobody                  civic.verifier.answer
drops.collector ann
    person                  drops.claim drops.give
    nobody                  drops.grant drops.refuse drops.receive drops.thank drops.take-back
    person server           shelf
drops.drop owl
    server                  drops.drop.announce
    nobody                  drops.drop.issue
    persons server          drop
food.kitchen m1
    merchant server         food.kitchen.open food.kitchen.confirm food.kitchen.decline
    merchant server         food.kitchen.cook food.kitchen.finish kitchen
    nobody                  food.kitchen.drop
food.menu m1
    merchant server         food.menu.open food.menu.offer food.menu.withdraw
    nobody                  food.menu.take food.menu.put-back
    persons merchant server menu
food.order m1/ann/1
    person                  food.order.place food.order.cancel food.order.pick
    nobody                  food.order.create food.order.advance food.order.lapse
    person merchant server  order
fortune.lot ann/2026-11-21
    person                  fortune.draw lot almanac
jump.board 2026w47-1024
    nobody                  jump.board.add
    persons server          top rank
jump.branch 2026w47-1024/0
    nobody                  jump.branch.add jump.branch.tell
jump.leaf 2026w47-1024/7
    nobody                  jump.leaf.count jump.leaf.tell jump.leaf.rise
jump.player ann/2026w47-1024
    person                  jump.start jump.finish
    person server           player
parking.gate a1/east
    server                  parking.gate.open parking.drive-on parking.drive-off
    nobody                  parking.gate.price
    persons server          gate
parking.lot p1
    server                  parking.lot.open parking.enter parking.exit
    persons server          lot
parking.stay p1/7
    nobody                  parking.stay.begin parking.stay.finish
    server                  stay
parking.trip a1/7
    nobody                  parking.trip.go-on parking.trip.go-off parking.trip.charge
    server                  trip
shop m1
    merchant server         shop.buy shop.return totals
    nobody                  shop.judge shop.welcome
shop.customer m1/c7
    nobody                  shop.customer.take shop.customer.give-back shop.customer.come
    merchant server         articles
shop.sku m1/tea
    merchant server         shop.sku.stock
    nobody                  shop.sku.move
    persons merchant server stock
store.basket m1/ann
    person                  store.enter store.take store.put-back store.leave basket
    nobody                  store.begin store.lay
store.door m1
    merchant server         store.door.open
    nobody                  store.door.admit store.door.release
    persons merchant server door
store.shelf m1/tea
    merchant server         store.shelf.fill
    nobody                  store.shelf.lend store.shelf.receive
    persons merchant server shelf
taxi.cell ws0e9
    nobody                  taxi.cell.wait taxi.cell.seek taxi.cell.leave taxi.cell.declined waiting
taxi.driver ann
    person                  taxi.stand taxi.drive driver
    nobody                  taxi.driver.offer taxi.driver.confirm taxi.driver.free taxi.driver.refused
taxi.ride ann/1
    person                  taxi.ask taxi.cancel
    nobody                  taxi.ride.take taxi.ride.tell taxi.ride.passed taxi.ride.late
    person server           ride
tickets.hall opera
    server                  tickets.hall.open
    nobody                  tickets.hall.reserve tickets.hall.sell tickets.hall.release tickets.hall.end-holds
    persons server          seats
tickets.order ann/1
    person                  tickets.hold tickets.book tickets.cancel
    nobody                  tickets.grant tickets.refuse tickets.confirm tickets.give-back
    person server           order
wear.order m1/ann/1
    person                  wear.buy wear.exchange wear.return
    nobody                  wear.add-line
    person merchant server  order
wear.style m1/coat
    merchant server         wear.style.offer
    nobody                  wear.style.quote
    persons merchant server style
"""
"""Of each kind one entity; below it who may ask it for what. `person` and `merchant` are those whose it is by its id,
ann and m1; `persons` are all of the program, `server` is the program's own. `nobody` is for what entities say to each
other. An operator may ask for anything."""

WHO: Mapping[str, tuple[Principal, ...]] = {
    "person": (Principal(Role.PERSON, "{program}", "ann"),),
    "persons": (Principal(Role.PERSON, "{program}", "ann"), Principal(Role.PERSON, "{program}", "bob")),
    "merchant": (Principal(Role.MERCHANT, "m1", ""),),
    "server": (Principal(Role.SERVER, "{program}", ""),),
    "nobody": (),
}
OPERATOR = Principal(Role.OPERATOR, "", "op")
STRANGERS = (
    *(Principal(Role.PERSON, "{program}", "bob"), Principal(Role.PERSON, "other", "ann")),
    *(Principal(Role.MERCHANT, "m2", ""), Principal(Role.MERCHANT, "ann", ""), Principal(Role.SERVER, "other", "")),
    *(Principal(Role.ACCOUNT, "", "ann"), Principal(Role.MEMBER, "{program}", "ann")),
    *(Principal(Role.CREDENTIAL, "server", "{program}"), Principal(Role.PLATFORM, "", "follower")),
)
"""Who else asks: those of the same role whose it is not, of other programs, and of roles that have no business here."""
PROGRAMS = load_programs(shipped_programs(), ())
SHIPPED = {kind: entity for kind, entity in PROGRAMS.entities.items() if entity.program}
ROUTES = Routes(PROGRAMS, ClusterSettings(), ProcessSettings(), Sealing(None))


class Row(NamedTuple):
    """One entity, and of each command and view the words that say who may ask for it."""

    id: str
    may: dict[str, tuple[str, ...]]


def rows() -> dict[str, Row]:
    """The table, by kind."""
    found: dict[str, Row] = {}
    for line in TABLE.strip().splitlines():
        if line.startswith(" "):
            words = line.split()
            who = tuple(word for word in words if word in WHO)
            list(found.values())[-1].may.update(dict.fromkeys(words[len(who) :], who))
        else:
            kind, id = line.split()
            found[kind] = Row(id, {})
    return found


ROWS = rows()


def test_the_table_has_every_command_and_every_view_of_every_program_that_ships() -> None:
    there = {
        kind: sorted([*map(tag_of, structs_of(entity.command)), *entity.views]) for kind, entity in SHIPPED.items()
    }
    assert {kind: sorted(row.may) for kind, row in ROWS.items()} == there


def test_everybody_asks() -> None:
    asking = {who.role for some in WHO.values() for who in some} | {who.role for who in (OPERATOR, *STRANGERS)}
    assert asking == set(Role)


@pytest.mark.parametrize("kind", sorted(SHIPPED))
def test_a_command_or_view_is_for_those_whom_the_table_names_and_for_nobody_else(kind: str) -> None:
    id, may = ROWS[kind]
    everybody = {_of(who, kind) for who in (OPERATOR, *STRANGERS, *(who for some in WHO.values() for who in some))}
    for what, words in may.items():
        allowed = {_of(who, kind) for word in words for who in WHO[word]} | {OPERATOR}
        assert {who for who in everybody if _is_let_in(who, f"{kind}/{id}", what)} == allowed, what


def _of(who: Principal, kind: str) -> Principal:
    """The same, of the program that this kind is of."""
    program = SHIPPED[kind].program
    return who._replace(tenant=who.tenant.format(program=program), subject=who.subject.format(program=program))


def _is_let_in(who: Principal, entity: str, what: str) -> bool:
    try:
        check_entity_call(who, ROUTES, PROGRAMS.name_of(entity), what)
    except PermissionDenied:
        return False
    return True


@pytest.mark.parametrize("kind", sorted(SHIPPED))
def test_where_a_person_or_a_merchant_may_change_something_the_id_says_whose_it_is(kind: str) -> None:
    entity = SHIPPED[kind]
    changing = [roles for name, roles in entity.access.items() if name not in entity.views]
    for role in (Role.PERSON, Role.MERCHANT):
        assert role in entity.owner or not any(role in roles for roles in changing)


def test_an_id_that_names_nobody_is_nobodys() -> None:
    assert [SHIPPED[kind].owner[Role.PERSON]("ann") for kind in ("food.order", "store.basket", "fortune.lot")] == [
        ""
    ] * 3
