"""What a town comes to in the evening: everything that days share adds up, whatever happened meanwhile."""

from collections.abc import Sequence
from typing import Any

from loadtests.city.citizen import until
from loadtests.city.day import LEAPS, Day
from loadtests.city.town import BIKES, DISH, JACKET, STOCK, Town


async def audit(town: Town, days: Sequence[Day]) -> list[str]:
    """What does not add up, a sentence each. Every day has been played to its end."""
    count = len(days)
    server = {program: town.by(f"server/{program}") for program in ("bike", "food", "shop", "tickets", "drops", "jump")}

    async def shown(entity: str, view: str) -> Any:
        return (await server[entity.partition("/")[0]].query(f"programs/{entity}", view, linearizable=True)).value

    bikes = [(await shown(f"bike/stations/{station}", "station"))["bikes"] for station in (town.east, town.west)]
    left = STOCK - 2 * count
    menu = await until(
        server["food"], f"food/menus/{town.merchant}", "menu", lambda menu: menu["dishes"][DISH]["stock"] >= left
    )
    kitchen = await shown(f"food/kitchens/{town.merchant}", "kitchen")
    seats = await shown(f"tickets/halls/{town.hall}", "seats")
    drop = await shown(f"drops/drops/{town.drop}", "drop")
    board = f"jump/boards/{town.board}"
    everybody = await until(server["jump"], board, "top", lambda top: top["players"] >= 2 * count)
    rank = (await server["jump"].query(f"programs/{board}", "rank", {"score": _score(LEAPS)})).value
    best = {entry["player"] for entry in everybody["top"] if entry["score"] == _score(LEAPS)}
    items = [day.item for day in days if day.item]
    expected: dict[str, tuple[object, object]] = {
        "bikes at the two stations": (bikes, [BIKES - count, count]),
        "dishes on the menu": (menu["dishes"][DISH]["stock"], left),
        "orders in the kitchen": (kitchen["orders"], []),
        "jackets on the shelf": (
            (await shown(f"shop/skus/{town.merchant}/{JACKET}-M", "stock"))["units"],
            STOCK - count,
        ),
        "seats sold": (sorted(seats["sold"]), sorted(day.seat for day in days)),
        "seats held": (seats["held"], []),
        "items given out": (drop["issued"], min(count, town.drop_limit)),
        "items owned": (sorted(items), sorted(f"{town.drop}/{n + 1}" for n in range(drop["issued"]))),
        "players on the board": (everybody["players"], 2 * count),
        "best players": (best, {(await day.me.at("jump")).openid for day in days}),
        "rank of the best score": (rank["rank"], 1),
    }
    for openid, driver in town.cabs.items():
        cab = await driver.at("taxi")
        state = (await until(cab.client, f"taxi/drivers/{openid}", "driver", lambda shown: shown["state"] != "busy"))[
            "ride"
        ]
        expected[f"ride of the driver {openid}"] = (state, "")
    return [f"{what}: {found}, and not {wanted}" for what, (found, wanted) in expected.items() if found != wanted]


def _score(leaps: int) -> int:
    return sum(2 * (n + 1) for n in range(leaps))
