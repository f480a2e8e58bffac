"""Bugs to be planted into the programs of a city, one at a time: each breaks what a check of its area says."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from actors.domain import friends, merchant, session, visit
from actors.domain.catalog import program as catalog
from actors.domain.catalog import review, uploads
from actors.domain.friends import Hear
from actors.domain.identity import credential, link, login
from actors.domain.notify import grants, inbox, template
from actors.domain.ways import code as codes
from actors.domain.ways import link as links
from actors.domain.ways import quota, rules
from actors.domain.ways import share as shares
from actors.domain.webhook import delivery, roster
from actors.entity import Context, Decision, Send, SetTimer, accept
from actors.kernel.action import EventRecord
from actors.kernel.partition import Partition
from actors.kernel.record import Position, Programs, Share
from actors.programs.bike import program as bike
from actors.programs.civic import program as civic
from actors.programs.drops import program as drops
from actors.programs.food import program as food
from actors.programs.jump import program as jump
from actors.programs.parking import program as parking
from actors.programs.store import program as store
from actors.programs.taxi import program as taxi
from actors.programs.tickets import program as tickets
from actors.programs.wear import program as wear
from actors.projections import switches
from tests.simulation.city import RULES
from tests.simulation.desks import COUNTS, DESKS, LINK_RULES, OFFICES, SIGN_INS, UPLOADS
from tests.simulation.evening import Area
from tests.simulation.forgetting import GOODBYES
from tests.simulation.games import FORTUNES, LEAPS
from tests.simulation.handing import CODES, SHARED_CARDS
from tests.simulation.people import CARDS, CIRCLE, NOTICES, SIGN_IN, VISITS
from tests.simulation.publishing import CLOTHES, LINKS, REGISTRY, REVIEWS
from tests.simulation.roads import LOTS, ROADS
from tests.simulation.servers import CREDENTIALS, WEBHOOKS
from tests.simulation.streets import BIKES, DROPS, EVENINGS, MEALS, STORES, TAXIS

Decide = Callable[[Any, Any, Context], Decision[Any]]
CityPlant = tuple[Area, str, Callable[[Decide], Decide]]
"""Where, the kind whose rule is broken, and how."""


def _seeing(change: Callable[[Any], Any]) -> Callable[[Decide], Decide]:
    """It decides by another state than there is."""
    return lambda decide: lambda state, command, ctx: decide(change(state), command, ctx)


def _without(*events: type) -> Callable[[Decide], Decide]:
    """It forgets to say that this happened."""

    def forgetful(decide: Decide) -> Decide:
        def forgets(state: Any, command: Any, ctx: Context) -> Decision[Any]:
            decision = decide(state, command, ctx)
            kept = [event for event in decision.events if not isinstance(event, events)]
            return accept(*kept, reply=decision.reply, actions=decision.actions)

        return forgets

    return forgetful


def _sending_no(*commands: type) -> Callable[[Decide], Decide]:
    """It forgets to send this."""

    def forgetful(decide: Decide) -> Decide:
        def forgets(state: Any, command: Any, ctx: Context) -> Decision[Any]:
            decision = decide(state, command, ctx)
            sent = (
                one for one in decision.actions if not (isinstance(one, Send) and isinstance(one.command, commands))
            )
            return accept(*decision.events, reply=decision.reply, actions=tuple(sent))

        return forgets

    return forgetful


def _deaf(decide: Decide) -> Decide:
    """An end is not heard."""
    return lambda state, command, ctx: (
        accept() if isinstance(command, Hear) and not command.wants else decide(state, command, ctx)
    )


def _deaf_to(*commands: type) -> Callable[[Decide], Decide]:
    """It does nothing when it is told this."""
    return lambda decide: (
        lambda state, command, ctx: accept() if isinstance(command, commands) else decide(state, command, ctx)
    )


def _setting_no(timer: str) -> Callable[[Decide], Decide]:
    """It forgets to wait for this."""

    def forgetful(decide: Decide) -> Decide:
        def forgets(state: Any, command: Any, ctx: Context) -> Decision[Any]:
            decision = decide(state, command, ctx)
            kept = (one for one in decision.actions if not (isinstance(one, SetTimer) and one.name == timer))
            return accept(*decision.events, reply=decision.reply, actions=tuple(kept))

        return forgets

    return forgetful


def _over_nobody(decide: Decide) -> Decide:
    """It forgets over whom a card came."""
    return lambda state, command, ctx: decide(
        state, replace(command, before=()) if isinstance(command, shares.Share) else command, ctx
    )


def _trusting(decide: Decide) -> Decide:
    """Whichever secret is shown is the one that is good."""
    return lambda state, command, ctx: decide(
        replace(state, n=command.n) if isinstance(command, login.Refresh) else state, command, ctx
    )


def _anybodys(decide: Decide) -> Decide:
    """A host is whoever's asks, once it is somebody's."""
    return lambda state, command, ctx: decide(
        state if state == rules.Rules() else replace(state, program=command.program), command, ctx
    )


def _undrafted(one: template.Template) -> template.Template:
    return replace(one, state="draft") if one.state == "disabled" else one


def _unclosed(one: merchant.Merchant) -> merchant.Merchant:
    return replace(one, state="none") if one.state == "closed" else one


def _undelivered(one: delivery.Delivery) -> delivery.Delivery:
    return replace(one, state="dead") if one.state == "delivered" else one


def _reopened(one: credential.Credential) -> credential.Credential:
    return replace(one, state="active") if one.state == "disabled" else one


def _unminted(code: codes.Code) -> codes.Code:
    return codes.Code() if code.state == "revoked" else code


def _unused(state: link.Link) -> link.Link:
    return replace(state, codes=tuple(replace(code, state="issued") for code in state.codes))


def _one_more(state: grants.Grants) -> grants.Grants:
    templates = {
        name: replace(grant, left=grant.left + (grant.said == "accept")) for name, grant in state.templates.items()
    }
    return replace(state, templates=templates)


def _rested(program: catalog.Program) -> catalog.Program:
    rested = tuple(replace(one, state="withdrawn") if one.state == "waiting" else one for one in program.versions)
    return replace(program, versions=rested)


def _unbound(link_: links.Link) -> links.Link:
    return replace(link_, state="minted") if link_.state == "bound" else link_


def _waiting(driver: taxi.Driver) -> taxi.Driver:
    return replace(driver, state="waiting") if driver.state == "busy" else driver


def _on_the_road(trip: parking.Trip) -> parking.Trip:
    return replace(trip, state="inside") if trip.state == "left" else trip


PLANTED_IN_CITIES: dict[str, CityPlant] = {
    "a code is used twice": (SIGN_IN, "identity.link", _seeing(_unused)),
    "a former session key stays good": (SIGN_IN, "identity.link", _without(link.SessionSuperseded)),
    "a device has two sessions": (VISITS, "visit", _without(visit.SessionEnded)),
    "a closed session is not unloaded": (VISITS, "visit", _sending_no(session.Close)),
    "more is sent than was allowed": (NOTICES, "notify.grants", _seeing(_one_more)),
    "a message is lost on its way to the inbox": (NOTICES, "notify.box", _sending_no(inbox.Deliver)),
    "the end of a friendship is not heard": (CIRCLE, "social.friends", _deaf),
    "a showing is answered as often as it is asked": (CARDS, "civic.presentation", _without(civic.Used)),
    "a bike is lent and stays": (BIKES, "bike.station", _without(bike.Lent)),
    "a seat is sold twice": (EVENINGS, "tickets.hall", _seeing(lambda hall: replace(hall, sold={}))),
    "seats are booked and not owed": (EVENINGS, "tickets.order", _without(tickets.SeatsOwed)),
    "a drop gives out one more": (
        DROPS,
        "drops.drop",
        _seeing(lambda drop: replace(drop, issued=max(0, drop.issued - 1))),
    ),
    "a gift that was refused is nobody's": (DROPS, "drops.collector", _without(drops.Received)),
    "a driver takes a second ride": (TAXIS, "taxi.driver", _seeing(_waiting)),
    "a cancelled order keeps its dishes": (MEALS, "food.order", _sending_no(food.PutBack)),
    "a meal is cooked and not owed": (MEALS, "food.order", _without(food.MealOwed)),
    "a person leaves and is inside": (STORES, "store.door", _without(store.Released)),
    "more are let in than there is room for": (STORES, "store.door", _seeing(lambda door: replace(door, places=9))),
    "a name is taken from who has it": (REGISTRY, "catalog.name", _seeing(lambda name: replace(name, state="free"))),
    "two versions are under review": (REVIEWS, "catalog.program", _seeing(_rested)),
    "a version that is withdrawn stays in its lane": (REVIEWS, "catalog.program", _sending_no(review.Leave)),
    "a link is whoever's opens it": (LINKS, "ways.link", _seeing(_unbound)),
    "whoever is erased stays logged in": (GOODBYES, "identity.person", _sending_no(link.Erase)),
    "whoever is erased keeps their friends": (GOODBYES, "social.friends", _deaf_to(friends.Erase)),
    "whoever is erased goes on using programs": (
        GOODBYES,
        "catalog.recent",
        _seeing(lambda one: replace(one, erased=UNSET)),
    ),
    "a car leaves and its place stays taken": (LOTS, "parking.lot", _without(parking.Exited)),
    "one more car is let in than there are places": (
        LOTS,
        "parking.lot",
        _seeing(lambda lot: replace(lot, places=lot.places + 1)),
    ),
    "a stay ends and is not owed": (LOTS, "parking.stay", _without(parking.ParkingOwed)),
    "a trip is paid for twice": (ROADS, "parking.trip", _seeing(_on_the_road)),
    "a player's former best stays on the board": (LEAPS, "jump.player", _seeing(lambda one: replace(one, best=-1))),
    "a leaf's word is lost on its way to the board": (LEAPS, "jump.leaf", _sending_no(jump.AddToBranch)),
    "a lot is drawn again": (FORTUNES, "fortune.lot", _seeing(lambda lot: replace(lot, number=0))),
    "a try of which nobody tells is not given up": (WEBHOOKS, "webhook.delivery", _setting_no("lost")),
    "what was delivered is delivered once more": (WEBHOOKS, "webhook.delivery", _seeing(_undelivered)),
    "a program has more endpoints than it may": (
        WEBHOOKS,
        "webhook.roster",
        _seeing(lambda one: roster.Roster(one.endpoints[:1])),
    ),
    "whoever asks gets a new token": (
        CREDENTIALS,
        "identity.credential",
        _seeing(lambda one: replace(one, tokens=())),
    ),
    "tokens are forced as often as anybody likes": (
        CREDENTIALS,
        "identity.credential",
        _seeing(lambda one: replace(one, forced_ms=())),
    ),
    "a disabled credential has tokens": (CREDENTIALS, "identity.credential", _seeing(_reopened)),
    "a revoked code is minted anew": (CODES, "ways.code", _seeing(_unminted)),
    "a card forgets over whom it came": (SHARED_CARDS, "ways.share", _over_nobody),
    "a former refresh secret leads on": (SIGN_INS, "identity.login", _trusting),
    "a host is taken by another program": (LINK_RULES, "ways.rules", _anybodys),
    "more is made than may be": (COUNTS, "ways.quota", _seeing(lambda _: quota.Quota())),
    "a disabled template is used again": (OFFICES, "notify.template", _seeing(_undrafted)),
    "a closed merchant opens again": (OFFICES, "merchant", _seeing(_unclosed)),
    "what is uploaded is not counted": (UPLOADS, "catalog.uploads", _without(uploads.Taken)),
    "a number is given to two": (
        DESKS,
        "civic.desk",
        _seeing(lambda desk: replace(desk, given=max(0, desk.given - 1))),
    ),
    "a garment that comes back is not on the shelf": (CLOTHES, "wear.order", _sending_no(wear.ShopReturn)),
}
"""What a city's worlds must find, by what is broken."""


