"""Codes: one for each target, for ever or until it is revoked."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors import Reject
from actors.domain.ways import code as c
from actors.domain.ways.code import CODE, Mint, Minted, Revoke, Revoked, code_of, read_text, text_of
from actors.testing import NOW_MS, Scenario

MAP = Mint("pages/map/index", b"42")
HOST = "hutong.example"
PROGRAMS = st.from_regex(r"[a-z][a-z0-9-]{0,62}", fullmatch=True)
TARGETS = st.tuples(PROGRAMS, st.text(max_size=9), st.binary(max_size=9), st.sampled_from(["trial", "release"]))


def code_for(mint: Mint, program: str = "bike") -> Scenario[c.Code, c.Command, c.Event]:
    """The entity that this target's code must be."""
    return Scenario(CODE, entity_id=f"{program}/{code_of(program, mint.page, mint.scene, mint.env)}")


def test_a_code_is_minted_once_however_often_it_is_asked_for() -> None:
    scenario = code_for(MAP)
    assert scenario.when(MAP).events == (Minted("pages/map/index", b"42", "release", "ann", NOW_MS),)
    assert scenario.when(MAP, caller="bob", now_ms=NOW_MS + 9).events == ()
    shown = scenario.view("code")
    assert (shown["state"], shown["page"], shown["by"], shown["minted_ms"]) == (
        *("minted", "pages/map/index", "ann"),
        NOW_MS,
    )


def test_of_a_page_that_is_gone_a_code_that_is_there_is_told_again_and_none_is_minted() -> None:
    scenario, gone = code_for(MAP), replace(MAP, gone=True)
    with pytest.raises(Reject, match="page_gone"):
        scenario.when(gone)
    scenario.when(MAP)
    assert scenario.when(gone).events == ()


def test_a_revoked_code_stands_for_nothing_and_is_never_minted_again() -> None:
    scenario = code_for(MAP)
    with pytest.raises(Reject, match="wrong_state"):
        scenario.when(Revoke())
    scenario.when(MAP)
    assert scenario.when(Revoke()).events == (Revoked(NOW_MS),)
    assert scenario.when(Revoke()).events == ()
    with pytest.raises(Reject, match="wrong_state"):
        scenario.when(MAP)
    assert scenario.view("code")["state"] == "revoked"


@pytest.mark.parametrize(
    "other", [Mint("pages/map/index", b"43"), Mint("pages/map", b"42"), Mint(MAP.page, b"42", "trial")]
)
def test_a_code_takes_no_target_but_the_one_that_it_is_named_after(other: Mint) -> None:
    scenario = code_for(MAP)
    with pytest.raises(Reject, match="wrong_code"):
        scenario.when(other)
    assert code_for(MAP, "cafe").entity_id.partition("/")[2] != scenario.entity_id.partition("/")[2]


def test_two_targets_that_share_a_code_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(c, "CODE_CHARS", 0)
    scenario = Scenario(CODE, entity_id="bike/")
    scenario.when(MAP)
    with pytest.raises(Reject, match="code_taken"):
        scenario.when(Mint("pages/map/index", b"43"))


def test_the_largest_scene_fits_the_state() -> None:
    mint = Mint("p" * 256, bytes(c.SCENE_BYTES_MAX))
    assert len(code_for(mint).when(mint).state.scene) == c.SCENE_BYTES_MAX


@settings(max_examples=30)
@given(st.lists(TARGETS, min_size=2, max_size=8, unique=True))
def test_no_two_targets_have_one_code(targets: list[tuple[str, str, bytes, str]]) -> None:
    made = [code_of(*target) for target in targets]
    assert len(set(made)) == len(targets)
    assert all(re.fullmatch(r"[A-Z2-7]{12}", code) for code in made)


@given(PROGRAMS, st.binary(max_size=9))
def test_a_text_is_read_back_as_the_program_and_the_code_that_it_was_made_of(program: str, scene: bytes) -> None:
    code = code_of(program, "p", scene, "release")
    text = text_of(HOST, program, code)
    assert re.fullmatch(r"[0-9A-Z $%*+\-./:]+", text), "a QR code has a short form for these letters alone"
    for said in (text, text.lower(), f"{program}/{code}", f"{program}/{code.lower()}"):
        assert read_text(HOST, said) == (program, code)


@pytest.mark.parametrize(
    "text",
    [
        *("", "bike", "bike/", "/ABCDEFGHIJKL", "bike/ABCDEFGHIJK", "bike/ABCDEFGHIJKLM", "bike/ABCDEFGHIJK1"),
        *(
            "bike/ABCDEFGHIJKL\n",
            " bike/ABCDEFGHIJKL",
            "bike//ABCDEFGHIJKL",
            "1bike/ABCDEFGHIJKL",
            "b\u0131ke/ABCDEFGHIJKL",
        ),
        *("https://other.example/C/BIKE/ABCDEFGHIJKL", "https://hutongxexample/C/BIKE/ABCDEFGHIJKL"),
        *("http://hutong.example/C/BIKE/ABCDEFGHIJKL", "https://hutong.example/D/BIKE/ABCDEFGHIJKL"),
        *("https://hutong.example/C/BIKE/ABCDEFGHIJKL?x", "bike/ABCDEFGHIJ\u017fL", f"{'b' * 64}/ABCDEFGHIJKL"),
    ],
)
def test_a_text_that_no_code_of_ours_has_is_none(text: str) -> None:
    assert read_text(HOST, text) is None


@given(st.lists(st.sampled_from([MAP, Revoke(), Mint("pages/other")]), max_size=12))
def test_whatever_is_asked_a_code_is_minted_once_and_revoked_once(commands: list[c.Command]) -> None:
    scenario = code_for(MAP)
    happened: list[c.Event] = []
    for command in commands:
        try:
            happened += scenario.when(command).events
        except Reject:
            continue
    assert [type(event) for event in happened] == [Minted, Revoked][: len(happened)]
