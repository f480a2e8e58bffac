"""What everybody says of a run, made into its one result. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from loadtests.bench.yardstick import Pace, mean
from loadtests.driver import latency
from loadtests.driver.audit import Found
from loadtests.driver.messages import Done, Play
from loadtests.driver.result import Fault, ProcessCpu, Quantiles, Run, Second
from loadtests.driver.verdict import Facts, Trouble, advice, recovered_s, thresholds, troubles
from loadtests.scenarios import Scenario


class Gathered(Struct, frozen=True, kw_only=True):
    """All that is known once a run is over."""

    scenario: Scenario
    play: Play
    compress: str
    bounds: Mapping[str, float]
    began_at_ms: int
    planned: int
    done: Sequence[Done]
    lost_generators: tuple[str, ...]
    trouble: tuple[Trouble, ...]
    is_cut: bool
    found: Found
    unaudited: str
    """Why nobody could look for what is lost and doubled."""
    seconds: tuple[Second, ...]
    killed: Sequence[tuple[float, str]]
    processes: tuple[ProcessCpu, ...]
    pace: tuple[Pace, ...]
    machine: Mapping[str, str]
    settings: Mapping[str, str]


def run_of(gathered: Gathered) -> Run:
    """The result."""
    done, play = gathered.done, gathered.play
    took = latencies(done)
    faults = tuple(
        Fault(at_s=round(at_s, 3), what=what, recovered_s=recovered_s(at_s, gathered.seconds))
        for at_s, what in gathered.killed
    )
    facts = Facts(
        planned=gathered.planned,
        arrived=sum(each.arrived for each in done),
        offered=sum(each.offered for each in done),
        served=sum(each.served for each in done),
        errors=sum(sum(each.errors.values()) for each in done),
        late=sum(each.late for each in done),
        is_cut=gathered.is_cut,
        faults_planned=len(gathered.scenario.kills),
        faults=len(gathered.killed),
        lost_generators=gathered.lost_generators,
        unaudited=gathered.unaudited,
        trouble=gathered.trouble,
    )
    against = troubles(facts)
    audit = {"audit": f"not done: {gathered.unaudited}"} if gathered.unaudited else {}
    return Run(
        scenario=gathered.scenario.name,
        seed=play.seed,
        users=play.users,
        compress=gathered.compress,
        began_at_ms=gathered.began_at_ms,
        seconds_planned=play.window.run_s,
        ended="cut" if gathered.is_cut else "failed" if gathered.lost_generators or gathered.trouble else "done",
        valid=not against,
        invalid_because=tuple(trouble.why for trouble in against),
        offered=facts.offered,
        served=facts.served,
        errors=_summed(each.errors for each in done),
        lost=gathered.found.lost,
        doubled=gathered.found.doubled,
        latency=took,
        seconds=gathered.seconds,
        processes=gathered.processes,
        faults=faults,
        thresholds=thresholds(gathered.bounds, took, facts, faults),
        machine=gathered.machine,
        settings={**gathered.settings, **audit, **_noted(done, gathered.found), **quick(gathered.pace)},
        pace=gathered.pace,
        advice=advice(against),
        audited=not gathered.unaudited,
    )


def latencies(done: Sequence[Done]) -> dict[str, Quantiles]:
    """By kind of call, over all generators."""
    kinds = sorted({kind for each in done for kind in each.latency})
    return {
        kind: latency.quantiles(
            latency.merged(latency.decoded(each.latency[kind]) for each in done if kind in each.latency)
        )
        for kind in kinds
    }


def _noted(done: Sequence[Done], found: Found) -> dict[str, str]:
    """What else a reader should know, in words."""
    notes = {
        "effects that the audit looked for": f"{found.effects:,}",
        "asked again by the same id": f"{sum(each.asked_again for each in done):,}",
        "tried again": _counted(_summed(each.retried for each in done)),
        "refused by rules, as they may": _counted(_summed(each.refusals for each in done)),
        "left out for want of a person's token": _counted(_summed(each.left_out for each in done)),
        "journeys cut short by the end": f"{sum(each.left_undone for each in done):,}",
        "given up without an answer": f"{sum(each.unknown for each in done):,}",
        "CPU of the generators": f"{sum(each.cpu_s for each in done):.1f} s",
    }
    return {what: text for what, text in notes.items() if text not in ("", "0")}


def quick(pace: Sequence[Pace]) -> dict[str, str]:
    """How quick the machine was, in words."""
    if not pace:
        return {}
    works_us = sorted(one.work_us for one in pace)
    least, median, most = (works_us[int(part * (len(works_us) - 1))] for part in (0.01, 0.5, 0.99))
    return {
        "a fixed piece of work took": f"{median:,.0f} µs of a processor ({least:,.0f} to {most:,.0f})",
        "taken by other machines": f"{mean(pace).stolen:.0%} of all processors",
    }


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in sorted(counts.items(), key=lambda item: -item[1]))


def _summed(some: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for counts in some:
        total.update(counts)
    return dict(total)
