"""What a newcomer meets: refusals and empty answers that say what to do."""

from pathlib import Path

import pytest

from actors.programs.jump.program import PLAYER
from actors.projections.search import looked_metres
from tests.cli.desk import CLOSED, Desk, at_desk
from tests.cli.running import Said, hutong

PAGE = "pages/map/index"


@pytest.fixture(autouse=True)
def _nobodys_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUTONG_TOKEN", raising=False)


def _refused(said: Said, reason: str) -> str:
    """The message of a refusal by this reason, with what stderr says beside it."""
    assert said.error["reason"] == reason, said
    return f"{said.error['message']}\n{said.err}"


def test_what_is_a_persons_own_says_how_to_come_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def act(desk: Desk) -> None:
        for command in (
            "friends list",
            "friends request bob",
            "friends board autumn-1",
            "mine recent",
            "mine favour bike",
        ):
            told = _refused(desk(command, "--caller", "ann"), "NO_TOKEN")
            assert "export HUTONG_TOKEN=$(hutong sign-in NAME" in told
        signed = desk("sign-in ann").value
        assert desk("friends list", "--caller", f"account/{signed['person']}").value["friends"] == []
        monkeypatch.setenv("HUTONG_TOKEN", signed["token"])
        assert desk("mine recent").value["programs"] == []
        monkeypatch.setenv("HUTONG_TOKEN", desk("keys issue server/bike").value["token"])
        told = _refused(desk("friends list"), "PERMISSION_DENIED")
        assert "'ListFriends' is for the role account; this caller's is server" in told

    at_desk(tmp_path, act, "bike", "jump", process=CLOSED)


def test_nobody_is_warned_of_the_erasure_of_somebody_whom_nobody_knows(tmp_path: Path) -> None:
    def act(desk: Desk) -> None:
        for confirmed in ((), ("--yes",)):
            assert "no person 'ann'" in _refused(desk("erase ann", *confirmed), "NO_SUCH_PERSON")
        person = desk("sign-in ann").value["person"]
        assert "for ever" in _refused(desk("erase", person), "NOT_CONFIRMED")

    at_desk(tmp_path, act, "bike", process=CLOSED)


def test_a_token_of_what_nobody_knows_is_given_with_a_warning(tmp_path: Path) -> None:
    doubts = {
        "person/nosuch/x": "warning: no program 'nosuch' runs here",
        "server/nosuch": "warning: no program 'nosuch' runs here",
        "account/ann": "warning: nobody has signed in as 'ann'",
        "member/acme/ann": "warning: 'ann' is not in the team of an account 'acme'",
    }

    def act(desk: Desk) -> None:
        desk("catalog open-account", "acme", "Acme", "bob")
        account = f"account/{desk('sign-in bob').value['person']}"
        for principal in (*doubts, "person/bike/x", "server/bike", "operator/me", "member/acme/bob", account):
            said = desk("keys issue", principal)
            assert said.value["principal"] == principal
            assert said.err.partition(" (")[0].partition(", so")[0] == doubts.get(principal, ""), said

    at_desk(tmp_path, act, "bike", process=CLOSED)


def test_a_card_is_handed_on_and_withdrawn_by_any_of_its_names_and_a_loop_is_put_into_words(tmp_path: Path) -> None:
    def act(desk: Desk) -> None:
        card = desk("shares add bike", PAGE, "--caller", "ann").value
        names = (card["text"], f"bike/{card['share']}", card["share"].lower())
        for n, name in enumerate(names):
            below = desk("shares add bike", PAGE, "--parent", name, "--caller", f"person-{n}").value
            assert below["depth"] == 2
        told = _refused(desk("shares add bike", PAGE, "--parent", names[1], "--caller", "ann"), "share_loop")
        assert "has shared the card already" in told
        told = _refused(desk("shares add bike", PAGE, "--parent", f"shop/{card['share']}"), "INVALID_SHARE")
        assert "a card of 'shop', not of 'bike'" in told
        assert desk("shares withdraw bike", names[0], "--caller", "ann").status == 0
        assert desk("shares show", names[0]).value["state"] == "withdrawn"

    at_desk(tmp_path, act, "bike")


def test_who_never_played_stands_below_a_board_without_a_rank(tmp_path: Path) -> None:
    def act(desk: Desk) -> None:
        for one, other in (("ann", "bob"), ("bob", "ann")):
            desk("friends request", other, "--caller", one)
        while desk("friends list --caller ann").value["friends"] != ["bob"]:
            pass
        rows = desk("friends board autumn-1 --caller ann").value["rows"]
        assert [(row["person"], row["rank"], row["best"]) for row in rows] == [("ann", 0, None), ("bob", 0, None)]
        shown = desk.plain("friends board autumn-1 --caller ann")
        assert "without a score: ann, bob" in shown.err
        assert "ann" not in shown.out

    assert PLAYER.views["player"](PLAYER.initial, {}) == {"best": None, "games": 0, "playing": False}
    at_desk(tmp_path, act, "jump")


def test_a_version_that_does_not_grow_names_the_last_one_and_a_release_says_what_is_waited_for(tmp_path: Path) -> None:
    assert hutong("programs", "new", "tea", "--in", tmp_path).status == 0
    tea = tmp_path / "tea"

    def act(desk: Desk) -> None:
        desk("catalog open-account", "acme", "Acme", "ann")
        for command in ("register acme tea", "set-key acme", f"upload {tea} --account acme"):
            assert desk(f"catalog {command}").status == 0, command
        (tea / "README.md").write_text("another package")
        told = _refused(desk("catalog upload", tea, "--account", "acme"), "version_not_growing")
        assert "versions come up to 1: raise `code` in manifest.json" in told
        for command in ("submit tea 1", "gray tea 1 --percent 50", "release tea 1"):
            said = desk(f"catalog {command}")
            assert said.err.startswith("looking whether version 1 of tea reads"), (command, said)

    at_desk(tmp_path / "data", act, "bike")


def test_nothing_near_says_how_far_was_looked(tmp_path: Path) -> None:
    def act(desk: Desk) -> None:
        said = desk.plain("search --near 31.2,121.5")
        assert said.out.startswith("no program is within 610 metres of 31.2,121.5"), said
        assert desk("search --near 31.2,121.5").value == {"programs": []}

    assert looked_metres((0.0, 7.0)) == looked_metres((-59.0, 7.0)) > looked_metres((80.0, 7.0)) > 200
    at_desk(tmp_path, act, "bike")
