"""What a report says of a run: the word on its first screen, what the faults did, and that it needs nothing else."""

import base64
import io
import re
from html.parser import HTMLParser

import pytest
from msgspec.structs import replace
from rich.console import Console

from loadtests.driver.live import Progress
from loadtests.driver.result import Fault, ProcessCpu, Run, Threshold
from loadtests.report import course
from loadtests.report.page import assembled, page
from loadtests.report.summary import summary
from loadtests.report.table import print_run
from loadtests.report.verdict import UNKNOWN, number, share, time, verdict
from loadtests.scenarios import BOUNDS, SCENARIOS
from tests.load.runs import run_of, second

SLOW = Threshold(name="p99 at most, ms", bound=10, measured=12, met=False)
PAGE_BYTES_MAX = 1 << 20

GOOD = run_of()
BAD = [
    ("CUT", replace(GOOD, ended="cut")),
    ("CUT", replace(GOOD, ended="cut", valid=False, invalid_because=("late",))),
    ("INVALID", replace(GOOD, valid=False, invalid_because=("the generator was late",))),
    ("INVALID", replace(GOOD, valid=False, invalid_because=("late",), thresholds=(SLOW,))),
    ("FAILED", replace(GOOD, ended="failed")),
    ("FAILED", replace(GOOD, lost=1)),
    ("FAILED", replace(GOOD, doubled=1, valid=False, invalid_because=("late",))),
    ("FAILED", replace(GOOD, thresholds=(SLOW,))),
]


@pytest.mark.parametrize(("word", "run"), [("PASSED", GOOD), *BAD])
def test_a_run_has_one_word_on_the_page_and_in_the_terminal_and_the_colour_of_it(word: str, run: Run) -> None:
    said, shown = io.StringIO(), assembled(run, ())
    print_run(run, Console(file=said, width=140))
    assert verdict(run).word == word
    assert word in said.getvalue()
    assert f'<section class="verdict {word.lower()}"><strong>{word}</strong>' in shown
    assert shown.count('class="verdict passed"') == (word == "PASSED")


@pytest.mark.parametrize("run", [run for _, run in BAD if run.ended != "failed"])
def test_what_did_not_pass_says_why_or_that_it_is_a_part(run: Run) -> None:
    said = verdict(run)
    assert said.because or said.word == "CUT"
    assert all(reason in said.because for reason in run.invalid_because)


def test_what_to_do_for_a_good_run_stands_on_the_page_and_in_the_terminal() -> None:
    run, said = replace(GOOD, valid=False, invalid_because=("late",), advice="Play fewer."), io.StringIO()
    print_run(run, Console(file=said, width=140))
    assert "Play fewer." in said.getvalue()
    assert "Play fewer." in assembled(run, ())


@pytest.mark.parametrize("audit", ["every effect, by its event on the log", "not done: the log was gone"])
def test_the_page_says_how_lost_and_doubled_effects_were_looked_for(audit: str) -> None:
    shown = assembled(replace(GOOD, settings={"audit": audit}), ())
    assert f"looked for after the run: {audit}." in shown


def test_what_was_not_measured_is_said_in_words_and_little_is_not_nothing() -> None:
    nothing = Threshold(name="recovered_s", bound=10, measured=None, met=False)
    short = ProcessCpu(role="gateway", cpu_s=(0.02, 0.01), rss_bytes_max=1 << 28)
    run, said = replace(GOOD, thresholds=(nothing,), processes=(short,)), io.StringIO()
    print_run(run, Console(file=said, width=140))
    assert "not measured" in said.getvalue()
    shown = assembled(run, ())
    assert "recovered_s: not measured, where 10 is the bound" in shown
    assert "<td>0.03 s</td>" in shown


def test_a_run_that_is_not_whole_is_never_valid_for_a_script() -> None:
    assert summary(GOOD)["valid"]
    for _, run in BAD:
        assert summary(run)["valid"] is (run.valid and run.ended == "done")


def test_a_script_finds_exactly_these_keys_and_no_percentile_of_no_answer() -> None:
    expected = ["valid", "offered", "served", "errors", "lost", "doubled", "p50_ms", "p90_ms", "p99_ms", "p999_ms"]
    found = summary(replace(GOOD, errors={"UNAVAILABLE": 2, "OTHER": 1}, served=897))
    assert list(found) == expected
    assert found["errors"] == 3
    assert found["p99_ms"] == 12
    empty = summary(replace(GOOD, served=0, latency={}))
    assert [empty[key] for key in expected[-4:]] == [None] * 4


def shown_and_said(run: Run) -> tuple[str, str]:
    """The page without its pictures, and what the terminal shows."""
    said = io.StringIO()
    print_run(run, Console(file=said, width=140))
    return assembled(run, ()), said.getvalue()


def test_what_a_platform_says_is_told_as_it_is_whatever_it_looks_like(capsys: pytest.CaptureFixture[str]) -> None:
    reason = "[/x] [red]<script>alert(1)</script>"
    page, said = shown_and_said(replace(GOOD, errors={reason: 3}, valid=False, invalid_because=(reason,)))
    assert said.count(reason) == 3
    assert "<script>alert" not in page
    Progress("a run", 1.0).tell(reason)
    assert reason in capsys.readouterr().err


def test_what_nobody_could_look_for_is_not_told_as_nothing_lost() -> None:
    unaudited = replace(GOOD, audited=False, valid=False, invalid_because=("the log was gone",))
    for told in shown_and_said(unaudited):
        assert UNKNOWN in told
    for told in shown_and_said(GOOD):
        assert UNKNOWN not in told
    for told in shown_and_said(replace(unaudited, doubled=3)):
        assert UNKNOWN not in told


