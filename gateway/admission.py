"""Who is let in while there is more to do than can be done, in the manner of DAGOR (SoCC 2018). Pure: no clock, no I/O.

It watches how long calls stand in queues, chooses by business and user priority when that is too long, and keeps no
tenant and no key from taking the part of others. It never looks into a call and never waits.
"""

from collections import Counter
from collections.abc import Mapping
from hashlib import blake2b
from typing import NamedTuple

from msgspec import Struct

USER_LEVELS = 128
ALPHA = 0.05
BETA = 0.01
KEY_PARTS = 3
"""A key is hot when it asks for more than so many times what the others ask for on average."""
CALM_MS = 1_000
DOUBLE_MS = 500
DOUBLINGS_MAX = 6
"""After so long without an overloaded window `BETA` doubles in every `DOUBLE_MS`, so many times."""
CALLS_MIN = 50
"""Fewer calls in a window than this cannot be a crowd: if they wait, the log or a host is slow or away."""
TENANTS_MAX = 256
KEYS_MAX = 2_000
NEWCOMERS = "~new"
OTHERS = "~others"
"""Stands for all tenants above `TENANTS_MAX` of a window."""
HOUR_MS = 3_600_000
ACCEPT = "accept"
"""The place where calls wait to be accepted."""
LONG = 5


def level_of(priority: int, caller: str, now_ms: int) -> int:
    """The compound level of a caller's calls, of 128 × 128; more is more important.

    Within a priority the callers stand in an order that changes with each hour, so that nobody is always the first to
    be turned away; within the hour a caller is either served or not, which is better than half of each visit. Those
    who gave no name (theirs begins with ~) share one place.
    """
    caller = "" if caller.startswith("~") else caller
    salted = f"{now_ms // HOUR_MS}/{caller}".encode(errors="replace")
    return priority * USER_LEVELS + blake2b(salted, digest_size=1).digest()[0] % USER_LEVELS


class Limits(Struct, frozen=True):
    """When it is too much, and how long it is looked at before that is said."""

    queueing_ms_max: int = 20
    streamed_ms_max: int = 100
    """A stream pushes back by itself, and how much it has in flight is its client's choice: 9,600 calls at 40,000 a
    second stand somewhere for 240 ms, and nothing is wrong. Calls one by one cannot push back."""
    accept_ms_max: int = 500
    """The line in front of the gateway. To take a call out of it is most of what the call costs there, refused or not:
    to refuse pays once those that wait would be late. How long the line gets is bounded for each connection."""
    line_min: int = 100
    """Fewer that stand in one place at a time are no crowd: to turn some of them away would not help the others. On a
    machine that is busy with something else ten calls a second wait for long, too, and however few were let in, the
    door would close further."""
    streamed_line_min: int = 1_000
    """The same of streamed calls, which come by the hundred and are served by the hundred, unless they wait for
    `LONG` times what they may: where a machine stands still for a moment again and again, whatever is let in waits,
    and a door that closed for it would serve hundreds a second of what could be thousands."""
    window_ms: int = 1_000
    window_calls: int = 2_000


class Window(NamedTuple):
    """What a window came to."""

    queueing_ms: float
    arrived: int
    admitted: int
    level: int
    """The highest level of any tenant below which nothing is admitted now; 0 while nobody is refused."""


class Cursor(Struct):
    """Where the line is: above `level` all are let in, at it this part of them, below none."""

    level: int
    part: float
    credit: float = 0.0

    def passes(self, level: int) -> bool:
        """Whether a call of this level is let in; counts it if it stands at the line."""
        if level != self.level:
            return level > self.level
        self.credit += self.part
        if self.credit < 1.0:
            return False
        self.credit -= 1.0
        return True


def fill(demands: Mapping[str, int], total: float) -> float:
    """How much each may have at most, so that all have `total` and who asks for less keeps what it asks for."""
    left = total
    ordered = sorted(demands.values())
    for nth, demand in enumerate(ordered):
        part = left / (len(ordered) - nth)
        if demand > part:
            return part
        left -= demand
    return float("inf")


def cursor_for(arrived: Mapping[int, int], expected: float) -> Cursor | None:
    """The line that lets `expected` of such arrivals in, the most important first; None when all of them fit."""
    left = expected
    for level in sorted(arrived, reverse=True):
        count = arrived[level]
        if count > left:
            return Cursor(level, left / count)
        left -= count
    return None


