"""What must hold about time and ownership: real-time order, fences, queries, snapshots."""

from actors.kernel.action import Code
from tests.simulation.broken import require
from tests.simulation.replay import Replayed
from tests.simulation.world import World


def calls_took_effect_in_real_time(world: World, replays: list[Replayed]) -> None:
    """Linearizable: a call that began after another was answered stands after it on the log.

    The log's order is one in which every answer is right (the models say so), so this is all that is left to show.
    """
    decided = {key: reply for replayed in replays for key, (_, reply) in replayed.first.items()}
    moments: list[tuple[int, int, int, tuple[int, int]]] = []
    for client in world.clients:
        for known in client.history:
            if known.reply.code != Code.REQUEST_ID_TOO_OLD:
                reply = decided[client.name, known.record.request_id]
                place = (reply.offset, reply.index)
                moments.append((known.asked_ms, 0, known.partition, place))
                moments.append((known.answered_ms, 1, known.partition, place))
    reached: dict[int, tuple[int, int]] = {}
    for _, is_answer, partition, place in sorted(moments):
        if is_answer:
            reached[partition] = max(reached.get(partition, (-1, -1)), place)
        else:
            before = reached.get(partition, (-1, -1))
            require(place > before, f"a call at {partition}/{place} began after the answer of {before}")


def looks_saw_the_truth(world: World, replays: list[Replayed]) -> None:
    """A query saw the state at the offset it names, no earlier than it asked, by an owner that was not replaced yet."""
    for ask, host, answer, epoch in world.looks:
        require(answer.epoch >= epoch, f"a query of {ask.partition} was answered under {answer.epoch}, not {epoch}")
        if answer.code == Code.OK and answer.offset >= 0:
            world.counts.queries += 1
            require(answer.offset >= ask.at_least, f"a query at {answer.offset} asked for {ask.at_least}")
            expected = replays[answer.partition].views[answer.offset, ask.entity]
            require(answer.payload == expected, f"a query at {answer.offset} saw {answer.payload!r}, not {expected!r}")
            last = max((offset for offset in replays[answer.partition].owners if offset <= answer.offset), default=-1)
            require(answer.epoch == last, f"a query at {answer.offset} was answered under {answer.epoch}, not {last}")
            owner = replays[answer.partition].owners.get(last)
            require(host == owner, f"a query at {answer.offset} was answered by {host}, the owner was {owner}")


def fences_held(replays: list[Replayed]) -> None:
    """No timer fired on the word of a host that was not the owner at that place of the log."""
    for number, replayed in enumerate(replays):
        owners = replayed.owners
        for offset, producer in replayed.fired:
            owner = owners[max(takeover for takeover in owners if takeover < offset)]
            require(owner == producer, f"{producer} fired a timer at {number}/{offset}, the owner was {owner}")


def snapshots_are_whole(world: World) -> None:
    """Whatever several hosts uploaded at a time: what nobody damaged can be read back, every byte. Raises Corrupt."""
    world.disk.verify_snapshots()
