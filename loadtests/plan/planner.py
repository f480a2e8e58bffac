"""A day and what calls cost become machines: how many gateways, hosts, partitions, brokers, and why so many. Pure."""

import math
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from actors.errors import SetupError
from actors.settings import PARTITIONS_MAX, ProcessSettings
from loadtests.plan.costs import ROLES, Costs
from loadtests.plan.model import Fit, Load, call_cores, cores, frame_cores, frames_s, took_ms
from loadtests.report.verdict import number
from loadtests.report.verdict import share as percent
from loadtests.wholeday.simulate import Outcome

GIB = 2**30
HOURS_A_MONTH = 730
PARTITIONS_MIN = 16
PARTITIONS_A_HOST, PARTITIONS_A_HOST_MIN = 4, 2
"""So that what a lost host had is spread over several others; fewer where a platform cannot have so many."""
HOSTS_A_CONTROLLER = 8
"""What Ray and the controller use is measured with one host, and taken to grow from so many on."""
ROUNDS = 40
FOLLOWER = 0.5
"""What a replica costs a broker against the first copy, which clients write and read: assumed; one is measured."""


class Machine(Struct, frozen=True, kw_only=True):
    """A machine as it is hired; its price is an example and is said with the plan."""

    cores: int = 16
    memory_gib: float = 64.0
    disk_tb: float = 3.8
    network_gbit: float = 10.0
    price_h: float = 0.80


class Wish(Struct, frozen=True, kw_only=True):
    """What the platform must bear, and with how much to spare."""

    peak: float = 10.0
    """The busiest minute against the day's mean, whatever the day's own is."""
    headroom: float = 0.4
    """The part of every processor that is free at the peak."""
    p99_ms: float = 500.0
    failures: int = 1
    """So many machines of each kind may be lost at the peak."""
    path: str = "stream"
    replicas: int = 3
    tls: bool = False
    gather_ms: float = 20.0
    kept_days: float = 3.0
    """So long the log is kept."""
    machine: Machine = Machine()

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("peak", self.peak, 1, 1_000),
            ("headroom", self.headroom, 0, 0.95),
            ("failures", self.failures, 0, 100),
            ("replicas", self.replicas, 1, 9),
            ("gather_ms", self.gather_ms, 0.1, 10_000),
            ("kept_days", self.kept_days, 0.01, 10_000),
        ):
            if not least <= value <= most:
                raise SetupError(f"{name} must be {least} to {most}, not {value:g}")
        if self.gather_ms * 2 > self.p99_ms:
            raise SetupError(
                f"calls that are gathered for {self.gather_ms:g} ms are not answered within {self.p99_ms:g} ms: allow "
                "more, or gather for less"
            )
        if self.path not in ("stream", "unary"):
            raise SetupError(f"{self.path!r} is no path; there are stream and unary")


class Row(Struct, frozen=True):
    """One line of the plan."""

    what: str
    count: str
    each: str
    because: str


class Limit(Struct, frozen=True):
    """Something that ends before machines do: how much of it the peak takes."""

    what: str
    share: float
    says: str


class Plan(Struct, frozen=True, kw_only=True):
    """The machines, and what they were computed from."""

    persons: int
    day: str
    wish: Wish
    calls_peak_s: float
    commands_peak_s: float
    partitions: int
    gateways: int
    hosts: int
    brokers: int
    machines: int
    cores: float
    """What is used at the peak."""
    money_month: float
    rows: tuple[Row, ...]
    limits: tuple[Limit, ...]
    costs: str
    """When and where the costs were measured."""
    notes: tuple[str, ...]
    """What else has to be known of these figures."""


class _Sized(Struct, frozen=True, kw_only=True):
    load: Load
    used: Mapping[str, float]
    busy: float
    there_cores: float
    """Of the processes beside hosts, gateways and log: what they use when nobody calls."""


