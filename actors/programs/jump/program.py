"""Jump: who presses long enough leaps onto the next platform. Scores are computed here; a board ranks all players.

A board is a tree: a player's new best is counted by the leaf that shares its routing key, so both are one record. Leaf
and branch keep what they have not told yet, and tell it once a second; every send arrives exactly once, so the root's
counts are exact. A board's name says how many leaves it has, since routing hangs on it: `<season>-<leaves>`.
"""

import hashlib
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from operator import itemgetter
from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors import CancelTimer, Context, Decision, Entity, Reject, Role, Send, SetTimer, accept

LEAVES = {str(1 << n): 1 << n for n in range(17)}
"""How many leaves a board may have, as its name says it."""
FAN_IN = 64
"""Leaves that share a branch."""
TOP = 100
TELL_MS = 1_000
UNTOLD_MAX = 256
"""A leaf that has counted so many before the second is over tells them then."""
PRESSES_MAX = 512
PRESS_MS_MAX = 5_000
SCORE_MAX = 2 + 4 + 6 + 8 * (PRESSES_MAX - 3)
"""That of a game whose every leap hits the centre: every score there can be has a count of its own at the root."""
FLIGHT_MS = 300
"""What a leap takes beside the press."""
GAME_MS_MAX = 3_600_000
RESTART_MS_MIN = 1_000
"""A game that was begun cannot be left for another sooner: nobody looks through seeds for an easy one."""
CENTRE_MS = 5
PLATFORMS_IN_BLOCK = 16
CENTRES_MS = tuple(200 + 3 * noise for noise in range(256))
HALVES_MS = tuple(20 + noise % 60 for noise in range(256))
"""Where a platform's centre is, and how much it may be missed by, each by a byte of noise."""
LEAPS = range(1, PRESSES_MAX + 1)

PressMs: TypeAlias = Annotated[int, Meta(ge=1, le=PRESS_MS_MAX)]
Counts: TypeAlias = dict[int, int]
"""How many more players (or fewer) have this score as their best."""
Entry: TypeAlias = tuple[int, int, str]
"""(score, when it was reached, the player)."""

# -- a player of one board: `<openid>/<board>` ------------------------------------------------------------------------


class Start(Struct, frozen=True, tag="jump.start"):
    """Begin a game. Its platforms stand where the seed that comes back says."""


class Finish(Struct, frozen=True, tag="jump.finish"):
    """How the game of this seed was played: how long each press was, and the score that the player saw."""

    seed: Annotated[str, Meta(max_length=64)]
    presses_ms: Annotated[tuple[PressMs, ...], Meta(min_length=1, max_length=PRESSES_MAX)]
    score: int


class Started(Struct, frozen=True, tag="jump.started"):
    seed: str
    at_ms: int


class Finished(Struct, frozen=True, tag="jump.finished"):
    seed: str
    score: int


class Player(Struct, frozen=True, array_like=True):
    """`seed` is that of the game that goes on, or empty; `best` is -1 before the first game ended."""

    seed: str = ""
    started_ms: int = 0
    finished: str = ""
    best: int = -1
    games: int = 0


PlayerCommand: TypeAlias = Start | Finish
PlayerEvent: TypeAlias = Started | Finished


def decide_player(player: Player, command: PlayerCommand, ctx: Context) -> Decision[PlayerEvent]:
    name, _, board = ctx.entity_id.partition("/")
    leaves = leaves_of(board)
    if not leaves:
        raise Reject("no_such_board", board=board)
    match command:
        case Finish(seed, presses_ms, claimed):
            _check_game(player, seed, sum(presses_ms) + FLIGHT_MS * len(presses_ms), ctx.now_ms)
            score = score_of(seed, presses_ms)
            if score != claimed:
                raise Reject("other_score", score=str(score))
            reply = {"score": score, "best": max(score, player.best)}
            if score <= player.best:
                return accept(Finished(seed, score), reply=reply)
            count = Send(LEAF.at(leaf_of(name, board, leaves)), Count(name, player.best, score, ctx.now_ms))
            return accept(Finished(seed, score), reply=reply, actions=(count,))
        case Start():
            if player.seed and ctx.now_ms < player.started_ms + RESTART_MS_MIN:
                raise Reject("too_soon", wait_ms=str(player.started_ms + RESTART_MS_MIN - ctx.now_ms))
            seed = ctx.id()[:16]
            return accept(Started(seed, ctx.now_ms), reply={"seed": seed})
        case _:
            assert_never(command)


