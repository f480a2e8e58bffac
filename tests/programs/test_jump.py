"""Jump: what a game is worth and who is refused, and that a board's ranks are those of a sorted list."""

import random
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import Ref, Reject
from actors.programs.jump.program import (
    BOARD,
    BRANCH,
    CENTRE_MS,
    ENTITIES,
    FLIGHT_MS,
    GAME_MS_MAX,
    LEAF,
    PLAYER,
    PRESSES_MAX,
    RESTART_MS_MIN,
    SCORE_MAX,
    TELL_MS,
    TOP,
    UNTOLD_MAX,
    AddToBoard,
    AddToBranch,
    Count,
    Finish,
    Finished,
    Leaf,
    Player,
    PlayerCommand,
    PlayerEvent,
    Rise,
    Start,
    Started,
    TellBoard,
    TellBranch,
    leaves_of,
    platforms,
    route_player,
    score_of,
)
from actors.testing import Ensemble, Scenario

SEASON = "autumn-256"
SEED = "0123456789abcdef"
Game: TypeAlias = Scenario[Player, PlayerCommand, PlayerEvent]


def landing(seed: str, leaps: int) -> tuple[int, ...]:
    """Presses that land on so many platforms, and on no centre."""
    return tuple(centre_ms + CENTRE_MS + 1 for centre_ms, _ in platforms(seed, leaps))


def falling(seed: str, leaps: int) -> tuple[int, ...]:
    """Presses that land so often, and then fall."""
    return (*landing(seed, leaps), 5_000)


def leaf_of(player: str) -> str:
    """The leaf that counts this player of the season."""
    return route_player(f"{player}/{SEASON}")


def lasts_ms(presses_ms: tuple[int, ...]) -> int:
    return sum(presses_ms) + FLIGHT_MS * len(presses_ms)


def game(seed: str = SEED) -> Game:
    """A player whose game began just now."""
    scenario = Scenario(PLAYER, entity_id=f"ann/{SEASON}")
    return scenario.given(Started(seed, scenario.now_ms))


def refused(scenario: Game, command: PlayerCommand, *, after_ms: int) -> str:
    """Why the command is refused; nothing has changed."""
    before = scenario.state
    with pytest.raises(Reject) as caught:
        scenario.when(command, now_ms=scenario.now_ms + after_ms)
    assert scenario.state == before
    return caught.value.reason


def test_a_game_gives_a_seed_and_its_score_is_computed_from_seed_and_presses() -> None:
    scenario = Scenario(PLAYER, entity_id=f"ann/{SEASON}")
    started = scenario.when(Start())
    assert started.reply == {"seed": scenario.state.seed}
    presses = falling(scenario.state.seed, 7)
    played = scenario.when(Finish(scenario.state.seed, presses, 7), now_ms=scenario.now_ms + lasts_ms(presses))
    assert played.reply == {"score": 7, "best": 7}
    assert scenario.view("player") == {"best": 7, "games": 1, "playing": False}


def test_centres_hit_one_after_the_other_are_worth_more() -> None:
    centres = tuple(centre_ms for centre_ms, _ in platforms(SEED, 6))
    assert score_of(SEED, centres) == 2 + 4 + 6 + 8 + 8 + 8
    beside = landing(SEED, 6)
    assert score_of(SEED, (*centres[:3], beside[3], *centres[4:])) == 2 + 4 + 6 + 1 + 2 + 4


def test_the_best_game_there_can_be_has_the_highest_score_that_a_board_counts() -> None:
    perfect = tuple(centre_ms for centre_ms, _ in platforms(SEED, PRESSES_MAX))
    assert score_of(SEED, perfect) == SCORE_MAX


def test_a_lower_score_changes_neither_the_best_nor_the_board() -> None:
    scenario = game()
    scenario.given(Finished(SEED, 9), Started("b", scenario.now_ms))
    played = scenario.when(Finish("b", falling("b", 4), 4), now_ms=scenario.now_ms + 60_000)
    assert played.reply == {"score": 4, "best": 9}
    assert played.actions == ()


def test_a_seed_is_finished_once() -> None:
    scenario = game()
    presses = falling(SEED, 3)
    scenario.when(Finish(SEED, presses, 3), now_ms=scenario.now_ms + lasts_ms(presses))
    assert refused(scenario, Finish(SEED, presses, 3), after_ms=60_000) == "game_finished"
    assert refused(scenario, Finish("another", presses, 3), after_ms=0) == "no_game"


def test_a_game_that_was_not_begun_or_was_left_is_refused() -> None:
    scenario = game()
    assert refused(scenario, Finish("made-up", (400,), 0), after_ms=60_000) == "other_game"
    scenario.when(Start())
    assert refused(scenario, Finish(SEED, falling(SEED, 3), 3), after_ms=60_000) == "other_game"
    fresh = Scenario(PLAYER, entity_id=f"bob/{SEASON}")
    assert refused(fresh, Finish("", (400,), 0), after_ms=60_000) == "no_game"


