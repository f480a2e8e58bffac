"""A run as one JSON object on one line, for scripts: these keys and no others."""

from loadtests.driver.result import ALL, Run

PERCENTILES = ("p50_ms", "p90_ms", "p99_ms", "p999_ms")


def summary(run: Run) -> dict[str, bool | int | float | None]:
    """`valid` is said only of a run that went to its end; percentiles of no answer are null."""
    every = run.latency.get(ALL)
    answered = every if every is not None and every.count else None
    return {
        "valid": run.valid and run.ended == "done",
        "offered": run.offered,
        "served": run.served,
        "errors": sum(run.errors.values()),
        "lost": run.lost,
        "doubled": run.doubled,
        **{name: None if answered is None else round(getattr(answered, name), 3) for name in PERCENTILES},
    }