def _check_game(player: Player, seed: str, played_ms: int, now_ms: int) -> None:
    """This game is the one that goes on, and the log's time since its start is neither too short nor too long."""
    if seed and seed == player.finished:
        raise Reject("game_finished")
    if not player.seed:
        raise Reject("no_game")
    if seed != player.seed:
        raise Reject("other_game")
    elapsed_ms = now_ms - player.started_ms
    if elapsed_ms < played_ms:
        raise Reject("too_fast", elapsed_ms=str(elapsed_ms), played_ms=str(played_ms))
    if elapsed_ms > GAME_MS_MAX:
        raise Reject("too_late", elapsed_ms=str(elapsed_ms))


def score_of(seed: str, presses_ms: tuple[int, ...]) -> int:
    """What a game is worth: 1 for each platform reached, 2, 4, 6, 8, 8 … for centres hit one after the other.

    The first leap beside a platform is the last of a game: a press after it rejects.
    """
    score = bonus = 0
    noise = _noise(seed, len(presses_ms))
    for leap, press_ms, first, second in zip(LEAPS, presses_ms, noise[::2], noise[1::2], strict=False):
        off_ms = abs(press_ms - CENTRES_MS[first])
        if off_ms > HALVES_MS[second]:
            if leap < len(presses_ms):
                raise Reject("pressed_after_the_fall", leap=str(leap))
            break
        if off_ms > CENTRE_MS:
            bonus = 0
            score += 1
        else:
            bonus = min(bonus + 2, 8)
            score += bonus
    return score


def platforms(seed: str, leaps: int) -> Iterator[tuple[int, int]]:
    """Where a game's first platforms stand: the press that hits the centre of each, and how much it may be off."""
    noise = _noise(seed, leaps)
    return ((CENTRES_MS[noise[at]], HALVES_MS[noise[at + 1]]) for at in range(0, 2 * leaps, 2))


