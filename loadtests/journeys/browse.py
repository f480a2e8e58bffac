"""Somebody opens a program, turns some of its pages, and goes: what every other journey begins and ends with."""

from loadtests.journeys.steps import STACK, Invoke, Journey, Open, Refused, Think, Visit
from loadtests.journeys.ways import found

PAGES = tuple(b'{"path":"pages/%d/index"}' % n for n in range(STACK))
READS_S = 22.0
"""How long a page is looked at, in the mean; from half as long to half as long again."""
CLOSES = 0.7
"""The share of those who close what they opened; the others just go, and the platform ends it after a while."""
GONE = ("wrong_state",)
"""Who opens a program again, on the same device, has closed what was open of it."""


def browse(visit: Visit) -> Journey:
    """Looks around."""
    yield from arrive(visit)
    yield from leave(visit)


def arrive(visit: Visit) -> Journey:
    """Finds the program, opens it, and turns its pages."""
    via = (yield from found(visit)) if visit.asks else ""
    session = visit.session = yield Open(visit.program, visit.name, visit.source, via, visit.city)
    for n in range(1, visit.pages):
        yield Think(READS_S * (0.5 + visit.chance()))
        if n >= STACK:
            yield Invoke(session, "session.leave-page", PAGES[-1], "leave page", "session.page-unloaded", GONE)
        path = PAGES[n] if n < STACK else PAGES[-1]
        turned = yield Invoke(session, "session.enter-page", path, "page", "session.page-loaded", GONE)
        if type(turned) is Refused:
            return


def leave(visit: Visit) -> Journey:
    """Closes the program, or just goes."""
    if visit.chance() < CLOSES:
        yield Think(READS_S * (0.5 + visit.chance()))
        yield Invoke(visit.session, "session.close", b"", "close")
