"""Notifications: one grant is one send, what is not heard is in the inbox, and windows that close."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import Personal, Reject, Send
from actors.domain.notify import box, inbox, window
from actors.domain.notify import template as t
from actors.domain.notify.box import BOX, Acknowledge, Look, Put
from actors.domain.notify.fields import FIELDS_MAX, TEXT_CHARS_MAX, flaw_of_template, flaw_of_values
from actors.domain.notify.grants import GRANTS, TEMPLATES_MAX, Answer, Given, Said, Use
from actors.domain.notify.inbox import INBOX, PAGE, Deliver, Item, Keep, Read
from actors.domain.notify.message import MESSAGES_MAX, Message
from actors.domain.notify.template import TEMPLATE, Approve, Disable, Draft
from actors.domain.notify.window import ACTS, WINDOW, Note, Reply
from actors.testing import NOW_MS, Ensemble, Played, Scenario

WHO = "cafe/o1"
READY = Draft("Ready", ("thing1", "time2"))
MANY = inbox.KEPT_MAX + 3


def street() -> Ensemble:
    """All that is one person's in one program."""
    return Ensemble((GRANTS, WINDOW, BOX, INBOX, PAGE))


def answer(ensemble: Ensemble, said: Said, *, lasting: bool = False, template: str = "ready") -> Played:
    return ensemble.when(GRANTS.at(WHO), Answer({template: Given(said, lasting)}))


def send(ensemble: Ensemble, message_id: str, title: str = "Ready") -> Played:
    return ensemble.when(GRANTS.at(WHO), Use(Message(message_id, "ready", title, Personal(b"tea"))))


def reply(ensemble: Ensemble, message_id: str, now_ms: int = NOW_MS) -> Played:
    return ensemble.when(WINDOW.at(WHO), Reply(Message(message_id, text=Personal(b"hello"))), now_ms=now_ms)


def left(ensemble: Ensemble) -> int:
    return ensemble.state(GRANTS, WHO).templates["ready"].left


def in_box(ensemble: Ensemble) -> list[str]:
    return [kept.message.message_id for kept in ensemble.state(BOX, WHO).kept]


def in_inbox(ensemble: Ensemble) -> list[str]:
    put = ensemble.state(INBOX, WHO).put
    pages = dict.fromkeys(inbox.page_id(WHO, cursor) for cursor in range(1, put + 1))
    items = (item for page in pages for item in ensemble.state(PAGE, page).items)
    return [item.message.message_id for item in sorted(items, key=lambda item: item.cursor)]


def refused_with(reason: str) -> "pytest.RaisesExc[Reject]":
    return pytest.raises(Reject, match=f"^{reason}$")


def test_two_grants_are_two_sends_and_the_third_is_told_that_they_are_used_up() -> None:
    ensemble = street()
    answer(ensemble, "accept")
    answer(ensemble, "accept")
    send(ensemble, "a")
    send(ensemble, "b")
    with refused_with("notify_used_up"):
        send(ensemble, "c")
    assert (left(ensemble), in_box(ensemble)) == (0, ["a", "b"])


def test_a_message_sent_again_by_its_id_is_one_send_and_another_of_that_id_is_refused() -> None:
    ensemble = street()
    answer(ensemble, "accept")
    send(ensemble, "a")
    again = send(ensemble, "a")
    assert (again.events, again.reply) == ((), {"left": 0, "lasting": False, "again": True})
    with refused_with("message_id_taken"):
        send(ensemble, "a", "Late")
    assert in_box(ensemble) == ["a"]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ((), "notify_refused"),
        (("reject",), "notify_refused"),
        (("filter",), "notify_refused"),
        (("ban",), "notify_banned"),
        (("accept", "ban"), "notify_banned"),
    ],
)
def test_a_send_that_is_refused_says_why_and_puts_nothing(said: tuple[Said, ...], reason: str) -> None:
    ensemble = street()
    for each in said:
        answer(ensemble, each)
    with refused_with(reason):
        send(ensemble, "a")
    assert in_box(ensemble) == []


def test_grants_that_were_given_outlive_a_rejection_and_a_ban_that_was_lifted() -> None:
    ensemble = street()
    for said in ("accept", "reject"):
        answer(ensemble, said)
    send(ensemble, "a")
    with refused_with("notify_refused"):
        send(ensemble, "b")
    for lifted in ("accept", "ban", "accept"):
        answer(ensemble, lifted)
    assert left(ensemble) == 2


def test_a_lasting_grant_is_for_all_sends_until_it_is_taken_back() -> None:
    ensemble = street()
    answer(ensemble, "accept", lasting=True)
    for number in range(9):
        send(ensemble, str(number))
    answer(ensemble, "reject", lasting=True)
    with refused_with("notify_refused"):
        send(ensemble, "late")
    assert len(in_box(ensemble)) == 9