def _noise(seed: str, leaps: int) -> bytes:
    """Two bytes for each of so many platforms, and perhaps for some more."""
    if leaps <= PLATFORMS_IN_BLOCK:  # as most games are
        return hashlib.sha256(f"{seed}/0".encode()).digest()
    blocks = range((leaps - 1) // PLATFORMS_IN_BLOCK + 1)
    return b"".join(hashlib.sha256(f"{seed}/{block}".encode()).digest() for block in blocks)


def evolve_player(player: Player, event: PlayerEvent) -> Player:
    match event:
        case Finished(seed, score):
            return Player("", 0, seed, max(score, player.best), player.games + 1)
        case Started(seed, at_ms):
            return replace(player, seed=seed, started_ms=at_ms)
        case _:
            assert_never(event)


def view_player(player: Player, _: object) -> object:
    """The best score, and none before the first game ended."""
    best = player.best if player.games else None
    return {"best": best, "games": player.games, "playing": player.seed != ""}


@lru_cache(1_024)
def leaves_of(board: str) -> int:
    """How many leaves a board of this name has; 0 if no board can be named so."""
    season, _, leaves = board.rpartition("-")
    return LEAVES.get(leaves, 0) if season and "/" not in season else 0


def leaf_of(player: str, board: str, leaves: int) -> str:
    """The leaf that counts this player."""
    return f"{board}/{zlib.crc32(player.encode()) % leaves}"


def route_player(player_id: str) -> str:
    """The routing key of the player's leaf; of an id without a board, which rejects every command, the id itself."""
    name, _, board = player_id.partition("/")
    leaves = leaves_of(board)
    return leaf_of(name, board, leaves) if leaves else player_id


# -- a leaf and a branch of a board: `<board>/<number>` ---------------------------------------------------------------


class Count(Struct, frozen=True, tag="jump.leaf.count"):
    """A player's: my best was `before` (-1 for none), and is `score` since `at_ms`."""

    player: str
    before: int
    score: int
    at_ms: int


class TellBranch(Struct, frozen=True, tag="jump.leaf.tell"):
    """The timer's: tell the branch what was counted since the last time."""


class Counted(Struct, frozen=True, tag="jump.leaf.counted"):
    player: str
    before: int
    score: int
    at_ms: int


class ToldBranch(Struct, frozen=True, tag="jump.leaf.told"):
    pass


class Rise(Struct, frozen=True, tag="jump.leaf.rise"):
    """The branch's: a hundred players below me are on this line or above, so entries below it need not be told."""

    line: int


class Rose(Struct, frozen=True, tag="jump.leaf.rose"):
    line: int


class Sum(Struct, frozen=True):
    """What was counted below since the last time, and the best entries that came in meanwhile."""

    counts: Counts
    best: tuple[Entry, ...]


class AddToBranch(Sum, frozen=True, tag="jump.branch.add"):
    """Of a leaf that goes by this line."""

    line: int


class TellBoard(Struct, frozen=True, tag="jump.branch.tell"):
    """The timer's: tell the root."""


class AddedToBranch(Sum, frozen=True, tag="jump.branch.added"):
    pass


class ToldBoard(Struct, frozen=True, tag="jump.branch.told"):
    pass


class Leaf(Struct, frozen=True, array_like=True):
    """What a leaf has not told yet: scores that became somebody's best, what those players had before, and entries.

    It is small, since each score rewrites it. `best` is in no order, and holds nothing below the line.
    """

    came: tuple[int, ...] = ()
    went: tuple[int, ...] = ()
    best: tuple[Entry, ...] = ()
    line: int = 0


class Branch(Struct, frozen=True, array_like=True):
    """What a branch has not told yet, and `hundred`: how many players below have each score from `line` on.

    `best` is in no order, cut to the best when it has twice as many, and holds nothing below the line, which rises as
    far as a hundred players are on it or above. Nobody misses what was cut: their bests only grow, so a hundred others
    are above it for good.
    """

    counts: Counts = {}
    best: tuple[Entry, ...] = ()
    hundred: Counts = {}
    line: int = 0


LeafCommand: TypeAlias = Count | TellBranch | Rise
LeafEvent: TypeAlias = Counted | ToldBranch | Rose
BranchCommand: TypeAlias = AddToBranch | TellBoard
BranchEvent: TypeAlias = AddedToBranch | ToldBoard


def decide_leaf(leaf: Leaf, command: LeafCommand, ctx: Context) -> Decision[LeafEvent]:
    board, _, number = ctx.entity_id.rpartition("/")
    match command:
        case Count(player, before, score, at_ms):
            ctx.only_from("jump.player", f"{player}/{board}")
            counted = Counted(player, before, score, at_ms)
            if len(leaf.came) + 1 < UNTOLD_MAX:
                return accept(counted, actions=() if leaf.came else (_next_second(TellBranch(), ctx),))
            tell = _tell_branch(evolve_leaf(leaf, counted), board, number)
            return accept(counted, ToldBranch(), actions=(tell, CancelTimer("tell")))
        case TellBranch():
            ctx.only_from("jump.leaf", ctx.entity_id)
            return accept(ToldBranch(), actions=(_tell_branch(leaf, board, number),))
        case Rise(line):
            ctx.only_from("jump.branch", f"{board}/{int(number) // FAN_IN}" if number.isdecimal() else "")
            return accept(Rose(line))
        case _:
            assert_never(command)


def _tell_branch(leaf: Leaf, board: str, number: str) -> Send[BranchCommand]:
    counts = Counter(leaf.came)
    counts.subtract(leaf.went)
    return Send(BRANCH.at(f"{board}/{int(number) // FAN_IN}"), AddToBranch(dict(counts), top(leaf.best), leaf.line))


def evolve_leaf(leaf: Leaf, event: LeafEvent) -> Leaf:
    match event:
        case Counted(player, before, score, at_ms):
            went = leaf.went if before < 0 else (*leaf.went, before)
            best = leaf.best if score < leaf.line else (*leaf.best, (score, at_ms, player))
            return Leaf((*leaf.came, score), went, best, leaf.line)
        case ToldBranch():
            return Leaf(line=leaf.line)
        case Rose(line):
            return replace(leaf, best=_from(line, leaf.best), line=max(line, leaf.line))
        case _:
            assert_never(event)


def decide_branch(branch: Branch, command: BranchCommand, ctx: Context) -> Decision[BranchEvent]:
    board, _, number = ctx.entity_id.rpartition("/")
    match command:
        case AddToBranch(counts, best, line):
            leaf = ctx.sender.removeprefix(f"jump.leaf/{board}/")
            _only_from(leaf.isdecimal() and str(int(leaf) // FAN_IN) == number)
            tell = () if branch.counts else (_next_second(TellBoard(), ctx),)
            rise = () if line >= branch.line else (Send(LEAF.at(f"{board}/{leaf}"), Rise(branch.line)),)
            return accept(AddedToBranch(counts, best), actions=(*tell, *rise))
        case TellBoard():
            ctx.only_from("jump.branch", ctx.entity_id)
            send = Send(BOARD.at(board), AddToBoard(branch.counts, top(branch.best)))
            return accept(ToldBoard(), actions=(send,))
        case _:
            assert_never(command)


def evolve_branch(branch: Branch, event: BranchEvent) -> Branch:
    match event:
        case AddedToBranch(counts, best):
            above = _sum(branch.hundred, {score: n for score, n in counts.items() if score >= branch.line})
            line = _line(above, branch.line)
            hundred = {score: players for score, players in above.items() if players and score >= line}
            entries = _from(line, (*branch.best, *best))
            entries = entries if len(entries) <= 2 * TOP else top(entries)
            return Branch(_sum(branch.counts, counts), entries, hundred, line)
        case ToldBoard():
            return Branch(hundred=branch.hundred, line=branch.line)
        case _:
            assert_never(event)


def _only_from(expected: bool) -> None:
    if not expected:
        raise Reject("not_for_clients")


def _next_second(tell: TellBranch | TellBoard, ctx: Context) -> SetTimer:
    """The timer, to be set by the first that is to be told: a tree in which nothing happens is silent.

    It is due when those of all others are, so that what they send travels together.
    """
    return SetTimer("tell", ctx.now_ms - ctx.now_ms % TELL_MS + TELL_MS, tell)


def _sum(counts: Counts, more: Counts) -> Counts:
    total = dict(counts)
    for score, players in more.items():
        total[score] = total.get(score, 0) + players
    return total


def _line(above: Counts, line: int) -> int:
    """The highest score that a hundred of these players have or pass, or the line as it was."""
    players = 0
    for score in sorted(above, reverse=True):
        players += above[score]
        if players >= TOP:
            return score
    return line


def _from(line: int, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    return tuple(entry for entry in entries if entry[0] >= line)


def top(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The best of these, one a player: the higher score first, and of equal ones the earlier."""
    ranked = sorted(sorted(entries, key=itemgetter(1, 2)), key=itemgetter(0), reverse=True)
    first: dict[str, Entry] = {}
    for entry in ranked:
        if len(first) == TOP:
            break
        first.setdefault(entry[2], entry)
    return tuple(first.values())


# -- the board: `<season>-<leaves>` -----------------------------------------------------------------------------------


class AddToBoard(Sum, frozen=True, tag="jump.board.add"):
    pass


class AddedToBoard(Sum, frozen=True, tag="jump.board.added"):
    pass


class Board(Struct, frozen=True, array_like=True):
    """`players[n]` is how many players have n as their best score; it is as long as it must be."""

    players: tuple[int, ...] = ()
    best: tuple[Entry, ...] = ()


def decide_board(_: Board, command: AddToBoard, ctx: Context) -> Decision[AddedToBoard]:
    _only_from(ctx.sender.startswith(f"jump.branch/{ctx.entity_id}/"))
    return accept(AddedToBoard(command.counts, command.best))


def evolve_board(board: Board, event: AddedToBoard) -> Board:
    players = list(board.players)
    players += [0] * (max(event.counts) + 1 - len(players))
    for score, more in event.counts.items():
        players[score] += more
    return Board(tuple(players), top(board.best + event.best))


def view_top(board: Board, _: object) -> object:
    """The hundred best, in order, and how many players there are."""
    best = [{"player": player, "score": score, "at_ms": at_ms} for score, at_ms, player in board.best]
    return {"players": sum(board.players), "top": best}


def view_rank(board: Board, args: dict[str, object]) -> object:
    """The rank of a best score: 1 and the players above it. Without a whole number as `score` there is none."""
    score = args.get("score")
    if type(score) is not int or not 0 <= score <= SCORE_MAX:
        return {"rank": None, "players": sum(board.players)}
    return {"rank": 1 + sum(board.players[score + 1 :]), "players": sum(board.players)}


PLAYER = Entity(
    "jump.player",
    Player(),
    PlayerCommand,
    PlayerEvent,
    decide_player,
    evolve_player,
    views={"player": view_player},
    routing=route_player,
    access={"jump.start": (Role.PERSON,), "jump.finish": (Role.PERSON,), "player": (Role.PERSON, Role.SERVER)},
    owner={Role.PERSON: lambda player_id: player_id.partition("/")[0]},
    friends_see=("player",),
)
LEAF: Entity[Leaf, LeafCommand, LeafEvent] = Entity(
    "jump.leaf", Leaf(), LeafCommand, LeafEvent, decide_leaf, evolve_leaf, collection="leaves"
)
BRANCH: Entity[Branch, BranchCommand, BranchEvent] = Entity(
    "jump.branch",
    Branch(),
    BranchCommand,
    BranchEvent,
    decide_branch,
    evolve_branch,
    collection="branches",
    routing=lambda branch_id: f"{branch_id}/branch",
)
BOARD = Entity(
    "jump.board",
    Board(),
    AddToBoard,
    AddedToBoard,
    decide_board,
    evolve_board,
    views={"top": view_top, "rank": view_rank},
    access=dict.fromkeys(("top", "rank"), (Role.PERSON, Role.SERVER)),
)
ENTITIES = (PLAYER, LEAF, BRANCH, BOARD)