def a_part_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Only what all are shown is brought to partitions."""
    shares_of = switches.shares_of

    def of_all(live: switches.Switch, _: switches.Switch, hashes: dict[int, str]) -> tuple[Share, ...]:
        return shares_of(live, switches.Switch(), hashes)

    patch.setattr(switches, "shares_of", of_all)


def switches_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    """Whichever a partition hears of first stays."""

    def first(_: EventRecord) -> int:
        return 0

    patch.setattr(switches, "generation_of", first)


def a_former_choice_wins(patch: pytest.MonkeyPatch) -> None:
    """A partition goes by what it reads last, and what came late stands last."""
    switch: Any = vars(Partition)["_switch"]

    def goes_by(partition: Partition, position: Position, record: Programs) -> object:
        before = partition.programs.get(record.program)
        later = record.generation if before is None else max(record.generation, before.generation + 1)
        return switch(partition, position, replace(record, generation=later))

    patch.setattr(Partition, "_switch", goes_by)


PLANTED_IN_RELEASES = (a_part_is_forgotten, switches_are_not_counted, a_former_choice_wins)
"""What a world with two releases must find."""


def plant(patch: pytest.MonkeyPatch, kind: str, broken: Callable[[Decide], Decide]) -> None:
    """Break the rule of this kind."""
    compiled = RULES.kinds[kind]
    patch.setattr(compiled, "decide", broken(compiled.decide))
