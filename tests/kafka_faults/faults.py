"""One fault each, put in while the load goes on, counted when it was seen, and gone again at the end."""

import time

from actors.ports import Slice
from tests.kafka_faults.proxy import Direction
from tests.kafka_faults.stand import DEADLINE_MS, Stand, for_a_while, leader_of, seen, stands_still

FLIPPED_CHUNKS = 3
UNAVAILABLE_S_MAX = 10.0
SILENCE_S_MIN = 0.5
"""A fault after which a slice was silent for so long was noticed."""


def kill(stand: Stand, broker: int, *, alone: bool) -> None:
    """SIGKILL a broker. One that is `alone` is needed back; of three the others must go on without it first."""
    stand.load.measure()
    began, away = time.monotonic(), _troubles(stand)
    stand.cluster.kill(broker)
    if alone:
        stand.cluster.restart(broker)
    _flows_again(stand, began, "SIGKILL of the broker" if alone else "SIGKILL of a leader", away)
    if alone:
        _figure(stand, "broker restart, s until appends go on, max", time.monotonic() - began)
    if not alone:
        if stand.load.silence_s_max > UNAVAILABLE_S_MAX:
            stand.counts.short.append(f"{stand.load.silence_s_max:.1f} s without an answer after a leader was lost")
        _figure(stand, "leader loss, s without answers, max", stand.load.silence_s_max)
        stand.cluster.restart(broker)
        if not stand.load.flows():
            stand.counts.find("appends did not go on after a killed broker came back")


def pause(stand: Stand, broker: int, seconds: float) -> None:
    """SIGSTOP a broker for longer than an append may take: every append ends, and a fresh producer takes over."""
    stand.load.measure()
    generation, away, unknown = stand.log.producer_generation, _troubles(stand), len(stand.load.truth.unknown)
    stand.cluster.pause(broker)
    stopped = seen(lambda: stands_still(stand.cluster.pids[broker]))
    open_at_stop = stand.load.truth.asked
    began = time.monotonic()
    ended = stand.load.wait(lambda: stand.load.truth.settled >= open_at_stop, seconds)
    _figure(stand, "SIGSTOP: last append settled after, s, max", time.monotonic() - began)
    for_a_while(seconds - (time.monotonic() - began))
    stand.cluster.resume(broker)
    _flows_again(stand, time.monotonic(), "SIGSTOP past the deadline", away)
    replaced = stand.log.producer_generation > generation or len(stand.load.truth.unknown) == unknown
    if not (stopped and ended and replaced):
        stand.counts.find(f"a stopped broker: stopped {stopped}, appends ended {ended}, producer replaced {replaced}")


def hold(stand: Stand, broker: int, seconds: float, *directions: Direction) -> None:
    """Nothing passes in these directions for a while, and no connection ends."""
    stand.load.measure()
    held, away = stand.proxy.on(broker, lambda link: link.held), _troubles(stand)
    stand.proxy.on(broker, lambda link: link.hold(*directions))
    passed_none = seen(lambda: stand.proxy.on(broker, lambda link: link.held) > held)
    for_a_while(seconds)
    stand.proxy.on(broker, lambda link: link.heal())
    kind = "stall" if len(directions) == 2 else f"one-way partition ({directions[0]} the broker)"
    if passed_none:
        _flows_again(stand, time.monotonic(), kind, away if seconds * 1_000 > DEADLINE_MS else -1)
    else:
        stand.counts.unseen += 1


def reset(stand: Stand, broker: int) -> None:
    """Every connection of a broker ends by a reset."""
    before = stand.proxy.on(broker, lambda link: link.resets)
    stand.proxy.on(broker, lambda link: link.reset())
    ended = stand.proxy.on(broker, lambda link: link.resets) - before
    if ended:
        _flows_again(stand, time.monotonic(), "reset connections", -1)
    else:
        stand.counts.unseen += 1


def flip(stand: Stand, broker: int, direction: Direction) -> None:
    """Bits are turned on the way to or from a broker."""
    before = stand.proxy.on(broker, lambda link: link.flips)
    stand.proxy.on(broker, lambda link: link.flip(direction, FLIPPED_CHUNKS))
    if seen(lambda: stand.proxy.on(broker, lambda link: link.flips) >= before + FLIPPED_CHUNKS):
        _flows_again(stand, time.monotonic(), f"flipped bits ({direction} the broker)", -1)
    else:
        stand.counts.unseen += 1


def slow(stand: Stand, broker: int, seconds: float) -> None:
    """Every chunk passes 200 ms later for a while."""
    before = stand.proxy.on(broker, lambda link: link.slowed)
    stand.proxy.on(broker, lambda link: link.slow(0.2))
    for_a_while(seconds)
    slowed = stand.proxy.on(broker, lambda link: link.slowed) > before
    stand.proxy.on(broker, lambda link: link.heal())
    if slowed:
        _flows_again(stand, time.monotonic(), "delay", -1)
    else:
        stand.counts.unseen += 1


def roll(stand: Stand) -> None:
    """Every broker in turn is ended in good order and started again, as for an upgrade."""
    for broker in range(len(stand.cluster.pids)):
        stand.load.measure()
        began, before = time.monotonic(), stand.cluster.pids[broker]
        stand.cluster.restart(broker)
        if stand.cluster.pids[broker] != before:
            _flows_again(stand, began, "restart in turn", -1)


def kill_all(stand: Stand) -> None:
    """SIGKILL all brokers at once."""
    stand.load.measure()
    began, away = time.monotonic(), _troubles(stand)
    for broker in range(len(stand.cluster.pids)):
        stand.cluster.kill(broker)
    stand.cluster.restart_all()
    _flows_again(stand, began, "SIGKILL of all brokers at once", away)


def lead(stand: Stand, slice_: Slice) -> int:
    """The broker that leads a slice now; asked until there is one."""
    leaders: list[int] = []

    def there_is_one() -> bool:
        leaders.append(leader_of(stand.cluster, slice_))
        return leaders[-1] >= 0

    assert seen(there_is_one), f"{slice_} has no leader"
    return leaders[-1]


def _troubles(stand: Stand) -> int:
    """How often clients were told of trouble so far."""
    truth = stand.load.truth
    return len(truth.unknown) + len(truth.refused) + stand.follower.away


def _flows_again(stand: Stand, began: float, kind: str, troubles: int) -> None:
    """Count the fault once appends of every slice are acknowledged again; with `troubles`, if clients noticed it."""
    counts = stand.counts
    if not stand.load.flows():
        counts.find(f"appends did not go on after: {kind}")
        return
    counts.recovery_ms.append((time.monotonic() - began) * 1_000)
    counts.unavailable_ms_max = max(counts.unavailable_ms_max, stand.load.silence_s_max * 1_000)
    if troubles >= 0 and _troubles(stand) == troubles and stand.load.silence_s_max < SILENCE_S_MIN:
        counts.unseen += 1
        return
    counts.fault(kind)


def _figure(stand: Stand, name: str, value: float) -> None:
    stand.counts.figures[name] = max(stand.counts.figures.get(name, 0.0), value)
