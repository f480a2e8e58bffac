"""The proof's report: a headline, and a table as Markdown and as a page of HTML that needs nothing else."""

from html import escape

from msgspec import Struct

from tests.proof.counts import Counts, summed

COLUMNS = ("scenario", "acknowledged", "lost", "twice", "wrong", "faults", "bad inputs", "figures", "seconds")
FIGURES = {
    "host_recovery_ms_p99": "host recovery p99 {:,.0f} ms",
    "behind_recovery_ms_p99": "10,000 behind: p99 {:,.0f} ms",
    "move_pause_ms_p99": "planned move: pause p99 {:,.0f} ms",
    "move_goodput_lost": "others lose {:.1%}",
    "gcs_goodput_share": "without GCS {:.0%} of the goodput",
    "gcs_pause_ms_max": "new session of Ray {:,.0f} ms",
    "raylet_pause_ms_max": "raylet's end {:,.0f} ms",
    "leader loss, s without answers, max": "leader loss {:.1f} s",
    "unary 2x goodput / best": "2x unary: goodput {:.0%}",
    "unary 2x top answered": "top priority {:.1%}",
    "streams 5x goodput / best": "5x streams: goodput {:.0%}",
    "streams 5x top answered": "top priority {:.1%}",
    "unary refused / accepted CPU": "a no costs {:.0%} of a yes",
    "streams refused / accepted CPU": "in streams {:.0%}",
}
"""Figures that have a bar, as the text says them; the page shows all."""
LEGEND = (
    "A fault counts when its effect was seen. Wrong: whatever a check found, each with its seed. Short: a figure below "
    "its bar, which fails nothing. Lost, twice and wrong must be 0."
)
_STYLE = (
    "body{font:15px/1.5 system-ui;margin:2rem auto;max-width:75rem;padding:0 1rem}table{border-collapse:collapse}"
    "td,th{border-bottom:1px solid #ccc;padding:.3rem .6rem;text-align:left;vertical-align:top}"
    ".bad td{background:#fdd}"
)


class Report(Struct):
    """One run of the proof."""

    date: str
    command: str
    seconds: int
    scenarios: list[Counts]


def headline(report: Report) -> str:
    """All of it in one sentence."""
    total = summed("all", report.scenarios)
    recoveries_ms = [part.figures["host_recovery_ms_p99"] for part in report.scenarios if _recovers(part)]
    faults = sum(total.faults.values())
    bad = [part.scenario for part in report.scenarios if not part.is_clean]
    said = f"NOT CLEAN ({', '.join(bad)}): " if bad else "CLEAN: "
    said += (
        f"{total.acked + total.unknown:,} commands accepted, {total.acked:,} acked, {total.lost} lost, {total.twice} "
        f"applied twice, {_wrong(total)} wrong; {faults:,} faults of {len(total.faults)} kinds"
        f"{'' if bad else ' survived'}; {total.bad_inputs:,} bad inputs, "
        f"{total.crashes} crashes; longest unavailability {total.unavailable_ms_max / 1_000:.1f} s"
    )
    if recoveries_ms:
        said += f"; recovery p99 {max(recoveries_ms) / 1_000:.1f} s"
    if total.planted:
        said += f"; {total.found} of {total.planted} planted bugs found"
    return said


def _wrong(part: Counts) -> int:
    return part.wrong + len(part.findings)


def _recovers(part: Counts) -> bool:
    return "host_recovery_ms_p99" in part.figures


def _rows(report: Report, *, whole: bool) -> list[list[str]]:
    """A row for each scenario: with every kind of fault and every figure, or as much as a person reads."""
    return [
        [
            part.scenario,
            f"{part.acked:,}",
            str(part.lost),
            str(part.twice),
            str(_wrong(part) + part.crashes),
            _faults(part, whole=whole),
            f"{part.bad_inputs:,}" if part.bad_inputs else "",
            "; ".join(f"{name} {value:,.4g}" for name, value in part.figures.items()) if whole else _figures(part),
            f"{part.seconds:.0f}",
        ]
        for part in report.scenarios
    ]


def _faults(part: Counts, *, whole: bool) -> str:
    if whole:
        most_first = sorted(part.faults.items(), key=lambda one: -one[1])
        return ", ".join(f"{number:,} {kind}" for kind, number in most_first)
    return f"{sum(part.faults.values()):,} of {len(part.faults)} kinds" if part.faults else ""


def _figures(part: Counts) -> str:
    return "; ".join(told.format(part.figures[name]) for name, told in FIGURES.items() if name in part.figures)


def as_markdown(report: Report) -> str:
    """The table, with what fell short below it."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    lines += ["| " + " | ".join(row) + " |" for row in _rows(report, whole=False)]
    told = [f"- {part.scenario}: {line}" for part in report.scenarios for line in _told(part)]
    command = f"`{report.command}`, {report.date}, {report.seconds} s"
    return "\n".join([*lines, "", *told, *([""] if told else []), command])


def _told(part: Counts) -> list[str]:
    return [
        *(f"WRONG: {finding}" for finding in part.findings),
        *(f"short: {short}" for short in part.short),
        *(f"skipped: {skipped}" for skipped in part.skipped),
    ]


def as_html(report: Report) -> str:
    """The same as a page."""
    head = "".join(f"<th>{escape(column)}</th>" for column in COLUMNS)
    rows = "".join(
        ("<tr>" if part.is_clean else "<tr class=bad>") + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for part, row in zip(report.scenarios, _rows(report, whole=True), strict=True)
    )
    told = "".join(
        f"<li>{escape(part.scenario)}: {escape(line)}</li>" for part in report.scenarios for line in _told(part)
    )
    return (
        f"<!doctype html><meta charset=utf-8><title>Hutong: the proof</title><style>{_STYLE}</style>"
        f"<h1>Hutong: the proof</h1><p>{escape(headline(report))}</p>"
        f"<p><code>{report.command}</code>, {report.date}, {report.seconds} s</p>"
        f"<table><tr>{head}</tr>{rows}</table><ul>{told}</ul><p>{escape(LEGEND)}</p>\n"
    )
