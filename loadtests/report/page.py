"""The report of a run: one HTML file that holds its style and its pictures, and fetches nothing when it is opened."""

import time as clock
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from loadtests.driver.result import ALL, Quantiles, Run
from loadtests.report import charts
from loadtests.report.course import effects
from loadtests.report.verdict import (
    UNKNOWN,
    Verdict,
    about,
    by_count,
    into_the_run,
    meaning,
    number,
    share,
    time,
    verdict,
)

STYLE = Path(__file__).with_name("page.css")
NOTHING = "–"
MIB = 1 << 20
MEANING = """Calls are offered at the times that the plan says, whether or not earlier ones were answered; the time of
a call runs from when it was meant to start. Served is what was answered well; failed, what was given up or refused,
retries with the same id included. Lost is an effect that was answered for and is not there, done twice one that is
there once more than it was asked for; both were looked for after the run: """
WORDS = """PASSED: valid, to its end, and every bound kept. FAILED: a bound was missed, an effect lost or done
twice, or the run broke off. INVALID: what was offered is not what should have been, or nobody could look for what is
lost, so nothing follows. CUT: ended before its time."""


def page(run: Run) -> str:
    """The whole file. Raises SetupError where the libraries that draw are missing."""
    scale = charts.scale_of(run)
    return assembled(run, [_figure(each, charts.draw(each, scale)) for each in charts.pictures(run) if each.rows])


def assembled(run: Run, figures: Iterable[str]) -> str:
    """The file around these figures, which are HTML."""
    title, audit = f"{run.scenario}: {run.users:,} persons", run.settings.get("audit", "nobody says how")
    parts = (
        _header(run),
        _verdict(verdict(run)),
        _tiles(run),
        _thresholds(run),
        f'<section class="pictures">{"".join(figures)}<div>{_errors(run)}</div></section>',
        _faults(run),
        _latency(run.latency),
        _processes(run),
        f'<section class="facts">{_facts("Machine", run.machine)}{_facts("Settings", run.settings)}</section>',
        f"<footer><p>{escape(MEANING + audit)}.</p><p>{escape(WORDS)}</p></footer>",
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE.read_text()}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _header(run: Run) -> str:
    began = clock.strftime("%-d %B %Y, %H:%M UTC", clock.gmtime(run.began_at_ms / 1_000))
    minutes = (
        f"{run.seconds_planned / 60:,.0f} minutes" if run.seconds_planned >= 120 else f"{run.seconds_planned:.0f} s"
    )
    day, _, _ = run.compress.partition(":")
    busy = run.settings.get("busiest minute", "not said")
    told = (began, f"planned: {day} of a day in {minutes}", f"busiest minute {busy}", f"seed {run.seed}")
    played = f"<p>{escape(said)}</p>" if (said := about(run)) else ""
    return (
        '<header><p class="kicker">Hutong load test</p>'
        f"<h1>{escape(run.scenario.capitalize())}, {run.users:,} persons</h1>"
        f"{played}<p>{escape(' · '.join(told))}</p></header>"
    )


def _verdict(said: Verdict) -> str:
    because = "".join(f"<li>{escape(line)}</li>" for line in said.because)
    listed = f"<ul>{because}</ul>" if because else ""
    advice = f"<p>{escape(said.advice)}</p>" if said.advice else ""
    return (
        f'<section class="verdict {said.word.lower()}"><strong>{said.word}</strong>'
        f"<div><p>{escape(said.sentence)}</p>{listed}{advice}</div></section>"
    )


def _tiles(run: Run) -> str:
    failed, seconds = sum(run.errors.values()), max(len(run.seconds), 1)
    every = run.latency.get(ALL)
    tiles = (
        ("Offered", f"{run.offered:,}", f"{number(run.offered / seconds)} calls/s on average"),
        ("Served", f"{run.served:,}", f"{share(run.served, run.offered)} of what was offered"),
        ("Failed", f"{failed:,}", share(failed, run.offered) if failed else "no call"),
        ("Lost · done twice", *_effects(run)),
        ("Half of all calls", _at(every, "p50_ms"), "p50, answered within"),
        ("99 of 100 calls", _at(every, "p99_ms"), "p99"),
        ("999 of 1,000 calls", _at(every, "p999_ms"), "p99.9"),
        ("The busiest second", f"{max((second.served for second in run.seconds), default=0):,}", "calls served"),
    )
    shown = "".join(
        f"<div><dl><dt>{name}</dt><dd>{value}</dd><dd>{more}</dd></dl></div>" for name, value, more in tiles
    )
    return f'<section class="tiles">{shown}</section>'


