"""Entities for tests of the kernel: boxes that do exactly what the command says, so a test can write any record.

`box` is routed by its own id; boxes of the kind `box.slot` named `shelf:slot` share the routing key `shelf`.
"""

import sys
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from actors import CancelTimer, Context, Decision, Entity, FireTimer, Push, Ref, Reject, Send, SetTimer, accept
from actors.kernel.rules import Rules


class Do(Struct, frozen=True, tag="box.do", omit_defaults=True):
    """Add a number, send, arm, cancel and fire timers, push, answer, and perhaps fail at the end."""

    add: int = 0
    sends: tuple["Sending", ...] = ()
    arm: tuple["Arming", ...] = ()
    cancel: tuple[str, ...] = ()
    fire: tuple[str, ...] = ()
    push: int | None = None
    pad: str = ""
    answer: str | None = None
    fail: str = ""
    odd_due: float | str | None = ""
    odd_to: bytes | None = None


class Sending(Struct, frozen=True, array_like=True):
    """A send to the entity `kind/id`."""

    to: str
    command: Do
    on_reject: Do | None = None


class Arming(Struct, frozen=True, array_like=True):
    """A timer, due at an absolute time."""

    name: str
    due_ms: int
    command: Do


class Done(Struct, frozen=True, tag="box.done", array_like=True):
    """What happened: `by` is who made it happen."""

    add: int
    pad: str
    by: str


class Box(Struct, frozen=True):
    """How much was added, by how many commands."""

    total: int = 0
    count: int = 0
    pad: str = ""


class Odd:
    """A value that nothing can encode."""


class Unspeakable(Exception):
    """An exception that raises another one when it is asked what it says."""

    def __str__(self) -> str:
        raise ValueError


def decide(box: Box, command: Do, ctx: Context) -> Decision[Done]:
    """Do as told."""
    _fail(command.fail)
    actions: list[Any] = [_send(sending) for sending in command.sends]
    actions += [SetTimer(arming.name, arming.due_ms, arming.command) for arming in command.arm]
    actions += [CancelTimer(name) for name in command.cancel]
    actions += [FireTimer(name) for name in command.fire]
    if command.odd_due != "":
        actions.append(SetTimer("t", 1 << 64 if command.odd_due == "2^64" else command.odd_due, Do()))  # type: ignore[arg-type]
    if command.odd_to is not None:
        actions.append(Send(Ref("box", command.odd_to.decode("utf-16", "surrogatepass")), Do()))
    if command.fail == "odd timer":
        actions += [SetTimer("\ud800", 5, Do()), CancelTimer("\ud800")]
    if command.fail == "odd action":
        actions.append(Odd())
    if command.push is not None:
        actions.append(Push(command.push, {"total": box.total}))
    reply = {"total": box.total + command.add, "answer": command.answer} if command.answer is not None else None
    if command.fail == "unencodable reply":
        reply = {"total": Odd()}
    if command.fail == "many events":
        return accept(*[Done(1, "", "")] * 2_000)
    if command.fail == "wrong decision":
        return 7  # type: ignore[return-value]
    if command.fail == "wrong state":
        return accept(Done(-(1 << 40), "", ""))
    return accept(Done(command.add, command.pad, ctx.sender or ctx.caller), reply=reply, actions=tuple(actions))


def _send(sending: Sending) -> Send[Any]:
    kind, _, entity_id = sending.to.partition("/")
    return Send(Ref(kind, entity_id), sending.command, sending.on_reject)


def _fail(how: str) -> None:
    match how:
        case "reject":
            raise Reject("told_to", why="the command says so")
        case "long reject":
            raise Reject("told_to", why="x" * 5_000)
        case "odd reject":
            raise Reject("told_to", why=Odd())  # type: ignore[arg-type]
        case "number reject":
            raise Reject(5)  # type: ignore[arg-type]
        case "number in reject":
            raise Reject("told_to", why=5)  # type: ignore[arg-type]
        case "poison":
            raise ValueError(f"at {id(how)}, which is another number in every process")
        case "unspeakable":
            raise Unspeakable
        case "assertion":
            raise AssertionError("the author's own")
        case "exit":
            sys.exit(3)
        case "recursion":
            raise RecursionError
        case "memory":
            raise MemoryError
        case "interrupt":
            raise KeyboardInterrupt
        case _:
            pass


def evolve(box: Box, event: Done) -> Box:
    """Count it."""
    if event.add == -(1 << 40):
        return None  # type: ignore[return-value]
    return replace(box, total=box.total + event.add, count=box.count + 1, pad=event.pad)


def _look(box: Box, args: Any) -> object:
    if "long" in args:
        return "x" * args["long"]
    if args.get("fail"):
        raise {"error": KeyError, "exit": SystemExit, "interrupt": KeyboardInterrupt}[args["fail"]]
    return {"total": box.total, "count": box.count}


def _shelf(entity_id: str) -> str:
    return entity_id.partition(":")[0]


BOX = Entity("box", Box(), Do, Done, decide, evolve, views={"look": _look}, collection="boxes")
SLOT = Entity("box.slot", Box(), Do, Done, decide, evolve, views={"look": _look}, routing=_shelf)
SMALL = Entity("box.small", Box(), Do, Done, decide, evolve, routing=_shelf, state_bytes_max=256, timers_max=2)
GUEST = Entity("guest", Box(), Do, Done, decide, evolve, views={"look": _look}, takes_from=("box",))
STRANGER = Entity("boxer", Box(), Do, Done, decide, evolve, views={"look": _look})
RULES = Rules([BOX, SLOT, SMALL, GUEST, STRANGER])

encode = msgspec.msgpack.Encoder().encode
