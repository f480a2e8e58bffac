"""The progress of a run while it goes on, on stderr: one table that changes, or a line now and then for a file."""

import sys
import time
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from loadtests.driver.result import Second

LINE_EVERY_S = 10


class Progress:
    """Shows every second that is over; use it as a context. `tell` says what happens besides."""

    def __init__(self, title: str, run_s: float) -> None:
        self._title = title
        self._run_s = run_s
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False) if sys.stderr.isatty() else None
        self._began = time.monotonic()
        self._served = self._errors = 0

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def tell(self, text: str) -> None:
        """Something happened."""
        self._console.print(
            f"{time.monotonic() - self._began:5.0f} s  {text}", highlight=False, markup=False, soft_wrap=True
        )

    def see(self, second: Second) -> None:
        """A second is over."""
        self._served += second.served
        self._errors += second.errors
        if self._live is not None:
            self._live.update(self._table(second), refresh=True)
        elif (second.at_s + 1) % LINE_EVERY_S == 0:
            took = f"{_took(second)}, {second.in_flight:,} on their way"
            rates = f"{second.offered:,} offered, {second.served:,} served"
            self.tell(f"second {second.at_s + 1:,}: {rates}, {took}, {self._errors:,} errors so far")

    def _table(self, second: Second) -> Table:
        table = Table(title=self._title, title_justify="left", show_header=False, box=None)
        done = min(second.at_s + 1, self._run_s)
        table.add_row("second", f"{second.at_s + 1:,} of {self._run_s:,.0f}")
        table.add_row("", ProgressBar(total=self._run_s, completed=done, width=40))
        rows = (
            ("offered / served", f"{second.offered:,} / {second.served:,} a second"),
            ("answered in", _took(second)),
            ("on their way", f"{second.in_flight:,}"),
            ("behind the log", f"{second.behind:,} frames"),
            ("served so far", f"{self._served:,}"),
            ("errors so far", f"{self._errors:,}"),
            ("generators late by", f"{second.late_ms_max:,.1f} ms"),
        )
        for what, text in rows:
            table.add_row(what, text)
        return table


def _took(second: Second) -> str:
    if not second.served:
        return "no answer"
    return f"p50 {second.p50_ms:,.1f} ms, p99 {second.p99_ms:,.1f} ms"
