"""`python -m loadtests bench`: measures every figure and says how it stands. Timing never fails; the bench reports."""

import json
import time

from rich.console import Console

from loadtests.bench import measure, report
from loadtests.bench.effort import QUICK, Effort

LOGS = ("embedded", "kafka", "both")


def run(log: str, *, as_json: bool, quick: bool) -> None:
    """Measure, telling the progress on stderr; then the table, or one JSON object on one line, on stdout."""
    console, began = Console(stderr=True), time.monotonic()

    def tell(text: str) -> None:
        console.print(f"{time.monotonic() - began:4.0f} s  {text}", highlight=False)

    # Kafka's rows need the embedded log beside them; the embedded log needs no Java, so it also goes alone.
    logs = ("embedded",) if log == "embedded" else ("embedded", "kafka")
    figures = measure.measure(logs, QUICK if quick else Effort(), tell)
    figures["seconds"] = time.monotonic() - began
    if as_json:
        rounded = {key: None if value is None else float(f"{value:.4g}") for key, value in figures.items()}
        print(json.dumps({"log": logs[-1], **rounded}), flush=True)
    else:
        report.print_table(figures, Console())
