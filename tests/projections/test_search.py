"""What a program is found under, and what a query asks for."""

from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import InvalidCommand
from actors.projections import search
from actors.projections.search import Listed, Query, Wanted

LUCKIN = Listed("p1", "瑞幸咖啡", ("Luckin Coffee",), category="drinks", city="广州")
TEXT = st.text(max_size=12) | st.text("瑞幸咖啡奶茶lucky Café", max_size=12)
LISTED = st.builds(
    Listed,
    program=st.text("ab1", min_size=1, max_size=3),
    name=TEXT,
    aliases=st.lists(TEXT, max_size=2).map(tuple),
    category=st.sampled_from(("", "drinks", "food-and-more")),
    city=st.sampled_from(("", "广州", "Zürich")),
    uses=st.integers(0, 1 << 40),
)
WORD = st.text("abc", min_size=1, max_size=6)
POSITION = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


def matches(wanted: Wanted, listed: Listed) -> bool:
    """What an index answers by."""
    tokens = set(search.tokens_of(listed))
    return any(tokens.issuperset(alternative) for alternative in wanted)


@pytest.mark.parametrize(
    "text",
    [
        "咖啡",
        "瑞幸",
        "幸",
        "瑞幸咖啡",
        "luckin",
        "LUCKIN",
        "luc",
        "coffee luckin",
        "ｌｕｃｋｉｎ",
        "瑞幸 luckin",
        "c? (瑞)!",
    ],
)
def test_a_program_is_found_by_parts_of_its_names(text: str) -> None:
    assert matches(search.wanted(Query(text)), LUCKIN)


@pytest.mark.parametrize("text", ["啡咖", "uckin", "luckinx", "茶", "瑞啡", "luckin tea", "c:drinks", "…", "g:广州 "])
def test_it_is_not_found_by_what_its_names_do_not_say(text: str) -> None:
    assert not matches(search.wanted(Query(text)), LUCKIN)


@given(LISTED, st.data())
def test_every_program_is_found_by_its_whole_name_and_by_what_its_words_begin_with(
    listed: Listed, data: st.DataObject
) -> None:
    for name in (listed.name, *listed.aliases):
        if search.tokens_of(Listed("p", name)):
            assert matches(search.wanted(Query(name, listed.category, listed.city)), listed)
    words = search.words_of(listed)
    if words:
        word = data.draw(st.sampled_from(words))
        assert matches(search.wanted(Query(word[: data.draw(st.integers(1, len(word)))])), listed)


def test_category_and_city_narrow_it() -> None:
    for category in ("", "drinks"):
        for city in ("", "广州"):
            assert matches(search.wanted(Query("咖啡", category, city)), LUCKIN)
    assert not matches(search.wanted(Query("咖啡", "food", "广州")), LUCKIN)
    assert not matches(search.wanted(Query("咖啡", "", "上海")), LUCKIN)
    assert matches(search.wanted(Query("", "drinks")), LUCKIN)
    assert search.wanted(Query()) == search.wanted(Query("?!", "drinks")) == ()


@pytest.mark.parametrize(
    "text", ["lukcin", "lucin", "luckinn", "luxkin", "瑞辛咖啡", "瑞幸咖", "瑞咖啡", "coffe lukcin"]
)
def test_one_slip_is_understood(text: str) -> None:
    query = Query(text, city="广州")
    similar = {
        typed: tuple(word for word in search.words_of(LUCKIN) if search.is_one_slip(typed, word))
        for typed in search.mistyped(query)
    }
    assert matches((*search.wanted(query), *search.relaxed(query, similar)), LUCKIN)
    assert not matches(search.relaxed(Query(text, city="上海"), similar), LUCKIN)


@given(WORD, WORD)
def test_words_one_slip_apart_share_a_variant_and_no_others_pass(one: str, other: str) -> None:
    slips = {one[:n] + one[n + 1 :] for n in range(len(one))} | {one}
    slips |= {one[:n] + letter + one[n:] for n in range(len(one) + 1) for letter in "abc"}
    slips |= {one[:n] + letter + one[n + 1 :] for n in range(len(one)) for letter in "abc"}
    slips |= {one[:n] + one[n : n + 2][::-1] + one[n + 2 :] for n in range(len(one) - 1)}
    assert search.is_one_slip(one, other) == (other in slips)
    for slip in slips:
        assert set(search.variants(one)) & set(search.variants(slip))


@given(TEXT, TEXT)
def test_tokens_are_words_for_an_index_and_no_text_reaches_a_filter(text: str, category: str) -> None:
    listed = Listed("p", text, category=category)
    asked = (*search.wanted(Query(text, category)), *search.relaxed(Query(text, category), {}))
    for token in (*search.tokens_of(listed), *(one for tokens in asked for one in tokens)):
        mark, _, letters = token.rpartition(":")
        assert mark in ("", "c", "g")
        assert letters.isalnum()
    assert len(asked) <= 1 + search.ALTERNATIVES_MAX


@pytest.mark.parametrize("field", ["text", "category", "city"])
def test_what_nobody_types_is_refused(field: str) -> None:
    longest = Query(**{field: "咖" * 64})
    assert search.bounded(longest) is longest
    for size in (65, 10_240):
        with pytest.raises(InvalidCommand, match=f"{size:,} characters") as refused:
            search.wanted(Query(**{field: "咖" * size}))
        assert (refused.value.reason, refused.value.field) == ("SEARCH_TOO_LONG", field)


@given(st.lists(LISTED, unique_by=lambda listed: listed.program))
def test_places_are_each_program_s_own_and_the_most_used_come_first(programs: list[Listed]) -> None:
    ordered = sorted(programs, key=search.place_of)
    assert len({search.place_of(listed) for listed in programs}) == len(programs)
    ranks = [listed.uses.bit_length() for listed in ordered]
    assert ranks == sorted(ranks, reverse=True)
    assert all(search.place_of(one) & search.MARK_MASK == search.mark_of(one.program) for one in programs)
    assert all(0 <= search.place_of(one) < 1 << 63 for one in programs)


@given(POSITION)
def test_a_cell_is_among_those_around_it_and_what_is_near_lies_in_them(position: tuple[float, float]) -> None:
    around = search.cells_around(position)
    assert search.cell_of(position) in around
    assert len(around) in (6, 9)
    near = (min(90.0, position[0] + 0.005), (position[1] + 0.01 + 180) % 360 - 180)
    assert search.cell_of(near) in around


def test_distances_are_those_of_the_earth() -> None:
    guangzhou, shanghai = (23.1291, 113.2644), (31.2304, 121.4737)
    assert isclose(search.metres(guangzhou, shanghai), 1_213_000, rel_tol=0.01)
    assert search.metres(guangzhou, guangzhou) == 0
    with pytest.raises(InvalidCommand, match="latitude"):
        search.cell_of((91, 0))
