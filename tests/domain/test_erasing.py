"""A person is erased: everything that is kept of it forgets, nothing refuses to, and it never comes back."""

from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Personal, Reject
from actors.domain import ENTITIES, visit
from actors.domain import friends as f
from actors.domain.catalog import recent
from actors.domain.friends import FRIENDS
from actors.domain.identity import link, person
from actors.domain.identity.link import IDENTITY
from actors.domain.identity.person import FOLLOWER, LINKS_MAX, PERSON
from actors.domain.notify import box, grants, inbox, window
from actors.domain.notify.message import Message
from actors.domain.session import SESSION
from actors.domain.visit import VISIT, Open
from actors.entity import AnyEntity
from actors.shape import canonical
from actors.testing import NOW_MS, Ensemble, Scenario

ANN, BOB = PERSON.at("ann"), PERSON.at("bob")
NAME = "bike/o1"


def message(name: str) -> Message:
    return Message(name, "t", fields=Personal(b"sealed"))


def lived(messages: int = 3) -> Ensemble:
    """A person of whom there is something everywhere; the box has sent what was not heard to the inbox but the last."""
    city = Ensemble(ENTITIES)
    for each in (ANN, BOB):
        city.when(each, person.Register())
    city.when(ANN, person.Use(NAME))
    at = IDENTITY.at(NAME)
    city.when(at, link.IssueCode(60_000, 100, 16))
    city.when(at, link.Redeem(1, "k", 60_000))
    for device in ("phone", "watch"):
        city.when(VISIT.at(NAME), Open("pages/a", device=device))
    city.when(grants.GRANTS.at(NAME), grants.Answer({"t": grants.Given("accept", lasting=True)}))
    city.when(window.WINDOW.at(NAME), window.Note("message"))
    for number in range(messages):
        city.when(grants.GRANTS.at(NAME), grants.Use(message(f"m{number}"), unheard_ms=0))
        if number < messages - 1:
            city.fire(box.BOX.at(NAME), "unheard")
    city.when(recent.RECENT.at("ann"), recent.Used("bike"))
    city.when(recent.RECENT.at("ann"), recent.Favour("bike"))
    city.when(FRIENDS.at("ann"), f.Request("bob"))
    city.settle()
    city.when(FRIENDS.at("bob"), f.Accept("ann"))
    city.settle()
    return city


def erased(city: Ensemble) -> None:
    city.when(ANN, person.Erase())
    for played in city.settle():
        assert not played.rejected, played
    city.when(ANN, person.Shredded(), caller=FOLLOWER)


def test_everything_that_is_kept_of_a_person_forgets() -> None:
    city = lived()
    assert city.state(inbox.INBOX, NAME).put == 2
    assert city.state(inbox.PAGE, f"{NAME}/0").items
    erased(city)
    assert city.state(PERSON, "ann") == person.Person("erased", NOW_MS)
    assert city.state(PERSON, "bob").state == "active"
    told = city.state(IDENTITY, NAME)
    assert (told.erased, told.state, told.codes) == (True, "revoked", ())
    assert city.state(VISIT, NAME).state == "erased"
    assert [city.state(SESSION, f"{NAME}/{n}").state for n in (1, 2)] == ["unloaded"] * 2
    assert city.state(grants.GRANTS, NAME) == grants.Grants(erased=True)
    assert city.state(window.WINDOW, NAME) == window.Windows(erased=True)
    assert city.state(box.BOX, NAME) == box.Box(3, 3, erased=True)
    assert city.state(inbox.INBOX, NAME) == inbox.Inbox(2, 2, erased=True)
    assert city.state(inbox.PAGE, f"{NAME}/0") == inbox.Page()
    assert city.state(recent.RECENT, "ann") == recent.Programs(erased=True)
    assert city.view(FRIENDS.at("bob"), "friends")["friends"] == []


def test_who_is_erased_gets_nothing_more() -> None:
    city = lived()
    erased(city)
    refused: list[tuple[Any, Any]] = [
        (ANN, person.Register()),
        (ANN, person.Use("shop/o2")),
        (IDENTITY.at(NAME), link.IssueCode(60_000, 100, 16)),
        (IDENTITY.at(NAME), link.Redeem(1, "k", 60_000)),
        (FRIENDS.at("ann"), f.Request("bob")),
        (recent.RECENT.at("ann"), recent.Used("bike")),
        (recent.RECENT.at("ann"), recent.Favour("bike")),
        (recent.RECENT.at("ann"), recent.Unfavour("bike")),
        (grants.GRANTS.at(NAME), grants.Answer({"t": grants.Given("accept")})),
        (grants.GRANTS.at(NAME), grants.Use(message("late"))),
        (window.WINDOW.at(NAME), window.Note("pay")),
        (window.WINDOW.at(NAME), window.Reply(message("late"))),
        (box.BOX.at(NAME), box.Acknowledge(1)),
        (inbox.INBOX.at(NAME), inbox.Read(1)),
    ]
    for to, command in refused:
        before = city.state(city.entities[to.kind], to.id)
        with pytest.raises(Reject, match="person_erased"):
            city.when(to, command)
        assert city.state(city.entities[to.kind], to.id) == before
    with pytest.raises(Reject, match="wrong_state"):
        city.when(VISIT.at(NAME), Open("pages/a"))
    city.when(FRIENDS.at("bob"), f.Request("ann"))
    city.settle()
    assert city.view(FRIENDS.at("bob"), "friends")["asked"] == []


