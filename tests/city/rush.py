"""A rush for seats: many persons want the same ones at the same time, and a seat is nobody's or one person's."""

import asyncio
import random
import time
from collections.abc import Callable
from typing import NamedTuple

from loadtests.city.citizen import Visitor, called, until
from loadtests.city.town import CURRENCY, SEAT_MINOR, Town
from tests.linearizability.checker import check
from tests.linearizability.seats import LIES, Wish, history_of, with_lies
from tests.proof.counts import Counts

PERSONS = 6
ROWS, ROW_SEATS = 2, 4
ROUNDS_MAX = 60


class Ticket(NamedTuple):
    """A seat that a person got, by which order."""

    who: Visitor
    order: str
    seat: str


async def rush(town: Town, counts: Counts, is_over: Callable[[], bool]) -> None:
    """One hall after the other is sold out, until it is over; then every seat's history is checked."""
    chance = random.Random(counts.seed)
    fans = [town.citizen(f"fan {n}") for n in range(PERSONS)]
    await asyncio.gather(*(fan.sign_in() for fan in fans))
    visitors = [await fan.at("tickets") for fan in fans]
    wishes: list[Wish] = []
    for nth in range(ROUNDS_MAX):
        hall = f"arena-{town.mark}-{nth}"
        opening = {"title": "A match", "rows": ROWS, "row_seats": ROW_SEATS, "price_minor": SEAT_MINOR}
        owed_to = {"merchant": town.merchant, "currency": CURRENCY}
        await called(town.by("server/tickets"), f"tickets/halls/{hall}", "tickets.hall.open", opening | owed_to)
        seats = [f"{chr(ord('A') + row)}{n + 1}" for row in range(ROWS) for n in range(ROW_SEATS)]
        wanting = (_want(who, n, hall, chance.sample(seats, len(seats)), wishes) for n, who in enumerate(visitors))
        tickets = [ticket for some in await asyncio.gather(*wanting) for ticket in some]
        booked = await asyncio.gather(*map(_book, tickets))
        sold = (await until(town.by("server/tickets"), f"tickets/halls/{hall}", "seats", _is_sold_out))["sold"]
        if sorted(sold) != sorted(ticket.seat for ticket in tickets) or set(booked) != {"booked"}:
            counts.find(f"{hall} sold {sold}; {[ticket.seat for ticket in tickets]} were held, and are {booked}")
        if is_over():
            break
    counts.acked += len(wishes)
    counts.figures["seats_wanted"] = len(wishes)
    _check(counts, wishes)


def _is_sold_out(shown: dict[str, list[str]]) -> bool:
    return len(shown["sold"]) == ROWS * ROW_SEATS


async def _want(who: Visitor, client: int, hall: str, seats: list[str], wishes: list[Wish]) -> list[Ticket]:
    """Ask for one seat after the other, each by an order of its own; what was got."""
    found: list[Ticket] = []
    for seat in seats:
        order, began_ns = f"tickets/orders/{who.openid}/{hall}-{seat}", time.monotonic_ns()
        await who.invoke(order, "tickets.hold", {"hall": hall, "seats": [seat]})
        shown = await until(who.client, order, "order", lambda shown: shown["state"] != "asking")
        got = shown["state"] == "held"
        wishes.append(Wish(f"{hall}/{seat}", client, began_ns, time.monotonic_ns(), got))
        if got:
            found.append(Ticket(who, order, seat))
    return found


async def _book(ticket: Ticket) -> str:
    await ticket.who.invoke(ticket.order, "tickets.book")
    shown = await until(ticket.who.client, ticket.order, "order", lambda shown: shown["state"] != "booking")
    return str(shown["state"])


def _check(counts: Counts, wishes: list[Wish]) -> None:
    """The seats' histories, and lies that are planted in a copy of one: they have to be found."""
    history = history_of(wishes)
    violations = check([*history, *with_lies(history)])
    for violation in violations:
        if violation.entity not in LIES:
            counts.wrong += 1
            counts.find(str(violation))
    counts.planted += len(LIES)
    counts.found += len(LIES.keys() & {violation.entity for violation in violations})
