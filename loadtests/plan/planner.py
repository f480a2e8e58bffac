"""A day and what calls cost become machines: how many gateways, hosts, partitions, brokers, and why so many. Pure."""

import math

from msgspec import Struct
from msgspec.structs import replace

from actors.errors import SetupError
from actors.settings import PARTITIONS_MAX, ProcessSettings
from loadtests.plan.costs import ROLES, Costs
from loadtests.plan.model import Fit, Load, call_cores, event_frames_s, frame_cores, frames_s, idle_cores, rounds_s
from loadtests.plan.sizing import Logs, Sized, bytes_s, sized, unevenness
from loadtests.plan.wish import Wish
from loadtests.report.verdict import number
from loadtests.report.verdict import share as percent
from loadtests.wholeday.simulate import Outcome

HOURS_A_MONTH = 730


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


def plan(outcome: Outcome, costs: Costs, fit: Fit, wish: Wish) -> Plan:
    """The plan. Raises SetupError for what no number of machines gives."""
    found = sized(outcome, costs, fit, wish)
    rest = f"{number(found.rest_cores)} cores, the controller's with them"
    rows = (
        *_process_rows(outcome, costs, fit, found),
        *_log_rows(wish, found.logs),
        Row("Ray, follower", f"{found.rest_machines}", "a machine", rest),
        *_machine_rows(outcome, costs, wish, found),
    )
    return Plan(
        persons=outcome.persons,
        day=outcome.day,
        wish=wish,
        calls_peak_s=found.load.total_s,
        commands_peak_s=outcome.commands / outcome.calls * found.load.total_s,
        partitions=found.load.partitions,
        gateways=found.load.senders,
        hosts=found.load.hosts,
        brokers=found.logs.brokers,
        machines=found.machines,
        cores=found.cores,
        money_month=_money(wish, found.machines),
        rows=rows,
        limits=_limits(outcome, costs, fit, found),
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


def _money(wish: Wish, machines: int) -> float:
    return machines * wish.machine.price_h * HOURS_A_MONTH


def _process_rows(outcome: Outcome, costs: Costs, fit: Fit, found: Sized) -> tuple[Row, ...]:
    load, live = found.load, found.load.hosts - found.spare
    sessions = outcome.sessions_peak * load.total_s / outcome.calls_peak_s
    return (
        Row(
            "gateways",
            f"{load.senders:,}",
            "a process, 1 core",
            f"{number(found.used['gateway'])} cores for {load.total_s:,.0f}/s by {load.path}, "
            f"{1 - found.busy:.0%} free",
        ),
        Row(
            "hosts",
            f"{load.hosts:,}",
            f"a process, 1 core, {found.host_gib:,.1f} GiB",
            f"{number(found.used['host'])} cores; {sessions:,.0f} sessions are open, {sessions / load.hosts:,.0f} a "
            f"host: {ProcessSettings().resident_max:,} at most are in its memory, the others are read from its store",
        ),
        Row(
            "partitions",
            f"{load.partitions:,}",
            f"{load.total_s / load.partitions:,.0f} commands/s",
            f"by which machines are fewest; {math.ceil(load.partitions / live)} on the fullest host; "
            f"{load.total_s / frames_s(load):,.1f} calls a frame; of all processor time frames are "
            f"{_share(found, _framing(costs, fit, load))} and rounds {_share(found, _waking(costs, fit, load))}",
        ),
    )


def _log_rows(wish: Wish, logs: Logs) -> tuple[Row, ...]:
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


def _machine_rows(outcome: Outcome, costs: Costs, wish: Wish, found: Sized) -> tuple[Row, ...]:
    machine = wish.machine
    store_tb = bytes_s(outcome, costs, wish, "store_bytes") * 86_400 / 1e12
    wire_gbit = bytes_s(outcome, costs, wish, "wire_bytes") * wish.peak * 8 / 1e9
    visits = f"{outcome.visits:,} visits have a state by the evening, nearly all of them in stores"
    return (
        Row(
            "machines",
            f"{found.machines:,}",
            f"{machine.cores} cores, {machine.memory_gib:g} GiB, {machine.disk_tb:g} TB",
            f"{wish.failures} of each kind to spare",
        ),
        Row(
            "stores",
            f"{number(store_tb)} TB",
            "a day, at most",
            "states, on the hosts' disks: what is written again is not more",
        ),
        Row("memory", f"{found.machines * machine.memory_gib:,.0f} GiB", f"{found.host_gib:,.1f} GiB a host", visits),
        Row("network", f"{number(wire_gbit)} Gbit/s", "clients", "calls and answers at the peak, without headers"),
        Row("a lost host", f"{costs.recovers_s:,.1f} s", "until all answers", _replayed(costs)),
        Row(
            "money",
            f"${_money(wish, found.machines):,.0f} a month",
            f"${machine.price_h:,.2f} an hour",
            "at the price given with --price-h, day and night",
        ),
    )


def _framing(costs: Costs, fit: Fit, load: Load) -> float:
    """What frames use, beyond the calls in them."""
    return sum(fit.frame[role] * frame_cores(costs, load, role) for role in ROLES)


def _waking(costs: Costs, fit: Fit, load: Load) -> float:
    """What it uses to wake up for them."""
    return sum(fit.round_us[role] * rounds_s(costs, load, role) / 1e6 for role in ROLES)


def _share(found: Sized, part_cores: float) -> str:
    used = sum(found.used[role] for role in ROLES)
    return percent(part_cores / used if used else 0.0, 1)


def _replayed(costs: Costs) -> str:
    records = ProcessSettings().snapshot_records
    most_s = records / costs.replay_per_s
    return (
        f"measured, its stores there; where they are gone too, each partition replays at most {records:,} records, "
        f"{costs.replay_per_s:,.0f}/s: up to {most_s:,.1f} s of a processor more"
    )


def _limits(outcome: Outcome, costs: Costs, fit: Fit, found: Sized) -> tuple[Limit, ...]:
    """What ends first, the nearest to its end at the top."""
    load = found.load
    scale = load.total_s / outcome.calls_peak_s
    a_command_s = fit.call["host"] * call_cores(costs, load, "host") / load.total_s
    hottest = {one.what: one for one in outcome.hottest}
    entity, uneven = hottest["entity (commands)"], unevenness(outcome)
    limits = (
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
            found.used["rest"] - idle_cores(costs, load, "rest"),
            f"one process, {event_frames_s(costs, load):,.0f} frames of events/s: beyond 100 % debts, search and "
            "webhooks lag behind at the peak",
        ),
        Limit("partitions", load.partitions / PARTITIONS_MAX, f"{PARTITIONS_MAX:,} at most, fixed for ever"),
    )
    return tuple(sorted(limits, key=lambda limit: -limit.share))


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
