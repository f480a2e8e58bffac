"""One host without Ray, whose memory and garbage collection are watched. Run as a worker; feed it over its log."""

import gc
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from actors.adapters.hosting import HostConfig, Hosting, HostThread, Parts
from actors.adapters.hosting.collecting import keep_pauses_short
from actors.adapters.logs import open_log
from actors.adapters.objects import open_objects
from actors.adapters.rocksdb import RocksStates
from actors.host import PartitionStatus
from actors.kernel.rules import Rules
from actors.registry import load_programs
from actors.sensor import Sensor
from actors.settings import ClusterSettings
from loadtests.bench import worker
from loadtests.bench.worker import Answer, Question

_decode_status = msgspec.json.Decoder(list[PartitionStatus]).decode


class Pauses:
    """The longest pause of the garbage collector, in CPU time: what others take of a core is not its doing."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._began_s = 0.0

    def __call__(self, phase: str, _: dict[str, int]) -> None:
        """Told by the collector."""
        now_s = time.thread_time()
        if phase == "start":
            self._began_s = now_s
        else:
            self.longest_s = max(self.longest_s, now_s - self._began_s)


def _report(event: str, facts: Mapping[str, object]) -> None:
    print(event, dict(facts), file=sys.stderr)


def make(log_url: str, token: str, folder: Path, sensor: Sensor) -> HostThread:
    """A host over this log, with its states in this folder, that tells this sensor."""
    config = HostConfig(name="bench", log_url=log_url, token=token, data_dir=str(folder))
    registry = load_programs(())
    rules = Rules(registry.entities.values(), digest=registry.digest)

    def hosting() -> Hosting:
        log = open_log(log_url, config.process, token)
        log.create(config.cluster.topics(tuple(rules.kinds)))
        return Hosting(config, Parts(log, RocksStates(), open_objects(config.objects_url), rules, sensor), _report)

    return HostThread(hosting)


def main() -> None:
    """Own every partition; say how it stands when asked."""
    pauses = Pauses()
    host = make(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Sensor())
    host.start()
    host.assign(dict.fromkeys(range(ClusterSettings().partitions), (1, 1)))
    end = keep_pauses_short()
    gc.callbacks.append(pauses)

    def stand(_: Question) -> Answer:
        partitions = _decode_status(host.status())
        assert not any(partition.halted for partition in partitions)
        return {
            "serving": sum(partition.phase == "Serving" for partition in partitions),
            "resident": sum(partition.resident for partition in partitions),
            "applied": sum(partition.applied_records for partition in partitions),
            "pause_s_max": pauses.longest_s,
        }

    worker.serve({"stand": stand})
    host.stop()
    end()


if __name__ == "__main__":
    main()
