"""The author's test kit: it plays what the platform would do, and finds what the platform could not."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from actors import CancelTimer, Context, Decision, Entity, FireTimer, Push, Ref, Reject, Send, SetTimer, accept
from actors.errors import SetupError
from actors.testing import NOW_MS, ContractBroken, Ensemble, Scenario


class Add(Struct, frozen=True, tag="sum.add"):
    n: int
    then: tuple[str, ...] = ()
    back: int = 0


class Added(Struct, frozen=True, tag="sum.added"):
    n: int


class Sum(Struct, frozen=True):
    total: int = 0
    parts: dict[str, int] = {}


def evolve(state: Sum, event: Added) -> Sum:
    return replace(state, total=state.total + event.n)


def add(state: Sum, command: Add, ctx: Context) -> Decision[Added]:
    """Adds, unless that passes ten, and sends the rest on to `then`."""
    if state.total + command.n > 10:
        raise Reject("too_much")
    actions: tuple[Send[Add], ...] = ()
    if command.then:
        on_reject = Add(command.back) if command.back else None
        actions = (Send(Ref("sum", command.then[0]), Add(command.n, command.then[1:]), on_reject),)
    return accept(Added(command.n), reply=[ctx.caller, ctx.sender, ctx.now_ms], actions=actions)


def entity(decide: Callable[[Sum, Add, Context], Decision[Added]] = add, **options: Any) -> Entity[Sum, Add, Added]:
    return Entity("sum", Sum(), Add, Added, decide, evolve, **options)


def head(entity_id: str) -> str:
    return entity_id.partition("/")[0]


SUM = entity()
BY_HEAD = entity(routing=head)


def test_what_is_not_for_clients_is_taken_from_one_kind_or_one_entity_and_from_nobody_else() -> None:
    def of_any(_: Sum, __: Add, ctx: Context) -> Decision[Added]:
        return accept(reply=ctx.only_from("door"))

    def of_one(_: Sum, __: Add, ctx: Context) -> Decision[Added]:
        return accept(reply=ctx.only_from("door", "a/b"))

    for decide in (of_any, of_one):
        assert Scenario(entity(decide)).when(Add(1), sender="door/a/b").reply == "a/b"
    for decide, sender in (
        *((of_any, sender) for sender in ("", "doors/a", "a/door")),
        *((of_one, sender) for sender in ("", "door/a", "door/a/b/c", "gate/a/b")),
    ):
        with pytest.raises(Reject, match="not_for_clients"):
            Scenario(entity(decide)).when(Add(1), sender=sender)


def test_given_events_and_a_command_the_outcome_has_all_that_was_decided() -> None:
    outcome = Scenario(SUM).given(Added(3)).when(Add(4, then=("2",)))
    assert outcome.events == (Added(4),)
    assert outcome.state == Sum(7)
    assert outcome.reply == ["ann", "", NOW_MS]
    assert outcome.actions == (Send(Ref("sum", "2"), Add(4)),)


def test_caller_sender_and_time_are_what_the_test_says_and_time_never_goes_back() -> None:
    scenario = Scenario(SUM, now_ms=5, caller="bob")
    assert scenario.when(Add(1)).reply == ["bob", "", 5]
    assert scenario.when(Add(1), caller="cid", sender="shop/1", now_ms=9).reply == ["cid", "shop/1", 9]
    assert scenario.when(Add(1), now_ms=7).reply == ["bob", "", 9]


def test_a_reject_is_raised_and_changes_nothing() -> None:
    scenario = Scenario(SUM, Sum(10))
    with pytest.raises(Reject, match="too_much"):
        scenario.when(Add(1))
    assert scenario.state == Sum(10)


def timing(state: Sum, command: Add, ctx: Context) -> Decision[Added]:
    if command.n == 0:
        return accept(actions=(SetTimer("later", ctx.now_ms + 1_000, Add(7)),))
    if command.n < 0:
        return accept(actions=(CancelTimer("later"), CancelTimer("never")))
    if state.total:
        raise Reject("once")
    return accept(Added(command.n), reply=[ctx.caller, ctx.sender])


def test_a_timer_fires_once_at_its_time_as_a_command_of_the_entity_itself() -> None:
    scenario = Scenario(entity(timing))
    scenario.when(Add(0))
    outcome = scenario.fire("later")
    assert (outcome.reply, outcome.state, scenario.now_ms) == (["", "sum/1"], Sum(7), NOW_MS + 1_000)
    with pytest.raises(KeyError, match="set are: none"):
        scenario.fire("later")


def test_a_timer_can_be_cancelled_and_one_whose_command_is_rejected_is_gone() -> None:
    scenario = Scenario(entity(timing))
    scenario.when(Add(0))
    scenario.when(Add(-1))
    assert scenario.timers == {}
    scenario.when(Add(5))
    scenario.when(Add(0))
    with pytest.raises(Reject, match="once"):
        scenario.fire("later")
    assert scenario.timers == {}


def firing(state: Sum, command: Add, ctx: Context) -> Decision[Added]:
    if command.n < 0:
        return accept(actions=(SetTimer("later", ctx.now_ms + 1_000, Add(-command.n, command.then)),))
    sends = tuple(Send(Ref("sum", other), Add(2)) for other in command.then)
    fires = () if ctx.sender else (FireTimer("later"), FireTimer("never"))
    return accept(Added(command.n + state.total), reply=ctx.sender or "client", actions=(*fires, *sends))


def test_a_timer_that_is_fired_is_played_within_the_command() -> None:
    scenario = Scenario(entity(firing))
    scenario.when(Add(-5))
    outcome = scenario.when(Add(1))
    assert (outcome.events, outcome.state, outcome.reply) == ((Added(1), Added(6)), Sum(7), "sum/1")
    assert outcome.actions == (FireTimer("later"), FireTimer("never"))
    assert (scenario.state, scenario.timers) == (Sum(7), {})


def test_a_timer_that_is_fired_is_played_in_its_turn_among_local_sends() -> None:
    sums = entity(firing, routing=head)
    ensemble = Ensemble([sums])
    ensemble.when(sums.at("m/1"), Add(-5, then=("m/3",)))
    played = ensemble.when(sums.at("m/1"), Add(1, then=("m/2",)))
    events = [(str(ref), event.n) for ref, event in played.events]
    assert events == [("sum/m/1", 1), ("sum/m/1", 6), ("sum/m/2", 2), ("sum/m/3", 2)]
    assert (played.steps, ensemble.timers(sums.at("m/1"))) == (4, {})


def test_a_timer_that_is_fired_and_refused_undoes_the_command_and_stays() -> None:
    def decide(state: Sum, command: Add, ctx: Context) -> Decision[Added]:
        if ctx.sender:
            raise Reject("not_now")
        return firing(state, command, ctx)

    scenario, ensemble, at = Scenario(entity(decide)), Ensemble([entity(decide)]), SUM.at("1")
    scenario.when(Add(-5))
    ensemble.when(at, Add(-5))
    with pytest.raises(Reject, match="not_now"):
        scenario.when(Add(1))
    with pytest.raises(Reject, match="not_now"):
        ensemble.when(at, Add(1))
    assert (scenario.state, list(scenario.timers)) == (Sum(0), ["later"])
    assert (ensemble.state(SUM, "1"), list(ensemble.timers(at))) == (Sum(0), ["later"])


def with_reply(reply: object) -> Callable[[Sum, Add, Context], Decision[Added]]:
    return lambda _, command, _ctx: accept(Added(command.n), reply=reply)


def with_action(action: Any, times: int = 1) -> Callable[[Sum, Add, Context], Decision[Added]]:
    return lambda _, command, _ctx: accept(Added(command.n), actions=(action,) * times)


_ticks = itertools.count()


def impure(_: Sum, command: Add, ctx: Context) -> Decision[Added]:
    return accept(Added(command.n + next(_ticks)))


def in_place(state: Sum, command: Add, ctx: Context) -> Decision[Added]:
    state.parts["x"] = command.n
    return accept()


def wrong_event(_: Sum, command: Add, ctx: Context) -> Decision[Any]:
    return accept(command)


@pytest.mark.parametrize(
    ("decide", "message"),
    [
        (with_reply(object()), "the reply object cannot be said in JSON"),
        (with_reply("x" * 5_000), "a reply of sum has 5002 bytes; at most 4096 are kept"),
        (with_action(Push(1, object())), "the push object cannot be said in JSON"),
        (with_action(SetTimer("t", 1, Added(1))), "the timer's command Added cannot be stored"),
        (with_action(Send(Ref("sum", "2"), Add(1), on_reject=Added(1))), "the on_reject Added cannot be stored"),
        (with_action(Send(Ref("sum", "2"), Add(1 << 70))), "the command sent Add cannot be stored"),
        (with_action(Push(1, "x" * 262_144)), "a push has 262146 bytes; at most 262144 are taken"),
        (with_action(Push(1, ""), 1_025), "more than 1024 sends and pushes"),
        (with_action(Push(-1, "")), "has the cursor -1, which cannot be"),
        (with_action(SetTimer("t", -1, Add(1))), "set the timer 't' to -1 ms, which cannot be"),
        (with_action(SetTimer("\0", 1, Add(1))), "which cannot be"),
        (with_action(Add(1)), "sum asks for a Add, which is no action"),
        (impure, "decided Add twice, and differently"),
        (in_place, "changed its state in place"),
        (wrong_event, "the event Add cannot be stored"),
    ],
)
def test_what_the_platform_could_not_carry_out_or_repeat_fails_in_the_kit(
    decide: Callable[[Sum, Add, Context], Decision[Added]], message: str
) -> None:
    with pytest.raises(ContractBroken) as error:
        Scenario(entity(decide), Sum(parts={})).when(Add(1))
    assert message in str(error.value)


def test_a_command_that_cannot_be_stored_fails_in_the_kit() -> None:
    with pytest.raises(ContractBroken, match="the command Add cannot be stored"):
        Scenario(SUM).when(Add(1 << 70))


def test_evolve_must_return_a_state_within_its_bound() -> None:
    def lose(_: Sum, event: Added) -> Any:
        return event

    wrong = Entity("sum", Sum(), Add, Added, add, lose)
    with pytest.raises(ContractBroken, match="evolve of sum returned a Added"):
        Scenario(wrong).when(Add(1))
    with pytest.raises(ContractBroken, match="at most 4 are kept"):
        Scenario(entity(state_bytes_max=4)).when(Add(1))


def test_an_entity_that_could_not_be_loaded_cannot_be_tested_either() -> None:
    with pytest.raises(SetupError, match="entity 'Sum'"):
        Scenario(Entity("Sum", Sum(), Add, Added, add, evolve))


def test_chance_and_ids_are_the_same_whenever_the_test_runs() -> None:
    drawing = entity(lambda _, _command, ctx: accept(reply=[ctx.id(), ctx.id(), ctx.random()]))
    replies = [Scenario(drawing).when(Add(1)).reply for _ in range(2)]
    assert replies[0] == replies[1]
    scenario = Scenario(drawing)
    assert scenario.when(Add(1)).reply != scenario.when(Add(1)).reply


def test_a_view_is_what_json_says_and_may_not_change_the_state() -> None:
    def spoil(state: Sum, _: object) -> object:
        state.parts["x"] = 1
        return None

    def total(state: Sum, args: dict[str, int]) -> object:
        return state.total, args["plus"]

    viewed = entity(views={"total": total, "spoil": spoil})
    scenario = Scenario(viewed, Sum(7, {}))
    assert scenario.view("total", plus=1) == [7, 1]
    with pytest.raises(ContractBroken, match="the view spoil of sum changed the state"):
        scenario.view("spoil")
    with pytest.raises(ContractBroken, match="no view 'all'; it has total, spoil"):
        scenario.view("all")


def test_local_sends_are_played_in_order_within_the_command() -> None:
    ensemble = Ensemble([BY_HEAD])
    played = ensemble.when(BY_HEAD.at("m/1"), Add(2, then=("m/2", "m/1")))
    assert [str(ref) for ref, _ in played.events] == ["sum/m/1", "sum/m/2", "sum/m/1"]
    assert (played.steps, played.reply) == (3, ["ann", "sum/m/2", NOW_MS])
    assert ensemble.state(BY_HEAD, "m/1").total == 4


def test_a_reject_anywhere_in_the_cascade_undoes_all_of_it() -> None:
    ensemble = Ensemble([BY_HEAD])
    ensemble.when(BY_HEAD.at("m/3"), Add(9))
    with pytest.raises(Reject, match="too_much"):
        ensemble.when(BY_HEAD.at("m/1"), Add(2, then=("m/2", "m/3")))
    assert [ensemble.state(BY_HEAD, f"m/{n}").total for n in (1, 2, 3)] == [0, 0, 9]
    assert ensemble.sent == []


def test_a_cascade_without_end_is_found() -> None:
    forever = entity(lambda _, command, _ctx: accept(actions=(Send(Ref("sum", "1"), command),)))
    with pytest.raises(ContractBroken, match="more than 256 local sends"):
        Ensemble([forever]).when(forever.at("1"), Add(1))


def test_other_sends_are_on_their_way_until_delivered_and_keep_their_caller() -> None:
    ensemble = Ensemble([SUM])
    played = ensemble.when(SUM.at("1"), Add(2, then=("2",)), caller="bob")
    assert (played.steps, ensemble.state(SUM, "2").total) == (1, 0)
    assert ensemble.deliver().reply == ["bob", "sum/1", NOW_MS]
    assert ensemble.state(SUM, "2").total == 2


class Tell(Struct, frozen=True, tag="teller.tell"):
    """Sends to another program's kind."""


