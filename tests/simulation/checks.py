"""What must hold in every world once it has settled. Each check is a function and raises Broken."""

from random import Random

import msgspec

from actors.kernel.action import Code, Reply, decode_event_frame
from actors.kernel.record import Invoke, Slice, encode_frame
from actors.ports import Fetched
from tests.simulation.broken import require
from tests.simulation.disk import everything
from tests.simulation.evening import Evening
from tests.simulation.order import calls_took_effect_in_real_time, fences_held, looks_saw_the_truth, snapshots_are_whole
from tests.simulation.packages import packages_decided_as_chosen
from tests.simulation.replay import Key, Replayed, owners_said, read_all
from tests.simulation.sums import bad_input_is_refused, purses_add_up, shops_add_up
from tests.simulation.world import World

DECIDED = (Code.OK, Code.REJECTED, Code.POISONED, Code.BOUND_PASSED)


def check(world: World) -> None:
    """Everything."""
    replays = replay_twice(world)
    stores_are_as_replayed(world, replays)
    events_stand_once_in_order(world, replays)
    sends_arrived_once(replays)
    sends_may_overtake(world, replays)
    answers_are_one(world, replays)
    clients_were_told_the_truth(world, replays)
    what_was_not_appended_is_not_there(world)
    calls_took_effect_in_real_time(world, replays)
    looks_saw_the_truth(world, replays)
    fences_held(replays)
    snapshots_are_whole(world)
    bad_input_is_refused(replays)
    if world.work.areas:
        evening = Evening(replays)
        for area in world.work.areas:
            area.check(evening)
    else:
        shops_add_up(replays)
        purses_add_up(world, replays)
        packages_decided_as_chosen(replays)
    enough_succeeded(world)


def replay_twice(world: World) -> list[Replayed]:
    """Fold the log from 0, every second partition once more and cold: equal sums, equal bytes."""
    looked = {(look.answer.offset, look.ask.entity, look.ask.view) for look in world.looks}
    replays: list[Replayed] = []
    for number in range(world.scale.partitions):
        frames = read_all(world.log.slices.get(Slice(world.cluster.commands_topic, number), []))
        warm, cold = (Replayed(number, world.rules, world.scale.partitions) for _ in range(2))
        warm.fold(frames, looked)
        if (number + world.seed) % 2:
            cold.fold(frames, set(), Random(world.seed))
            require(warm.partition.meta == cold.partition.meta, f"two replays of {number} end with other sums")
            require(warm.stored == cold.stored, f"two replays of {number} end with other bytes")
        warm.owners = owners_said(frames)
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
        expectations: dict[str, list[bytes]] = {}
        for kind, encoded in replayed.events:
            expectations.setdefault(world.cluster.events_topic_of(kind), []).append(encoded)
        for topic, expected in expectations.items():
            slice_ = Slice(topic, number)
            seen: list[bytes] = []
            last = (-1, -1, -1, -1)
            for fetched in world.log.slices.get(slice_, []):
                for event in decode_event_frame(*slice_, fetched.offset, fetched.frame).records:
                    identity = (event.incarnation, event.offset, event.index, event.n)
                    if identity > last:
                        last = identity
                        seen.append(_encode(event))
            require(seen == expected, f"{topic} on {number}: {len(seen)} read, {len(expected)} expected")


def sends_arrived_once(replays: list[Replayed]) -> None:
    """Every send was applied by its destination, none is missing and none lies above a gap."""
    for destination in replays:
        total = 0
        for source in replays:
            sent = source.partition.meta.next_seq.get(destination.number, 0)
            _, applied, above = destination.partition.meta.sources.get(source.number, (0, 0, []))
            total += sent
            require(
                sent == applied and not above, f"{source.number} → {destination.number}: {sent} sent, {applied} there"
            )
        require(destination.received == total, f"{total} sent to {destination.number}, {destination.received} applied")


def sends_may_overtake(world: World, replays: list[Replayed]) -> None:
    """However the sends to one partition were mixed up on their way, each is applied once."""
    number = world.seed % world.scale.partitions
    sent = [record for source in replays for (to, _), record in source.sent.items() if to == number]
    if sent:
        Random(world.seed).shuffle(sent)
        slice_ = Slice(world.cluster.commands_topic, number)
        mixed = Replayed(number, world.rules, world.scale.partitions)
        frame = encode_frame(*slice_, "a log that mixes up", 1, "", [*sent, *sent[: len(sent) // 2]])
        mixed.fold(read_all([Fetched(slice_, 0, world.clock.now_ms, frame)]), set())
        require(mixed.received == len(sent), f"{len(sent)} sends in any order, {mixed.received} applied")


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
    """What a client was told stands on the log and was decided there once; counts what is lost or there twice."""
    first, counts = _first(replays), world.counts
    for client in world.clients:
        for request_id, reply in client.answers.items():
            if reply.code == Code.REQUEST_ID_TOO_OLD:
                continue
            counts.acked += 1
            counts.succeeded += reply.code == Code.OK
            require(reply.code in DECIDED, f"{client.name} was told {reply.code}")
            if (client.name, request_id) not in first:
                counts.lost += 1
                continue
            heard, should = _answer(reply), _answer(first[client.name, request_id][1])
            require(heard == should, f"{client.name} was told {heard} and a replay says {should}")
        for request_id, again in client.reused.items():
            refused = again is None or again.code in (Code.REQUEST_ID_REUSED, Code.REQUEST_ID_TOO_OLD)
            # A new owner looks ids up without their bodies, so what comes back may also be the first body's answer.
            told = again is not None and _answer(again) == _answer(first[client.name, request_id][1])
            require(refused or told, "another body under the same id was accepted")
    twice = [key for replayed in replays for key, times in replayed.decided.items() if times > 1]
    counts.accepted, counts.applied_twice = len(first), len(twice)
    require(not counts.lost, f"{counts.lost} calls were acknowledged and are not on the log")
    require(not twice, f"decided more than once: {twice[:3]}")


def what_was_not_appended_is_not_there(world: World) -> None:
    """A call that a gateway says it has not appended, every time it was tried there, is in none of its frames."""
    refused = {name for client in world.clients for name, tries in client.tries.items() if not tries}
    world.counts.not_appended = len(refused)
    if not refused:
        return
    for number in range(world.scale.partitions):
        for _, frame in read_all(world.log.slices.get(Slice(world.cluster.commands_topic, number), [])):
            there = refused.intersection((frame.producer, call) for call in frame.records if isinstance(call, Invoke))
            require(not there, f"said to be not appended and there: {there}")


def enough_succeeded(world: World) -> None:
    """A world in which nearly everything fails proves nothing: an id may only become too old when the clocks leap."""
    counts, least = world.counts, 0.5 if world.drawn.leaps else 0.98
    require(counts.acked >= least * counts.asked, f"only {counts.acked} of {counts.asked} calls were decided")
    share = 0.2 if not world.work.areas else 0.1 * least  # in a city most come too late, or for what is not theirs
    require(counts.succeeded >= share * counts.asked, f"only {counts.succeeded} of {counts.asked} succeeded")


def _first(replays: list[Replayed]) -> "dict[Key, tuple[Invoke, Reply]]":
    return {key: found for replayed in replays for key, found in replayed.first.items()}


def _answer(reply: Reply) -> tuple[int, bytes, int, int]:
    return reply.code, reply.payload, reply.offset, reply.index


_encode = msgspec.msgpack.Encoder().encode