def test_who_was_never_told_anything_gets_nothing_after_their_erasure_either() -> None:
    kept: tuple[tuple[AnyEntity, Any, Any, str], ...] = (
        (recent.RECENT, recent.Erase(), recent.Used("bike"), "identity.person"),
        (grants.GRANTS, grants.Erase(), grants.Answer({"t": grants.Given("accept")}), "identity.link"),
        (window.WINDOW, window.Erase(), window.Note("pay"), "identity.link"),
        (box.BOX, box.Erase(), box.Put(message("late")), "identity.link"),
        (inbox.INBOX, inbox.Erase(), inbox.Deliver(message("late"), NOW_MS), "identity.link"),
    )
    for entity, erase, late, sender in kept:
        scenario: Scenario[Any, Any, Any] = Scenario(entity, entity_id=NAME)
        assert len(scenario.when(erase, sender=f"{sender}/{NAME}").events) == 1
        by = {"notify.box": f"notify.grants/{NAME}", "notify.inbox": f"notify.box/{NAME}"}.get(entity.kind, "")
        with pytest.raises(Reject, match="person_erased"):
            scenario.when(late, sender=by)
        assert scenario.when(erase, sender=f"{sender}/{NAME}").events == ()
        assert scenario.state == type(entity.initial)(erased=True)


def test_what_is_kept_of_a_person_is_stored_without_a_word_of_erasure_until_then() -> None:
    for state in (recent.Programs(), grants.Grants(), window.Windows(), box.Box(), inbox.Inbox()):
        assert b"erased" not in canonical(state, "state")
        gone = type(state)(erased=True)
        assert msgspec.msgpack.decode(canonical(gone, "state"), type=type(state)).state == "erased"


def test_a_box_that_was_erased_with_a_message_on_its_way_hands_nothing_on() -> None:
    city = lived()
    erased(city)
    assert city.fire(box.BOX.at(NAME), "unheard").events == ()
    assert city.state(inbox.INBOX, NAME).put == 2


def test_erasing_again_changes_nothing() -> None:
    city = lived()
    city.when(ANN, person.Erase())
    assert city.when(ANN, person.Erase()).events == ()
    city.settle()
    city.when(ANN, person.Shredded(), caller=FOLLOWER)
    assert city.when(ANN, person.Erase()).events == ()
    assert city.when(ANN, person.Shredded(), caller=FOLLOWER).events == ()
    city.settle()


def test_the_tombstone_names_what_is_to_be_destroyed() -> None:
    played = lived().when(ANN, person.Erase(), caller="account/ann")
    (told,) = [event for _, event in played.events if isinstance(event, person.ErasureAsked)]
    assert told == person.ErasureAsked((NAME,), "account/ann", NOW_MS)


@pytest.mark.parametrize("full", [inbox.PAGE_SIZE + 1, inbox.KEPT_MAX + 150])
def test_every_page_of_a_long_inbox_is_emptied(full: int) -> None:
    city = lived(full)
    erased(city)
    assert all(city.state(inbox.PAGE, f"{NAME}/{page}") == inbox.Page() for page in range(inbox.PAGES))


def test_more_ties_than_one_record_can_end_are_ended_one_after_the_other() -> None:
    ties = {f"p{n}": f.Tie(mine=True, number=n, theirs=True) for n in range(2 * f.ENDED_MAX + 5)}
    scenario = Scenario(FRIENDS, f.Friends(len(ties), ties), entity_id="ann")
    ended = len(scenario.when(f.Erase(), sender="identity.person/ann").actions) - 1
    for _ in range(2):
        ended += sum(isinstance(event, f.Ended) for event in scenario.fire("erase").events)
    assert ended == len(ties)
    assert not scenario.timers
    assert {tie.state for tie in scenario.state.ties.values()} == {"none"}


def test_nobody_but_the_person_and_the_follower_says_so() -> None:
    said: tuple[tuple[AnyEntity, Any], ...] = (
        (IDENTITY, link.Erase()),
        (VISIT, visit.Erase()),
        (grants.GRANTS, grants.Erase()),
        (window.WINDOW, window.Erase()),
        (box.BOX, box.Erase()),
        (inbox.INBOX, inbox.Erase()),
        (inbox.PAGE, inbox.Forget()),
        (recent.RECENT, recent.Erase()),
        (FRIENDS, f.Erase()),
        (PERSON, person.Shredded()),
    )
    for entity, command in said:
        at, asked = cast("Any", entity.at(NAME)), cast("Any", command)
        with pytest.raises(Reject, match="not_for_clients"):
            Ensemble(ENTITIES).when(at, asked)


def test_a_person_is_known_to_so_many_programs_at_most() -> None:
    links = tuple(f"p{n}/o" for n in range(LINKS_MAX))
    scenario = Scenario(PERSON, person.Person("active", 1, links))
    assert scenario.when(person.Use("p0/o")).events == ()
    with pytest.raises(Reject, match="too_many_programs"):
        scenario.when(person.Use("another/o"))
    assert len(scenario.when(person.Erase()).actions) == LINKS_MAX + 2


@given(st.lists(st.integers(0, 5), max_size=12))
def test_in_whatever_order_the_words_arrive_two_friends_agree_afterwards(order: list[int]) -> None:
    city = lived()
    said: list[tuple[Any, Any]] = [
        (FRIENDS.at("bob"), f.Remove("ann")),
        (FRIENDS.at("bob"), f.Request("ann")),
        (ANN, person.Erase()),
        (FRIENDS.at("ann"), f.Request("bob")),
    ]
    for number in order:
        try:
            if number < len(said):
                city.when(*said[number])
            elif city.sent:
                city.deliver()
        except Reject:
            continue
    city.when(ANN, person.Erase())
    city.settle()
    assert city.view(FRIENDS.at("bob"), "friends")["friends"] == []
    assert city.view(FRIENDS.at("bob"), "friends")["asked"] == []