def test_a_person_answers_for_so_many_templates_and_so_many_messages_are_remembered() -> None:
    ensemble = street()
    for number in range(TEMPLATES_MAX):
        answer(ensemble, "accept", template=str(number))
    with refused_with("too_many_templates"):
        answer(ensemble, "accept")
    scenario = Scenario(GRANTS, entity_id=WHO)
    scenario.when(Answer({"ready": Given("accept", lasting=True)}))
    for number in range(MESSAGES_MAX + 1):
        scenario.when(Use(Message(str(number), "ready")))
    assert (len(scenario.state.messages), "0" in scenario.state.messages) == (MESSAGES_MAX, False)
    assert scenario.view("grants")["ready"]["used"] == MESSAGES_MAX + 1


STEPS = st.one_of(
    st.tuples(st.sampled_from(["accept", "reject", "ban", "filter"]), st.booleans()),
    st.sampled_from(["m1", "m2", "m3", "m4", "m5", "m6"]),
)


@settings(max_examples=60)
@given(st.lists(STEPS, max_size=30))
def test_in_whatever_order_no_grant_is_used_twice_and_every_send_used_one(
    steps: list[tuple[Said, bool] | str],
) -> None:
    ensemble, given_, sent, reasons = street(), 0, dict[str, int](), list[str]()
    for step in steps:
        try:
            if isinstance(step, str):
                sent[step] = sent.get(step, 0) + bool(send(ensemble, step).events)
            else:
                answer(ensemble, step[0], lasting=step[1])
                given_ += step == ("accept", False)
        except Reject as reject:
            reasons.append(reject.reason)
    assert set(reasons) <= {"notify_used_up", "notify_refused", "notify_banned"}
    grants = ensemble.state(GRANTS, WHO).templates
    used = sum(grant.used for grant in grants.values())
    assert all(grant.left >= 0 for grant in grants.values())
    assert all(count == 1 for count in sent.values())
    assert used == len(sent) == len(in_box(ensemble))
    assert sum(grant.left for grant in grants.values()) >= given_ - used


def test_what_is_acknowledged_is_gone_and_what_is_not_goes_to_the_inbox_after_ten_seconds() -> None:
    ensemble = street()
    answer(ensemble, "accept", lasting=True)
    pushed = send(ensemble, "a").pushes
    assert len(pushed) == 1
    send(ensemble, "b")
    ensemble.when(BOX.at(WHO), Acknowledge(1))
    assert ensemble.timers(BOX.at(WHO))["unheard"].due_ms == NOW_MS + box.UNHEARD_MS
    ensemble.fire(BOX.at(WHO), "unheard")
    assert (in_box(ensemble), in_inbox(ensemble), ensemble.timers(BOX.at(WHO))) == ([], ["b"], {})


def test_the_timer_takes_what_is_late_alone_and_comes_back_for_the_rest() -> None:
    ensemble = street()
    answer(ensemble, "accept", lasting=True)
    send(ensemble, "a")
    ensemble.now_ms += box.UNHEARD_MS // 2
    send(ensemble, "b")
    ensemble.fire(BOX.at(WHO), "unheard")
    assert (in_box(ensemble), in_inbox(ensemble)) == (["b"], ["a"])
    ensemble.fire(BOX.at(WHO), "unheard")
    assert (in_box(ensemble), in_inbox(ensemble)) == ([], ["a", "b"])


def test_a_full_box_sends_its_oldest_to_the_inbox_and_says_so_to_who_listens() -> None:
    ensemble = street()
    answer(ensemble, "accept", lasting=True)
    for number in range(box.KEPT_MAX + 1):
        send(ensemble, str(number))
    assert (len(in_box(ensemble)), in_inbox(ensemble)) == (box.KEPT_MAX, ["0"])
    scenario = Scenario(BOX, ensemble.state(BOX, WHO), entity_id=WHO)
    assert scenario.view("pushes")[0] == {"cursor": 1, "payload": {"type": "notify.moved", "moved": 1}}
    assert [push["cursor"] for push in scenario.view("pushes", after=255)] == [256, 257]
    while ensemble.timers(BOX.at(WHO)):
        ensemble.fire(BOX.at(WHO), "unheard")
    assert in_inbox(ensemble) == [str(number) for number in range(box.KEPT_MAX + 1)]