def test_presses_that_the_logs_time_does_not_cover_are_refused() -> None:
    presses = falling(SEED, 5)
    assert refused(game(), Finish(SEED, presses, 5), after_ms=lasts_ms(presses) - 1) == "too_fast"
    scenario = game()
    assert scenario.when(Finish(SEED, presses, 5), now_ms=scenario.now_ms + lasts_ms(presses)).events


def test_a_game_played_for_too_long_is_refused() -> None:
    presses = falling(SEED, 5)
    assert refused(game(), Finish(SEED, presses, 5), after_ms=GAME_MS_MAX + 1) == "too_late"


def test_a_score_other_than_the_presses_give_is_refused_and_the_right_one_said() -> None:
    presses = falling(SEED, 5)
    assert refused(game(), Finish(SEED, presses, 6), after_ms=60_000) == "other_score"
    scenario = game()
    with pytest.raises(Reject) as caught:
        scenario.when(Finish(SEED, presses, 6), now_ms=scenario.now_ms + 60_000)
    assert caught.value.details == {"score": "5"}


def test_nobody_leaps_on_after_the_fall() -> None:
    presses = (*falling(SEED, 2), *landing(SEED, 3))
    assert refused(game(), Finish(SEED, presses, 3), after_ms=60_000) == "pressed_after_the_fall"


def test_nobody_looks_through_seeds_for_an_easy_one() -> None:
    scenario = game()
    assert refused(scenario, Start(), after_ms=RESTART_MS_MIN - 1) == "too_soon"
    assert scenario.when(Start(), now_ms=scenario.now_ms + 1).reply != {"seed": SEED}


@pytest.mark.parametrize(
    "board", ["", "autumn", "autumn-", "-4", "autumn-0", "autumn-04", "autumn-131072", "autumn-٤", "a/b-4", "autumn-3"]
)
def test_a_board_that_cannot_be_is_refused_and_its_players_are_still_routed(board: str) -> None:
    player = f"ann/{board}"
    assert leaves_of(board) == 0
    assert route_player(player) == player
    assert refused(Scenario(PLAYER, entity_id=player), Start(), after_ms=0) == "no_such_board"


def test_a_board_may_have_so_many_leaves_and_each_player_has_one_of_them() -> None:
    assert [leaves_of(f"autumn-{leaves}") for leaves in (1, 2, 1_024, 65_536)] == [1, 2, 1_024, 65_536]
    leaves = {route_player(f"player-{n}/autumn-8") for n in range(200)}
    assert leaves == {f"autumn-8/{n}" for n in range(8)}


# -- the board --------------------------------------------------------------------------------------------------------


def play(ensemble: Ensemble, player: str, leaps: int, season: str = SEASON) -> None:
    """A whole game that reaches so many platforms."""
    who = PLAYER.at(f"{player}/{season}")
    ensemble.now_ms += RESTART_MS_MIN
    ensemble.when(who, Start())
    seed = ensemble.state(PLAYER, who.id).seed
    presses = falling(seed, leaps)
    ensemble.now_ms += lasts_ms(presses)
    ensemble.when(who, Finish(seed, presses, leaps))


def tell(ensemble: Ensemble, to: Ref[Any]) -> None:
    """The timer of this leaf or branch, if it is set."""
    if "tell" in ensemble.timers(to):
        ensemble.fire(to, "tell")


def settle(ensemble: Ensemble, season: str = SEASON) -> None:
    """Every leaf tells its branch, every branch the board."""
    for kind in (LEAF, BRANCH):
        for n in range(leaves_of(season)):
            tell(ensemble, kind.at(f"{season}/{n}"))
        ensemble.settle()
    assert ensemble.dead_letters == []


def test_a_finished_game_and_its_leaf_are_one_record_and_the_board_hears_of_it_by_timers() -> None:
    ensemble = Ensemble(ENTITIES)
    play(ensemble, "ann", 5)
    leaf = LEAF.at(leaf_of("ann"))
    assert ensemble.state(LEAF, leaf.id).came == (5,)
    assert ensemble.sent == []
    settle(ensemble)
    assert ensemble.state(LEAF, leaf.id) == LEAF.initial
    assert ensemble.timers(leaf) == {}
    (first,) = ensemble.view(BOARD.at(SEASON), "top")["top"]
    assert (first["player"], first["score"]) == ("ann", 5)
    assert ensemble.view(BOARD.at(SEASON), "rank", score=5) == {"rank": 1, "players": 1}