def plan(outcome: Outcome, costs: Costs, fit: Fit, wish: Wish) -> Plan:
    """The plan. Raises SetupError for what no number of machines gives."""
    sized, machine = _sized(outcome, costs, fit, wish), wish.machine
    logs = _log(outcome, costs, wish, sized)
    memory_gib = _host_gib(outcome, costs, sized)
    host_machines = max(
        math.ceil(sized.load.hosts / machine.cores),
        math.ceil(memory_gib * sized.load.hosts / (machine.memory_gib * 0.8)),
    )
    gateway_machines = math.ceil(sized.load.senders / machine.cores)
    rest = sized.used["rest"] + sized.there_cores * (max(sized.load.hosts / HOSTS_A_CONTROLLER, 1) - 1)
    rest_machines = math.ceil(rest / (machine.cores * sized.busy))
    machines = logs.brokers + host_machines + gateway_machines + rest_machines + 2 * wish.failures
    rows = (
        *_process_rows(outcome, costs, fit, sized, memory_gib),
        *_log_rows(wish, logs),
        Row("Ray, follower", f"{rest_machines}", "a machine", f"{number(rest)} cores, the controller's with them"),
        *_machine_rows(outcome, costs, wish, machines, memory_gib),
    )
    return Plan(
        persons=outcome.persons,
        day=outcome.day,
        wish=wish,
        calls_peak_s=sized.load.total_s,
        commands_peak_s=outcome.commands / outcome.calls * sized.load.total_s,
        partitions=sized.load.partitions,
        gateways=sized.load.senders,
        hosts=sized.load.hosts,
        brokers=logs.brokers,
        machines=machines,
        cores=sized.used["gateway"] + sized.used["host"] + logs.cores + rest,
        money_month=_money(wish, machines),
        rows=rows,
        limits=_limits(outcome, costs, sized),
        costs=f"{costs.taken_at}, {costs.command}, {costs.machine.get('cpu', '')}",
        notes=_notes(outcome, costs, wish),
    )


def _notes(outcome: Outcome, costs: Costs, wish: Wish) -> tuple[str, ...]:
    own = outcome.calls_peak_s / outcome.calls_mean_s
    peak = (
        f"The peak is {wish.peak:g} times this day's mean of {outcome.calls_mean_s:,.0f} calls/s, and replaces the "
        f"day's own, which is {own:.1f} times. Reported are 3 times on a workday and 10 times at the Lunar New Year."
    )
    if costs.log != "embedded":
        return (peak,)
    brokers = (
        "These costs were measured on the embedded log, one process on one machine: brokers are Kafka's, planned as if "
        "they cost what that process did. `python -m loadtests costs --log kafka` measures Kafka itself."
    )
    return (peak, brokers)


class _Log(Struct, frozen=True, kw_only=True):
    cores: float
    day_tb: float
    disk_tb: float
    brokers: int
    by: str


def _log(outcome: Outcome, costs: Costs, wish: Wish, sized: _Sized) -> _Log:
    """Brokers, by whatever asks for most of them."""
    machine = wish.machine
    log_cores = sized.used["log"] * (1 + FOLLOWER * (wish.replicas - 1))
    bytes_s = _per_s(outcome, costs, wish, "log_bytes")
    day_tb = bytes_s * 86_400 / 1e12
    disk_tb = day_tb * wish.kept_days * wish.replicas
    wanted = {
        "cores": math.ceil(log_cores / (machine.cores * sized.busy)),
        "disk": math.ceil(disk_tb / (machine.disk_tb * 0.8)),
        "network": math.ceil(bytes_s * wish.peak * 8 / 1e9 * wish.replicas / (machine.network_gbit * 0.6)),
        "replicas": wish.replicas,
    }
    by = max(wanted, key=lambda reason: wanted[reason])
    return _Log(cores=log_cores, day_tb=day_tb, disk_tb=disk_tb, brokers=wanted[by] + wish.failures, by=by)


