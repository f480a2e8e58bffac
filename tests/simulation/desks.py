"""What is kept at desks: sign-ins, rules of links, counts, templates, merchants, uploads, numbers; each by its book."""

from collections import Counter
from collections.abc import Iterable, Mapping
from random import Random

import msgspec

from actors.domain import merchant as merchants
from actors.domain.catalog import key as keys
from actors.domain.catalog import listing as listings
from actors.domain.catalog import program as catalog
from actors.domain.catalog import uploads
from actors.domain.counting import DAY_MS, MONTH_MS
from actors.domain.developer import ACCOUNT, Open
from actors.domain.identity import login
from actors.domain.notify import template as templates
from actors.domain.ways import quota, rules
from actors.lifecycle import Table
from actors.programs.civic import program as civic
from tests.simulation.broken import require
from tests.simulation.evening import Area, Asking, Evening
from tests.simulation.people import DIGEST, FOR_EVER_MS, nothing_before

encode = msgspec.msgpack.Encoder().encode


def _check_walk(name: str, table: Table, moves: Mapping[type, str], events: Iterable[object], last: str) -> None:
    """What happened is one way through the table, and it ends where the entity says that it is."""
    state = next(iter(table))
    for event in events:
        move = moves[type(event)]
        require(move in table[state].moves, f"{name}, {state}: {event}")
        state = table[state].moves[move]
    require(state == last, f"{name} is {last}, and should be {state}")


# -- sign-ins -----------------------------------------------------------------------------------------------------

LOGINS = tuple(f"p{n}.phone" for n in range(16))


def sign_in(_: Random) -> list[Asking]:
    """Everybody has."""
    return [Asking(f"identity.login/{name}", encode(login.Begin(60_000))) for name in LOGINS]


def stay_signed_in(chance: Random) -> Asking:
    """Go on by some secret, mostly by an early one; sign out."""
    at = f"identity.login/{chance.choice(LOGINS)}"
    if chance.random() < 0.05:
        return Asking(at, encode(login.End()))
    (n,) = chance.choices((1, 2, 3, 4), (6, 4, 2, 1))
    return Asking(at, encode(login.Refresh(n, chance.choice((500, 60_000)), again_ms=chance.choice((0, 400)))))


def one_secret_leads_on(evening: Evening) -> None:
    """Each secret leads to the next, the newest alone; whoever shows another one ends the sign-in, for ever."""
    for name, (begun, *events) in evening.events(login.LOGIN).items():
        require(isinstance(begun, login.Begun), f"{name} began with {begun}")
        good, is_over = 1, False
        for event in events:
            require(not is_over, f"{name} has ended: {event}")
            if isinstance(event, login.Refreshed):
                require(event.n == good + 1, f"{name}, secret {good}: {event}")
                good = event.n
            is_over = isinstance(event, login.Ended)
    for name, command, reply in evening.replies(login.LOGIN):
        if isinstance(command, login.Refresh):
            told = msgspec.json.decode(reply, type=login.Next)
            require(told.n in (0, command.n + 1), f"{name}: the secret {command.n} led to {told}")


SIGN_INS = Area((login.LOGIN,), sign_in, stay_signed_in, one_secret_leads_on, (f"identity.login/{LOGINS[0]}", "login"))

# -- rules of ordinary links --------------------------------------------------------------------------------------

HOSTS = ("city.example", "shop.example")
RULES_MAX, PUBLISHES_MAX = 2, 4


def keep_rules(chance: Random) -> Asking:
    """Say where a host's links lead, or publish what was said; for one program or another."""
    at, program = f"ways.rules/{chance.choice(HOSTS)}", chance.choice(("bike", "shop"))
    if chance.random() < 0.4:
        return Asking(at, encode(rules.Publish(program, PUBLISHES_MAX)))
    prefix = chance.choice(("/", "/map", "/map/in"))
    return Asking(at, encode(rules.Add(program, prefix, f"pages/{chance.randrange(4)}", RULES_MAX)))


