"""How many gateways, hosts and partitions bear a peak, and on how many machines: the fewest there are. Pure.

For each number of partitions that may be: the fewest gateways, then the fewest hosts of which even the fullest is not
busier than allowed, then brokers and all else. More partitions make thinner frames, fewer make hosts uneven, since a
partition cannot be on two. What costs the fewest machines is taken; of several the one with the fewest cores.
"""

import math
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from actors.errors import SetupError
from actors.settings import PARTITIONS_MAX, ProcessSettings
from loadtests.plan.costs import Costs
from loadtests.plan.model import Fit, Load, call_cores, cores, idle_cores, parts, took_ms
from loadtests.plan.wish import Wish
from loadtests.wholeday.simulate import Outcome

GIB = 2**30
PARTITIONS = range(16, PARTITIONS_MAX + 1, 16)
"""How many there may be."""
PARTITIONS_A_HOST_MIN = 2
"""So that what a lost host had is spread over others, and a platform can grow: partitions are fixed for ever."""
HOSTS_A_CONTROLLER = 8
"""What Ray and the controller use is measured with one host, and taken to grow from so many on."""
FOLLOWER = 0.5
"""What a replica costs a broker against the first copy, which clients write and read: assumed; one is measured."""


class Logs(Struct, frozen=True, kw_only=True):
    """What the log takes, and so many brokers for it."""

    cores: float
    day_tb: float
    disk_tb: float
    brokers: int
    by: str
    """What asks for most of them."""


class Sized(Struct, frozen=True, kw_only=True):
    """Everything that bears the peak."""

    load: Load
    used: Mapping[str, float]
    busy: float
    """How busy a processor may be."""
    logs: Logs
    host_gib: float
    rest_cores: float
    rest_machines: int
    machines: int
    spare: int
    """Of gateways and hosts each."""

    @property
    def cores(self) -> float:
        """What is used at the peak."""
        return self.used["gateway"] + self.used["host"] + self.logs.cores + self.rest_cores


def sized(outcome: Outcome, costs: Costs, fit: Fit, wish: Wish) -> Sized:
    """The fewest machines. Raises SetupError for what no number of them gives."""
    busy = busy_allowed(fit, wish)
    rates = {kind.name: kind.mean_s * wish.peak for kind in outcome.kinds if kind.day > 0}
    found: list[Sized] = []
    for partitions in PARTITIONS:
        load = Load(calls_s=rates, path=wish.path, gather_ms=wish.gather_ms, partitions=partitions, hosts=1)
        borne = _borne(costs, fit, wish, load, busy, tls_cores(outcome, costs, wish), unevenness(outcome))
        if borne is not None:
            found.append(_around(outcome, costs, fit, wish, borne, busy))
    if not found:
        raise SetupError(
            f"the hosts for this would have fewer than {PARTITIONS_A_HOST_MIN} partitions each, of the "
            f"{PARTITIONS_MAX:,} that a platform has at most: ask for less, or for several platforms"
        )
    return min(found, key=lambda one: (one.machines, one.cores))


def busy_allowed(fit: Fit, wish: Wish) -> float:
    """How busy a processor may be: what is asked to be free is, and 99 of 100 calls are answered in time."""
    most = 1 - wish.headroom
    for hundredth in range(round(most * 100), 0, -1):
        if took_ms(fit.p99_ms, hundredth / 100) + wish.gather_ms <= wish.p99_ms:
            return hundredth / 100
    least = took_ms(fit.p99_ms, 0.01) + wish.gather_ms
    raise SetupError(
        f"99 of 100 calls take {least:,.0f} ms on an idle platform: no number of machines makes it {wish.p99_ms:g} ms"
    )


def unevenness(outcome: Outcome) -> float:
    """The hottest partition against the mean."""
    hottest = next(one for one in outcome.hottest if one.what == "partition")
    return max(hottest.peak_s / max(outcome.partition_mean_s, 1e-9), 1.0)


def bytes_s(outcome: Outcome, costs: Costs, wish: Wish, what: str) -> float:
    """Bytes a second in the mean of the day."""
    return sum(kind.mean_s * float(getattr(costs.of(kind.name, wish.path), what)) for kind in outcome.kinds)


def tls_cores(outcome: Outcome, costs: Costs, wish: Wish) -> float:
    """What the gateways use for TLS."""
    kb_s = bytes_s(outcome, costs, wish, "wire_bytes") * wish.peak / 1_000
    return kb_s * costs.tls_us_a_kb / 1e6 if wish.tls else 0.0


