"""Persons who erase themselves while they and others go on: whatever crosses it, nothing is kept of them."""

from random import Random

import msgspec

from actors.domain import friends as social
from actors.domain import visit
from actors.domain.catalog import recent
from actors.domain.friends import FRIENDS
from actors.domain.identity import link, person
from actors.domain.identity.link import IDENTITY
from actors.domain.identity.person import PERSON
from actors.domain.notify import grants, window
from actors.domain.session import SESSION
from tests.simulation.broken import require
from tests.simulation.evening import Area, Asking, Evening

LEAVING = ("eve", "fay", "gil")
PROGRAMS = ("bike", "food")
ERASE = 0.12
encode = msgspec.msgpack.Encoder().encode


def register(_: Random) -> list[Asking]:
    """Everybody is known in two programs."""
    return [
        Asking(f"identity.person/{who}", encode(command))
        for who in LEAVING
        for command in (person.Register(), *(person.Use(f"{program}/{who}") for program in PROGRAMS))
    ]


def live_or_leave(chance: Random) -> Asking:
    """Log in, visit, make friends; and be erased."""
    who, program = chance.choice(LEAVING), chance.choice(PROGRAMS)
    at = f"{program}/{who}"
    if chance.random() < ERASE:
        return Asking(f"identity.person/{who}", encode(person.Erase()))
    friend = social.Request(chance.choice([other for other in LEAVING if other != who]))
    return chance.choice(
        (
            Asking(f"identity.link/{at}", encode(link.IssueCode(60_000, 100, 16))),
            Asking(f"identity.link/{at}", encode(link.Redeem(1, "k1", 60_000))),
            Asking(f"visit/{at}", encode(visit.Open("pages/map/index", "scan", "phone"))),
            Asking(f"social.friends/{who}", encode(friend)),
            Asking(f"catalog.recent/{who}", encode(recent.Used(program))),
            Asking(f"notify.window/{at}", encode(window.Note("message"))),
            Asking(f"notify.grants/{at}", encode(grants.Answer({"ready": grants.Given("accept")}))),
        )
    )


def nothing_is_kept(evening: Evening) -> None:
    """Of whoever is erased there is no code, key, visit or friend any more, whatever crossed the erasure."""
    states = evening.states(PERSON)
    links, visits, sessions = evening.states(IDENTITY), evening.states(visit.VISIT), evening.states(SESSION)
    ties, recents = evening.states(FRIENDS), evening.states(recent.RECENT)
    windows, granted = evening.states(window.WINDOW), evening.states(grants.GRANTS)
    gone = {
        who for who, events in evening.events(PERSON).items() if any(isinstance(e, person.ErasureAsked) for e in events)
    }
    asked = {who for who, command in evening.accepted(PERSON) if isinstance(command, person.Erase)}
    require(gone == asked, f"{asked} were told that they are erased, {gone} are")
    for who in gone:
        friends = ties.get(who, social.Friends())
        tied = [other for other, tie in friends.ties.items() if tie.state not in ("none", "blocked")]
        require(friends.erased and not tied, f"{who} has {tied}")
        require(recents[who] == recent.Programs(erased=True), f"{who} has used {recents[who]}")
        for at in states[who].links:
            kept = (windows[at], granted[at])
            require(kept == (window.Windows(erased=True), grants.Grants(erased=True)), f"{at} has {kept}")
            require(links[at].erased and not links[at].codes and links[at].state != "active", f"{at}: {links[at]}")
            require(visits[at].state == "erased", f"{at}: {visits[at]}")
            open_ = [name for name, one in sessions.items() if name.startswith(f"{at}/") and one.state != "unloaded"]
            require(not open_, f"{open_} are open")


GOODBYES = Area(
    (PERSON, recent.RECENT, window.WINDOW), register, live_or_leave, nothing_is_kept, ("identity.person/eve", "person")
)