def _money(wish: Wish, machines: int) -> float:
    return machines * wish.machine.price_h * HOURS_A_MONTH


def _process_rows(outcome: Outcome, costs: Costs, fit: Fit, sized: _Sized, memory_gib: float) -> tuple[Row, ...]:
    load = sized.load
    sessions = outcome.sessions_peak * load.total_s / outcome.calls_peak_s
    return (
        Row(
            "gateways",
            f"{sized.load.senders:,}",
            "a process, 1 core",
            f"{number(sized.used['gateway'])} cores for {load.total_s:,.0f}/s by {load.path}, "
            f"{1 - sized.busy:.0%} free",
        ),
        Row(
            "hosts",
            f"{sized.load.hosts:,}",
            f"a process, 1 core, {memory_gib:,.1f} GiB",
            f"{number(sized.used['host'])} cores; {sessions:,.0f} sessions are open, {sessions / load.hosts:,.0f} a "
            f"host: {ProcessSettings().resident_max:,} at most are in its memory, the others are read from its store",
        ),
        Row(
            "partitions",
            f"{sized.load.partitions:,}",
            f"{load.total_s / sized.load.partitions:,.0f} commands/s",
            f"{sized.load.partitions / sized.load.hosts:.1f} a host; {load.total_s / frames_s(load):,.1f} calls a "
            f"frame, and frames are {percent(_framing(costs, fit, sized), 1)} of all processor time",
        ),
    )


def _log_rows(wish: Wish, logs: _Log) -> tuple[Row, ...]:
    days = f"{wish.kept_days:g} days"
    return (
        Row("brokers", f"{logs.brokers:,}", "a machine", f"{number(logs.cores)} cores; so many for its {logs.by}"),
        Row(
            "disk",
            f"{number(logs.disk_tb)} TB",
            f"{number(logs.day_tb)} TB a day",
            f"of log; {wish.replicas} replicas, {days}",
        ),
    )


def _machine_rows(outcome: Outcome, costs: Costs, wish: Wish, machines: int, memory_gib: float) -> tuple[Row, ...]:
    machine = wish.machine
    store_tb = _per_s(outcome, costs, wish, "store_bytes") * 86_400 / 1e12
    wire_gbit = _per_s(outcome, costs, wish, "wire_bytes") * wish.peak * 8 / 1e9
    return (
        Row(
            "machines",
            f"{machines:,}",
            f"{machine.cores} cores, {machine.memory_gib:g} GiB, {machine.disk_tb:g} TB",
            f"{wish.failures} of each kind to spare",
        ),
        Row(
            "stores",
            f"{number(store_tb)} TB",
            "a day, at most",
            "states, on the hosts' disks: what is written again is not more",
        ),
        Row("memory", f"{machines * machine.memory_gib:,.0f} GiB", f"{memory_gib:,.1f} GiB a host", _visits(outcome)),
        Row("network", f"{number(wire_gbit)} Gbit/s", "clients", "calls and answers at the peak, without headers"),
        Row("a lost host", f"{costs.recovers_s:,.1f} s", "until all answers", _replayed(costs)),
        Row(
            "money",
            f"${_money(wish, machines):,.0f} a month",
            f"${machine.price_h:,.2f} an hour",
            "at the price given with --price-h, day and night",
        ),
    )


