"""Facts of calls and records in lines for a person."""

from collections.abc import Sequence

from actors.cli.showing import Facts, compact


def call_text(call: Facts) -> str:
    """Everything about a call."""
    asked, decided = call["asked"], call["decided"]
    lines = [asked_text(asked)]
    lines += [f"appended   {c['position']}  {c['time']}  by {c['appended_by']}: {c['outcome']}" for c in call["copies"]]
    if call["undecided"]:
        lines.append(f"undecided  {call['undecided']}")
    if decided is not None:
        lines += _decision_text(decided)
    lines += [f"told       {_told_text(one)}" for one in call["told"]]
    rules = call["rules"]
    if not rules["same"]:
        lines.append(
            f"note       it was decided under the rules {rules['digest']}, and is explained by those of now, "
            f"{rules['explained_by']}: they may say otherwise"
        )
    return "\n".join(lines)


def _told_text(one: Facts) -> str:
    match one["who"]:
        case "caller":
            return f"{one['name'] or 'an anonymous caller'}, through {one['through']}, of {one['at']}"
        case "listeners":
            return f"who listens to {one['name']}, cursor {one['cursor']}"
        case "entity":
            arrived = f"at {one['at']}; hutong why {one['at']}" if one["at"] else "not on the log yet"
            return f"{one['name']}, {arrived}"
        case _:
            return f"the topic {one['name']}"


def asked_text(asked: Facts) -> str:
    """What a record asks, and who; for a call its request id stands on a line of its own."""
    what, entity = asked["what"], asked.get("entity", "")
    match what:
        case "call" | "send":
            who = f"caller {asked['caller'] or 'unknown'}" if what == "call" else f"sent by {asked['sender']}"
            named = f"\nrequest    {asked['request_id']}" if what == "call" else ""
            return f"{what:<10} {entity}  {_tagged(asked['command'])}  {who}{named}"
        case "read":
            return f"{what:<10} {entity}  view {asked['view']} {compact(asked['args'])}  caller {asked['caller']}"
        case "timer":
            return f"{what:<10} {entity}  {asked['timer']}, due {asked['due']}"
        case _:
            return f"{what:<10} {compact({name: value for name, value in asked.items() if name != 'what'})}"


def _decision_text(step: Facts) -> list[str]:
    """The decision and the states, as lines under the record."""
    lines = [f"decided    {step['outcome']}{reply_text(step['reply'])}"]
    lines += [f"event      {one['entity']}  {_tagged(one['event'])}" for one in step["events"]]
    lines += actions_text(step)
    for state in step["states"]:
        lines += _state_text(state)
    return lines


def actions_text(step: Facts) -> list[str]:
    """What a record set off besides events: sends, timers, pushes, dead letters; and what the code raised."""
    lines = [f"raised     {step['raised']}"] if "raised" in step else []
    lines += [f"send       {one['entity']}  {_tagged(one['command'])}" for one in step["sends"]]
    lines += [f"timer      {one['entity']}  {one['timer']} {one['change']}, due {one['due']}" for one in step["timers"]]
    lines += [f"push       {one['entity']}  {compact(one['payload'])}" for one in step["pushes"]]
    lines += [f"letter     {one['entity']}  {one['reason']}; hutong dead-letters list" for one in step["dead_letters"]]
    return lines


def reply_text(reply: Facts | None) -> str:
    """What was answered, to be set behind the outcome."""
    if reply is None:
        return ""
    if reply["code"] == "OK":
        return "" if reply["value"] is None else f", reply {compact(reply['value'])}"
    details = f" {compact(reply['details'])}" if reply["details"] else ""
    return f": {reply['reason']}{details}"


def _state_text(state: Facts) -> list[str]:
    if not state["difference"]:
        return [f"state      {state['entity']}  unchanged"]
    return [f"state      {state['entity']}", *difference_text(state["difference"])]


def difference_text(found: Sequence[Facts]) -> list[str]:
    """A line for each value that changed."""
    return [f"             {one['path']}: {compact(one['before'])} → {compact(one['after'])}" for one in found]


def _tagged(value: Facts) -> str:
    """A command or event: its tag, then its fields."""
    return f"{value.get('type', '')} {compact({name: field for name, field in value.items() if name != 'type'})}"
