"""What people play: leaps on a board for all, and a lot a day; and what must be so in the evening."""

from collections import Counter
from random import Random
from typing import Any

import msgspec

from actors.programs.fortune import program as fortune
from actors.programs.jump import program as jump
from tests.simulation.broken import require
from tests.simulation.evening import Area, Asking, Evening
from tests.simulation.people import PERSONS, nothing_before

encode = msgspec.msgpack.Encoder().encode

# -- leaps --------------------------------------------------------------------------------------------------------

BOARD = "2027w02-4"
PLAYERS = tuple(f"r{n}" for n in range(8))
WORTH = (0, 2, 6, 12, 20)
"""A game of so many leaps that all hit the centre."""


def leap(chance: Random) -> Asking:
    """Begin a game, and end it when its time is over: well, too early, or with a score that it was not worth."""
    player = f"jump.player/{chance.choice(PLAYERS)}/{BOARD}"
    leaps, draw = chance.randrange(len(WORTH)), chance.random()

    def finish(started: Any) -> list[Asking]:
        presses = [*(centre for centre, _ in jump.platforms(started["seed"], leaps)), 1]
        game = jump.Finish(started["seed"], tuple(presses), WORTH[leaps] + (draw < 0.1))
        after_ms = 100 if draw > 0.9 else sum(presses) + jump.FLIGHT_MS * len(presses)
        return [Asking(player, encode(game), after_ms=after_ms)] * (2 if draw > 0.7 else 1)

    return Asking(player, encode(jump.Start()), then=finish)


def the_board_is_the_sum_of_all_plays(evening: Evening) -> None:
    """A game counts once and for what it is worth, and the board has each player's best one, and nothing else."""
    bests: dict[str, int] = {}
    for player, events in evening.events(jump.PLAYER).items():
        begun = [event.seed for event in events if isinstance(event, jump.Started)]
        games = {event.seed: event.score for event in events if isinstance(event, jump.Finished)}
        ended = sum(isinstance(event, jump.Finished) for event in events)
        require(len(games) == ended and games.keys() <= set(begun), f"{player} played {games}, of {begun}")
        if games:
            bests[player.partition("/")[0]] = max(games.values())
    for player, command in evening.accepted(jump.PLAYER):
        if isinstance(command, jump.Finish):
            require(command.score == WORTH[len(command.presses_ms) - 1], f"{player} was given {command.score}")
    board = evening.states(jump.BOARD).get(BOARD, jump.Board())
    counted = Counter({score: players for score, players in enumerate(board.players) if players})
    require(counted == Counter(bests.values()), f"the board counts {counted}, and the bests are {bests}")
    require({player: score for score, _, player in board.best} == bests, f"{board.best} are above, of {bests}")
    require([score for score, *_ in board.best] == sorted(bests.values(), reverse=True), f"above are {board.best}")
    leaves, branches = evening.states(jump.LEAF), evening.states(jump.BRANCH)
    untold = {name: leaf for name, leaf in leaves.items() if leaf.came or leaf.went or leaf.best}
    require(not untold, f"not told of is {untold}")
    unsaid = {name: branch for name, branch in branches.items() if branch.counts or branch.best}
    require(not unsaid, f"not told of is {unsaid}")


LEAPS = Area(
    (jump.PLAYER, jump.LEAF, jump.BRANCH, jump.BOARD),
    nothing_before,
    leap,
    the_board_is_the_sum_of_all_plays,
    (f"jump.board/{BOARD}", "top"),
)

# -- lots ---------------------------------------------------------------------------------------------------------

DAYS = ("2027-01-14", "2027-01-15", "2027-01-16", "someday")
"""The middle of them are what the log's clock may show: it is set back by a day, now and then."""


def draw(chance: Random) -> Asking:
    """Today's lot, mostly; and now and then one of another day, or of none."""
    day = chance.choices(DAYS, (3, 10, 1, 1))[0]
    return Asking(f"fortune.lot/{chance.choice(PERSONS)}/{day}", encode(fortune.Draw()))


def one_lot_a_day(evening: Evening) -> None:
    """A person has one lot a day, of that day, for good."""
    lots = evening.states(fortune.LOT)
    for name, drawn in evening.events(fortune.LOT).items():
        require(len(drawn) == 1, f"{name} was drawn as {drawn}")
        (event,), day = drawn, name.rpartition("/")[2]
        require(event.day == day and day in DAYS[:2] and 1 <= event.number <= 100, f"{name} is {event}")
        require(lots[name] == fortune.Lot(event.number, day), f"{name} is {lots[name]}, drawn as {event}")


FORTUNES = Area((fortune.LOT,), nothing_before, draw, one_lot_a_day, (f"fortune.lot/ann/{DAYS[1]}", "lot"))
