"""Rejects, raises, recurses, sends, pushes and waits, as it is asked to."""

from msgspec import Struct

from actors import Context, Decision, Entity, Push, Ref, Reject, Send, SetTimer, accept


class Do(Struct, frozen=True, tag="trap.do"):
    what: str = ""
    to: str = ""


class Done(Struct, frozen=True, tag="trap.done"):
    what: str


class Trap(Struct, frozen=True):
    done: tuple[str, ...] = ()


def deep(n: int) -> int:
    return deep(n + 1) + 1


def decide(_: Trap, command: Do, ctx: Context) -> Decision[Done]:
    other: Ref[Do] = Ref("trap", command.to)
    match command.what:
        case "raise":
            raise ValueError("as asked")
        case "recurse":
            deep(0)
        case "reject":
            raise Reject("as_asked", who=ctx.caller)
        case "send":
            actions = (Send(other, Do("note")), Push(1, {"sent": command.to}))
            return accept(Done("send"), reply={"sent": command.to}, actions=actions)
        case "send a reject":
            return accept(Done("send"), actions=(Send(other, Do("reject")),))
        case "wait":
            return accept(Done("wait"), actions=(SetTimer("later", ctx.now_ms + 3_600_000, Do("note")),))
        case _:
            pass
    return accept(Done(command.what))


def evolve(trap: Trap, event: Done) -> Trap:
    return Trap((*trap.done, event.what))


TRAP = Entity("trap", Trap(), Do, Done, decide, evolve, views={"done": lambda trap, _: {"done": trap.done}})
ENTITIES = (TRAP,)