def _effects(run: Run) -> tuple[str, str]:
    if not (run.audited or run.lost or run.doubled):
        return UNKNOWN, "effects: nobody could look for them"
    return f"{run.lost:,} · {run.doubled:,}", "effects, counted after the run"


def _at(found: Quantiles | None, name: str) -> str:
    return time(getattr(found, name)) if found is not None and found.count else NOTHING


def _figure(picture: charts.Picture, drawn: str) -> str:
    return f'<figure><h2>{escape(picture.title)}</h2><p class="caption">{escape(picture.caption)}</p>{drawn}</figure>'


def _section(title: str, caption: str, body: str) -> str:
    said = f'<p class="caption">{escape(caption)}</p>' if caption else ""
    return f"<section><h2>{escape(title)}</h2>{said}{body}</section>"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML: what comes from outside is escaped where it is put in."""
    head = "".join(f"<th>{column}</th>" for column in columns)
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(text: str) -> str:
    return text if text.startswith("<td") else f"<td>{text}</td>"


def _thresholds(run: Run) -> str:
    if not run.thresholds:
        return ""
    rows = [
        (
            f"{escape(threshold.name)}<small>{escape(meaning(threshold))}</small>",
            number(threshold.bound),
            number(threshold.measured),
            '<td class="met">met</td>' if threshold.met else '<td class="missed">missed</td>',
        )
        for threshold in run.thresholds
    ]
    return _section("What was asked", "", _table(("", "bound", "measured", ""), rows))


def _faults(run: Run) -> str:
    if not run.faults:
        return _section("Faults", "None were put in.", "")
    rows = [
        (
            f"{effect.number}. {escape(effect.fault.what)}",
            into_the_run(effect.fault.at_s),
            NOTHING if effect.fault.recovered_s is None else f"{effect.fault.recovered_s:.2f} s",
            NOTHING if effect.served_least is None else share(effect.served_least, 1.0),
            f"{effect.failed:,}",
            NOTHING if effect.p99_before_ms is None else time(effect.p99_before_ms),
            NOTHING if effect.p99_after_ms is None else time(effect.p99_after_ms),
        )
        for effect in effects(run)
    ]
    caption = (
        "Numbered as in the pictures. Before and after are the worst seconds of ten, or until calls were answered."
    )
    columns = ("", "after", "good answers again", "served at least", "calls failed", "p99 before", "p99 after")
    return _section("What the faults did", caption, _table(columns, rows))


def _errors(run: Run) -> str:
    if not run.errors:
        return '<h2>Errors by reason</h2><p class="caption">No call failed.</p>'
    most = max(run.errors.values())
    rows = [
        (
            escape(reason),
            f"{count:,}",
            share(count, run.offered),
            f'<td class="bar"><i style="width:{100 * count / most:.1f}%"></i></td>',
        )
        for reason, count in sorted(run.errors.items(), key=lambda one: -one[1])
    ]
    return f"<h2>Errors by reason</h2>{_table(('', 'calls', 'of all', ''), rows)}"


def _latency(latency: Mapping[str, Quantiles]) -> str:
    rows = [
        (
            escape("every call" if kind == ALL else kind),
            f"{found.count:,}",
            *map(time, (found.mean_ms, found.p50_ms, found.p90_ms, found.p99_ms, found.p999_ms, found.max_ms)),
        )
        for kind, found in by_count(latency)
    ]
    columns = ("", "calls", "mean", "p50", "p90", "p99", "p99.9", "longest")
    return _section("Time to the answer by kind of call", "", _table(columns, rows))


def _processes(run: Run) -> str:
    rows = [
        (
            escape(process.role),
            f"{number(sum(process.cpu_s))} s",
            f"{number(1e6 * sum(process.cpu_s) / run.served)} µs" if run.served else NOTHING,
            f"{process.rss_bytes_max / MIB:,.0f} MiB",
        )
        for process in sorted(run.processes, key=lambda process: -sum(process.cpu_s))
    ]
    columns = ("", "processor time", "for each call served", "most memory")
    return _section("What it cost", "", _table(columns, rows)) if rows else ""


def _facts(title: str, facts: Mapping[str, str]) -> str:
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in facts.items())
    return f"<div><h2>{escape(title)}</h2><table><tbody>{rows}</tbody></table></div>"