def test_a_box_and_a_page_of_the_largest_messages_are_within_their_bounds() -> None:
    fields, around = FIELDS_MAX * (18 + 32 * 4 + 4), 200
    wide = "\U0001f6b2" * 64
    said, text = Personal[dict[str, str]](b"x" * (fields + around)), Personal[str](b"x" * (TEXT_CHARS_MAX * 4 + around))
    largest = Message(wide, wide, wide, said, wide * 4, text)
    filled = Scenario(BOX, box.Box(255, 0, tuple(box.Kept(n, largest, NOW_MS, NOW_MS) for n in range(1, 256))))
    assert len(filled.when(Put(largest), sender="notify.grants/1").state.kept) == box.KEPT_MAX
    page = Scenario(PAGE, entity_id=f"{WHO}/0")
    for cursor in range(1, inbox.PAGE_SIZE + 1):
        page.when(Keep(Item(cursor, largest, NOW_MS)), sender=f"notify.inbox/{WHO}")
    assert len(page.state.items) == inbox.PAGE_SIZE


def test_only_the_grants_and_windows_put_and_only_a_box_delivers() -> None:
    message = Message("a")
    tried: list[tuple[Scenario[Any, Any, Any], object]] = [
        (Scenario(BOX, entity_id=WHO), Put(message)),
        (Scenario(BOX, entity_id=WHO), Look()),
        (Scenario(INBOX, entity_id=WHO), Deliver(message, 0)),
        (Scenario(PAGE, entity_id=f"{WHO}/0"), Keep(Item(1, message, 0))),
    ]
    for scenario, command in tried:
        for sender in ("", "notify.grants/cafe/o2", "bike.station/1"):
            with refused_with("not_for_clients"):
                scenario.when(command, sender=sender)


def test_a_cursor_beyond_the_last_one_is_refused_and_an_earlier_one_changes_nothing() -> None:
    tried: list[tuple[Scenario[Any, Any, Any], Callable[[int], object]]] = [
        (Scenario(BOX, entity_id=WHO), Acknowledge),
        (Scenario(INBOX, entity_id=WHO), Read),
    ]
    for scenario, command in tried:
        with refused_with("cursor_ahead"):
            scenario.when(command(1))
        assert scenario.when(command(0)).events == ()


def test_the_inbox_keeps_the_newest_thousand_and_counts_what_is_gone_unread() -> None:
    scenario = Scenario(INBOX, entity_id=WHO)
    pages = {page: Scenario(PAGE, entity_id=f"{WHO}/{page}") for page in range(inbox.PAGES)}
    for number in range(MANY):
        (keep,) = scenario.when(Deliver(Message(str(number)), NOW_MS), sender=f"notify.box/{WHO}").actions
        assert isinstance(keep, Send)
        pages[int(keep.to.id.rpartition("/")[2])].when(keep.command, sender=f"notify.inbox/{WHO}")
    kept = sorted(item.cursor for page in pages.values() for item in page.state.items)
    assert kept[-inbox.KEPT_MAX :] == list(range(4, MANY + 1))
    assert all(len(page.state.items) <= inbox.PAGE_SIZE for page in pages.values())
    assert [item["cursor"] for item in pages[0].view("page", after=1_102)] == []
    assert [inbox.missed(scenario.state, after) for after in (0, 2, 3, MANY)] == [3, 1, 0, 0]
    scenario.when(Read(2))
    assert inbox.missed(scenario.state, 0) == 1
    assert scenario.view("inbox") == {"put": MANY, "read": 2}


@pytest.mark.parametrize("act", [act for act in ACTS if act != "pay"])
def test_a_window_has_so_many_replies_and_closes_in_its_time(act: window.Act) -> None:
    replies, open_ms = ACTS[act]
    ensemble = street()
    with refused_with("window_closed"):
        reply(ensemble, "early")
    ensemble.when(WINDOW.at(WHO), Note(act))
    for number in range(replies):
        reply(ensemble, str(number))
    with refused_with("window_full"):
        reply(ensemble, "more")
    ensemble.when(WINDOW.at(WHO), Note(act))
    reply(ensemble, "last", NOW_MS + open_ms - 1)
    with refused_with("window_closed"):
        reply(ensemble, "late", NOW_MS + open_ms)
    assert len(in_box(ensemble)) == replies + 1


def test_a_window_is_as_wide_and_as_long_as_the_command_says() -> None:
    ensemble = street()
    ensemble.when(WINDOW.at(WHO), Note("enter", 1, 5_000))
    reply(ensemble, "one", NOW_MS + 4_999)
    with refused_with("window_full"):
        reply(ensemble, "two", NOW_MS + 4_999)
    with refused_with("window_closed"):
        reply(ensemble, "late", NOW_MS + 5_000)


def test_a_window_is_refreshed_and_not_added_to() -> None:
    ensemble = street()
    for _ in range(3):
        ensemble.when(WINDOW.at(WHO), Note("message"))
    assert ensemble.state(WINDOW, WHO).windows == {"message": window.Window(5, NOW_MS + window.TWO_DAYS_MS)}


