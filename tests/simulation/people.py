"""What people do on the platform itself: log in, visit, allow and get messages, make friends, show a card."""

from random import Random

import msgspec

from actors.domain import visit
from actors.domain.friends import FRIENDS, Accept, Block, Refuse, Remove, Request, Tie, Unblock
from actors.domain.identity import link
from actors.domain.identity.link import IDENTITY
from actors.domain.notify import box, grants, inbox
from actors.domain.notify.message import Message
from actors.domain.session import SESSION, Hide, Show
from actors.programs.civic import program as civic
from tests.simulation.broken import require
from tests.simulation.evening import Area, Asking, Evening

PERSONS = ("ann", "ben", "cyd", "dan")
SOON_MS = 1_000
"""What is hidden for so long has ended before a world has settled."""
encode = msgspec.msgpack.Encoder().encode


def nothing_before(_: Random) -> list[Asking]:
    """There is nothing to open."""
    return []


# -- codes, and the one session key -------------------------------------------------------------------------------


def log_in(chance: Random) -> Asking:
    """Get a code, or show one."""
    draw, at = chance.random(), f"identity.link/bike/{chance.choice(PERSONS)}"
    if draw < 0.5:
        return Asking(at, encode(link.IssueCode(chance.choice((800, 60_000)), 100, 16)))
    if draw < 0.9:
        return Asking(at, encode(link.Redeem(chance.randint(1, 6), "k1", chance.randint(300, 3_000))))
    return Asking(at, encode(link.Revoke()))


def one_key_is_good(evening: Evening) -> None:
    """A code is used once, and of a person's session keys one is good at a time."""
    redeemed = [(at, command.n) for at, command in evening.accepted(IDENTITY) if isinstance(command, link.Redeem)]
    require(len(redeemed) == len(set(redeemed)), f"codes were redeemed twice: {sorted(redeemed)}")
    for person, events in evening.events(IDENTITY).items():
        used: set[int] = set()
        good = last = 0
        for event in events:
            match event:
                case link.CodeRedeemed(n):
                    require(n not in used, f"the code {n} of {person} was used twice")
                    used.add(n)
                case link.SessionOpened(version):
                    require(not good and version == last + 1, f"{person}: key {version} beside {good}, after {last}")
                    good = last = version
                case link.SessionSuperseded(version) | link.SessionRevoked(version) | link.SessionExpired(version):
                    require(version == good, f"{person}: key {version} ended, {good} was good")
                    good = 0
                case _:
                    pass


SIGN_IN = Area((IDENTITY,), nothing_before, log_in, one_key_is_good, ("identity.link/bike/ann", "session"))

# -- visits -------------------------------------------------------------------------------------------------------


def come_and_go(chance: Random) -> Asking:
    """Open the program on some device, hide and show a session, which fires its timer, or close it."""
    person, does = f"bike/{chance.choice(PERSONS)}", chance.random()
    if does < 0.6:
        device = chance.choice(("phone", "tablet", "watch"))
        opens = visit.Open("pages/map/index", "scan", device, merge_ms=500, devices_max=2, hidden_ms=SOON_MS)
        return Asking(f"visit/{person}", encode(opens))
    if does < 0.8:
        said = Hide() if does < 0.75 else Show()
        return Asking(f"session/{person}/{chance.randint(1, 5)}", encode(said))
    return Asking(f"visit/{person}", encode(visit.Close(chance.randint(1, 5))))


def devices_have_a_session_each(evening: Evening) -> None:
    """Of a device one session is open, of two devices at most; what was closed is unloaded, and what was hidden."""
    sessions = evening.states(SESSION)
    require(all(one.state != "hidden" for one in sessions.values()), "a session is hidden for ever")
    for person, events in evening.events(visit.VISIT).items():
        running: dict[int, str] = {}
        for event in events:
            if isinstance(event, visit.SessionEnded):
                require(event.n in running, f"{person}: session {event.n} ended twice")
                del running[event.n]
            elif not isinstance(event, visit.VisitsErased):
                running[event.n] = event.device
            devices = list(running.values())
            require(len(devices) == len(set(devices)) <= 2, f"{person} is open on {devices}")
        for n in range(1, len(events) + 1):
            session = sessions.get(f"{person}/{n}")
            if session is not None and n not in running:
                require(session.state == "unloaded", f"{person}/{n} was closed and is {session.state}")
        require(all(f"{person}/{n}" in sessions for n in running), f"{person}: {running} are not launched")


VISITS = Area(
    (visit.VISIT, SESSION), nothing_before, come_and_go, devices_have_a_session_each, ("visit/bike/ann", "visit")
)

# -- notifications ------------------------------------------------------------------------------------------------

TEMPLATES = ("ready", "late")