class Told(Struct, frozen=True, tag="teller.told"):
    """Never happens."""


def test_a_send_to_another_programs_kind_is_found_unless_that_takes_it() -> None:
    def tell(_: Sum, __: Tell, ___: Context) -> Decision[Told]:
        return accept(actions=(Send(Ref("sum", "1"), Add(1)),))

    teller = Entity("teller", Sum(), Tell, Told, tell, lambda state, _: state)
    with pytest.raises(ContractBroken, match="sum takes no sends of teller"):
        Ensemble((SUM, teller)).when(teller.at("1"), Tell())
    ensemble = Ensemble((entity(takes_from=("teller",)), teller))
    ensemble.when(teller.at("1"), Tell())
    assert ensemble.state(SUM, "1").total == 1


def test_a_rejected_send_comes_back_or_is_dead_lettered() -> None:
    ensemble = Ensemble([SUM])
    ensemble.when(SUM.at("2"), Add(9))
    ensemble.when(SUM.at("1"), Add(3, then=("2",), back=-3))
    first, second = ensemble.settle()
    assert first.rejected is not None
    assert second.reply == ["ann", "sum/2", NOW_MS]
    assert ensemble.state(SUM, "1").total == 0
    ensemble.when(SUM.at("1"), Add(3, then=("2",)))
    ensemble.settle()
    assert [(str(send.to), reject.reason) for send, reject in ensemble.dead_letters] == [("sum/2", "too_much")]


def test_an_ensemble_fires_timers_and_hands_pushes_over() -> None:
    timed = entity(timing)
    ensemble = Ensemble([timed])
    ensemble.when(timed.at("1"), Add(0))
    assert list(ensemble.timers(timed.at("1"))) == ["later"]
    assert ensemble.fire(timed.at("1"), "later").reply == ["", "sum/1"]
    assert (ensemble.timers(timed.at("1")), ensemble.state(timed, "1").total) == ({}, 7)
    pushing = entity(with_action(Push(1, "hello")))
    assert Ensemble([pushing]).when(pushing.at("1"), Add(1)).pushes == ((pushing.at("1"), Push(1, "hello")),)


def test_an_ensemble_knows_its_own_entities_only() -> None:
    ensemble = Ensemble([SUM])
    with pytest.raises(ContractBroken, match="no other in this ensemble; there is sum"):
        ensemble.when(Ref("other", "1"), Add(1))
    assert ensemble.now_ms == NOW_MS
