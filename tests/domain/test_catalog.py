"""The catalogue: names, versions through their review, and what each person is shown."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import Reject
from actors.domain.catalog import name as names
from actors.domain.catalog import program as p
from actors.domain.catalog import review, versions
from actors.domain.catalog.name import NAME
from actors.domain.catalog.program import Judge, Release, Rollback, SetGray, Submit, Upload, Withdraw
from actors.domain.catalog.uploads import UPLOADS, Take
from actors.domain.catalog.versions import Person, Rule, Version
from actors.domain.counting import DAY_MS, MONTH_MS
from actors.domain.developer import ACCOUNT, Open
from actors.shape import canonical
from actors.testing import NOW_MS, Ensemble, Scenario

CAFE = p.PROGRAM.at("acme/cafe")
LANE = review.REVIEW.at(p.lane_of("acme/cafe").id)
HOUR_MS = 3_600_000


def hash_of(code: int) -> str:
    return f"{code:064x}"


def registered(*codes: int) -> Ensemble:
    """A program of an open account, with these versions uploaded."""
    there = Ensemble((ACCOUNT, NAME, p.PROGRAM, UPLOADS, review.REVIEW))
    there.when(ACCOUNT.at("acme"), Open("Acme", "ann"))
    there.when(CAFE, p.Register("Café", "food"))
    for code in codes:
        there.when(CAFE, Upload(code, f"1.{code}", hash_of(code)))
    return there


def approve(there: Ensemble, code: int) -> None:
    """Submit it, and have it taken and approved."""
    there.when(CAFE, Submit(code))
    there.settle()
    there.when(LANE, review.Take())
    there.settle()
    there.when(CAFE, Judge(code, "approve"))


def state(there: Ensemble) -> p.Program:
    return there.state(p.PROGRAM, "acme/cafe")


def states(there: Ensemble) -> dict[int, str]:
    return {version.code: version.state for version in state(there).versions}


def shown(there: Ensemble, openid: str, **more: object) -> int:
    code: int = there.view(CAFE, "shown", openid=openid, **more)["code"]
    return code


# -- names ------------------------------------------------------------------------------------------------------------


def test_a_name_is_of_who_claims_it_first() -> None:
    scenario = Scenario(NAME, entity_id="cafe")
    assert scenario.when(names.Claim("acme")).events == (names.Claimed("acme", NOW_MS),)
    assert scenario.when(names.Claim("acme")).events == ()
    for command in (names.Claim("other"), names.Confirm("other")):
        with pytest.raises(Reject, match="name_taken"):
            scenario.when(command)
    scenario.when(names.Confirm("acme"))
    assert scenario.timers == {}
    assert scenario.when(names.Confirm("acme")).events == ()
    with pytest.raises(Reject, match="name_taken"):
        scenario.when(names.Claim("other"))
    assert scenario.view("name") == {"state": "kept", "account": "acme", "claimed_ms": NOW_MS}


def test_a_claim_that_nobody_confirms_lapses_and_the_next_one_has_it() -> None:
    scenario = Scenario(NAME, entity_id="cafe")
    scenario.when(names.Claim("acme"))
    with pytest.raises(Reject, match="not_for_clients"):
        scenario.when(names.Lapse())
    assert scenario.fire("unconfirmed").events == (names.Lapsed(),)
    assert scenario.now_ms == NOW_MS + HOUR_MS
    with pytest.raises(Reject, match="wrong_state"):
        scenario.when(names.Confirm("acme"))
    scenario.when(names.Claim("other"))
    assert scenario.state.account == "other"


# -- registration -----------------------------------------------------------------------------------------------------


def test_a_program_is_registered_once_and_its_account_counts_it_in_the_same_record() -> None:
    there = registered()
    assert there.state(ACCOUNT, "acme").programs == ("cafe",)
    assert there.when(CAFE, p.Register("Café", "food")).events == ()
    assert there.sent == []


def test_an_account_uploads_so_many_bytes_on_a_day_and_all_its_programs_count_together() -> None:
    there, begins_ms = registered(), 20_000 * DAY_MS
    tea = p.PROGRAM.at("acme/tea")
    there.when(tea, p.Register("Tea", "food"))
    there.when(CAFE, Upload(1, "1", hash_of(1), 60, 100), now_ms=begins_ms)
    assert there.when(CAFE, Upload(1, "1", hash_of(1), 60, 100)).events == (), "the same version again is no more"
    with pytest.raises(Reject, match="too_much_uploaded") as refused:
        there.when(tea, Upload(1, "1", hash_of(2), 41, 100), now_ms=begins_ms + 1)
    assert refused.value.details == {"day_bytes_max": "100", "resets_ms": str(DAY_MS - 1)}
    assert there.state(p.PROGRAM, "acme/tea").versions == (), "the version and its bytes are one record"
    there.when(tea, Upload(1, "1", hash_of(2), 40, 100), now_ms=begins_ms + 2)
    there.when(CAFE, Upload(2, "2", hash_of(3), 100, 100), now_ms=begins_ms + DAY_MS)
    assert there.sent == []
    assert there.view(UPLOADS.at("acme"), "uploads") == {"day": 20_001, "bytes": 100}


def test_clients_do_not_say_what_an_account_has_uploaded() -> None:
    with pytest.raises(Reject, match="not_for_clients"):
        Scenario(UPLOADS, entity_id="acme").when(Take(1, 100))


def test_a_program_of_no_open_account_is_not_registered() -> None:
    there = Ensemble((ACCOUNT, p.PROGRAM, review.REVIEW))
    with pytest.raises(Reject, match="wrong_state"):
        there.when(CAFE, p.Register("Café", "food"))
    with pytest.raises(Reject, match="bad_id"):
        there.when(p.PROGRAM.at("acme"), p.Register("Café", "food"))
    with pytest.raises(Reject, match="not_registered"):
        there.when(CAFE, Upload(1, "1", hash_of(1)))


def test_codes_grow_and_the_same_upload_is_one() -> None:
    there = registered(3)
    assert there.when(CAFE, Upload(3, "1.3", hash_of(3))).events == ()
    for upload in (Upload(3, "1.3", hash_of(4)), Upload(2, "1.2", hash_of(2))):
        with pytest.raises(Reject, match="version_not_growing"):
            there.when(CAFE, upload)


def test_what_was_uploaded_is_stored_without_a_word_of_how_many_versions_are_kept_where_that_is_usual() -> None:
    assert b"versions_max" not in canonical(p.Uploaded(1, "1", hash_of(1)), "event")


def test_versions_that_nobody_needs_go_when_there_are_too_many() -> None:
    there = registered(1, 2)
    approve(there, 1)
    there.when(CAFE, Release(1))
    for code in range(3, 50):
        there.when(CAFE, Upload(code, "1", hash_of(code)))
    assert sorted(states(there)) == [1, *range(31, 50)]
    there.when(CAFE, Upload(50, "1", hash_of(50), versions_max=30))
    assert sorted(states(there)) == [1, *range(31, 51)]
    there.when(CAFE, Upload(51, "1", hash_of(51), versions_max=14))
    assert sorted(states(there)) == [1, *range(39, 52)]


# -- review -----------------------------------------------------------------------------------------------------------


def test_a_version_waits_visibly_is_taken_and_judged_with_a_reason() -> None:
    there = registered(1)
    there.when(CAFE, Submit(1))
    assert (states(there), there.view(LANE, "position", program="acme/cafe")["position"]) == ({1: "waiting"}, 0)
    there.settle()
    assert there.view(LANE, "position", program="acme/cafe") == {"position": 1, "waiting": 1}
    assert there.when(LANE, review.Take(), caller="rita").reply == {"program": "acme/cafe", "code": 1}
    there.settle()
    assert states(there) == {1: "in_review"}
    assert there.view(LANE, "position", program="acme/cafe") == {"position": 0, "waiting": 0}
    with pytest.raises(Reject, match="reason_missing"):
        there.when(CAFE, Judge(1, "reject"))
    there.when(CAFE, Judge(1, "reject", "the page pay/index does not open"))
    assert state(there).versions[0].reason == "the page pay/index does not open"
    with pytest.raises(Reject, match="wrong_state"):
        there.when(CAFE, Submit(1))


def test_one_version_at_a_time_is_under_review() -> None:
    there = registered(1, 2)
    there.when(CAFE, Submit(1))
    with pytest.raises(Reject, match="review_busy"):
        there.when(CAFE, Submit(2))
    there.when(CAFE, Withdraw(1))
    there.when(CAFE, Submit(2))
    there.settle()
    assert there.when(LANE, review.Take()).reply == {"program": "acme/cafe", "code": 2}


def test_a_program_is_withdrawn_once_a_day_and_submitted_so_often_a_month() -> None:
    there = registered(1)
    for day in range(3):
        there.when(CAFE, Submit(1, month_max=4), now_ms=NOW_MS + day * DAY_MS)
        there.when(CAFE, Withdraw(1, month_max=3))
    there.when(CAFE, Submit(1, month_max=4))
    for withdraw in (Withdraw(1, month_max=9), Withdraw(1, day_max=9, month_max=3)):
        with pytest.raises(Reject, match="too_often"):
            there.when(CAFE, withdraw)
    there.when(CAFE, Withdraw(1, month_max=3), now_ms=NOW_MS + MONTH_MS)
    assert there.when(CAFE, Submit(1, month_max=1)).events
    there.when(CAFE, Withdraw(1, day_max=2))
    with pytest.raises(Reject, match="too_often") as often:
        there.when(CAFE, Submit(1, month_max=1))
    left_ms = MONTH_MS - there.now_ms % MONTH_MS
    assert often.value.details == {"submits_month_max": "1", "resets_ms": str(left_ms)}
    assert there.when(CAFE, Submit(1, month_max=2)).events


def test_a_lane_that_takes_what_was_withdrawn_begins_nothing() -> None:
    there = registered(1)
    there.when(CAFE, Submit(1))
    there.settle()
    there.when(LANE, review.Take())
    there.when(CAFE, Withdraw(1))
    there.settle()
    assert states(there) == {1: "withdrawn"}
    assert there.dead_letters == []


def test_what_overtakes_on_its_way_to_the_lane_puts_no_version_back() -> None:
    there = registered(1)
    there.when(CAFE, Submit(1))
    there.when(CAFE, Withdraw(1))
    there.when(CAFE, Submit(1))
    there.sent.reverse()
    there.settle()
    assert [(one.code, one.n) for one in there.state(review.REVIEW, LANE.id).waiting] == [(1, 2)]
    there.when(LANE, review.Take())
    there.settle()
    assert states(there) == {1: "in_review"}


def test_a_full_lane_gives_the_version_back_and_says_why() -> None:
    there = registered(1)
    others = tuple(review.Waiting(f"a/{n}", 1, 1, 0) for n in range(review.WAITING_MAX))
    full = Scenario(review.REVIEW, review.Lane(others), entity_id=LANE.id)
    there.when(CAFE, Submit(1))
    send: Any = there.sent.pop().send
    with pytest.raises(Reject, match="review_full"):
        full.when(send.command, sender="catalog.program/acme/cafe")
    program = Scenario(p.PROGRAM, state(there), entity_id="acme/cafe")
    program.when(send.on_reject, sender=str(LANE))
    assert (program.state.versions[0].state, program.state.versions[0].reason) == ("withdrawn", "review_full")


def test_a_client_does_not_speak_for_a_lane_or_a_program() -> None:
    there = registered(1)
    there.when(CAFE, Submit(1))
    there.settle()
    for to, command in (
        (CAFE, review.Taken(1, 1)),
        (CAFE, p.NotQueued(1, 1)),
        (LANE, review.Leave("acme/cafe", 9)),
        (LANE, review.Enter("acme/bar", 1, 1)),
    ):
        asked: Any = to
        with pytest.raises(Reject, match="not_for_clients"):
            there.when(asked, command)


# -- who is shown what ------------------------------------------------------------------------------------------------


def test_a_version_is_shown_to_a_part_that_only_grows_then_to_all() -> None:
    there = registered(1, 2)
    approve(there, 1)
    assert shown(there, "ann") == 0
    there.when(CAFE, Release(1))
    approve(there, 2)
    there.when(CAFE, SetGray(2, Rule(1_000, ("ann",), ("Oslo",), ("staff",))))
    people = [f"person-{n}" for n in range(2_000)]
    tenth = [one for one in people if shown(there, one) == 2]
    assert 140 < len(tenth) < 260
    assert (shown(there, "ann"), shown(there, "x", city="Oslo"), shown(there, "x", cohorts=["staff"])) == (2, 2, 2)
    for narrower in (Rule(999, ("ann",), ("Oslo",), ("staff",)), Rule(2_000, (), ("Oslo",), ("staff",))):
        with pytest.raises(Reject, match="gray_only_up"):
            there.when(CAFE, SetGray(2, narrower))
    there.when(CAFE, SetGray(2, Rule(5_000, ("ann",), ("Oslo",), ("staff",))))
    half = {one for one in people if shown(there, one) == 2}
    assert set(tenth) < half
    there.when(CAFE, Release(2))
    assert {shown(there, one) for one in people} == {2}
    assert states(there) == {1: "retired", 2: "released"}


def test_what_is_not_approved_is_shown_to_nobody() -> None:
    there = registered(1)
    for command in (Release(1), SetGray(1, Rule(1))):
        with pytest.raises(Reject, match="wrong_state"):
            there.when(CAFE, command)
    with pytest.raises(Reject, match="no_such_version"):
        there.when(CAFE, Release(7))
    assert shown(there, "ann") == 0


def test_any_of_the_last_five_is_gone_back_to_at_once_and_no_older_one() -> None:
    there = registered()
    for code in range(1, 9):
        there.when(CAFE, Upload(code, "1", hash_of(code)))
        approve(there, code)
        there.when(CAFE, Release(code))
    for code in (1, 2):
        with pytest.raises(Reject, match="not_among_the_last"):
            there.when(CAFE, Rollback(code))
    for code in (3, 7, 8, 5, 6):
        there.when(CAFE, Rollback(code))
        assert shown(there, "ann") == code
        assert there.when(CAFE, Rollback(code)).events == ()
    assert [code for code, now in states(there).items() if now == "released"] == [6]


@given(st.text(max_size=20), st.integers(0, 10_000), st.integers(0, 10_000), st.integers(1, 99))
def test_who_is_in_a_share_is_in_every_greater_one(openid: str, one: int, other: int, code: int) -> None:
    less, more = sorted((one, other))
    version = Version(code, "1", "")
    small, great = (
        versions.shows("cafe", Version(version.code, "1", "", rule=Rule(share)), Person(openid))
        for share in (less, more)
    )
    assert great or not small


CODES = st.integers(1, 4)


def _uploaded(code: int) -> Upload:
    return Upload(code, "1", hash_of(code))


def _gray(code: int, share: int) -> SetGray:
    return SetGray(code, Rule(share))


ASKED: st.SearchStrategy[p.Command] = st.one_of(
    st.builds(_uploaded, CODES),
    st.builds(Submit, CODES),
    st.builds(Withdraw, CODES),
    st.builds(Judge, CODES, st.sampled_from(["approve", "approve", "reject", "defer"]), st.just("so")),
    st.builds(_gray, CODES, st.integers(0, 10_000)),
    st.builds(Release, CODES),
    st.builds(Rollback, CODES),
)


@settings(max_examples=150)
@given(st.lists(st.one_of(ASKED, st.sampled_from(["take", "settle", "swap"])), max_size=40))
def test_whatever_is_asked_one_is_under_review_one_live_one_gray(asked: list[p.Command | str]) -> None:
    there = registered(1)
    for command in asked:
        before = {version.code: version for version in state(there).versions}
        try:
            if command == "take":
                there.when(LANE, review.Take())
            elif command == "settle":
                there.settle()
            elif command == "swap":
                there.sent.reverse()
            else:
                to: Any = CAFE
                there.when(to, command)
        except Reject:
            pass
        _check(there, before)
    there.settle()
    assert there.dead_letters == []


def _check(there: Ensemble, before: dict[int, Version]) -> None:
    now = state(there)
    by_state: dict[str, list[int]] = {}
    for version in now.versions:
        by_state.setdefault(version.state, []).append(version.code)
        old = before.get(version.code)
        if old is not None and old.state != version.state:
            assert version.state in versions.LIFE[old.state].moves.values(), (old.state, version.state)
        if old is not None and old.state == version.state == "gray":
            assert version.rule.share >= old.rule.share
    assert sum(len(by_state.get(one, [])) for one in versions.UNDER_REVIEW) <= 1
    assert by_state.get("released", []) == ([now.live] if now.live else [])
    assert by_state.get("gray", []) == ([now.gray] if now.gray else [])
    assert now.live not in now.former
