"""The platform beside its peers: what was lost and doubled, medians, the table, ratios, and a campaign's clients."""

import asyncio
import json
import time
import uuid
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import pytest

from actors.errors import SetupError
from infra.peers import environments
from infra.peers.environments import check_sha512
from loadtests.bench import busy
from loadtests.peers import campaign, ratios, run, table
from loadtests.peers.audit import Audit, audit
from loadtests.peers.command import CONTESTANTS, chosen, told
from loadtests.peers.contestant import Contestant, Figures, Row
from loadtests.peers.feeding import key_in
from loadtests.peers.run import Effort, Found
from loadtests.peers.services.accounts import Accounts
from loadtests.peers.services.window import IDS_MAX, paid
from loadtests.peers.streaming import is_progress
from loadtests.peers.table import Standing
from loadtests.peers.wrk import figures

ROW = Row("one", "One", "wrk", "much")


def test_what_is_acknowledged_and_not_in_the_balance_is_lost() -> None:
    assert audit({"a": 5, "b": 2}, {}, {"a": 3, "b": 2}) == Audit(7, 2, 0)


def test_what_is_in_the_balance_and_nobody_asked_for_is_doubled_also_under_a_key_nobody_paid_to() -> None:
    assert audit({"a": 5}, {}, {"a": 6, "c": 2}) == Audit(5, 0, 3)


def test_what_was_never_answered_is_neither_lost_nor_doubled() -> None:
    assert audit({"a": 5}, {"a": 2}, {"a": 5}) == audit({"a": 5}, {"a": 2}, {"a": 7}) == Audit(5, 0, 0)
    assert audit({"a": 5}, {"a": 2}, {"a": 8}) == Audit(5, 0, 1)


def test_a_loss_under_one_key_does_not_hide_a_doubling_under_another() -> None:
    assert audit({"a": 1, "b": 1}, {}, {"a": 0, "b": 2}) == Audit(2, 1, 1)


def test_a_figure_is_the_median_of_the_rounds_that_have_it() -> None:
    assert table.medians([{"a": 1.0}, {"a": 9.0, "b": 2.0}, {"a": 3.0}]) == {"a": 3.0, "b": 2.0}
    assert table.medians([]) == {}


class Service:
    """Balances in memory that forgets what it was asked since the last save when it is killed, and answers no more."""

    def __init__(self, *, durable: bool, knows_ids: bool) -> None:
        self.durable, self.knows_ids = durable, knows_ids
        self.balances: Counter[str] = Counter()
        self.ids: set[str] = set()
        self.down = 0

    async def pay(self, key: str, name: str) -> None:
        await asyncio.sleep(0)
        if self.down:
            self.down -= 1
            raise campaign.NoAnswer("down")
        if name not in self.ids or not self.knows_ids:
            self.balances[key] += 1
        self.ids.add(name)

    async def kill(self) -> None:
        self.down = 3
        if not self.durable:
            self.balances.clear()
            self.ids.clear()


def played(service: Service, monkeypatch: pytest.MonkeyPatch) -> Figures:
    monkeypatch.setattr(campaign, "BETWEEN", 50)
    ledger = asyncio.run(campaign.campaign(service.pay, service.kill, lambda: uuid.uuid4().hex, 3))
    return ledger.figures(service.balances)


def test_a_service_that_keeps_what_it_says_loses_and_doubles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = played(Service(durable=True, knows_ids=True), monkeypatch)
    assert (found["lost"], found["doubled"], found["unsure"], found["kills"]) == (0, 0, 0, 3)
    assert found["retried"] >= 3
    assert found["acknowledged"] >= 200


def test_a_service_that_forgets_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    found = played(Service(durable=False, knows_ids=True), monkeypatch)
    assert found["lost"] >= 100
    assert found["doubled"] == 0


def test_a_service_that_knows_no_ids_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    found = played(Service(durable=True, knows_ids=False), monkeypatch)
    assert found["lost"] == 0
    assert found["doubled"] >= 20