def notify(chance: Random) -> Asking:
    """Allow one message, or send one."""
    at, template = f"notify.grants/food/{chance.choice(PERSONS)}", chance.choice(TEMPLATES)
    if chance.random() < 0.55:
        return Asking(at, encode(grants.Answer({template: grants.Given("accept")})))
    message = Message(f"m{chance.randrange(40)}", template, "Lunch")
    return Asking(at, encode(grants.Use(message, chance.choice((0, 400)))))


def a_grant_is_a_message(evening: Evening) -> None:
    """No more is sent than was allowed, and each message comes into the inbox, since nobody listens: once, in order."""
    boxes, inboxes, pages = evening.states(box.BOX), evening.states(inbox.INBOX), evening.states(inbox.PAGE)
    for person, events in evening.events(grants.GRANTS).items():
        left: dict[str, int] = dict.fromkeys(TEMPLATES, 0)
        sent: list[str] = []
        for event in events:
            if isinstance(event, grants.Used):
                left[event.template] -= 1
                sent.append(event.message_id)
            elif isinstance(event, grants.Answered):
                for template in event.answers:
                    left[template] += 1
            require(min(left.values()) >= 0, f"{person} allowed less than was sent: {left}")
        require(len(sent) == len(set(sent)), f"{person} was sent {sent}")
        put, kept = boxes.get(person, box.Box()), inboxes.get(person, inbox.Inbox())
        page = pages.get(f"{person}/0", inbox.Page())
        there = [item.message.message_id for item in page.items]
        require((put.put, put.kept, kept.put) == (len(sent), (), len(sent)), f"{person}: {put}, {kept}, sent {sent}")
        require(there == sent, f"{person} was sent {sent}, the inbox has {there}")


NOTICES = Area(
    (grants.GRANTS, box.BOX, inbox.INBOX, inbox.PAGE),
    nothing_before,
    notify,
    a_grant_is_a_message,
    ("notify.grants/food/ann", "grants"),
)

# -- friends ------------------------------------------------------------------------------------------------------

AGREE = {("none", "none"), ("asked", "asks"), ("friends", "friends"), ("blocked", "none"), ("blocked", "blocked")}
"""What two may say of each other, one way round or the other."""
WISHES = (Request, Request, Request, Accept, Accept, Refuse, Remove, Remove, Block, Unblock)


def make_friends(chance: Random) -> Asking:
    """Ask, accept, end."""
    one, other = chance.sample(PERSONS, 2)
    return Asking(f"social.friends/{one}", encode(chance.choice(WISHES)(other)))


def friends_agree(evening: Evening) -> None:
    """Once all words have arrived, both sides say the same."""
    states = evening.states(FRIENDS)
    for one, friends in states.items():
        for other, tie in friends.ties.items():
            said, heard = tie.state, states[other].ties.get(one, Tie()).state
            require({(said, heard), (heard, said)} & AGREE != set(), f"{one} says {said} of {other}, who says {heard}")


CIRCLE = Area((FRIENDS,), nothing_before, make_friends, friends_agree, ("social.friends/ann", "friends"))

# -- an identity card ---------------------------------------------------------------------------------------------

DIGEST = "ab" * 32
NONCES = tuple(f"{n:032x}" for n in range(8))
VERIFIERS = ("bar", "bank")
FOR_EVER_MS = 1 << 50


def issue_cards(_: Random) -> list[Asking]:
    """Two persons have one."""
    issue = encode(civic.Issue((DIGEST,), FOR_EVER_MS))
    return [Asking(f"civic.card/{person}", issue) for person in PERSONS[:2]]


def show_cards(chance: Random) -> Asking:
    """Show a card to a verifier, or ask as one."""
    nonce, verifier = chance.choice(NONCES), chance.choice(VERIFIERS)
    if chance.random() < 0.5:
        return Asking(f"civic.card/{chance.choice(PERSONS[:2])}", encode(civic.Present(verifier, nonce)))
    return Asking(f"civic.verifier/{verifier}", encode(civic.Ask(nonce, chance.choice((DIGEST, "cd" * 32)))))


def a_showing_is_answered_once(evening: Evening) -> None:
    """A showing is one verifier's, and for one answer."""
    answers: dict[str, list[str]] = {}
    for events in evening.events(civic.VERIFIER).values():
        for event in events:
            if event.outcome in ("yes", "no"):
                answers.setdefault(event.nonce, []).append(event.outcome)
    shown = evening.states(civic.PRESENTATION)
    used = {nonce for nonce, presentation in shown.items() if presentation.used}
    require(all(len(told) == 1 for told in answers.values()), f"more was told than one answer each: {answers}")
    require(set(answers) == used, f"{sorted(used)} were used, {sorted(answers)} answered")


CARDS = Area(
    (civic.CARD, civic.PRESENTATION, civic.VERIFIER),
    issue_cards,
    show_cards,
    a_showing_is_answered_once,
    ("civic.card/ann", "card"),
)
