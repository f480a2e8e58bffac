"""How people get to a program: by a code, a link, a name, or because they were told that something waits there."""

from collections.abc import Generator
from typing import Any

from gateway.v1 import notify_pb2, search_pb2, ways_pb2
from loadtests.journeys.steps import Ask, Step, Think, Visit

TYPES_S = 4.0
WORDS = ("单车", "Bicycle", "外卖", "Coffee", "小店", "Shop", "跳一跳", "Game", "打车", "Cinema", "便利店", "黄历")
FIELDS = b'{"thing1":"It waits for you","time2":"12:30"}'


def found(visit: Visit) -> Generator[Step, Any, str]:
    """Asks the platform for the way; returns what was scanned, tapped or looked for."""
    match visit.source:
        case "scan":
            text = visit.town.codes.get(visit.program, "")
            way = yield Ask("WaysService", "ResolveCode", ways_pb2.ResolveCodeRequest(text=text))
            return f"codes/{way.program}/{way.code}"
        case "search":
            yield Think(TYPES_S)
            word = WORDS[int(visit.chance() * len(WORDS))]
            yield Ask("SearchService", "Search", search_pb2.SearchRequest(text=word))
            return word
        case "link":
            link = ways_pb2.MintLinkRequest(program=visit.program, page=page(visit.program), ttl_ms=3_600_000)
            minted = yield Ask("WaysService", "MintLink", link)
            yield Think(TYPES_S)
            tapped = ways_pb2.ResolveLinkRequest(text=minted.text)
            yield Ask("WaysService", "ResolveLink", tapped, who=visit.name)
            return f"links/{visit.program}/{minted.link}"
        case "notification":
            return (yield from _told(visit))
        case _:
            return ""


def _told(visit: Visit) -> Generator[Step, Any, str]:
    """The person allows one message, the program sends it, and the person comes back."""
    prompt = notify_pb2.AnswerPromptRequest(program=visit.program, openid=visit.name)
    prompt.templates.append(visit.town.template)
    prompt.answers.append("accept")
    yield Ask("NotifyService", "AnswerPrompt", prompt)
    yield Think(TYPES_S)
    said = notify_pb2.SendMessageRequest(program=visit.program, openid=visit.name, template=visit.town.template)
    said.message_id, said.fields = f"m{visit.chance():.16f}"[:20].replace(".", "-"), FIELDS
    yield Ask("NotifyService", "SendMessage", said)
    return visit.town.template


def page(program: str) -> str:
    """The page that links, codes and cards of a program lead to."""
    return PAGES[program]


PAGES = {
    "bike": "pages/map/index",
    "civic": "pages/card/index",
    "drops": "pages/drops/index",
    "food": "pages/menu/index",
    "fortune": "pages/lot/index",
    "jump": "pages/game/index",
    "parking": "pages/lots/index",
    "shop": "pages/index/index",
    "store": "pages/door/index",
    "taxi": "pages/hail/index",
    "tickets": "pages/shows/index",
    "wear": "pages/styles/index",
}
"""The first page of each program that ships."""
