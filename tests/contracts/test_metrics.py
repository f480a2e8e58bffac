"""What holds of the sensor and of the metrics made from it."""

import gc
import inspect
import re
import urllib.request
from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY

from actors.adapters.prometheus import LABEL_VALUES_MAX, LABELS, PrometheusSensor, serve_metrics, watch_collector
from actors.errors import SetupError
from actors.sensor import Sensor

pytestmark = pytest.mark.slow

VALUES: dict[str, object] = {"str": "word", "int": 3, "float": 0.25}


def hooks() -> list[tuple[str, Callable[..., None]]]:
    return [(name, hook) for name, hook in inspect.getmembers(Sensor, inspect.isfunction) if not name.startswith("_")]


def call_every_hook(sensor: Sensor) -> None:
    for name, hook in hooks():
        parameters = list(inspect.signature(hook).parameters.values())[1:]
        getattr(sensor, name)(*(VALUES[parameter.annotation.__name__] for parameter in parameters))


def value(sensor: PrometheusSensor, name: str, **labels: str) -> float | None:
    return sensor.registry.get_sample_value(name, labels)


def test_every_hook_takes_plain_values_only() -> None:
    for name, hook in hooks():
        signature = inspect.signature(hook)
        kinds = {parameter.annotation for parameter in list(signature.parameters.values())[1:]}
        assert kinds <= {int, float, str}, name
        assert signature.return_annotation is None, name


def test_a_plain_sensor_takes_every_hook_and_says_nothing() -> None:
    sensor = Sensor()
    call_every_hook(sensor)
    assert vars(sensor) == {}


def test_every_hook_is_shown_by_prometheus() -> None:
    for name, _ in hooks():
        assert name in vars(PrometheusSensor), name


def test_no_label_outside_the_fixed_list_exists() -> None:
    sensor = PrometheusSensor()
    call_every_hook(sensor)
    labels = {label for metric in sensor.registry.collect() for sample in metric.samples for label in sample.labels}
    assert labels == LABELS


@pytest.mark.parametrize("word", ["user", "entity", "session", "caller", "request"])
def test_no_label_can_name_a_person_or_an_entity(word: str) -> None:
    assert not [label for label in LABELS if word in label]


def test_every_name_has_the_prefix_and_a_base_unit() -> None:
    sensor = PrometheusSensor()
    names = [metric.name for metric in sensor.registry.collect()]
    assert len(names) > 30
    assert all(re.fullmatch(r"hutong_[a-z_]+", name) for name in names), names
    assert not [name for name in names if name.endswith(("_ms", "_kb", "_us", "_mb"))]


def test_a_client_cannot_make_series_without_end() -> None:
    sensor = PrometheusSensor()
    for number in range(LABEL_VALUES_MAX + 10):
        sensor.call_done(f"/made.up/Method{number}", "UNIMPLEMENTED", 0.1)
    assert value(sensor, "hutong_calls_total", method="other", code="UNIMPLEMENTED") == 10


def test_calls_count_by_method_and_code() -> None:
    sensor = PrometheusSensor()
    sensor.call_done("Invoke", "OK", 0.003)
    sensor.stream_answered("InvokeStream", "OK", 200)
    assert value(sensor, "hutong_calls_total", method="Invoke", code="OK") == 1
    assert value(sensor, "hutong_calls_total", method="InvokeStream", code="OK") == 200
    assert value(sensor, "hutong_call_handling_seconds_bucket", method="Invoke", le="0.005") == 1
    assert value(sensor, "hutong_call_handling_seconds_bucket", method="Invoke", le="0.002") == 0


def test_a_partition_that_moved_away_is_shown_no_more() -> None:
    sensor = PrometheusSensor()
    sensor.partition_stands(3, 100, 1.5, 7, 8, 9)
    sensor.partition_stands(4, 0, 0, 0, 0, 0)
    sensor.partition_halted(3)
    assert value(sensor, "hutong_lag_seconds", partition="3") == 1.5
    assert value(sensor, "hutong_owned_partitions") == 2
    sensor.partition_gone(3)
    sensor.partition_gone(5)  # one that never stood here
    assert value(sensor, "hutong_owned_partitions") == 1
    assert not [
        sample
        for metric in sensor.registry.collect()
        for sample in metric.samples
        if sample.labels.get("partition") == "3"
    ]


def test_a_halted_partition_is_shown_until_it_goes_on() -> None:
    sensor = PrometheusSensor()
    sensor.partition_halted(3)
    assert value(sensor, "hutong_halted", partition="3") == 1
    sensor.partition_resumed(3)
    assert value(sensor, "hutong_halted", partition="3") == 0
    assert value(sensor, "hutong_halts_total") == 1


def test_the_age_of_a_snapshot_grows_until_the_next() -> None:
    now = [100.0]
    sensor = PrometheusSensor(clock=lambda: now[0])
    sensor.snapshot_taken(1, 0.5, 1_000)
    now[0] = 160.0
    assert value(sensor, "hutong_snapshot_age_seconds", partition="1") == 60
    sensor.snapshot_taken(1, 0.5, 2_000)
    assert value(sensor, "hutong_snapshot_age_seconds", partition="1") == 0
    assert value(sensor, "hutong_snapshot_bytes", partition="1") == 2_000


def test_two_sensors_share_nothing_and_the_global_registry_stays_untouched() -> None:
    before = {metric.name for metric in REGISTRY.collect()}
    one, other = PrometheusSensor(), PrometheusSensor()
    one.pending_calls(5)
    assert value(other, "hutong_pending_calls") == 0
    assert {metric.name for metric in REGISTRY.collect()} == before


def test_metrics_are_served_on_loopback_until_stopped() -> None:
    sensor = PrometheusSensor()
    sensor.pending_calls(5)
    server = serve_metrics(sensor)
    url = f"http://127.0.0.1:{server.port}/metrics"
    with urllib.request.urlopen(url, timeout=5) as answer:
        assert b"hutong_pending_calls 5.0" in answer.read()
    server.stop()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=5)
    again = serve_metrics(sensor, server.port)
    assert again.port == server.port
    again.stop()


def test_a_port_in_use_says_which_and_what_to_do() -> None:
    server = serve_metrics(PrometheusSensor())
    with pytest.raises(SetupError, match=rf"127\.0\.0\.1:{server.port}.*Choose another port") as caught:
        serve_metrics(PrometheusSensor(), server.port)
    assert caught.value.reason == "PORT_NOT_FREE"
    server.stop()


def test_pauses_of_the_garbage_collector_are_seen_while_watched() -> None:
    sensor = PrometheusSensor()
    stop = watch_collector(sensor)
    gc.collect(2)
    stop()
    gc.collect(2)
    assert value(sensor, "hutong_gc_pause_seconds_count", generation="2") == 1