def _sized(outcome: Outcome, costs: Costs, fit: Fit, wish: Wish) -> _Sized:
    """Gateways, hosts and partitions hang on each other by the frames: tried again until nothing changes."""
    busy = _busy(fit, wish)
    rates = {kind.name: kind.mean_s * wish.peak for kind in outcome.kinds if kind.day > 0}
    kb_s = _per_s(outcome, costs, wish, "wire_bytes") * wish.peak / 1_000
    tls_cores = kb_s * costs.tls_us_a_kb / 1e6 if wish.tls else 0.0
    load = Load(calls_s=rates, path=wish.path, gather_ms=wish.gather_ms, partitions=PARTITIONS_MIN, hosts=1)
    used: dict[str, float] = {}
    for _ in range(ROUNDS):
        used = cores(costs, fit, load)
        used["gateway"] += tls_cores
        gateways = math.ceil(used["gateway"] / busy) + wish.failures
        hosts = math.ceil(used["host"] / busy) + wish.failures
        if hosts * PARTITIONS_A_HOST_MIN > PARTITIONS_MAX:
            raise SetupError(
                f"{hosts:,} hosts need {PARTITIONS_A_HOST_MIN} partitions each, and a platform has at most "
                f"{PARTITIONS_MAX:,}: ask for less, or for several platforms"
            )
        enough = max(PARTITIONS_MIN, 1 << math.ceil(math.log2(hosts * PARTITIONS_A_HOST)))
        partitions = min(enough, PARTITIONS_MAX)
        if gateways <= load.senders and hosts <= load.hosts and partitions <= load.partitions:
            break
        load = replace(
            load,
            senders=max(gateways, load.senders),
            hosts=max(hosts, load.hosts),
            partitions=max(partitions, load.partitions),
        )
    return _Sized(load=load, used=used, busy=busy, there_cores=fit.there_cores["rest"])


def _busy(fit: Fit, wish: Wish) -> float:
    """How busy a processor may be: what is asked to be free is, and 99 of 100 calls are answered in time."""
    most = 1 - wish.headroom
    for hundredth in range(round(most * 100), 0, -1):
        if took_ms(fit.p99_ms, hundredth / 100) + wish.gather_ms <= wish.p99_ms:
            return hundredth / 100
    least = took_ms(fit.p99_ms, 0.01) + wish.gather_ms
    raise SetupError(
        f"99 of 100 calls take {least:,.0f} ms on an idle platform: no number of machines makes it {wish.p99_ms:g} ms"
    )


def _per_s(outcome: Outcome, costs: Costs, wish: Wish, what: str) -> float:
    """Bytes a second in the mean of the day."""
    return sum(kind.mean_s * float(getattr(costs.of(kind.name, wish.path), what)) for kind in outcome.kinds)


def _host_gib(outcome: Outcome, costs: Costs, sized: _Sized) -> float:
    """What a host takes with its part of the sessions, of which only so many are in memory."""
    sessions = min(outcome.sessions_peak / sized.load.hosts, float(ProcessSettings().resident_max))
    return (costs.rss_bytes["host"] + sessions * costs.session_bytes) / GIB


def _visits(outcome: Outcome) -> str:
    return f"{outcome.visits:,} visits have a state by the evening, nearly all of them in stores"


def _framing(costs: Costs, fit: Fit, sized: _Sized) -> float:
    """The part of all processor time that frames take, beyond the calls in them."""
    framing = sum(fit.frame[role] * frame_cores(costs, sized.load, role) for role in ROLES)
    used = sum(sized.used[role] for role in ROLES)
    return framing / used if used else 0.0


def _replayed(costs: Costs) -> str:
    records = ProcessSettings().snapshot_records
    most_s = records / costs.replay_per_s
    return (
        f"measured, its stores there; where they are gone too, each partition replays at most {records:,} records, "
        f"{costs.replay_per_s:,.0f}/s: up to {most_s:,.1f} s of a processor more"
    )


