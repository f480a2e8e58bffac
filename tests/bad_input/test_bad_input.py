"""A small share of every campaign, the same in every run."""

from pathlib import Path

import pytest

from actors.errors import Corrupt
from actors.kernel.record import Fire, decode_frame, encode_frame, encode_record
from gateway.v1 import program_pb2
from tests.bad_input.campaigns import CAMPAIGNS
from tests.bad_input.halts import halt_partitions
from tests.bad_input.messages import MESSAGES, METHODS
from tests.bad_input.stored import restore_bad_snapshots

SIZES = {
    "messages": 3_000,
    "typed messages": 1_000,
    "wire": 64,
    "names": 2_000,
    "tokens": 2_000,
    "tenants": 1_000,
    "packages": 2_000,
    "records": 1_500,
    "host records": 500,
    "values": 500,
    "snapshots": 200,
    "poison": 100,
}


@pytest.mark.proved
@pytest.mark.parametrize("name", SIZES)
def test_bad_input_gets_a_clear_answer_and_changes_nothing(name: str, tmp_path: Path) -> None:
    counts = CAMPAIGNS[name][0](tmp_path, 7, SIZES[name])
    assert counts.is_clean, counts.findings
    assert counts.bad_inputs == SIZES[name]
    assert counts.refused > SIZES[name] // 10


@pytest.mark.cluster
@pytest.mark.proved
@pytest.mark.timeout(240)
def test_code_that_loops_recurses_or_fills_memory_halts_its_partition_alone_until_it_is_skipped(tmp_path: Path) -> None:
    counts = halt_partitions(tmp_path, 7, 3)
    assert counts.is_clean, counts.findings
    assert set(counts.faults) == {"code: loop", "code: recurse", "code: fill"}


def test_a_manifest_that_was_made_to_name_another_topic_is_told_of(tmp_path: Path) -> None:
    """This seed found that an older snapshot was taken without a word."""
    counts = restore_bad_snapshots(tmp_path, 1479996287, 500)
    assert counts.is_clean, counts.findings


def test_every_campaign_is_tried_here() -> None:
    assert {*SIZES, "halts"} == {*CAMPAIGNS}


def test_every_method_of_the_gateway_is_tried() -> None:
    services = program_pb2.DESCRIPTOR.services_by_name.values()
    assert {method.name for service in services for method in service.methods} == {*MESSAGES} == {*METHODS}


def test_a_record_whose_text_is_no_utf_8_is_corrupt_though_its_checksum_fits() -> None:
    record = encode_record(Fire("box/odd", "t", 1, 5)).replace(b"odd", b"\xff\xfe\xfd")
    with pytest.raises(Corrupt, match="does not decode") as refused:
        decode_frame("t", 0, 9, encode_frame("t", 0, "g1", 0, "", [record]))
    assert refused.value.position == "0/9"
