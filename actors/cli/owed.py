"""`owed`: the debts that programs stated, from the read model that the follower keeps. Charges nobody."""

from collections import Counter
from pathlib import Path
from typing import cast

from actors.cli import output
from actors.cli.archive import open_archive
from actors.cli.following import current_rows
from actors.cli.showing import Facts, Shown, time_of
from actors.projections.owed import COLUMNS, TABLE

DEBTS_MAX = 1_000


def show_owed(folder: Path, entity: str, to: str, as_json: bool) -> None:
    """List the debts of an entity, to a merchant, or all; what was appended before the question is among them."""
    with open_archive(folder) as archive:
        equal: dict[str, object] = {"creditor": to} if to else {}
        if entity:
            found, entity_id = archive.registry.entity_of(entity)
            equal["entity"] = f"{found.kind}/{entity_id}"
        with current_rows(archive) as (rows, missing):
            read = rows.find(TABLE, equal, DEBTS_MAX + 1)
        debts = [_facts(Shown(archive.registry), row) for row in read[:DEBTS_MAX]]
    totals: Counter[str] = Counter()
    for debt in debts:
        totals[debt["currency"]] += debt["amount_minor"]
    facts: Facts = {
        "debts": debts,
        "totals": dict(sorted(totals.items())),
        "more": len(read) > DEBTS_MAX,
        "missing": missing,
    }
    if as_json or not debts:
        output.result(facts, as_json, "nothing is owed")
    else:
        columns = ("time", "entity", "amount_minor", "currency", "to", "what_for", "reference", "position")
        output.table("Owed", columns, [[debt[column] for column in columns] for debt in debts])
        output.say("in all " + ", ".join(f"{amount:,} {currency}" for currency, amount in facts["totals"].items()))
    if facts["more"]:
        output.say(f"these are the first {DEBTS_MAX:,}: name an entity or, with --to, a merchant")
    if missing:
        output.say(f"the read model is {missing:,} frames behind: there may be more")


def _facts(shown: Shown, row: tuple[object, ...]) -> Facts:
    debt: Facts = dict(zip(COLUMNS, row[1:], strict=True))
    debt["entity"] = shown.name(cast("str", debt["entity"]))
    debt["to"] = debt.pop("creditor")
    debt["time"] = time_of(debt.pop("stamp_ms"))
    return debt
