"""What a run amounts to, in one word and one sentence. Only a valid run that went to its end can have passed."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

from loadtests.driver.result import ALL, Quantiles, Run, Threshold
from loadtests.scenarios import BOUNDS, SCENARIOS

Word: TypeAlias = Literal["PASSED", "FAILED", "INVALID", "CUT"]

LARGE, SMALL = 100, 10
UNKNOWN = "not known"


class Verdict(NamedTuple):
    """The word, what it stands for, and everything that speaks against the run."""

    word: Word
    sentence: str
    because: tuple[str, ...]
    advice: str = ""


def verdict(run: Run) -> Verdict:
    """How the run stands. What was cut short or is not valid has not passed, nor has it failed for its speed."""
    because = _because(run)
    if run.ended == "cut":
        sentence = "The run was ended before its time: what follows is a part of it."
        return Verdict("CUT", sentence, because, run.advice)
    if run.ended != "done":
        return Verdict("FAILED", "The run could not go on to its end.", because, run.advice)
    if run.lost or run.doubled:
        return Verdict("FAILED", "What was promised did not hold.", because, run.advice)
    if not run.valid:
        sentence = "The load was not what it was meant to be: nothing follows from this run."
        return Verdict("INVALID", sentence, because, run.advice)
    if not run.passed:
        return Verdict("FAILED", "The platform did not reach what was asked of it.", because)
    return Verdict("PASSED", "The platform carried the load as it was asked to.", ())


def _because(run: Run) -> tuple[str, ...]:
    """Effects that are gone or there twice first, then why the run is not valid, then what was not reached."""
    found = [f"{count:,} effects {what}" for what, count in (("lost", run.lost), ("done twice", run.doubled)) if count]
    found += run.invalid_because
    found += [missed(threshold) for threshold in run.thresholds if not threshold.met]
    if run.errors and not run.passed:
        worst = sorted(run.errors.items(), key=lambda one: -one[1])
        found.append("calls that failed: " + ", ".join(f"{count:,} {reason}" for reason, count in worst))
    return tuple(found)


def missed(threshold: Threshold) -> str:
    """A threshold that was not kept."""
    return f"{threshold.name}: {number(threshold.measured)}, where {number(threshold.bound)} is the bound"


def about(run: Run) -> str:
    """What was played, in a sentence; nothing for a scenario that is not among ours."""
    scenario = SCENARIOS.get(run.scenario)
    return f"What was played: {scenario.about}." if scenario else ""


def meaning(threshold: Threshold) -> str:
    """What a threshold asks for, in words."""
    return BOUNDS.get(threshold.name, "")


def by_count(latency: Mapping[str, Quantiles]) -> list[tuple[str, Quantiles]]:
    """All calls first, then the kinds of call, the most frequent first."""
    return sorted(latency.items(), key=lambda one: (one[0] != ALL, -one[1].count, one[0]))


def into_the_run(at_s: float) -> str:
    """A moment of the run, as people say it."""
    minutes, seconds = divmod(int(at_s), 60)
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


def number(value: float | None) -> str:
    """As many digits as mean something."""
    if value is None:
        return "not measured"
    if abs(value) >= LARGE or value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= SMALL else f"{value:.3g}"


def time(ms: float) -> str:
    """A duration with its unit."""
    return f"{number(ms / 1_000)} s" if ms >= 10_000 else f"{number(ms)} ms"


def share(part: float, whole: float) -> str:
    """A part of a whole in per cent, which is 100 or 0 only if it is exactly that."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    shown = f"{percent:.2f}"
    if shown in ("100.00", "0.00") and percent not in (100.0, 0.0):
        return "> 99.99 %" if percent > LARGE / 2 else "< 0.01 %"
    return f"{shown.rstrip('0').rstrip('.')} %"
