"""`python -m loadtests bench`: measures every figure and says how it stands. Timing never fails; the bench reports."""

import json
import time

from rich.console import Console

from loadtests.bench import measure, report
from loadtests.bench.busy import busy_percent, told
from loadtests.bench.effort import QUICK, Effort, telling

LOGS = ("embedded", "kafka", "both")


def run(log: str, *, as_json: bool, quick: bool) -> None:
    """Measure, telling the progress on stderr; then the table, or one JSON object on one line, on stdout."""
    began = time.monotonic()
    # Kafka's rows need the embedded log beside them; the embedded log needs no Java, so it also goes alone.
    logs = ("embedded",) if log == "embedded" else ("embedded", "kafka")
    busy = busy_percent()
    figures = measure.measure(logs, QUICK if quick else Effort(), telling())
    figures["busy_percent"] = busy
    figures["seconds"] = time.monotonic() - began
    if as_json:
        plain = {key: report.rounded(value) for key, value in figures.items()}
        print(json.dumps({"log": logs[-1], **plain}), flush=True)
    else:
        report.print_table(figures, Console())
        if busy_told := told(busy):
            Console().print(busy_told)