def _borne(costs: Costs, fit: Fit, wish: Wish, load: Load, busy: float, tls: float, uneven: float) -> Load | None:
    """The fewest gateways and hosts for so many partitions, with those to spare; None where a partition is too much."""
    least_cores = fit.call["host"] * call_cores(costs, load, "host")
    most_each = min(load.partitions, int(busy * load.partitions / max(least_cores, 1e-9)) + 1)
    senders = 1
    for each in range(most_each, PARTITIONS_A_HOST_MIN - 1, -1):
        hosts = math.ceil(load.partitions / each)
        tried = replace(load, hosts=hosts + wish.failures)
        senders = _gateways(costs, fit, tried, senders, wish.failures, busy, tls)
        if fullest(costs, fit, replace(load, hosts=hosts, senders=senders + wish.failures), uneven) <= busy:
            return replace(tried, senders=senders + wish.failures)
    return None


def _gateways(costs: Costs, fit: Fit, load: Load, least: int, spare: int, busy: float, tls: float) -> int:
    """The fewest that bear it, from so many on: each more makes a gateway's part smaller, though frames get thinner."""

    def bear(gateways: int) -> bool:
        used = sum(parts(costs, fit, replace(load, senders=gateways + spare), "gateway")) + tls
        return used <= gateways * busy

    most = least
    while not bear(most):
        least, most = most + 1, most * 2
    while least < most:
        some = (least + most) // 2
        least, most = (least, some) if bear(some) else (some + 1, most)
    return least


def fullest(costs: Costs, fit: Fit, load: Load, uneven: float) -> float:
    """How busy the host is that has most partitions, the hottest of them."""
    steady, waking = parts(costs, fit, load, "host")
    there = idle_cores(costs, load, "host")
    partitions = math.ceil(load.partitions / load.hosts) - 1 + uneven
    return (there + waking) / load.hosts + (steady - there) / load.partitions * partitions


def _around(outcome: Outcome, costs: Costs, fit: Fit, wish: Wish, load: Load, busy: float) -> Sized:
    """Brokers and all else around these gateways and hosts."""
    machine = wish.machine
    used = cores(costs, fit, load)
    used["gateway"] += tls_cores(outcome, costs, wish)
    logs = _logs(outcome, costs, wish, parts(costs, fit, load, "log"), busy)
    host_gib = _host_gib(outcome, costs, load)
    host_machines = max(
        math.ceil(load.hosts / machine.cores), math.ceil(host_gib * load.hosts / (machine.memory_gib * 0.8))
    )
    rest_cores = used["rest"] + idle_cores(costs, load, "rest") * (max(load.hosts / HOSTS_A_CONTROLLER, 1) - 1)
    rest_machines = math.ceil(rest_cores / (machine.cores * busy))
    gateway_machines = math.ceil(load.senders / machine.cores)
    return Sized(
        load=load,
        used=used,
        busy=busy,
        logs=logs,
        host_gib=host_gib,
        rest_cores=rest_cores,
        rest_machines=rest_machines,
        spare=wish.failures,
        machines=logs.brokers + host_machines + gateway_machines + rest_machines + 2 * wish.failures,
    )


def _logs(outcome: Outcome, costs: Costs, wish: Wish, used: tuple[float, float], busy: float) -> Logs:
    """Brokers, by whatever asks for most of them. Clients' requests are the first copy's alone."""
    machine, (frames, requests) = wish.machine, used
    log_cores = frames * (1 + FOLLOWER * (wish.replicas - 1)) + requests
    written_s = bytes_s(outcome, costs, wish, "log_bytes")
    day_tb = written_s * 86_400 / 1e12
    disk_tb = day_tb * wish.kept_days * wish.replicas
    wanted = {
        "cores": math.ceil(log_cores / (machine.cores * busy)),
        "disk": math.ceil(disk_tb / (machine.disk_tb * 0.8)),
        "network": math.ceil(written_s * wish.peak * 8 / 1e9 * wish.replicas / (machine.network_gbit * 0.6)),
        "replicas": wish.replicas,
    }
    by = max(wanted, key=lambda reason: wanted[reason])
    return Logs(cores=log_cores, day_tb=day_tb, disk_tb=disk_tb, brokers=wanted[by] + wish.failures, by=by)


def _host_gib(outcome: Outcome, costs: Costs, load: Load) -> float:
    """What a host takes with its part of the sessions, of which only so many are in memory."""
    open_ = outcome.sessions_peak * load.total_s / outcome.calls_peak_s
    sessions = min(open_ / load.hosts, float(ProcessSettings().resident_max))
    return (costs.rss_bytes["host"] + sessions * costs.session_bytes) / GIB
