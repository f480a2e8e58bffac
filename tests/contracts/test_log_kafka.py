"""The log on a real Kafka broker: the contract, and what happens when a broker stops, dies or forgets."""

import gc
import logging
from collections.abc import Iterator
from concurrent.futures import wait
from importlib import import_module
from itertools import count
from pathlib import Path
from time import monotonic

import pytest

from actors.adapters.kafka import KafkaLog
from actors.adapters.kafka_library import Admin
from actors.adapters.kafka_library import Cluster as Brokers
from actors.adapters.logs import open_log
from actors.errors import Corrupt, SetupError, Unavailable
from actors.ports import Log, Reader, Slice, Topic
from actors.settings import ProcessSettings
from infra.kafka.broker import Cluster, start
from tests.contracts.log_contract import WAIT_S, LogContract, append_all, bodies, eventually, read, read_through

# kafka-python forgets to close a socket whose connection was refused.
pytestmark = [
    pytest.mark.kafka,
    pytest.mark.timeout(180),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

DEADLINE_MS = 2_000
_names = count()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with start(tmp_path_factory.mktemp("kafka")) as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def _collected(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Let forgotten sockets go while their warnings are still ours; captured log records would hold on to them."""
    caplog.set_level(logging.CRITICAL + 1, logger="kafka")
    yield
    gc.collect()


@pytest.fixture
def topic() -> str:
    return f"commands-{next(_names)}"


class TestKafkaLog(LogContract):
    @pytest.fixture
    def log(self, cluster: Cluster) -> Iterator[Log]:
        log = open_log("kafka://" + ",".join(cluster.addresses), ProcessSettings())
        yield log
        log.close()


@pytest.fixture
def log(cluster: Cluster) -> Iterator[KafkaLog]:
    log = KafkaLog(cluster.addresses, append_deadline_ms=DEADLINE_MS)
    yield log
    log.close()


def admin_of(cluster: Cluster) -> Admin:
    return Brokers(tuple(cluster.addresses), {}).admin()


def stands_still(pid: int) -> bool:
    """Whether every thread of a process has taken note of SIGSTOP."""
    tasks = list(Path(f"/proc/{pid}/task").iterdir())
    return all((task / "stat").read_text().rpartition(")")[2].split()[0] == "T" for task in tasks)


def test_after_a_broker_stood_still_every_future_is_settled_and_a_fresh_producer_goes_on(
    cluster: Cluster, log: KafkaLog, topic: str
) -> None:
    log.create([Topic(topic, 2)])
    slices = [Slice(topic, 0), Slice(topic, 1)]
    append_all(log, slices[0], [b"before"])
    generation = log.producer_generation
    cluster.pause(0)
    eventually(lambda: stands_still(cluster.pids[0]))
    try:
        sent = [(b"%d" % n, log.append(slices[n % 2], b"%d" % n)) for n in range(40)]
        begun = monotonic()
        late = wait([future for _, future in sent], 3 * DEADLINE_MS / 1_000)
        assert not late.not_done
        assert monotonic() - begun < 2 * DEADLINE_MS / 1_000
    finally:
        cluster.resume(0)
    reasons = {error.reason for _, future in sent if isinstance(error := future.exception(), Unavailable)}
    assert "OUTCOME_UNKNOWN" in reasons
    eventually(lambda: log.append(slices[0], b"after").exception(WAIT_S) is None)
    assert log.producer_generation > generation

    reader = log.reader()
    reader.assign({slices[0]: 0, slices[1]: 0})
    ends = log.spans(slices)
    found = read_through(reader, sum(span.end for span in ends.values()))
    for slice in slices:
        offsets = [row.offset for row in found if row.slice == slice]
        assert offsets == list(range(len(offsets)))
    refused = {frame for frame, future in sent if _reason(future.exception()) == "NOT_APPENDED"}
    assert not refused & set(bodies(found)), "what was said to be not appended is in the log"
    reader.close()


def test_what_is_acknowledged_survives_a_killed_broker_and_the_reader_goes_on(
    cluster: Cluster, log: KafkaLog, topic: str
) -> None:
    slice = Slice(topic, 0)
    log.create([Topic(topic, 1)])
    reader = log.reader()
    reader.assign({slice: 0})
    first = append_all(log, slice, [b"%d" % n for n in range(50)])
    assert len(read(reader, 50)) == 50
    cluster.kill(0)
    with pytest.raises(Unavailable, match=cluster.addresses[0]):
        log.spans([slice])
    with pytest.raises(Unavailable, match=cluster.addresses[0]):
        poll_often(reader)
    with pytest.raises(Unavailable):
        log.append(slice, b"away").result(WAIT_S)
    cluster.restart(0)
    eventually(lambda: log.append(slice, b"back").exception(WAIT_S) is None)
    found = read_through(reader, 1)
    assert found[0].offset == first[-1].offset + 1
    reader.close()


def test_a_topic_that_was_made_again_under_a_reader_is_corrupt(cluster: Cluster, log: KafkaLog, topic: str) -> None:
    slice = Slice(topic, 0)
    log.create([Topic(topic, 1)])
    before = log.topic_id(topic)
    reader = log.reader()
    reader.assign({slice: 0})
    append_all(log, slice, [b"a"])
    assert bodies(read(reader, 1)) == [b"a"]
    admin = admin_of(cluster)
    admin.delete_topic(topic)

    def made_again() -> bool:
        try:
            log.create([Topic(topic, 1)])
        except Unavailable:
            return False
        try:
            return log.topic_id(topic) != before
        except SetupError:
            return False

    eventually(made_again)
    admin.close()
    with pytest.raises(Corrupt, match=topic):
        poll_often(reader, patient=True)
    reader.close()


def test_a_hole_in_the_offsets_is_corrupt_and_the_first_missing_frame_is_named(
    cluster: Cluster, log: KafkaLog, topic: str
) -> None:
    slice = Slice(topic, 0)
    log.create([Topic(topic, 1)])
    # The brokers' own mark at the end of a transaction takes an offset, and is no frame.
    stranger = import_module("kafka").KafkaProducer(bootstrap_servers=cluster.addresses, transactional_id=topic)
    stranger.init_transactions()
    stranger.begin_transaction()
    stranger.send(topic, b"a", partition=0)
    stranger.commit_transaction()
    stranger.close()
    assert log.append(slice, b"b").result(WAIT_S).offset == 2
    reader = log.reader()
    reader.assign({slice: 0})
    with pytest.raises(Corrupt, match="hole") as corrupt:
        poll_often(reader)
    assert corrupt.value.position == f"{topic}/0/1"
    reader.close()


def test_a_cut_under_a_reader_is_corrupt(log: KafkaLog, topic: str) -> None:
    slice = Slice(topic, 0)
    log.create([Topic(topic, 1)])
    append_all(log, slice, [b"%d" % n for n in range(10)])
    log.trim(slice, 5)
    reader = log.reader()
    reader.assign({slice: 2})
    with pytest.raises(Corrupt) as corrupt:
        poll_often(reader)
    assert corrupt.value.position == f"{topic}/0/2"
    reader.close()


def test_a_topic_with_retention_is_refused_and_the_setting_is_named(
    cluster: Cluster, log: KafkaLog, topic: str
) -> None:
    admin = admin_of(cluster)
    configs = {"retention.ms": "1000", "message.timestamp.type": "CreateTime"}
    admin.create(topic, 1, configs)
    admin.close()
    with pytest.raises(SetupError, match=r"retention\.ms: exists with 1000, wanted -1") as refused:
        log.create([Topic(topic, 1)])
    assert "message.timestamp.type" in str(refused.value)


def test_without_brokers_everything_says_where_it_looked() -> None:
    log = KafkaLog(["127.0.0.1:9"], append_deadline_ms=500)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9") as refused:
        log.append(Slice("t", 0), b"x").result(WAIT_S)
    assert refused.value.reason == "NOT_APPENDED"
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
        log.spans([Slice("t", 0)])
    log.close()


def _reason(error: BaseException | None) -> str:
    return error.reason if isinstance(error, Unavailable) else ""


def poll_often(reader: Reader, *, patient: bool = False) -> None:
    """Poll for as long as a test may take; a patient one does not mind that brokers are away."""
    due = monotonic() + WAIT_S
    while monotonic() < due:
        try:
            reader.poll(500)
        except Unavailable:
            if not patient:
                raise