def test_a_leaf_sets_its_timer_once_for_all_that_it_counts_meanwhile() -> None:
    ensemble = Ensemble(ENTITIES)
    play(ensemble, "ann", 5)
    due = ensemble.timers(LEAF.at(leaf_of("ann")))
    play(ensemble, "ann", 6)
    assert ensemble.timers(LEAF.at(leaf_of("ann"))) == due
    settle(ensemble)
    assert ensemble.view(BOARD.at(SEASON), "top")["players"] == 1


def test_all_leaves_tell_with_the_next_whole_second() -> None:
    ensemble = Ensemble(ENTITIES)
    for player in ("ann", "bob"):
        play(ensemble, player, 5)
        due_ms = ensemble.timers(LEAF.at(leaf_of(player)))["tell"].due_ms
        assert due_ms % TELL_MS == 0
        assert ensemble.now_ms < due_ms <= ensemble.now_ms + TELL_MS


def test_a_leaf_that_counted_very_many_tells_at_once_and_begins_anew() -> None:
    ensemble, season = Ensemble(ENTITIES), "winter-1"
    leaf = LEAF.at(f"{season}/0")
    for n in range(UNTOLD_MAX - 1):
        play(ensemble, f"player-{n}", n % 3, season)
    assert ensemble.sent == []
    play(ensemble, "last", 2, season)
    assert len(ensemble.sent) == 1
    assert ensemble.state(LEAF, leaf.id) == LEAF.initial
    assert ensemble.timers(leaf) == {}
    play(ensemble, "next", 2, season)
    settle(ensemble, season)
    assert ensemble.view(BOARD.at(season), "top")["players"] == UNTOLD_MAX + 1


def test_of_who_cannot_be_among_the_hundred_best_only_the_number_is_told() -> None:
    ensemble, season = Ensemble(ENTITIES), "winter-1"
    leaf, bests = f"{season}/0", dict[str, tuple[int, int]]()

    def plays(player: str, leaps: int) -> None:
        play(ensemble, player, leaps, season)
        bests[player] = (leaps, ensemble.now_ms)

    for n in range(TOP):
        plays(f"good-{n}", 5)
    settle(ensemble, season)
    plays("better", 6)
    settle(ensemble, season)
    assert ensemble.state(LEAF, leaf) == Leaf(line=5)
    plays("low", 4)
    plays("equal", 5)
    assert [entry[2] for entry in ensemble.state(LEAF, leaf).best] == ["equal"]
    settle(ensemble, season)
    agrees(ensemble, bests, season)
    plays("low", 7)
    settle(ensemble, season)
    agrees(ensemble, bests, season)


def test_the_line_of_a_branch_rises_and_never_falls() -> None:
    ensemble, season = Ensemble(ENTITIES), "winter-2"
    branch, lines = BRANCH.at(f"{season}/0"), list[int]()
    for round_ in range(4):
        for n in range(TOP):
            play(ensemble, f"player-{n}", 2 * round_, season)
        settle(ensemble, season)
        lines.append(ensemble.state(BRANCH, branch.id).line)
    assert lines == [0, 2, 4, 6]


def test_equal_scores_share_a_rank_and_the_earlier_stands_first() -> None:
    ensemble = Ensemble(ENTITIES)
    for player in ("zoe", "ann", "bob"):
        play(ensemble, player, 4)
    settle(ensemble)
    board = BOARD.at(SEASON)
    assert [each["player"] for each in ensemble.view(board, "top")["top"]] == ["zoe", "ann", "bob"]
    assert ensemble.view(board, "rank", score=4)["rank"] == 1
    assert ensemble.view(board, "rank", score=3)["rank"] == 4


def test_two_boards_do_not_mix() -> None:
    ensemble = Ensemble(ENTITIES)
    play(ensemble, "ann", 4, "spring-4")
    play(ensemble, "ann", 2, "summer-4")
    settle(ensemble, "spring-4")
    settle(ensemble, "summer-4")
    for season, leaps in (("spring-4", 4), ("summer-4", 2)):
        assert [each["score"] for each in ensemble.view(BOARD.at(season), "top")["top"]] == [leaps]


@pytest.mark.parametrize("score", [None, "5", 5.0, True, -1, SCORE_MAX + 1])
def test_what_is_no_score_has_no_rank(score: object) -> None:
    assert Ensemble(ENTITIES).view(BOARD.at(SEASON), "rank", score=score) == {"rank": None, "players": 0}


def test_an_empty_board_ranks_whoever_asks_first() -> None:
    ensemble = Ensemble(ENTITIES)
    assert ensemble.view(BOARD.at(SEASON), "top") == {"players": 0, "top": []}
    assert ensemble.view(BOARD.at(SEASON), "rank", score=SCORE_MAX) == {"rank": 1, "players": 0}


