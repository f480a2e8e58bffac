"""`call`, `query` and `describe`: one question to the running platform, through its gateway."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from actors.cli import output, running
from gateway.client import Client

T = TypeVar("T")


def ask(folder: Path, question: Callable[[Client], Awaitable[T]], caller: str = "hutong-cli") -> T:
    """Put a question to the platform that runs in this folder."""

    async def talk() -> T:
        async with Client(running.running(folder).gateway, caller) as client:
            return await question(client)

    return asyncio.run(talk())


def call_entity(
    folder: Path, entity: str, command: str, payload: str, caller: str, request_id: str, as_json: bool
) -> None:
    """One call; prints the answer, its place in the log and its request id."""
    answer = ask(folder, lambda client: client.invoke(entity, command, payload.encode(), request_id=request_id), caller)
    facts: dict[str, Any] = {
        "value": answer.value,
        "position": str(answer.position),
        "duplicate": answer.duplicate,
        "request_id": answer.request_id,
    }
    shown = "accepted" if answer.value is None else msgspec.json.encode(answer.value).decode()
    again = ", decided before" if answer.duplicate else ""
    output.result(facts, as_json, shown)
    output.say(f"at {answer.position}{again}; hutong why {answer.request_id}")


def query_entity(folder: Path, entity: str, view: str, args: str, as_json: bool) -> None:
    """One question; prints the view's answer."""
    answer = ask(folder, lambda client: client.query(entity, view, args.encode()))
    shown = msgspec.json.format(answer.payload).decode()
    output.result({"value": answer.value, "position": str(answer.position)}, as_json, shown)


def describe_program(folder: Path, program: str, as_json: bool) -> None:
    """What a program takes and tells."""
    described = ask(folder, lambda client: client.describe(program))
    output.result(described, as_json, msgspec.json.format(msgspec.json.encode(described)).decode())
