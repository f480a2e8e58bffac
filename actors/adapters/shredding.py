"""The follower's errand to erased persons: the keys of what is sealed for them are destroyed, and that is told.

It may be done twice, or be cut short at any step: a key that was destroyed stays so, and the event is heard again. Its
chore is to destroy the keys of what was said of nobody in particular, once that was kept for long enough.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from actors.adapters.telling import tell
from actors.clocks import wall_ms
from actors.domain.identity.person import PERSON, ErasureAsked, Shredded
from actors.kernel.action import EventRecord
from actors.ports import Change, Log, Put, Rows, Subjects
from actors.projections.reading import Projection
from actors.sealing import is_over
from actors.settings import ClusterSettings

TEND_MS = 3_600_000
_event = msgspec.msgpack.Decoder[Any](PERSON.event).decode


class Shredding:
    """The errand. What it does is done before the event counts as read."""

    def __init__(self, log: Log, cluster: ClusterSettings, subjects: Subjects, unnamed_kept_ms: int) -> None:
        self._log = log
        self._cluster = cluster
        self._subjects = subjects
        self._unnamed_kept_ms = unnamed_kept_ms
        self._tended_ms = 0
        self.hearing = Projection("", (), (PERSON.kind,), "", self._hear)
        self._asked: dict[str, ErasureAsked] = {}

    def begin(self, rows: Rows) -> None:
        del rows
        self._asked.clear()

    def act(self, changes: Sequence[Change]) -> None:
        del changes
        if not self._asked:
            return
        asked, self._asked = self._asked, {}
        subjects = [subject for person, event in asked.items() for subject in (person, *event.links)]
        self._subjects.destroy(subjects, wall_ms())
        tell(self._log, self._cluster, [(PERSON.at(person), Shredded()) for person in asked])

    def tend(self) -> None:
        """Destroy what has been kept for long enough; it is looked at once an hour. Raises Unavailable."""
        now_ms = wall_ms()
        if 0 <= now_ms - self._tended_ms < TEND_MS:
            return
        over = [name for name in self._subjects.of_nobody() if is_over(name, now_ms, self._unnamed_kept_ms)]
        if over:
            self._subjects.destroy(over, now_ms)
        self._tended_ms = now_ms

    def close(self) -> None:
        self._subjects.close()

    def _hear(self, event: EventRecord) -> tuple[Put, ...]:
        said = _event(event.payload)
        if isinstance(said, ErasureAsked):
            self._asked[event.entity.partition("/")[2]] = said
        return ()