def a_host_is_one_programs(evening: Evening) -> None:
    """A host's rules are one program's, no more than may be, and followed as they were at the last publishing."""
    states = evening.states(rules.RULES)
    for host, events in evening.events(rules.RULES).items():
        owner, added, live = "", dict[str, str](), dict[str, str]()
        months = Counter[int]()
        for event in events:
            match event:
                case rules.Added(program, prefix, page):
                    require(owner in ("", program), f"{host} is {owner}'s: {event}")
                    owner = program
                    added[prefix] = page
                    require(len(added) <= RULES_MAX, f"{host} has the rules {added}")
                case rules.Published(at_ms):
                    live = dict(added)
                    months[at_ms // MONTH_MS] += 1
        require(max(months.values(), default=0) <= PUBLISHES_MAX, f"{host} was published so often: {months}")
        require((states[host].program, states[host].live) == (owner, live), f"{host} is {states[host]}, not {live}")


LINK_RULES = Area(
    (rules.RULES,), nothing_before, keep_rules, a_host_is_one_programs, (f"ways.rules/{HOSTS[0]}", "match")
)

# -- counts -------------------------------------------------------------------------------------------------------

MOST = 6
MAKERS = ("bike", "shop", "food")


def make_more(chance: Random) -> Asking:
    """A code, a link or a card more."""
    what: quota.What = chance.choice(("code", "link", "share"))
    return Asking(f"ways.quota/{chance.choice(MAKERS)}", encode(quota.Take(what, MOST)))


def no_more_is_made_than_may_be(evening: Evening) -> None:
    """In no minute, and on no day, there is one more than the bound."""
    for name, events in evening.events(quota.QUOTA).items():
        made = Counter((event.what, event.at_ms // quota.PERIODS_MS[event.what]) for event in events)
        require(max(made.values()) <= MOST, f"{name} made so many: {made}")


COUNTS = Area(
    (quota.QUOTA,), nothing_before, make_more, no_more_is_made_than_may_be, (f"ways.quota/{MAKERS[0]}", "quota")
)

# -- templates and merchants --------------------------------------------------------------------------------------

TEMPLATES = tuple(f"food/t{n}" for n in range(8))
_OF_TEMPLATES: Mapping[type, str] = {
    templates.Drafted: "draft",
    templates.Approved: "approve",
    templates.Disabled: "disable",
}
MERCHANTS = tuple(f"m{n}" for n in range(8))
_OF_MERCHANTS: Mapping[type, str] = {
    merchants.Opened: "open",
    merchants.Renamed: "rename",
    merchants.Suspended: "suspend",
    merchants.Resumed: "resume",
    merchants.Closed: "close",
}


def run_offices(chance: Random) -> Asking:
    """Draft, approve, disable; open, rename, suspend, resume, close."""
    if chance.random() < 0.5:
        draft = templates.Draft(chance.choice(("Ready", "Late")), ("thing1",))
        what: msgspec.Struct = chance.choice((draft, draft, templates.Approve(), templates.Disable()))
        return Asking(f"notify.template/{chance.choice(TEMPLATES)}", encode(what))
    opens = merchants.Open("A shop")
    what = chance.choice(
        (opens, opens, merchants.Rename("Another"), merchants.Suspend("late"), merchants.Resume(), merchants.Close())
    )
    return Asking(f"merchant/{chance.choice(MERCHANTS)}", encode(what))


def offices_keep_to_their_tables(evening: Evening) -> None:
    """What happened to each template and each merchant is a way through its table."""
    for name, template in evening.states(templates.TEMPLATE).items():
        drafted = evening.events(templates.TEMPLATE).get(name, [])
        _check_walk(name, templates.LIFE, _OF_TEMPLATES, drafted, template.state)
    for name, merchant in evening.states(merchants.MERCHANT).items():
        opened = evening.events(merchants.MERCHANT).get(name, [])
        _check_walk(name, merchants.LIFE, _OF_MERCHANTS, opened, merchant.state)


OFFICES = Area(
    (templates.TEMPLATE, merchants.MERCHANT),
    nothing_before,
    run_offices,
    offices_keep_to_their_tables,
    (f"notify.template/{TEMPLATES[0]}", "template"),
)

# -- uploads ------------------------------------------------------------------------------------------------------

PROGRAMS = ("green/tea", "green/bus")
DAY_BYTES_MAX = 60


def found(_: Random) -> list[Asking]:
    """An account with its programs."""
    register = encode(catalog.Register("A program", "food"))
    made = [Asking(f"catalog.program/{program}", register) for program in PROGRAMS]
    return [Asking("developer.account/green", encode(Open("Green", "ann"))), *made]


def bring_versions(chance: Random) -> Asking:
    """A version, a description, a key."""
    program, draw = chance.choice(PROGRAMS), chance.random()
    if draw < 0.15:
        return Asking("catalog.key/green", encode(keys.SetKey(bytes([chance.randrange(3)]) * 32)))
    if draw < 0.3:
        return Asking(f"catalog.listing/{program}", encode(listings.Describe((f"a{chance.randrange(4)}",))))
    code, size = chance.randint(1, 60), chance.randint(1, 20)
    return Asking(f"catalog.program/{program}", encode(catalog.Upload(code, "1", f"{code:064x}", size, DAY_BYTES_MAX)))


def no_more_is_brought_than_may_be(evening: Evening) -> None:
    """Each version is counted once, in all no more than a day's; what was said last of a program is what is said."""
    versions = sum(
        isinstance(event, catalog.Uploaded) for of in evening.events(catalog.PROGRAM).values() for event in of
    )
    taken = evening.events(uploads.UPLOADS).get("green", [])
    days = Counter[int]()
    for event in taken:
        days[event.at_ms // DAY_MS] += event.bytes
    require(len(taken) == versions, f"{versions} versions were taken, {len(taken)} counted")
    require(max(days.values(), default=0) <= DAY_BYTES_MAX, f"so many bytes were taken: {days}")
    for name, listing in evening.states(listings.LISTING).items():
        said = evening.events(listings.LISTING).get(name, [])[-1:]
        require(all(one.aliases == listing.aliases for one in said), f"{name} is {listing}, after {said}")
    for name, key in evening.states(keys.KEY).items():
        set_to = evening.events(keys.KEY).get(name, [])[-1:]
        require(all(one.key == key.key for one in set_to), f"{name} has {key}, after {set_to}")


UPLOADS = Area(
    (ACCOUNT, catalog.PROGRAM, uploads.UPLOADS, listings.LISTING, keys.KEY),
    found,
    bring_versions,
    no_more_is_brought_than_may_be,
    (f"catalog.program/{PROGRAMS[0]}", "program"),
)

# -- numbers at a desk --------------------------------------------------------------------------------------------

WAITING = tuple(f"w{n}" for n in range(8))
NUMBERS = 5


def open_desk(_: Random) -> list[Asking]:
    """Fewer numbers than people, who all have a card."""
    card = encode(civic.Issue((DIGEST,), FOR_EVER_MS))
    desk = Asking("civic.desk/town", encode(civic.OpenDesk(NUMBERS)))
    return [desk, *(Asking(f"civic.card/{person}", card) for person in WAITING)]


def wait_in_line(chance: Random) -> Asking:
    """Take a number, or call the next."""
    if chance.random() < 0.3:
        return Asking("civic.desk/town", encode(civic.CallNext()))
    return Asking(f"civic.card/{chance.choice(WAITING)}", encode(civic.TakeNumber("town")))


def a_number_is_one_persons(evening: Evening) -> None:
    """Each number that was given is one person's, none is called before it was given, and nobody waits for one."""
    desk = evening.states(civic.DESK).get("town", civic.Desk())
    cards = evening.states(civic.CARD)
    has = {name: cards[name].numbers["town"] for name in WAITING if name in cards and "town" in cards[name].numbers}
    require(sorted(has.values()) == list(range(1, desk.given + 1)), f"{has} have numbers, {desk.given} were given")
    require(desk.called <= desk.given <= NUMBERS, f"the desk is {desk}")


DESKS = Area((civic.CARD, civic.DESK), open_desk, wait_in_line, a_number_is_one_persons, ("civic.desk/town", "desk"))
