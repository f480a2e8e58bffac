"""What developers and their customers do: take names, put versions through the review, mint links, wear clothes."""

from collections import Counter
from random import Random

import msgspec

from actors.domain.catalog import name as names
from actors.domain.catalog import program as catalog
from actors.domain.catalog import review
from actors.domain.developer import ACCOUNT, Open
from actors.domain.ways import link as links
from actors.programs.shop import program as shop
from actors.programs.wear import program as wear
from tests.simulation.broken import require
from tests.simulation.evening import Area, Asking, Evening
from tests.simulation.people import PERSONS, nothing_before

encode = msgspec.msgpack.Encoder().encode

# -- names --------------------------------------------------------------------------------------------------------

ACCOUNTS = ("blue", "red")
NAMES = ("cafe", "bus", "zoo")


def take_a_name(chance: Random) -> Asking:
    """Claim a name, for a short while or longer, or confirm it."""
    at, account = f"catalog.name/{chance.choice(NAMES)}", chance.choice(ACCOUNTS)
    if chance.random() < 0.7:
        return Asking(at, encode(names.Claim(account, chance.choice((200, 60_000)))))
    return Asking(at, encode(names.Confirm(account)))


def a_name_is_one_accounts(evening: Evening) -> None:
    """A name that somebody has is nobody else's before it lapses, and what was confirmed does not lapse."""
    for name, events in evening.events(names.NAME).items():
        owner, is_kept = "", False
        for event in events:
            match event:
                case names.Claimed(account):
                    require(not owner, f"{name} of {owner} was claimed by {account}")
                    owner = account
                case names.Confirmed():
                    require(owner != "" and not is_kept, f"{name} of {owner!r} was confirmed")
                    is_kept = True
                case names.Lapsed():
                    require(owner != "" and not is_kept, f"{name} of {owner!r} lapsed")
                    owner = ""
        state = evening.states(names.NAME)[name]
        require(state.account == owner, f"{name} is {owner}'s, and says {state}")


REGISTRY = Area((names.NAME,), nothing_before, take_a_name, a_name_is_one_accounts, ("catalog.name/cafe", "name"))

# -- the review ---------------------------------------------------------------------------------------------------

PROGRAMS = tuple(f"blue/{name}" for name in NAMES)
LANES = sorted({catalog.lane_of(program).id for program in PROGRAMS})
HASH = "ab" * 32


def register(_: Random) -> list[Asking]:
    """An account with its programs, each with a few versions."""
    account = Asking("developer.account/blue", encode(Open("Blue", "ann")))
    made = [encode(catalog.Register("A program", "food"))]
    made += [encode(catalog.Upload(code, f"1.{code}", HASH)) for code in (1, 2, 3)]
    return [account, *(Asking(f"catalog.program/{program}", one) for program in PROGRAMS for one in made)]


def publish(chance: Random) -> Asking:
    """Submit, take back, take for a review, judge, release, roll back."""
    code = chance.randint(1, 3)
    moves = (catalog.Submit(code), catalog.Submit(code), catalog.Withdraw(code, 50, 50), catalog.Judge(code, "approve"))
    if chance.random() < 0.3:
        return Asking(f"catalog.review/{chance.choice(LANES)}", encode(review.Take()))
    move = chance.choice((*moves, catalog.Judge(code, "reject", "no"), catalog.Release(code), catalog.Rollback(code)))
    return Asking(f"catalog.program/{chance.choice(PROGRAMS)}", encode(move))


def one_is_in_review(evening: Evening) -> None:
    """Of a program one version is under review at most; what waits stands in its lane, once, and nothing else does."""
    lanes = evening.states(review.REVIEW).values()
    waiting = Counter((one.program, one.code) for lane in lanes for one in lane.waiting)
    should: Counter[tuple[str, int]] = Counter()
    for name, program in evening.states(catalog.PROGRAM).items():
        under = [one.code for one in program.versions if one.state in ("waiting", "in_review")]
        require(len(under) <= 1, f"{name}: {under} are under review")
        should.update((name, one.code) for one in program.versions if one.state == "waiting")
        shown = [one.code for one in program.versions if one.state == "released"]
        require(shown == ([program.live] if program.live else []), f"{name}: {shown} are shown, {program.live} is live")
    require(waiting == should, f"{waiting} stand in lanes, {should} wait")


REVIEWS = Area(
    (catalog.PROGRAM, review.REVIEW, ACCOUNT),
    register,
    publish,
    one_is_in_review,
    (f"catalog.program/{PROGRAMS[0]}", "program"),
)

# -- short links --------------------------------------------------------------------------------------------------


def hand_out(chance: Random) -> Asking:
    """Mint a link, or open one."""
    at = f"ways.link/bike/{chance.randrange(16)}"
    mint = links.Mint("pages/map/index", chance.choice((600, 60_000)))
    return Asking(at, encode(mint if chance.random() < 0.5 else links.Open()))


def a_link_is_one_persons(evening: Evening) -> None:
    """A link is bound once, to whoever opened it first, and to nobody after its end."""
    for name, events in evening.events(links.LINK).items():
        kinds = [type(event).__name__ for event in events]
        order = [kind for kind in ("Minted", "Bound", "Expired") if kind in kinds]
        require(kinds == order, f"what came of the link {name}: {kinds}")
    opened = Counter(at for at, command in evening.accepted(links.LINK) if isinstance(command, links.Open))
    states = evening.states(links.LINK)
    require(all(states[name].bound_to for name in opened), f"{opened} were opened, the links are {states}")


LINKS = Area((links.LINK,), nothing_before, hand_out, a_link_is_one_persons, ("ways.link/bike/1", "link"))

# -- clothes ------------------------------------------------------------------------------------------------------

SIZES: tuple[wear.Size, ...] = ("S", "M")
STOCK = 6
COAT_MINOR = 400


def stock_clothes(_: Random) -> list[Asking]:
    """A few coats."""
    shelves = [Asking(f"shop.sku/mode/coat-{size}", encode(shop.SetStock(STOCK))) for size in SIZES]
    return [Asking("wear.style/mode/coat", encode(wear.Offer("Coat", COAT_MINOR, "CNY"))), *shelves]


def try_on(chance: Random) -> Asking:
    """Buy, exchange, return."""
    at, (size, other) = f"wear.order/mode/{chance.choice(PERSONS)}/{chance.randrange(3)}", chance.sample(SIZES, 2)
    buy = wear.Buy((wear.Wanted("coat", size, chance.randint(1, 2)),))
    return Asking(at, encode(chance.choice((buy, buy, wear.Exchange("coat", size, other), wear.Return("coat", size)))))


def no_garment_is_lost(evening: Evening) -> None:
    """What is not on the shelves is in orders, size by size."""
    shelves, orders = evening.states(shop.SKU), evening.states(wear.ORDER)
    for size in SIZES:
        sku = wear.sku_of("coat", size)
        held = sum(order.lines[sku].units for order in orders.values() if sku in order.lines)
        stocked, there = (STOCK, shelves[f"mode/{sku}"].units) if f"mode/{sku}" in shelves else (0, 0)
        require(there >= 0 and there + held == stocked, f"of {sku} {there} are there and {held} sold")


KINDS = (wear.STYLE, wear.ORDER, *shop.ENTITIES)
CLOTHES = Area(KINDS, stock_clothes, try_on, no_garment_is_lost, ("wear.style/mode/coat", "style"))