def test_wrk_is_read_from_its_last_line_and_failed_calls_are_no_rate() -> None:
    said = {"calls": 3_000, "duration_us": 1_500_000, "p50_us": 800, "p99_us": 4_000, "errors": 0}
    found = figures(["Running 1s test", json.dumps(said)], 0.3)
    assert (found["per_s"], found["p50_ms"], found["p99_ms"]) == (2_000, 0.8, 4)
    assert found["generator_us"] == pytest.approx(100)
    with pytest.raises(SetupError, match="2 of 3000"):
        figures([json.dumps({**said, "errors": 2})], 0.3)


def test_a_payment_counts_once_in_a_stream_within_the_last_ids_of_its_account() -> None:
    account = paid(None, {"id": "first", "amount": 1})
    assert account == {"balance": 1, "ids": ["first"]}
    assert paid(account, {"id": "first", "amount": 1}) is None
    for n in range(IDS_MAX):
        account = paid(account, {"id": f"{n}", "amount": 1})
        assert account is not None
        assert len(account["ids"]) <= IDS_MAX
    again = paid(account, {"id": "first", "amount": 1})
    assert again is not None
    assert again["balance"] == IDS_MAX + 2


def test_a_payment_counts_once_in_memory() -> None:
    accounts = Accounts()
    assert [accounts.pay("a", "1", 5), accounts.pay("a", "2", 5), accounts.pay("a", "1", 5)] == [5, 10, 5]
    assert (accounts.balance("a"), accounts.balance("b")) == (10, 0)


def test_a_changelogs_key_is_found_in_what_either_processor_writes() -> None:
    assert key_in(b'"kill-7"') == key_in(b'kill-7|"account"') == "kill-7"


@pytest.mark.parametrize(("line", "is_one"), [("500 123.25", True), ("a 1.0", False), ("", False), ("1 2 3", False)])
def test_only_a_count_and_a_time_is_progress(line: str, is_one: bool) -> None:
    assert is_progress(line) == is_one


KILLED = {"lost": 0.0, "doubled": 2.0, "acknowledged": 1_234.0, "kills": 10.0, "recovery_s": 1.5}
GOOD = {"per_s": 12_345.0, "p50_ms": 0.5, "p99_ms": 2.25, "alone_p50_ms": 0.4, "cpu_us": 90.0, "memory_mb": 250.0}


def test_the_table_tells_every_figure_what_is_promised_and_who_is_left_out_and_why() -> None:
    missing = Row("two", "Two", "wrk", "nothing")
    said = table.markdown([Standing(ROW, GOOD, {"per_s": 99.0}, KILLED), Standing(missing, {}, {}, {}, "not there")])
    assert "| One | wrk | 12,345 | 0.5 / 2.25 | 0.4 | 99 | – | 90 | 250 | 1.5 | 0 / 2 of 1,234, 10 kills |" in said
    assert "- One: much." in said
    assert "LEFT OUT: Two: not there" in said
    assert "| Two |" not in said


def test_ratios_are_those_whose_rows_were_measured_and_say_how_they_stand() -> None:
    def standing(key: str, per_s: float) -> Standing:
        return Standing(Row(key, key, "", ""), {"per_s": per_s, "alone_p50_ms": 1.0}, {"per_s": per_s}, KILLED)

    found = ratios.ratios(
        [standing("hutong-kafka", 4_000), standing("hutong-kafka-streamed", 20_000), standing("restate", 1_000)],
        "kafka",
    )
    assert found["unary_to_restate"] == 4
    assert found["hot_streamed_to_restate"] == 20
    assert "unary_to_ray" not in found
    said = ratios.markdown({"embedded": {}, "kafka": found})
    assert "| unary / Restate, random keys | 3 × | 4 × | 4 ×, aim met |" in said
    assert "1 ×, short" in said
    assert ratios.ratios([standing("restate", 1_000)], "kafka") == {}


class Known:
    """A contestant that measures nothing and answers what it is told to; or fails."""

    def __init__(self, fails: bool) -> None:
        self.fails = fails

    def measure(self, keys: int, seconds: float) -> dict[str, Figures]:
        if self.fails:
            raise SetupError("it does not start", reason="PEER_FAILED")
        return {"one": {"per_s": float(keys) * seconds}}

    def campaign(self, kills: int) -> Figures:
        return {**KILLED, "kills": float(kills)}


