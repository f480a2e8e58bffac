"""Fortune telling: one lot a person a day, read beside the Chinese almanac of that day.

Decided is the number and the day, nothing else. What they mean is for the view: the almanac is a library's, and its
next version may say other things of a day; in a decision it would change the past.
"""

from datetime import date, timedelta
from typing import Any

from lunar_python import Solar
from msgspec import Struct

from actors import Context, Decision, Entity, Reject, Role, accept

LOTS = 100
CHINA_AHEAD_MS = 8 * 3_600_000  # the day begins at midnight in China, which has no summer time
DAY_MS = 86_400_000
GRADES = ((10, "上上"), (30, "上吉"), (65, "中吉"), (90, "中平"), (LOTS, "下下"))
SOLAR: Any = Solar  # the library has no types


class Draw(Struct, frozen=True, tag="fortune.draw"):
    """Draw the lot of the day that the id names, `<person>/<day>`. Drawing it again tells the same one."""


class Drawn(Struct, frozen=True, tag="fortune.drawn"):
    number: int
    day: str


class Lot(Struct, frozen=True):
    """`number` is 1 to 100, or 0 before it is drawn; `day` is written 2026-11-21."""

    number: int = 0
    day: str = ""


def decide(lot: Lot, command: Draw, ctx: Context) -> Decision[Drawn]:
    if lot.number:
        return accept(reply=lot)
    today = _day_of(ctx.now_ms)
    person, _, day = ctx.entity_id.rpartition("/")
    if not person or day != today:
        raise Reject("not_today", today=today)  # no lot of tomorrow, and none of a day that was missed
    number = 1 + int(ctx.random() * LOTS)
    return accept(Drawn(number, day), reply=Lot(number, day))


def _day_of(now_ms: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=(now_ms + CHINA_AHEAD_MS) // DAY_MS)).isoformat()


def evolve(_: Lot, event: Drawn) -> Lot:
    return Lot(event.number, event.day)


def almanac(lot: Lot, _: object) -> object:
    """What the lot is worth, and what its day is good and bad for. Nothing of it is ever on the log."""
    if not lot.number:
        return {"drawn": False}
    day = date.fromisoformat(lot.day)
    lunar = SOLAR.fromYmd(day.year, day.month, day.day).getLunar()
    year = f"{lunar.getYearInGanZhi()}{lunar.getYearShengXiao()}年"
    return {
        "drawn": True,
        "number": lot.number,
        "grade": next(grade for up_to, grade in GRADES if lot.number <= up_to),
        "day": lot.day,
        "lunar": f"{year} {lunar.getMonthInChinese()}月{lunar.getDayInChinese()}",
        "pillar": lunar.getDayInGanZhi(),
        "term": lunar.getJieQi(),
        "festivals": lunar.getFestivals(),
        "good_for": lunar.getDayYi(),
        "bad_for": lunar.getDayJi(),
        "clashes_with": lunar.getDayChongDesc(),
        "joy_is": lunar.getDayPositionXiDesc(),
        "wealth_is": lunar.getDayPositionCaiDesc(),
        "spirit": f"{lunar.getDayTianShen()}（{lunar.getDayTianShenLuck()}）",
    }


def person_of(lot_id: str) -> str:
    return lot_id.rpartition("/")[0]


LOT = Entity(
    "fortune.lot",
    Lot(),
    Draw,
    Drawn,
    decide,
    evolve,
    views={"lot": lambda lot, _: lot, "almanac": almanac},
    routing=lambda lot_id: person_of(lot_id) or lot_id,
    access=dict.fromkeys(("fortune.draw", "lot", "almanac"), (Role.PERSON,)),
    owner={Role.PERSON: person_of},
)
ENTITIES = (LOT,)
