"""What the platform must reach beside its peers: ratios of rows of one run. Pure."""

from collections.abc import Mapping, Sequence

from loadtests.bench.report import number
from loadtests.bench.rows import Row
from loadtests.peers.contestant import Figures
from loadtests.peers.table import Standing

ROWS = (
    Row("unary_to_restate", "unary / Restate, random keys", 3, 4, "×", more=True),
    Row("streamed_to_restate", "streamed / Restate, random keys", 15, 30, "×", more=True),
    Row("hot_unary_to_restate", "unary / Restate, one hot key", 15, 30, "×", more=True),
    Row("hot_streamed_to_restate", "streamed / Restate, one hot key", 15, 30, "×", more=True),
    Row("unary_to_ray", "unary / raw Ray actors", 1, 1.5, "×", more=True),
    Row("p50_to_restate", "p50 / Restate's, 1 in flight", 0.6, 0.4, "×"),
    Row("recovery_to_restate", "killed → answers / Restate's", 0.5, None, "×"),
)


def ratios(standings: Sequence[Standing], log: str) -> Mapping[str, float]:
    """Those whose rows were both measured, of the platform over this log."""
    rows = {standing.row.key: standing for standing in standings}
    ours, streamed = rows.get(f"hutong-{log}"), rows.get(f"hutong-{log}-streamed")
    restate, ray = rows.get("restate"), rows.get("ray_actors")
    if ours is None or streamed is None:
        return {}
    found: dict[str, float | None] = {}
    if restate is not None:
        found = {
            "unary_to_restate": _ratio(ours.random, restate.random, "per_s"),
            "streamed_to_restate": _ratio(streamed.random, restate.random, "per_s"),
            "hot_unary_to_restate": _ratio(ours.hot, restate.hot, "per_s"),
            "hot_streamed_to_restate": _ratio(streamed.hot, restate.hot, "per_s"),
            "p50_to_restate": _ratio(ours.random, restate.random, "alone_p50_ms"),
            "recovery_to_restate": _ratio(ours.killed, restate.killed, "recovery_s"),
        }
    if ray is not None:
        found["unary_to_ray"] = _ratio(ours.random, ray.random, "per_s")
    return {key: value for key, value in found.items() if value is not None}


def _ratio(above: Figures, below: Figures, key: str) -> float | None:
    return above[key] / below[key] if above.get(key) and below.get(key) else None


def markdown(found: Mapping[str, Mapping[str, float]]) -> str:
    """A table of them, by log: must, aim, measured and how that stands."""
    logs = [log for log, values in found.items() if values]
    lines = [f"| | must | aim | {' | '.join(logs)} |", f"|{'---|' * (3 + len(logs))}"] if logs else []
    for row in ROWS:
        cells = [found[log].get(row.key) for log in logs]
        if any(cell is not None for cell in cells):
            told = [f"{number(cell)} {row.unit}, {row.verdict(cell)}" if cell is not None else "–" for cell in cells]
            aim = "" if row.aim is None else f"{number(row.aim)} {row.unit}"
            lines.append(f"| {row.text} | {number(row.must)} {row.unit} | {aim} | {' | '.join(told)} |")
    return "\n".join(lines)
