"""Rules of ordinary links: the longest prefix that was published wins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Reject
from actors.domain.counting import MONTH_MS
from actors.domain.ways.rules import RULES, RULES_MAX, Add, Added, Command, Event, Publish, Published, Rules
from actors.testing import NOW_MS, Scenario

MAP, RIDE = Add("bike", "/map", "pages/map"), Add("bike", "/map/ride", "pages/ride")
NOTHING = {"program": "", "prefix": "", "page": ""}
Played = Scenario[Rules, Command, Event]


def host() -> Played:
    """One that was given to nobody."""
    return Scenario(RULES, entity_id="shop.example")


def test_the_longest_published_prefix_wins_and_what_is_only_added_leads_nowhere() -> None:
    scenario = host()
    assert scenario.when(MAP).events == (Added("bike", "/map", "pages/map"),)
    assert scenario.view("match", path="/map") == NOTHING
    assert scenario.when(Publish("bike")).events == (Published(NOW_MS),)
    scenario.when(RIDE)
    assert scenario.view("match", path="/map/ride/7")["prefix"] == "/map"
    scenario.when(Publish("bike"))
    assert scenario.view("match", path="/map/ride/7") == {
        "program": "bike",
        "prefix": "/map/ride",
        "page": "pages/ride",
    }
    assert scenario.view("match", path="/maps")["page"] == "pages/map"
    assert scenario.view("match", path="/Map") == scenario.view("match") == NOTHING


def test_what_is_added_or_published_twice_changes_nothing() -> None:
    scenario = host()
    scenario.when(MAP)
    scenario.when(Publish("bike"))
    assert scenario.when(MAP).events == scenario.when(Publish("bike")).events == ()
    scenario.when(Add("bike", "/map", "pages/other"))
    assert scenario.when(Publish("bike")).events == (Published(NOW_MS),)
    assert scenario.view("match", path="/map")["page"] == "pages/other"


@pytest.mark.parametrize("caller", ["server/bike", "member/acme/ann", "person/bike/ann"])
def test_a_host_is_given_to_a_program_by_who_runs_the_platform(caller: str) -> None:
    scenario = host()
    with pytest.raises(Reject, match="wrong_state"):
        scenario.when(Publish("bike"))
    with pytest.raises(Reject, match="host_not_given"):
        scenario.when(MAP, caller=caller)
    scenario.when(MAP, caller="operator/op")
    scenario.when(RIDE, caller=caller)
    for command in (Add("shop", "/x", "p"), Publish("shop")):
        with pytest.raises(Reject, match="host_of_another"):
            scenario.when(command, caller="server/shop")


def test_rules_and_their_publications_are_bounded() -> None:
    scenario = host()
    scenario.when(Add("bike", "/a", "p", 1))
    with pytest.raises(Reject, match="too_many_rules"):
        scenario.when(Add("bike", "/b", "p", 1))
    scenario.when(Publish("bike", 1))
    scenario.when(Add("bike", "/a", "q", 1))
    with pytest.raises(Reject, match="too_often") as often:
        scenario.when(Publish("bike", 1))
    assert often.value.details == {"publishes_month_max": "1", "resets_ms": str(MONTH_MS - NOW_MS % MONTH_MS)}
    assert scenario.when(Publish("bike", 1), now_ms=NOW_MS + MONTH_MS).events == (Published(NOW_MS + MONTH_MS),)


PATHS = st.text("ab/", max_size=6).map("/".__add__)


@given(st.dictionaries(PATHS, st.sampled_from(["p", "q"]), max_size=8), PATHS)
def test_no_rule_that_a_path_begins_with_is_longer_than_the_one_that_is_found(pages: dict[str, str], path: str) -> None:
    scenario = host()
    for prefix, page in pages.items():
        scenario.when(Add("bike", prefix, page))
    if pages:
        scenario.when(Publish("bike"))
    found = scenario.view("match", path=path)
    fitting = [prefix for prefix in pages if path.startswith(prefix)]
    assert found["prefix"] == max(fitting, key=len, default="")
    assert found["page"] == pages.get(found["prefix"], "")


def test_as_many_rules_as_there_may_be_fit_the_state() -> None:
    scenario = host()
    for number in range(RULES_MAX):
        scenario.when(Add("bike", f"/{number:0255}", "页" * 256))
    scenario.when(Publish("bike"))
    assert len(scenario.state.live) == RULES_MAX
