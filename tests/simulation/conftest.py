"""Which worlds are run: `--seed N` one, `--seeds N` so many, from 0 on."""

import pytest

SEEDS = 300
CHECK_EVERY = 16


def pytest_addoption(parser: pytest.Parser) -> None:
    """`pytest tests/simulation --seed 17` runs one world and tells its story when it fails."""
    parser.addoption("--seed", type=int, default=None, help="run this world of the simulation only")
    parser.addoption("--seeds", type=int, default=SEEDS, help=f"how many worlds to run ({SEEDS})")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a world."""
    if "seed" in metafunc.fixturenames:
        seed: int | None = metafunc.config.getoption("--seed", None)
        seeds = int(metafunc.config.getoption("--seeds", SEEDS) or SEEDS)
        metafunc.parametrize("seed", range(seeds) if seed is None else [seed])


@pytest.fixture(autouse=True)
def checks_come_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A world's log is short: its owners append their sums more often than at every 1,024th offset."""
    monkeypatch.setattr("actors.kernel.partition.CHECK_EVERY", CHECK_EVERY)
    monkeypatch.setattr("actors.ownership.CHECK_EVERY", CHECK_EVERY)