def _limits(outcome: Outcome, costs: Costs, sized: _Sized) -> tuple[Limit, ...]:
    """What ends first, the nearest to its end at the top."""
    load = sized.load
    scale = load.total_s / outcome.calls_peak_s
    a_command_s = call_cores(costs, load, "host") / load.total_s
    hottest = {one.what: one for one in outcome.hottest}
    entity, partition = hottest["entity (commands)"], hottest["partition"]
    uneven = partition.peak_s / max(outcome.partition_mean_s, 1e-9)
    found = (
        Limit(
            f"one entity: {entity.name}",
            entity.peak_s * scale * a_command_s,
            f"{entity.peak_s * scale:,.0f} commands/s; one host can do {1 / a_command_s:,.0f}, and no machine more",
        ),
        Limit(
            "the hottest partition",
            load.total_s / load.partitions * uneven * a_command_s,
            f"{uneven:.2f} times the mean; it cannot be on two hosts",
        ),
        Limit(
            "the follower",
            sized.used["rest"] - sized.there_cores,
            "one process that reads every event: beyond 100 % debts, search and webhooks lag behind at the peak",
        ),
        Limit("partitions", sized.load.partitions / PARTITIONS_MAX, f"{PARTITIONS_MAX:,} at most, fixed for ever"),
    )
    return tuple(sorted(found, key=lambda limit: -limit.share))


# -- what if -------------------------------------------------------------------------------------------------------


class WhatIf(Struct, frozen=True):
    """Another wish or another day, and what it comes to: no machines where no number of them does."""

    what: str
    machines: int
    cores: float
    money_month: float
    says: str


def sensitivity(outcome: Outcome, costs: Costs, fit: Fit, wish: Wish) -> tuple[WhatIf, ...]:
    """The plan as asked for, and what changes it most."""
    third = giants(outcome, 1 / 3)
    cases: tuple[tuple[str, Outcome, Costs, Wish], ...] = (
        ("as planned", outcome, costs, wish),
        ("a third of all openings are of one game", third, costs, wish),
        ("calls come one by one", outcome, costs, replace(wish, path="unary")),
        ("without TLS" if wish.tls else "over TLS", outcome, costs, replace(wish, tls=not wish.tls)),
        ("one replica", outcome, costs, replace(wish, replicas=1)),
        ("five replicas", outcome, costs, replace(wish, replicas=5)),
        ("the peak is 3 times the mean", outcome, costs, replace(wish, peak=3.0)),
        ("gathered for half as long", outcome, costs, replace(wish, gather_ms=wish.gather_ms / 2)),
        ("nothing to spare", outcome, costs, replace(wish, headroom=0.1, failures=0)),
        ("a call costs a fifth more", outcome, dearer(costs, 1.2), wish),
    )
    return tuple(_what_if(*case, fit) for case in cases)


def _what_if(what: str, outcome: Outcome, costs: Costs, wish: Wish, fit: Fit) -> WhatIf:
    try:
        found = plan(outcome, costs, fit, wish)
    except SetupError as error:
        return WhatIf(what, 0, 0.0, 0.0, str(error))
    first = found.limits[0]
    says = f"ends first: {first.what}, {percent(first.share, 1)} used"
    return WhatIf(what, found.machines, found.cores, found.money_month, says)


def giants(outcome: Outcome, share: float) -> Outcome:
    """The same day, had the giant this share of all openings: games as many more, all else as much less."""
    games, others = share / outcome.giant_share, (1 - share) / (1 - outcome.giant_share)
    played = ("start a game", "finish a game", "query")
    kinds = tuple(
        replace(kind, day=kind.day * part, mean_s=kind.mean_s * part, peak_s=kind.peak_s * part)
        if (part := games if kind.name in played else others if kind.name in _ELSEWHERE else 1.0)
        else kind
        for kind in outcome.kinds
    )
    hottest = tuple(
        replace(one, peak_s=one.peak_s * games) if one.name.startswith("a leaf") else one for one in outcome.hottest
    )
    return replace(outcome, kinds=kinds, hottest=hottest, giant_share=share)


_ELSEWHERE = ("hire", "bring back")


def dearer(costs: Costs, times: float) -> Costs:
    """The same costs, each processor time so many times as much."""
    calls = tuple(replace(call, cpu_us={role: us * times for role, us in call.cpu_us.items()}) for call in costs.calls)
    return replace(costs, calls=calls, frame_us={role: us * times for role, us in costs.frame_us.items()})
