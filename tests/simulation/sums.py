"""What shops and purses must add up to: told by a model that shares nothing with the programs, and by arithmetic."""

import msgspec

from actors.kernel.action import Code
from tests.simulation.broken import require
from tests.simulation.model import ShopModel
from tests.simulation.purse import Open, Pay, Purse
from tests.simulation.replay import Replayed
from tests.simulation.workload import MERCHANTS, PURSES, TICKS, is_bad
from tests.simulation.world import World


def bad_input_is_refused(replays: list[Replayed]) -> None:
    """What no program takes is poison, and nothing else is."""
    for record, reply in (found for replayed in replays for found in replayed.first.values()):
        if reply.code != Code.REQUEST_ID_TOO_OLD:
            bad = is_bad(record.entity, record.command)
            require(bad == (reply.code == Code.POISONED), f"{record.entity}: {record.command!r} was {reply.code}")


def shops_add_up(replays: list[Replayed]) -> None:
    """An independent model, fed with the settled lines in the log's order, gives the same replies and totals."""
    for replayed in replays:
        model = ShopModel()
        for record, reply in replayed.first.values():
            is_asked = reply.code != Code.REQUEST_ID_TOO_OLD and not is_bad(record.entity, record.command)
            if not is_asked or not record.entity.startswith("shop"):
                continue
            expected, got = model.apply(record.entity, record.command), msgspec.json.decode(reply.payload)
            got.pop("details", None)
            require(got == expected, f"{record.command!r} was answered {got}, the model says {expected}")
        for merchant in MERCHANTS:
            if merchant in model.totals:
                totals = msgspec.json.decode(replayed.view(f"shop/{merchant}", "totals"))
                require(
                    totals == model.totals[merchant], f"{merchant}: {totals}, the model says {model.totals[merchant]}"
                )


def purses_add_up(world: World, replays: list[Replayed]) -> None:
    """No money is made or lost between partitions, every payment is settled, and every timer fired once."""
    put_in = paid = 0
    ticking: dict[str, int] = {}
    for record, reply in (found for replayed in replays for found in replayed.first.values()):
        if record.entity.startswith("purse/") and reply.code == Code.OK:
            command = msgspec.msgpack.decode(record.command, type=Open | Pay)
            if isinstance(command, Open):
                put_in += command.amount
                ticking[record.entity] = ticking.get(record.entity, 0) + TICKS
            else:
                paid += command.amount
    purses: dict[str, Purse] = {}
    for name in PURSES:
        state = replays[world.partition_of(f"purse/{name}")].state(f"purse/{name}")
        assert isinstance(state, Purse)
        purses[name] = state
        require(not state.held, f"{name} still holds {state.held}")
        require(state.balance >= 0, f"{name} has {state.balance}")
        require(all(times == 1 for times in state.reminded.values()), f"{name} was reminded {state.reminded}")
        expected = ticking.get(f"purse/{name}", 0)
        require(state.ticks == expected, f"{name} ticked {state.ticks} times, not {expected}")
    there = sum(purse.balance for purse in purses.values())
    require(there == put_in, f"{put_in} were put in, {there} are there")
    received, confirmed = (sum(getattr(p, name) for p in purses.values()) for name in ("received", "confirmed"))
    refunded = sum(purse.refunded for purse in purses.values())
    require(received == confirmed, f"{received} were received, {confirmed} confirmed")
    require(paid == confirmed + refunded, f"{paid} were paid, {confirmed} confirmed and {refunded} given back")
