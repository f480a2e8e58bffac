"""What a contestant costs while it is called: CPU time over all its processes, and memory that is its own."""

from collections.abc import Iterable
from pathlib import Path

from loadtests.bench import processes


class Meter:
    """Counts from its making on. The generator's processes are counted apart."""

    def __init__(self, roots: Iterable[int], generator: Iterable[int] = ()) -> None:
        self._roots = tuple(roots)
        self._generator = frozenset(generator)
        self._before = processes.cpu_of_s(self._pids())
        self._generator_before = processes.cpu_of_s(self._generator)

    def _pids(self) -> list[int]:
        found = dict.fromkeys(pid for root in self._roots for pid in processes.tree(root))
        return [pid for pid in found if pid not in self._generator]

    def figures(self, calls: float) -> dict[str, float]:
        """CPU per call since then, of the contestant and of the generator, and the contestant's memory now."""
        pids = self._pids()
        used_s = sum(cpu_s - self._before.get(pid, 0.0) for pid, cpu_s in processes.cpu_of_s(pids).items())
        generator_s = sum(processes.cpu_of_s(self._generator).values()) - sum(self._generator_before.values())
        return {
            "cpu_us": 1e6 * used_s / max(1.0, calls),
            "generator_us": 1e6 * generator_s / max(1.0, calls),
            "memory_mb": sum(map(own_bytes, pids)) / 1e6,
        }


def own_bytes(pid: int) -> int:
    """The memory that is resident for this process, shared pages by their share of it; 0 if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
