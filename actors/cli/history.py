"""`hutong why` and `hutong replay`: what a call or an entity went through, told from the log and the rules alone."""

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from actors.cli import output
from actors.cli.archive import Archive, open_archive, replaying
from actors.cli.showing import Facts, Shown, compact, difference, plain, time_of
from actors.cli.telling import actions_text, asked_text, call_text, difference_text, reply_text
from actors.cli.tracing import Trace, arrival, position_of, trace
from actors.errors import Corrupt, InvalidCommand
from actors.kernel.action import Send
from actors.replaying import Step

INDEX_MAX = 1 << 32

# -- why --------------------------------------------------------------------------------------------------------------


def explain(folder: Path, request_id: str, as_json: bool) -> None:
    """Tell all that the log says of a call; `request_id` may also be a record's position."""
    with open_archive(folder) as archive:
        calls = explained(archive, request_id)
    output.result({"asked": request_id, "calls": calls}, as_json, "\n\n".join(map(call_text, calls)))


def explained(archive: Archive, request_id: str) -> list[Facts]:
    """The same, of an archive that is open, as facts: the steps of the call. Raises NotFound, InvalidCommand."""
    return [_call(archive, found) for found in trace(archive, request_id)]


def _call(archive: Archive, traced: Trace) -> Facts:
    """One call: its copies, the first one's decision, who was told, and the rules it is explained by."""
    shown = Shown(archive.registry)
    steps = [shown.step(step, archive.run.cluster.events_topic_of) for step in traced.steps]
    outcomes = {step["position"]: step["outcome"] for step in steps}
    frame = traced.copies[0].frame
    decided = steps[0] if steps else None
    if decided is not None:
        _follow(archive, traced.steps[0], decided["sends"])
    return {
        "asked": shown.asked(traced.copies[0].record),
        "copies": [
            {
                "position": str(copy.position),
                "time": time_of(copy.stamp_ms),
                "appended_by": copy.frame.producer,
                "outcome": outcomes.get(str(copy.position), "undecided"),
            }
            for copy in traced.copies
        ],
        "decided": decided,
        "repeated": steps[1:],
        "undecided": traced.undecided,
        "told": _told(steps),
        "rules": {
            "release": frame.release,
            "digest": frame.digest,
            "explained_by": archive.registry.digest,
            "same": frame.digest in ("", archive.registry.digest),
        },
    }


def _follow(archive: Archive, step: Step, sends: list[Facts]) -> None:
    """Note where each send arrived."""
    sent = [action for action in step.actions if isinstance(action, Send)]
    for facts, send in zip(sends, sent, strict=True):
        arrived = arrival(archive, send, step.stamp_ms)
        facts["arrived_at"] = None if arrived is None else str(arrived)


def _told(steps: Sequence[Facts]) -> list[Facts]:
    """Everybody who heard of it: callers, listeners, other entities, topics."""
    told: list[Facts] = []
    for step in steps:
        reply = step["reply"]
        if reply is not None:
            told.append({"who": "caller", "name": reply["caller"], "through": reply["to"], "at": step["position"]})
    for step in steps[:1]:
        told += [{"who": "listeners", "name": one["entity"], "cursor": one["cursor"]} for one in step["pushes"]]
        told += [{"who": "entity", "name": one["entity"], "at": one.get("arrived_at")} for one in step["sends"]]
        topics = dict.fromkeys(event["topic"] for event in step["events"])
        told += [{"who": "topic", "name": topic} for topic in topics]
    return told


# -- replay -----------------------------------------------------------------------------------------------------------


class Wanted(NamedTuple):
    """A place in an entity's history: a record's place in a frame of its partition, or a time."""

    text: str
    offset: int
    place: int
    stamp_ms: int | None

    def reached(self, step: Step) -> bool:
        """Whether this step lies after the place."""
        if self.stamp_ms is not None:
            return step.stamp_ms > self.stamp_ms
        return (step.position.offset, step.position.index) > (self.offset, self.place)


def replay_entity(folder: Path, entity: str, at: str, as_json: bool, from_: str = "") -> None:
    """Tell an entity's history; with `at`, its state there, and with `from_` too, what changed between the two."""
    if from_ and not at:
        raise InvalidCommand("--from needs --at: the difference is told from the one to the other", field="from")
    with open_archive(folder) as archive:
        tell_history(archive, entity, at, as_json, from_)