@pytest.mark.parametrize(
    ("at_s", "said"), [(42.3, "42 s"), (59.9, "59 s"), (60.0, "1 min 00 s"), (102.6, "1 min 42 s")]
)
def test_a_fault_is_told_at_the_minute_and_second_at_which_it_came(at_s: float, said: str) -> None:
    for told in shown_and_said(replace(GOOD, faults=(Fault(at_s=at_s, what="kill", recovered_s=1.0),))):
        assert re.search(rf"[^\w ] ?{said}[^\w]", told)


def test_the_report_says_what_was_played_and_what_each_bound_asks_for() -> None:
    bound = Threshold(name="errors_share", bound=0, measured=0, met=True)
    shown, said = shown_and_said(replace(GOOD, scenario="host-loss", thresholds=(bound,)))
    assert SCENARIOS["host-loss"].about in shown
    assert "24h of a day in 90 s" in shown
    assert BOUNDS["errors_share"] in shown
    assert BOUNDS["errors_share"] in said


class Outside(HTMLParser):
    """Everything that a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "iframe", "object"):
            self.found.append(tag)
        for name, value in attrs:
            if name in ("src", "srcset", "href") and not (value or "").startswith("data:image/svg+xml;base64,"):
                self.found.append(f"{tag} {name}={value}")


def test_the_page_fetches_nothing_and_is_small() -> None:
    fault = Fault(at_s=30.2, what="kill -9 of host-1", recovered_s=1.5)
    shown = page(replace(GOOD, faults=(fault,)))
    outside = Outside()
    outside.feed(shown)
    assert outside.found == []
    assert "@import" not in shown
    assert len(shown) < PAGE_BYTES_MAX
    drawings = re.findall(r"base64,([\w+/=]+)", shown)
    assert len(drawings) == 2 * shown.count("<figure>") == 10
    for drawing in drawings:
        addresses = re.findall(r"https?://[^\"' ]+", base64.b64decode(drawing).decode())
        assert set(addresses) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_what_comes_from_outside_is_text_on_the_page() -> None:
    name = "<script>alert(1)</script>"
    fault = Fault(at_s=1.0, what=name, recovered_s=None)
    shown = assembled(
        replace(
            GOOD,
            scenario=name,
            errors={name: 1},
            faults=(fault,),
            machine={name: name},
            invalid_because=(name,),
            valid=False,
        ),
        (),
    )
    assert "<script" not in shown
    assert shown.count("&lt;script&gt;") >= 6


@pytest.mark.parametrize("run", [run_of(()), run_of((second(0, served=0),)), replace(GOOD, processes=(), latency={})])
def test_a_run_that_was_cut_at_once_has_a_page(run: Run) -> None:
    assert "CUT" in page(replace(run, ended="cut"))


def test_a_fault_is_told_beside_what_it_did_until_calls_were_as_before() -> None:
    seconds = tuple(
        second(at_s, served=2, errors=5, p99_ms=900.0) if at_s in (30, 31) else second(at_s) for at_s in range(90)
    )
    fault = Fault(at_s=30.7, what="kill -9 of host-1", recovered_s=1.2)
    (effect,) = course.effects(replace(run_of(seconds), faults=(fault,)))
    assert (effect.number, effect.failed, effect.served_least) == (1, 10, 0.2)
    assert (effect.p99_before_ms, effect.p99_after_ms) == (12.0, 900.0)


def test_a_fault_is_not_blamed_for_what_the_next_one_did() -> None:
    seconds = tuple(second(at_s, errors=1 if at_s >= 34 else 0) for at_s in range(60))
    faults = tuple(Fault(at_s=at_s, what="kill", recovered_s=1.0) for at_s in (34.0, 30.0))
    first, then = course.effects(replace(run_of(seconds), faults=faults))
    assert (first.fault.at_s, first.failed) == (30.0, 0)
    assert then.failed == 10


def test_a_long_run_is_shown_in_few_points_which_keep_the_worst_and_the_mean_rate() -> None:
    seconds = tuple(second(at_s, p99_ms=500.0 if at_s == 777 else 12.0) for at_s in range(1_200))
    run = run_of(seconds)
    points = course.points(run)
    assert len(points) <= course.POINTS_MAX + 1
    assert max(point.p99_ms or 0 for point in points) == 500.0
    assert {point.offered_per_s for point in points} == {10.0}


def test_many_roles_are_shown_as_few_that_add_up() -> None:
    processes = tuple(ProcessCpu(role=f"role-{n}", cpu_s=(n / 10, n / 10), rss_bytes_max=0) for n in range(12))
    used = course.used(replace(GOOD, processes=processes))
    roles = list(dict.fromkeys(one.role for one in used))
    assert len(roles) == course.ROLES_MAX
    assert roles[-1] == "others"
    assert sum(one.cores for one in used if one.at_s == 0) == pytest.approx(6.6)


def test_a_share_is_all_or_nothing_only_if_it_is_exactly_that() -> None:
    assert [share(*pair) for pair in ((5, 5), (999_999, 1_000_000), (1, 1_000_000), (0, 7), (1, 3), (1, 0))] == [
        "100 %",
        "> 99.99 %",
        "< 0.01 %",
        "0 %",
        "33.33 %",
        "–",
    ]
    assert [time(ms) for ms in (0.123, 7.25, 999.0, 12_000.0)] == ["0.123 ms", "7.25 ms", "999 ms", "12 s"]
    assert number(1_234_567) == "1,234,567"