class Admission:
    """One gateway's door. `active` says whether calls are chosen among; while not, `count` is all that is asked.

    Queueing is measured in places (a call stands in several queues, each a service of its own), and the worst of them
    counts: adding them up would turn the pipeline of a healthy platform into overload.
    """

    def __init__(self, limits: Limits, now_ms: int) -> None:
        self.active = False
        self._limits = limits
        self._began_ms = now_ms
        self._rate_per_ms = 0.0
        self._calm_ms = 0
        """How long no window has been overloaded."""
        self._cursors: dict[str, Cursor] = {}
        self._known: set[str] = set()
        """Who was counted in the window before; a tenant that was not has asked for nothing less than its share yet."""
        self._newcomers: Cursor | None = None
        self._hot: dict[str, Cursor] = {}
        self._kept_ms: dict[tuple[str, bool], float] = {}
        self._clear()

    def _clear(self) -> None:
        self._arrived = 0
        self._admitted = 0
        self._waits: dict[tuple[str, bool], tuple[float, int]] = {}
        self._left = 0
        self._keyed = 0
        self._levels: dict[str, dict[int, int]] = {}
        self._keys: dict[str, int] = {}

    # -- calls ----------------------------------------------------------------------------------------------------

    def count(self, calls: int) -> None:
        """So many calls came while not `active`; all are let in."""
        self._arrived += calls
        self._admitted += calls

    def admit(self, tenant: str, level: int, key: str) -> str:
        """Whether a call is let in while `active`: empty, or the reason why not."""
        if not self.admit_level(tenant, level):
            return "OVERLOADED"
        return "" if self.admit_key(key) else "KEY_SHARE"

    def admit_level(self, tenant: str, level: int) -> bool:
        """Whether a call's level lets it in while `active`: the first half of `admit`, before its key is known."""
        self._arrived += 1
        levels = self._levels.get(tenant)
        if levels is None:
            if len(self._levels) >= TENANTS_MAX:
                tenant = OTHERS
            levels = self._levels.setdefault(tenant, {})
        levels[level] = levels.get(level, 0) + 1
        line = self._line(tenant)
        if line is not None and not line.passes(level):
            return False
        self._admitted += 1
        return True

    def _line(self, tenant: str) -> Cursor | None:
        """Where a tenant stands: at its own line, at that of all above `TENANTS_MAX`, or at the newcomers'."""
        if tenant not in self._known and tenant not in self._levels and len(self._levels) >= TENANTS_MAX:
            tenant = OTHERS
        return self._cursors.get(tenant) if tenant in self._known else self._newcomers

    def admit_key(self, key: str) -> bool:
        """Whether its key lets in a call whose level has: the second half of `admit`."""
        self._keyed += 1
        keys = self._keys
        count = keys.get(key, 0)
        if count or len(keys) < KEYS_MAX:
            keys[key] = count + 1
        hot = self._hot.get(key)
        if hot is None or hot.passes(0):
            return True
        self._admitted -= 1
        return False

    def level(self, tenant: str) -> int:
        """The level below which none of this tenant's calls are let in now."""
        line = self._line(tenant)
        return line.level if line is not None else 0

    # -- what is seen ---------------------------------------------------------------------------------------------

    def waited(self, place: str, total_ms: float, calls: int, *, streamed: bool) -> None:
        """So many calls stood in the queue of this place, so long all together."""
        former_ms, count = self._waits.get((place, streamed), (0.0, 0))
        self._waits[place, streamed] = (former_ms + total_ms, count + calls)
        self._left = max(self._left, count + calls)

    def keep(self, place: str, waited_ms: float, *, streamed: bool = False) -> None:
        """A sample of a place that is looked at seldom: it holds until the next one."""
        self._kept_ms[place, streamed] = waited_ms

    def tick(self, now_ms: int) -> Window | None:
        """End the window if its time or its count is over, and choose anew; to be called with every few calls."""
        elapsed_ms = now_ms - self._began_ms
        limits = self._limits
        if elapsed_ms < limits.window_ms and (min(self._arrived, self._left) < limits.window_calls or elapsed_ms < 1):
            return None
        places = self._places(elapsed_ms)
        queueing_ms = max((waited_ms for waited_ms, _ in places), default=0.0)
        crowded = any(waited_ms >= limits.queueing_ms_max and line >= limits.line_min for waited_ms, line in places)
        overloaded = crowded and self._arrived >= CALLS_MIN
        if overloaded or self.active:
            self._choose(overloaded, elapsed_ms)
        level = max((cursor.level for cursor in self._cursors.values()), default=0)
        window = Window(queueing_ms, self._arrived, self._admitted, level)
        self._began_ms = now_ms
        self._clear()
        return window

    def _places(self, elapsed_ms: int) -> list[tuple[float, float]]:
        """For each place the mean wait and how many stood there at a time on average, by Little's law; both in the
        measure of calls one by one that were accepted.
        """
        seen = [
            (total_ms / count, total_ms / elapsed_ms, place, streamed)
            for (place, streamed), (total_ms, count) in self._waits.items()
            if count
        ]
        kept = [
            (waited_ms, waited_ms * self._arrived / elapsed_ms, place, streamed)
            for (place, streamed), waited_ms in self._kept_ms.items()
        ]
        found: list[tuple[float, float]] = []
        for wait_ms, line, place, streamed in seen + kept:
            waited_ms = wait_ms * self._measure(place, streamed)
            short = streamed and waited_ms < LONG * self._limits.queueing_ms_max
            part = self._limits.line_min / max(self._limits.streamed_line_min, 1) if short else 1.0
            found.append((waited_ms, line * part))
        return found

    def _measure(self, place: str, streamed: bool) -> float:
        limits = self._limits
        own_ms = limits.accept_ms_max if place == ACCEPT else limits.streamed_ms_max if streamed else 0
        return limits.queueing_ms_max / own_ms if own_ms else 1.0

    def _choose(self, overloaded: bool, elapsed_ms: int) -> None:
        """Expect less after an overloaded window and more after another, and find the lines for that.

        A little more at first, since the bound is near while the crowd is there; then ever more, since what was cut for
        the sake of a moment's trouble would else be missing for minutes, with all who were turned away asking again.
        """
        admitted_per_ms = self._admitted / elapsed_ms
        if overloaded:
            former_per_ms = min(self._rate_per_ms, admitted_per_ms) if self.active else admitted_per_ms
            self._rate_per_ms = max(former_per_ms, admitted_per_ms / 2) * (1 - ALPHA)
            self._calm_ms = 0
        else:
            # A part of what came, not of what was let in: else a door that has closed too far would stay so.
            doublings = min(max(self._calm_ms - CALM_MS, 0) // DOUBLE_MS, DOUBLINGS_MAX)
            more_per_ms = BETA * (1 << doublings) * self._arrived / elapsed_ms
            self._rate_per_ms = max(self._rate_per_ms, admitted_per_ms) + more_per_ms
            self._calm_ms += elapsed_ms
        expected = self._rate_per_ms * elapsed_ms
        self.active = overloaded or self._arrived > expected
        self._hot = self._hot_keys(expected) if self.active else {}
        # What hot keys will be refused from now on is among the levels that were counted, and need not be cut twice.
        cut = sum(self._keys[key] * (1 - cursor.part) for key, cursor in self._hot.items()) * self._arrived_per_keyed
        self._draw_lines(expected + cut)

    def _draw_lines(self, expected: float) -> None:
        """Each tenant that asks for more than its share gets a line of its own, at that share.

        Who was not there in the window before shares one part with all such: else a new name would be a free pass.
        """
        demands = {tenant: sum(levels.values()) for tenant, levels in self._levels.items()}
        new: Counter[int] = Counter()
        for tenant in demands.keys() - self._known:
            new.update(self._levels[tenant])
        grouped = {tenant: demand for tenant, demand in demands.items() if tenant in self._known}
        share = fill(demands, expected)
        found = {tenant: cursor_for(levels, share) for tenant, levels in self._levels.items()}
        self._newcomers = cursor_for(new, fill({**grouped, NEWCOMERS: new.total()}, expected)) if self.active else None
        self._cursors = {tenant: line for tenant, line in found.items() if line is not None} if self.active else {}
        self._known = set(demands) if self.active else set()

    @property
    def _arrived_per_keyed(self) -> float:
        """Keys are counted of what the levels let in; for how many arrivals each of those stands."""
        return self._arrived / max(self._keyed, 1)

    def _hot_keys(self, expected: float) -> dict[str, Cursor]:
        """Keys that ask for far more than the others; what each may have is a part of what it asked for."""
        demands = self._keys
        if len(demands) < 2:
            return {}
        counted = sum(demands.values())
        usual = (counted - max(demands.values())) / (len(demands) - 1)
        counted_part = counted / max(self._keyed, 1)
        share = max(fill(demands, expected * counted_part / self._arrived_per_keyed), KEY_PARTS * usual)
        return {key: Cursor(0, share / demand) for key, demand in demands.items() if demand > share}