def test_the_window_that_ends_first_is_used_first_and_a_repeated_reply_is_one() -> None:
    ensemble = street()
    for act in ("message", "enter"):
        ensemble.when(WINDOW.at(WHO), Note(act))
    reply(ensemble, "a")
    assert reply(ensemble, "a").reply == {"again": True}
    shown = Scenario(WINDOW, ensemble.state(WINDOW, WHO), entity_id=WHO).view("windows")
    assert {act: each["left"] for act, each in shown.items()} == {"message": 5, "enter": 1}
    with refused_with("message_id_taken"):
        ensemble.when(WINDOW.at(WHO), Reply(Message("a", text=Personal(b"other"))))


def test_so_many_replies_are_remembered() -> None:
    scenario = Scenario(WINDOW, entity_id=WHO)
    scenario.when(Note("pay"))
    for number in range(MESSAGES_MAX + 1):
        scenario.when(Reply(Message(str(number), text=Personal(b"x"))))
    assert (len(scenario.state.messages), "0" in scenario.state.messages) == (MESSAGES_MAX, False)


def test_a_template_is_drafted_approved_and_disabled_for_ever() -> None:
    scenario = Scenario(TEMPLATE, entity_id="cafe/ready")
    scenario.when(READY)
    assert scenario.when(READY).events == ()
    scenario.when(Draft("Now", ("thing1",)))
    scenario.when(Approve())
    assert scenario.when(Approve()).events == ()
    with refused_with("wrong_state"):
        scenario.when(READY)
    scenario.when(Disable())
    assert scenario.when(Disable()).events == ()
    with refused_with("wrong_state"):
        scenario.when(Approve())
    shown = scenario.view("template")
    assert (shown["state"], shown["title"], shown["fields"]) == ("disabled", "Now", ["thing1"])


def test_only_some_categories_may_ask_once_for_all_sends() -> None:
    for category in t.LASTING_CATEGORIES:
        Scenario(TEMPLATE, entity_id="cafe/ready").when(Draft("Ready", ("thing1",), True, category))
    with refused_with("not_for_this_category"):
        Scenario(TEMPLATE, entity_id="cafe/ready").when(Draft("Ready", ("thing1",), True, "food"))


@pytest.mark.parametrize(
    "fields", [("thing",), ("thing0",), ("thing1", "thing1"), ("what1",), ("enum1",), ("thing1=a",)]
)
def test_a_field_that_is_none_is_refused(fields: tuple[str, ...]) -> None:
    with refused_with("bad_field"):
        Scenario(TEMPLATE, entity_id="cafe/ready").when(Draft("Ready", fields))


GOOD_AND_BAD: Mapping[str, tuple[str, str]] = {
    "thing1": ("茶" * 20, "茶" * 21),
    "number1": ("1" * 32, "1" * 33),
    "letter1": ("a" * 32, "a" * 33),
    "character_string1": ("a-1" + "b" * 29, "a-1" + "b" * 30),
    "symbol1": ("+" * 5, "+" * 6),
    "amount1": ("¥1234567890", "¥12345678901"),
    "phone_number1": ("+" + "1" * 16, "+" + "1" * 17),
    "car_number1": ("粤A1234567"[:8], "粤A1234567"),
    "name1": ("王" * 10, "王" * 11),
    "name2": ("a" * 20, "a" * 21),
    "phrase1": ("好" * 5, "好" * 6),
    "time1": ("23:59", "24:00"),
    "time2": ("2026-05-01 15:01", "2026-05-01 15:60"),
    "date1": ("2026-12-31", "2026-13-01"),
    "enum1=cash|card": ("card", "coin"),
}


@pytest.mark.parametrize("field", GOOD_AND_BAD)
def test_a_field_holds_what_its_kind_allows_and_no_more(field: str) -> None:
    name = field.partition("=")[0]
    good, bad = GOOD_AND_BAD[field]
    assert flaw_of_template([field]) is None
    assert flaw_of_values([field], {name: good}) is None
    for wrong in (bad, "", " ", "\n"):
        flaw = flaw_of_values([field], {name: wrong})
        assert flaw is not None
        assert flaw.field == f"fields.{name}"


def test_a_field_that_is_missing_and_one_that_is_unknown_are_named() -> None:
    for values, named in (({}, "fields.thing1"), ({"thing1": "tea", "thing2": "tea"}, "fields.thing2")):
        flaw = flaw_of_values(["thing1"], values)
        assert flaw is not None
        assert flaw.field == named


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=40), max_size=4))
def test_whatever_is_written_in_fields_is_judged(values: dict[str, str]) -> None:
    flaw = flaw_of_values(["thing1", "amount2"], values)
    assert (flaw is None) <= (values.keys() == {"thing1", "amount2"})