@pytest.fixture
def one() -> Contestant:
    return Contestant("one", (ROW,), lambda _: nullcontext(Known(fails=False)))


def test_every_round_measures_everyone_and_the_first_kills(one: Contestant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "calm_percent", float)  # nobody else uses the machine
    found = Found([one, Contestant("two", (Row("two", "Two", "", ""),), lambda _: nullcontext(Known(fails=True)))])
    lines: list[str] = []
    found.measure(Effort(rounds=3, seconds=2.0, kills=4), lines.append)
    first, second = found.standings()
    assert found.whole
    assert (first.rounds, first.random["per_s"], first.hot["per_s"], first.killed["kills"]) == (3, 200_000, 2, 4)
    assert (second.left_out, second.rounds) == ("it does not start", 0)
    assert sum(line.startswith("two is LEFT OUT") for line in lines) == 1


def test_what_is_cut_short_says_so_first(one: Contestant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "calm_percent", float)  # nobody else uses the machine
    found = Found([one])
    found.measure(Effort(rounds=3, minutes_max=0.0), lambda _: None)
    said, report = told(found, Effort(), "bash infra/peers.sh", 60.0)
    assert not found.whole
    assert said.startswith("CUT SHORT")
    assert "BUSY" not in said
    found.busy_percent.append(90.0)
    assert "THE MACHINE WAS BUSY: no figure of this counts" in told(found, Effort(), "bash infra/peers.sh", 60.0)[0]
    assert "LEFT OUT: One: its turn never came" in said
    assert json.loads(report)["whole"] is False


def test_medians_stand_when_others_were_busy_at_one_turn_of_twenty(one: Contestant) -> None:
    found = Found([one])
    found.busy_percent += [90.0, *[1.0] * 19]
    said, _ = told(found, Effort(), "bash infra/peers.sh", 60.0)
    assert "BUSY" not in said
    assert "before 1 of 20 turns others used 25 % of the machine or more" in said


def test_a_turn_waits_for_a_calm_machine_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = [90.0, 40.0, 3.0, 90.0]

    def percent() -> float:
        return seen.pop(0)

    monkeypatch.setattr(run, "busy_percent", percent)
    assert run.calm_percent() == 3.0
    monkeypatch.setattr(run, "CALM_S_MAX", 0.0)
    assert run.calm_percent() == 90.0


def test_a_name_that_nobody_has_is_refused_with_those_there_are() -> None:
    assert [contestant.name for contestant in chosen(["echo", "restate"])] == ["echo", "restate"]
    assert len(chosen(())) == len(CONTESTANTS) == len({contestant.name for contestant in CONTESTANTS})
    with pytest.raises(SetupError, match="nosuch is nobody here; there are echo, hutong-embedded"):
        chosen(["nosuch"])


def test_a_file_that_is_not_the_locked_one_is_refused_and_gone(tmp_path: Path) -> None:
    packed = tmp_path / "packed.tgz"
    packed.write_bytes(b"other")
    with pytest.raises(SetupError, match=r"packed\.tgz is not the file that is locked"):
        check_sha512(packed, "known")
    assert not packed.exists()


def test_every_peer_that_is_locked_is_made_and_told_of() -> None:
    folder = Path(environments.__file__).parent
    locked = {path.stem for path in folder.glob("*.in")}
    assert locked <= environments.MAKERS.keys()
    assert locked == {path.stem for path in folder.glob("*.txt")}
    told = (folder / "README.md").read_text()
    assert [name for name in environments.MAKERS if f"`{name}`" not in told] == []


def test_how_busy_the_machine_is_is_a_share_of_a_time() -> None:
    began = time.monotonic()
    assert 0 <= busy.busy_percent(0.01) <= 100
    assert time.monotonic() >= began + 0.01


def test_only_a_busy_machine_speaks_against_what_was_timed() -> None:
    assert busy.told(busy.BUSY_PERCENT_MAX - 1) == ""
    assert "others used 90 %" in busy.told(90.0)
