"""Structured logs on stderr: readable on a terminal, one JSON object a line otherwise; secrets never reach them."""

import sys
from collections.abc import Generator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, cast

from actors.sensor import Logger

if TYPE_CHECKING:
    from structlog.typing import Processor

SECRETS = ("token", "secret", "password", "authorization", "session_key")
"""A fact whose name contains one of these words is not written, at any depth."""

REDACTED = "[redacted]"
_DEPTH_MAX = 8


class LazyLogger:
    """Imports structlog with the first line that is logged: a command that logs nothing does not wait for it."""

    __slots__ = ("_logger", "_name")

    def __init__(self, name: str) -> None:
        self._name = name
        self._logger: Logger | None = None

    def _real(self) -> Logger:
        if self._logger is None:
            import structlog

            # Without a set-up structlog writes to stdout, which belongs to a command's answer.
            if not structlog.is_configured():
                set_up_logging()
            self._logger = structlog.stdlib.get_logger(self._name)
        return self._logger

    def debug(self, event: str, **facts: object) -> None:
        """See `Logger.debug`."""
        self._real().debug(event, **facts)

    def info(self, event: str, **facts: object) -> None:
        """See `Logger.info`."""
        self._real().info(event, **facts)

    def warning(self, event: str, **facts: object) -> None:
        """See `Logger.warning`."""
        self._real().warning(event, **facts)

    def error(self, event: str, **facts: object) -> None:
        """See `Logger.error`."""
        self._real().error(event, **facts)

    def exception(self, event: str, **facts: object) -> None:
        """See `Logger.exception`."""
        self._real().exception(event, **facts)


def get_logger(name: str) -> Logger:
    """A logger for one part of the platform; cheap to call."""
    return LazyLogger(name)


def set_up_logging(level: str = "info", stream: TextIO | None = None, as_json: bool | None = None) -> None:
    """Say once per process where log lines go and how they look. Libraries' own lines go the same way."""
    import logging

    import structlog

    out = sys.stderr if stream is None else stream
    if as_json is None:
        as_json = not out.isatty()
    shared = _processors()
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_writers(as_json)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries say at `info` what only their authors want to read.
    root.setLevel(logging.WARNING)
    logging.getLogger("hutong").setLevel(level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=_factory,
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


@contextmanager
def request(request_id: str) -> Generator[None]:
    """Every line logged within, in this task or thread, carries this request id."""
    from structlog.contextvars import bound_contextvars

    with bound_contextvars(request_id=request_id):
        yield


def redact(_logger: object, _method: str, facts: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor that writes `[redacted]` in the place of every secret."""
    for key, value in facts.items():
        facts[key] = REDACTED if _is_secret(key) else _redacted(value, _DEPTH_MAX)
    return facts


def _redacted(value: object, depth: int) -> object:
    if isinstance(value, str | int | float | bool | None):
        return value
    if depth == 0:
        return "…"
    if isinstance(value, Mapping):
        pairs = {str(key): inner for key, inner in cast("Mapping[object, object]", value).items()}
        return {key: REDACTED if _is_secret(key) else _redacted(inner, depth - 1) for key, inner in pairs.items()}
    if isinstance(value, list | tuple):
        return [_redacted(inner, depth - 1) for inner in cast("list[object]", value)]
    return value


def _is_secret(key: str) -> bool:
    plain = key.lower().replace("-", "_")
    return any(word in plain for word in SECRETS)


def _factory(*names: str) -> object:
    import logging

    return logging.getLogger("hutong." + names[0] if names else "hutong")


def _processors() -> "list[Processor]":
    import structlog

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
    ]


def _writers(as_json: bool) -> "list[Processor]":
    import structlog

    if not as_json:
        # The plain traceback on purpose: the rich one prints local variables, and secrets with them.
        return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
