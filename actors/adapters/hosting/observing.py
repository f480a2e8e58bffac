"""What an operator sees of a host: told to a sensor and a report, from looking at the core now and then."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from actors.host import HostCore
from actors.kernel.action import Code
from actors.ownership import Ownership, Phase
from actors.sensor import Sensor

STANDS_EVERY_MS = 1_000
QUIET_EVERY_MS = 5_000
_RECOVERING = (Phase.FENCING, Phase.RESTORING, Phase.REPLAYING)
Report: TypeAlias = Callable[[str, Mapping[str, object]], None]


class Observer:
    """Looks at the core on every tick."""

    def __init__(self, core: HostCore, sensor: Sensor, report: Report) -> None:
        self._core = core
        self._sensor = sensor
        self._report = report
        self._phases: dict[int, tuple[Phase, float]] = {}
        self._stood_ms = 0
        self._asked_ms = 0
        self._applied = -1
        self.ends: Mapping[int, int] = {}

    def look(self, now_ms: int, now_s: float) -> bool:
        """Tell what changed; True when the ends of the partitions should be found anew.

        That is once a second, and more seldom while nothing comes and nothing is behind.
        """
        for number, ownership in self._core.owned.items():
            self._phase(number, ownership.phase, now_s)
            self._counts(ownership)
        for number in self._phases.keys() - self._core.owned.keys():
            del self._phases[number]
            self._sensor.partition_gone(number)
        if now_ms - self._stood_ms < STANDS_EVERY_MS:
            return False
        self._stood_ms = now_ms
        for number, ownership in self._core.owned.items():
            self._stands(number, ownership, now_ms)
        applied = sum(ownership.applied_records for ownership in self._core.owned.values())
        quiet = applied == self._applied and not any(map(self._behind, self._core.owned.values()))
        self._applied = applied
        if quiet and now_ms - self._asked_ms < QUIET_EVERY_MS:
            return False
        self._asked_ms = now_ms
        return True

    def _behind(self, ownership: Ownership) -> int:
        watermark = -1 if ownership.partition is None else ownership.partition.meta.watermark
        return max(self.ends.get(ownership.number, 0) - 1 - watermark, 0)

    def phase_changes(self, now_s: float) -> None:
        """Note phases between ticks, since recovery takes milliseconds."""
        for number, ownership in self._core.owned.items():
            self._phase(number, ownership.phase, now_s)

    def _phase(self, number: int, phase: Phase, now_s: float) -> None:
        before = self._phases.get(number)
        if before is not None and before[0] is phase:
            return
        if before is not None and before[0] in _RECOVERING:
            self._sensor.phase_ended(before[0].value, now_s - before[1])
        if phase is Phase.HALTED:
            self._sensor.partition_halted(number)
        elif before is not None and before[0] is Phase.HALTED:
            self._sensor.partition_resumed(number)
        self._phases[number] = (phase, now_s)

    def _counts(self, ownership: Ownership) -> None:
        partition, said = ownership.partition, ownership.said
        if said.refused:
            rejected = said.refused.pop(Code.REJECTED, 0)
            if rejected:
                self._sensor.commands_rejected(rejected)
            said.refused.clear()
        if said.dead_letters:
            self._sensor.dead_lettered(said.dead_letters)
            said.dead_letters = 0
        if partition is not None and partition.poisons:
            self._sensor.commands_poisoned(len(partition.poisons))
            for position, note in partition.poisons:
                self._report("a program's code raised", {"position": str(position), "error": note})
            partition.poisons.clear()

    def _stands(self, number: int, ownership: Ownership, now_ms: int) -> None:
        partition = ownership.partition
        if partition is None:
            return
        meta = partition.meta
        behind = self._behind(ownership)
        lag_s = max(now_ms - meta.now_ms, 0) / 1_000 if behind else 0.0
        residents, outbox, window = len(partition.residents), ownership.outbox.records, partition.window.count
        self._sensor.partition_stands(number, behind, lag_s, residents, outbox, window)
