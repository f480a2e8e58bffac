"""Figures that other runs have measured: the bench's, the proof's, the peers'. Read from what they wrote."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from actors.errors import SetupError
from loadtests.bench import measure
from loadtests.bench.measure import Part
from loadtests.bench.rows import Figures

PASSIVE = "passive_bytes"
OPENED = 1_050_000
"""Sessions of the bench's full size, which its memory is shared by."""


def read(path: Path) -> Any:
    """A report. Raises SetupError when it cannot be read."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError as error:
        raise SetupError(f"there is no report {path}") from error
    except ValueError as error:
        raise SetupError(f"{path} is no report: {error}") from error


def bench(figures: Mapping[str, Any]) -> Figures:
    """What a run of the bench measured, and what follows from it."""
    found: Figures = {key: value for key, value in figures.items() if isinstance(value, int | float | None)}
    full, empty = figures.get("sessions_rss_mb"), figures.get("sessions_rss_empty_mb")
    resident = figures.get("sessions_resident") or 0
    if full is not None and empty is not None and resident * 20 <= OPENED:
        found[PASSIVE] = (full - empty) * 1e6 / OPENED
    return found


def part_of(key: str) -> Part:
    """The part of the bench that a row's figure comes from, by the row's key."""
    return "sessions" if key == PASSIVE else measure.part_of(key)


def proof(report: Mapping[str, Any]) -> Figures:
    """What a run of the proof found: every campaign's figures, and all of them added up."""
    scenarios = cast("list[dict[str, Any]]", report["scenarios"])
    found: Figures = {name: value for one in scenarios for name, value in one["figures"].items()}
    faults = [(kind, count) for one in scenarios for kind, count in one["faults"].items()]
    found["kills"] = sum(count for kind, count in faults if "kill" in kind.lower())
    found["harm"] = sum(one["lost"] + one["twice"] + one["wrong"] for one in scenarios)
    kafka = [one for one in scenarios if one["scenario"] == "kafka_faults"]
    found["kafka_lost"] = sum(one["lost"] for one in kafka) if kafka else None
    return found


def peers(report: Mapping[str, Any]) -> Figures:
    """Ratios to peers over Kafka where they are, else over the embedded log; and peers' own rates by name."""
    ratios = cast("dict[str, dict[str, float]]", report["ratios"])
    found: Figures = {**ratios.get("embedded", {}), **ratios.get("kafka", {})}
    for standing in cast("list[dict[str, Any]]", report["rows"]):
        found[f"{standing['row']['key']}_per_s"] = standing["random"].get("per_s")
    return found
