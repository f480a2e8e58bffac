"""The generated code is what the protos say today."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_stubs_are_what_the_protos_generate(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="grpcio-tools is not installed")
    subprocess.run(["bash", str(ROOT / "infra/generate_stubs.sh"), str(tmp_path)], check=True)
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.py*"))
    kept = sorted(path.relative_to(ROOT) for path in (ROOT / "gateway/v1").glob("*_pb2*.py*"))
    assert made == kept
    different = [str(path) for path in made if (tmp_path / path).read_bytes() != (ROOT / path).read_bytes()]
    assert not different, f"run `bash infra/generate_stubs.sh`: {different}"
