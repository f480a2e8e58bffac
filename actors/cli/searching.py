"""`search`: programs by name, from the read model that the follower keeps."""

from pathlib import Path

from actors.cli import output
from actors.cli.archive import open_archive
from actors.cli.following import current_rows
from actors.projections.search import Query, checked

HITS_MAX = 20


def show_found(folder: Path, text: str, category: str, as_json: bool) -> None:
    """List the released programs that match, the most used first."""
    query = checked(Query(text, category))
    with open_archive(folder) as archive, current_rows(archive) as (rows, missing):
        found = rows.search(query, HITS_MAX)
    programs = [{"program": one.program, "title": one.name, "category": one.category} for one in found]
    facts = {"programs": programs, "missing": missing}
    if as_json or not programs:
        output.result(facts, as_json, "no program is found")
    else:
        output.table("Programs", ("program", "title", "category"), [list(one.values()) for one in programs])
    if missing:
        output.say(f"the read model is {missing:,} frames behind: there may be more")
