"""What goes wrong at some time: one function for each kind of event in `Faults`, by its name."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from actors.kernel import layout
from actors.kernel.record import Check, Fire, Record, Slice, encode_frame, encode_record
from tests.simulation.packages import choice

if TYPE_CHECKING:
    from tests.simulation.world import World

LEAP_MS = 660_000
STOP_MS_MAX = 6_000
AWAY_MS_MAX = 2_500
ALL_TIMERS = layout.timer_range(0, 1 << 60)


def host_crashes(world: "World") -> None:
    """A host ends at once."""
    if world.hosts:
        host = world.fate.choice(list(world.hosts.values()))
        world.strike("host_crashes", f"{host.name} crashes")
        world.felt("host_crashes")
        world.crashed(host)


def host_stops(world: "World") -> None:
    """A host does nothing for a while, perhaps for longer than its controller waits, and perhaps out of its reach."""
    if world.hosts:
        host = world.fate.choice(list(world.hosts.values()))
        for_ms = world.fate.randint(300, STOP_MS_MAX)
        world.strike("host_stops", f"{host.name} stops for {for_ms} ms")
        host.stop(for_ms, "host_stops")
        if world.fate.random() < 0.5:
            world.chief.unseen.add(host.name)
            world.clock.after(for_ms + world.fate.randint(200, 3_000), partial(world.end_host, host.name))


def zombies(world: "World") -> None:
    """The controller takes a host for dead, at once or after its silence; the host goes on for a while."""
    seen = [name for name in world.chief.controller.hosts if name in world.hosts]
    if seen:
        name = world.fate.choice(seen)
        world.strike("zombies", f"{name} is out of the controller's sight, and goes on")
        world.chief.unseen.add(name)
        if world.fate.random() < 0.5:
            world.chief.host_died(name)
        world.clock.after(world.fate.randint(200, 5_000), partial(_end_zombie, world, name))


def _end_zombie(world: "World", name: str) -> None:
    if name in world.hosts:
        if name not in world.chief.controller.hosts:
            world.felt("zombies")
        world.end_host(name)


def moves(world: "World") -> None:
    """An operator moves a partition."""
    before = dict(world.chief.controller.placed)
    world.strike("moves", "an operator moves a partition")
    world.chief.move()
    if world.chief.controller.placed != before:
        world.felt("moves")


def controller_restarts(world: "World") -> None:
    """A new controller begins; the former one and its hosts go on until they notice."""
    world.strike("controller_restarts", "another controller begins")
    world.start_chief()


def gateway_crashes(world: "World") -> None:
    """A gateway ends at once, with all that it knows."""
    if world.gateways:
        gateway = world.fate.choice(list(world.gateways.values()))
        world.strike("gateway_crashes", f"{gateway.name} crashes with {len(gateway.table)} calls")
        world.felt("gateway_crashes")
        world.end_gateway(gateway)


def link_drops(world: "World") -> None:
    """A stream breaks."""
    if world.network.links:
        ends = world.fate.choice(list(world.network.links))
        world.strike("link_drops", f"the stream between {ends[0]} and {ends[1]} breaks")
        world.felt("link_drops")
        world.network.drop(ends)


def link_clogs(world: "World") -> None:
    """Some streams stop one by one and go on in another order (after FoundationDB's swizzle-clogging)."""
    links = list(world.network.links)
    chosen = world.fate.sample(links, world.fate.randint(0, len(links)))
    for n, ends in enumerate(chosen):
        for_ms = world.fate.randint(100, 2_000)
        world.strike("link_clogs", f"the stream between {ends[0]} and {ends[1]} stands still for {for_ms} ms")
        world.clock.after(50 * n, partial(world.network.clog, ends, for_ms))


def log_away(world: "World") -> None:
    """Nobody reaches the log for a while."""
    for_ms = world.fate.randint(200, AWAY_MS_MAX)
    world.strike("log_away", f"the log is away for {for_ms} ms")
    world.log.away_until_ms = world.clock.elapsed_ms + for_ms


def tail_lost(world: "World") -> None:
    """What the log has taken in and not committed is lost."""
    world.strike("tail_lost", "the log loses what it has not committed")
    world.log.lose_tail()


def stores_lost(world: "World") -> None:
    """A partition's stores are lost, perhaps with the host that had them."""
    partition = world.fate.randrange(world.scale.partitions)
    world.strike("stores_lost", f"the stores of {partition} are lost")
    world.disk.lose(partition)
    owner = world.owner_of(partition)
    if owner is not None and world.fate.random() < 0.5:
        world.end_host(owner.name)


def fires_astray(world: "World") -> None:
    """Somebody says that a timer is due who may not, or of a timer that is not there, or not yet due."""
    partition = world.fate.randrange(world.scale.partitions)
    owner = world.owner_of(partition)
    ownership = owner.core.owned.get(partition) if owner is not None else None
    if owner is None or ownership is None or not ownership.serving:
        return
    for key, value in owner.store_of(partition).scan(*ALL_TIMERS, limit=5):
        due_ms, entity, timer = layout.timer_of(key)
        generation = layout.decode_generation(value)
        producer, wrong = world.fate.choice(((owner.name, 1), (owner.name, -1), ("nobody", 0), ("nobody", 0)))
        if producer == owner.name and world.fate.random() < 0.5 and due_ms > world.clock.now_ms + 100:
            wrong = 0  # the right timer, too early
        fire = Fire(entity, timer, generation + wrong, due_ms)
        _forge(world, "fires_astray", partition, producer, fire)


def checks_astray(world: "World") -> None:
    """A host that owns nothing says a wrong sum."""
    partition = world.fate.randrange(world.scale.partitions)
    end = world.log.end(Slice(world.cluster.commands_topic, partition))
    for offset in range(max(end - 64, 0), end, 8):
        _forge(world, "checks_astray", partition, "nobody", Check(offset, 0))


def _forge(world: "World", kind: str, partition: int, producer: str, record: Record) -> None:
    slice_ = Slice(world.cluster.commands_topic, partition)
    frame = encode_frame(*slice_, producer, 0, "", [encode_record(record)])
    world.strike(kind, f"{producer} says {record}")

    def done(outcome: object) -> None:
        if isinstance(outcome, int):
            world.felt(kind)

    world.log.append(f"{producer}, astray", slice_, frame, done)


def clock_jumps(world: "World") -> None:
    """The log's clock is set, forward or back."""
    world.log.skew_ms = world.fate.choice((-86_400_000, world.fate.randint(-60_000, 60_000)))
    world.strike("clock_jumps", f"the log's clock is {world.log.skew_ms} ms off")


def leaps(world: "World") -> None:
    """Eleven minutes pass at once."""
    world.strike("leaps", "eleven minutes pass at once")
    world.felt("leaps")
    world.clock.leap(LEAP_MS)


def switches(world: "World") -> None:
    """Other packages decide from here on, in one partition after the other; not in all, where an append is lost.

    Where the catalogue says which, it is the follower that ends in the midst of it.
    """
    if world.follower is not None:
        world.strike("follower_ends", "the follower ends")
        world.felt("follower_ends")
        world.follower.begin_again()
        return
    world.generation += 1
    record = choice(world.fate, world.generation)
    for partition in range(world.scale.partitions) if world.work.packages else ():
        wait_ms = world.fate.randint(0, 300)
        world.clock.after(wait_ms, partial(_forge, world, "switches", partition, "nobody", record))


EVENTS: dict[str, Callable[["World"], None]] = {
    happens.__name__: happens
    for happens in (
        host_crashes,
        host_stops,
        zombies,
        moves,
        controller_restarts,
        gateway_crashes,
        link_drops,
        link_clogs,
        log_away,
        tail_lost,
        stores_lost,
        fires_astray,
        checks_astray,
        clock_jumps,
        leaps,
        switches,
    )
}
