"""A measurement in a process of its own: asked by one JSON line, answering by one. It ends when its asker is gone."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeAlias, cast

from actors.errors import SetupError
from loadtests.bench import processes

Answer: TypeAlias = dict[str, float]
Question: TypeAlias = dict[str, str | float | int | bool]
ANSWER_S_MAX = 180.0
END_S_MAX = 10.0


class Worker:
    """A running worker process; use it as a context."""

    def __init__(
        self, module: str, *arguments: str, tree: Path | None = None, python: Sequence[str] = (sys.executable,)
    ) -> None:
        """`module` is one that calls `serve`, run by `python`; it and all it imports are of `tree`, if there is one."""
        self._module = module
        command = [*python, "-m", module, *arguments]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tree, env=processes.environment(tree)
        )

    @property
    def pid(self) -> int:
        """The worker's process."""
        return self._process.pid

    def ask(self, task: str, **arguments: str | float | bool) -> Answer:
        """Have the worker do a task. Raises SetupError if it ends or takes longer than it may."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"task": task, **arguments}).encode() + b"\n")
        self._process.stdin.flush()
        overdue = threading.Timer(ANSWER_S_MAX, self._process.kill)
        overdue.start()
        try:
            line = self._process.stdout.readline()
        finally:
            overdue.cancel()  # else an interrupted asker would not end before it
        if not line:
            raise SetupError(f"{self._module} ended at {task!r}; what it printed above says why")
        return cast("Answer", json.loads(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pids = processes.tree(self._process.pid)
        self._process.stdin.close()
        processes.wait_gone(pids, END_S_MAX)
        processes.end(self._process, END_S_MAX)
        self._process.stdout.close()


def awaited(task: Callable[[Question], Coroutine[Any, Any, Answer]]) -> Callable[[Question], Answer]:
    """The task for `serve`: each question in an event loop of its own."""
    return lambda question: asyncio.run(task(question))


def serve(tasks: Mapping[str, Callable[[Question], Answer]]) -> None:
    """Do what is asked on stdin until it ends. Whatever else prints, prints to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        question = cast("Question", json.loads(line))
        print(json.dumps(tasks[str(question["task"])](question)), file=answers, flush=True)