def test_the_tree_takes_no_word_from_clients_nor_from_another_boards_players() -> None:
    ensemble = Ensemble(ENTITIES)
    leaf = leaf_of("ann")
    said: list[tuple[Ref[Any], object]] = [
        (LEAF.at(leaf), Count("ann", -1, 4_000, 0)),
        (LEAF.at(leaf), TellBranch()),
        (LEAF.at(leaf), Rise(4_000)),
        (BRANCH.at(f"{SEASON}/0"), AddToBranch({4_000: 1}, ((4_000, 0, "ann"),), 0)),
        (BRANCH.at(f"{SEASON}/0"), TellBoard()),
        (BOARD.at(SEASON), AddToBoard({4_000: 1}, ((4_000, 0, "ann"),))),
    ]
    for to, command in said:
        with pytest.raises(Reject, match="not_for_clients"):
            ensemble.when(to, command)
    strangers = Scenario(LEAF, entity_id=leaf)
    for sender in ("jump.player/ann/spring-256", f"jump.player/bob/{SEASON}", f"jump.leaf/ann/{SEASON}"):
        with pytest.raises(Reject, match="not_for_clients"):
            strangers.when(Count("ann", -1, 4_000, 0), sender=sender)
    for sender in (f"jump.leaf/{SEASON}/64", f"jump.leaf/{SEASON}/x", "jump.leaf/spring-256/0"):
        add = AddToBranch({1: 1}, ((1, 0, "ann"),), 0)
        with pytest.raises(Reject, match="not_for_clients"):
            Scenario(BRANCH, entity_id=f"{SEASON}/0").when(add, sender=sender)
    for sender in (f"jump.branch/{SEASON}/3", "jump.branch/spring-256/0", f"jump.leaf/{leaf}"):
        with pytest.raises(Reject, match="not_for_clients"):
            Scenario(LEAF, entity_id=f"{SEASON}/0").when(Rise(4_000), sender=sender)


def sorted_list(bests: dict[str, tuple[int, int]]) -> list[tuple[str, int]]:
    """The whole board, as one who sorts it would have it."""
    ranked = sorted(bests, key=lambda player: (-bests[player][0], bests[player][1], player))
    return [(player, bests[player][0]) for player in ranked]


def agrees(ensemble: Ensemble, bests: dict[str, tuple[int, int]], season: str = SEASON) -> None:
    """Top and every rank are those of a sorted list."""
    ranked = sorted_list(bests)
    board = BOARD.at(season)
    answer = ensemble.view(board, "top")
    assert [(each["player"], each["score"]) for each in answer["top"]] == ranked[:TOP]
    assert answer["players"] == len(bests)
    scores = [score for _, score in ranked]
    for score in {*scores, 0, 999}:
        above = sum(other > score for other in scores)
        assert ensemble.view(board, "rank", score=score) == {"rank": above + 1, "players": len(bests)}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("play"), st.integers(0, 11), st.integers(0, 8)),
        st.tuples(st.just("leaf"), st.integers(0, 11), st.just(0)),
        st.tuples(st.just("branch"), st.integers(0, 3), st.just(0)),
        st.tuples(st.just("deliver"), st.just(0), st.just(0)),
    ),
    max_size=60,
)


@given(STEPS)
@settings(deadline=None)
def test_ranks_and_top_are_those_of_a_sorted_list_however_timers_and_sends_interleave(
    steps: list[tuple[str, int, int]],
) -> None:
    ensemble = Ensemble(ENTITIES)
    bests: dict[str, tuple[int, int]] = {}
    for what, n, leaps in steps:
        if what == "play":
            play(ensemble, f"player-{n}", leaps)
            if leaps > bests.get(f"player-{n}", (-1, 0))[0]:
                bests[f"player-{n}"] = (leaps, ensemble.now_ms)
        elif what == "leaf":
            tell(ensemble, LEAF.at(leaf_of(f"player-{n}")))
        elif what == "branch":
            tell(ensemble, BRANCH.at(f"{SEASON}/{n}"))
        elif ensemble.sent:
            ensemble.deliver()
    settle(ensemble)
    agrees(ensemble, bests)


@pytest.mark.parametrize("seed", range(3))
def test_what_a_leaf_cuts_when_hundreds_come_between_two_timers_belongs_to_no_top(seed: int) -> None:
    chance, season = random.Random(seed), "winter-1"
    ensemble = Ensemble(ENTITIES)
    bests: dict[str, tuple[int, int]] = {}
    for _ in range(450):
        player, leaps = f"player-{chance.randrange(350)}", chance.randrange(12)
        play(ensemble, player, leaps, season)
        if leaps > bests.get(player, (-1, 0))[0]:
            bests[player] = (leaps, ensemble.now_ms)
        if chance.random() < 0.003:
            settle(ensemble, season)
    assert len(bests) > 2 * TOP
    settle(ensemble, season)
    agrees(ensemble, bests, season)
