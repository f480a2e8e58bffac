"""Addresses of logs: what is understood, and what is said of the rest."""

from pathlib import Path

import pytest

from actors.adapters import logs
from actors.adapters.embedded.client import RemoteLog
from actors.adapters.kafka import KafkaLog
from actors.errors import SetupError
from actors.settings import ProcessSettings


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("redis://127.0.0.1:1", "kafka://"),
        ("127.0.0.1:9092", "embedded://"),
        ("kafka://", "kafka://"),
        ("kafka://broker", "broker"),
        ("kafka://a:1,b", "'b'"),
        ("kafka://a:1?acks=0", "acks"),
        ("kafka://a:1?sasl_plain_password_file=/no/such/file", "/no/such/file"),
    ],
)
def test_what_is_not_understood_is_named(address: str, named: str) -> None:
    with pytest.raises(SetupError, match=named):
        logs.open_log(address, ProcessSettings())


def test_security_options_of_kafka_are_passed_through(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    query = "security_protocol=SASL_SSL&sasl_mechanism=SCRAM-SHA-512&ssl_check_hostname=false"
    assert logs.kafka_options(f"{query}&sasl_plain_password_file={tmp_path}/secret") == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "ssl_check_hostname": False,
        "sasl_plain_password": "s3cret",
    }


def test_each_scheme_opens_its_log() -> None:
    for address, kind in (("embedded://127.0.0.1:9", RemoteLog), ("kafka://127.0.0.1:9,127.0.0.1:10", KafkaLog)):
        log = logs.open_log(address, ProcessSettings(), token="t")
        assert isinstance(log, kind)
        log.close()
