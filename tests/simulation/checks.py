"""What must hold in every world once it has settled. Each check is a function and raises Broken."""

from random import Random

import msgspec

from actors.kernel.action import Code, Reply, decode_event_frame
from actors.kernel.record import Invoke, Slice
from tests.simulation.disk import everything
from tests.simulation.model import ShopModel
from tests.simulation.purse import Open, Pay, Purse
from tests.simulation.replay import Key, Replayed
from tests.simulation.workload import MERCHANTS, NONSENSE, PURSES, TICKS
from tests.simulation.world import PARTITIONS, Broken, World

DECIDED = (Code.OK, Code.REJECTED, Code.POISONED, Code.BOUND_PASSED)


def check(world: World) -> None:
    """Everything."""
    replays = replay_twice(world)
    stores_are_as_replayed(world, replays)
    events_stand_once_in_order(world, replays)
    sends_arrived_once(replays)
    answers_are_one(world, replays)
    clients_were_told_the_truth(world, replays)
    looks_saw_the_truth(world, replays)
    shops_add_up(world, replays)
    purses_add_up(world, replays)


def require(holds: object, broken: str) -> None:
    """Raise Broken unless it holds."""
    if not holds:
        raise Broken(broken)


def replay_twice(world: World) -> list[Replayed]:
    """Fold the log from 0, warm and cold: equal sums, equal bytes."""
    looked = {(answer.offset, ask.entity) for ask, answer in world.looks}
    replays: list[Replayed] = []
    for number in range(PARTITIONS):
        frames = world.log.slices.get(Slice(world.cluster.commands_topic, number), [])
        warm, cold = (Replayed(number, world.rules, PARTITIONS) for _ in range(2))
        warm.fold(frames, looked)
        cold.fold(frames, set(), Random(world.seed))
        require(warm.partition.meta == cold.partition.meta, f"two replays of {number} end with other sums")
        require(warm.stored == cold.stored, f"two replays of {number} end with other bytes")
        replays.append(warm)
    return replays


def stores_are_as_replayed(world: World, replays: list[Replayed]) -> None:
    """What the living owners stored is what a replay stores."""
    for number, replayed in enumerate(replays):
        host = world.owner_of(number)
        assert host is not None
        live, again = everything(host.store_of(number)), replayed.stored
        wrong = [key for key in live.keys() | again.keys() if live.get(key) != again.get(key)]
        require(not wrong, f"the store of {number} on {host.name} differs from a replay in {wrong[:5]}")


def events_stand_once_in_order(world: World, replays: list[Replayed]) -> None:
    """A reader that keeps the last identity of each partition sees every event once, in order."""
    for number, replayed in enumerate(replays):
        for kind, expected in replayed.events.items():
            slice_ = Slice(world.cluster.events_topic_of(kind), number)
            seen: list[bytes] = []
            last = (-1, -1, -1, -1)
            for fetched in world.log.slices.get(slice_, []):
                for event in decode_event_frame(*slice_, fetched.offset, fetched.frame).records:
                    identity = (event.incarnation, event.offset, event.index, event.n)
                    if identity > last:
                        last = identity
                        seen.append(_encode(event))
            require(seen == expected, f"events of {kind} on {number}: {len(seen)} read, {len(expected)} expected")


def sends_arrived_once(replays: list[Replayed]) -> None:
    """Every send was applied by its destination, none is missing and none lies above a gap."""
    for source in replays:
        for destination in replays:
            sent = source.partition.meta.next_seq.get(destination.number, 0)
            _, applied, above = destination.partition.meta.sources.get(source.number, (0, 0, []))
            require(
                sent == applied and not above, f"{source.number} → {destination.number}: {sent} sent, {applied} there"
            )


def answers_are_one(world: World, replays: list[Replayed]) -> None:
    """Whoever answered a call, and however often: the same answer, from the same place, as a replay gives."""
    first = _first(replays)
    for key, replies in world.said_replies.items():
        for reply in replies:
            if reply.code == Code.REQUEST_ID_TOO_OLD:
                continue
            if reply.code == Code.REQUEST_ID_REUSED:
                require(any(key[1] in client.reused for client in world.clients), f"{key} was not used twice")
                continue
            require(key in first, f"{key} was answered and is not on the log")
            expected = first[key][1]
            told, should = _answer(reply), _answer(expected)
            require(told == should, f"{key} was answered {told} and a replay says {should}")


def clients_were_told_the_truth(world: World, replays: list[Replayed]) -> None:
    """What a client knows is what stands on the log; what it gave up is there once or not at all."""
    first = _first(replays)
    settled = 0
    for client in world.clients:
        for request_id, reply in client.answers.items():
            if reply is None or reply.code == Code.REQUEST_ID_TOO_OLD:
                continue
            settled += 1
            require((client.name, request_id) in first, f"{client.name} knows of a call that is not on the log")
            require(reply.code in DECIDED, f"{client.name} was told {reply.code}")
        for request_id, reply in client.reused.items():
            refused = reply is None or reply.code in (Code.REQUEST_ID_REUSED, Code.REQUEST_ID_TOO_OLD)
            # A new owner looks ids up without their bodies, so what comes back may also be the first body's answer.
            told = reply is not None and _answer(reply) == _answer(first[client.name, request_id][1])
            require(refused or told, "another body under the same id was accepted")
    asked = sum(len(client.answers) for client in world.clients)
    require(settled > asked // 2, f"only {settled} of {asked} calls were settled")


def looks_saw_the_truth(world: World, replays: list[Replayed]) -> None:
    """A query that a gateway let through saw the state as it was at the offset it names."""
    for ask, answer in world.looks:
        if answer.code == Code.OK and answer.offset >= 0:
            expected = replays[answer.partition].views[answer.offset, ask.entity]
            require(answer.payload == expected, f"a query at {answer.offset} saw {answer.payload!r}, not {expected!r}")


def shops_add_up(world: World, replays: list[Replayed]) -> None:
    """An independent model, fed with the settled lines in the log's order, gives the same replies and totals."""
    for replayed in replays:
        model = ShopModel()
        for record, reply in replayed.first.values():
            nonsense = (record.entity, record.command) in NONSENSE
            if not record.entity.startswith("shop") or nonsense or reply.code == Code.REQUEST_ID_TOO_OLD:
                continue
            if reply.code == Code.POISONED:
                require(record.command.endswith(b"\x00"), f"{record.entity} poisoned by {record.command!r}")
                continue
            expected, got = model.apply(record.entity, record.command), msgspec.json.decode(reply.payload)
            got.pop("details", None)
            require(got == expected, f"{record.command!r} was answered {got}, the model says {expected}")
        for merchant in MERCHANTS:
            if world.partition_of(f"shop/{merchant}") == replayed.number and merchant in model.totals:
                totals = msgspec.json.decode(replayed.view(f"shop/{merchant}", "totals"))
                require(
                    totals == model.totals[merchant], f"{merchant}: {totals}, the model says {model.totals[merchant]}"
                )


def purses_add_up(world: World, replays: list[Replayed]) -> None:
    """No money is made or lost between partitions, every payment is settled, and every timer fired once."""
    put_in = paid = 0
    ticking: dict[str, int] = {}
    for record, reply in _first(replays).values():
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


def _first(replays: list[Replayed]) -> "dict[Key, tuple[Invoke, Reply]]":
    return {key: found for replayed in replays for key, found in replayed.first.items()}


def _answer(reply: Reply) -> tuple[int, bytes, int, int]:
    return reply.code, reply.payload, reply.offset, reply.index


_encode = msgspec.msgpack.Encoder().encode