def tell_history(archive: Archive, entity: str, at: str, as_json: bool, from_: str = "") -> None:
    """The same, of an archive that is open."""
    kind, entity_id = archive.registry.entity_of(entity)
    partition = archive.route(kind.routing(entity_id))
    places = [_wanted(text, partition) for text in (from_, at) if text]
    history = _History(archive, f"{kind.kind}/{entity_id}", partition)
    facts: Facts = {"entity": entity, "partition": partition}
    if not places:
        _tell_all(history, facts, as_json)
        return
    states = history.states_at(places)
    facts |= {"at": at, "state": states[-1]}
    text = f"{entity} after {at}\n{compact(states[-1])}"
    if from_:
        changed = difference(states[0], states[-1])
        facts |= {"from": from_, "state_from": states[0], "difference": changed}
        text = "\n".join([f"{entity} from {from_} to {at}", *(difference_text(changed) or ["             no change"])])
    output.result(facts, as_json, text)


def _tell_all(history: "_History", facts: Facts, as_json: bool) -> None:
    """Every record that touched the entity; for a person each is printed as it is found."""
    records: list[Facts] = []
    count = 0
    state: object = None
    if not as_json:
        print(f"{facts['entity']}, in partition {facts['partition']}")
    for step in history.records():
        count, state = count + 1, history.state_after(step)
        if as_json:
            records.append(history.facts(step))
        else:
            print("\n".join(history.text(step)), flush=True)
    state = state if count else history.beginning
    stopped = history.stopped
    first = history.first_offset
    since = f"told from offset {first} of the log on, since what lies before was trimmed away" if first else ""
    text = "; ".join(filter(None, (f"\n{count} records", since, stopped)))
    told = {"records": records, "state": state, "stopped": stopped, "first_offset": first}
    output.result({**facts, **told}, as_json, text)


def _wanted(text: str, partition: int) -> Wanted:
    """A place as it is written: a position, a frame (partition/offset), or a time. Raises InvalidCommand."""
    if "/" in text:
        where = position_of(text if text.count("/") > 1 else f"{text}/{INDEX_MAX}")
        if where.partition != partition:
            message = f"{text} is in another partition: this entity's is {partition}"
            raise InvalidCommand(message, field="at", reason="INVALID_POSITION")
        return Wanted(text, where.offset, where.index, None)
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is no position (partition/offset/index) and no time (such as 2026-01-31T12:00:00)"
        raise InvalidCommand(message, field="at", reason="INVALID_POSITION") from None
    utc = time if time.tzinfo else time.replace(tzinfo=dt.UTC)
    return Wanted(text, -1, -1, int(utc.timestamp() * 1_000))


class _History:
    """The records of one partition that touched one entity."""

    def __init__(self, archive: Archive, entity: str, partition: int) -> None:
        self._archive = archive
        self._entity = entity
        self._partition = partition
        self._shown = Shown(archive.registry)
        self.stopped = ""
        self.beginning: object = None
        self.first_offset = 0

    def records(self) -> Iterator[Step]:
        """From the log's start on, or as far back as a snapshot reaches."""
        with replaying(self._archive, self._partition) as (replayed, steps):
            self.beginning = plain(replayed.state_of(self._entity))
            self.first_offset = replayed.next_offset
            yield from self._mine(steps)

    def _mine(self, steps: Iterator[Step]) -> Iterator[Step]:
        try:
            yield from (step for step in steps if self._entity in step.states)
        except Corrupt as error:
            self.stopped = f"the replay stops at {error.position}: {error}"

    def state_after(self, step: Step) -> object:
        """The entity's state as this record left it."""
        return plain(step.states[self._entity].after)

    def states_at(self, places: Sequence[Wanted]) -> list[object]:
        """The entity's state at each of these places."""
        wanted = min((place.offset for place in places if place.stamp_ms is None), default=None)
        timeless = all(place.stamp_ms is None for place in places)
        with replaying(self._archive, self._partition, wanted if timeless else None) as (replayed, steps):
            states: list[Any] = [plain(replayed.state_of(self._entity))] * len(places)
            for step in self._mine(steps):
                open_ = [number for number, place in enumerate(places) if not place.reached(step)]
                if not open_:
                    break
                for number in open_:
                    states[number] = self.state_after(step)
        return states

    def facts(self, step: Step) -> Facts:
        """A record as JSON, with the state it left."""
        facts = self._shown.step(step, self._archive.run.cluster.events_topic_of)
        name = self._shown.name(self._entity)
        mine = next(state for state in facts.pop("states") if state["entity"] == name)
        return {**facts, "state": mine["after"], "difference": mine["difference"]}

    def text(self, step: Step) -> list[str]:
        """A record for a person."""
        facts = self.facts(step)
        lines = [f"\n{facts['position']}  {facts['time']}  {facts['outcome']}{reply_text(facts['reply'])}"]
        lines.append(f"  {asked_text(facts['asked']).splitlines()[0]}")
        lines += [f"  {line}" for line in actions_text(facts)]
        return lines + (difference_text(facts["difference"]) or ["             state unchanged"])
