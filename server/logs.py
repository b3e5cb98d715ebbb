"""Logs: JSON lines on standard error, one event each, in which nobody can forge another.

What is logged are facts about the service. A secret has no place in a line: OTPs are named by
their public id, keys and clients by their ids; no code passes more than that to a logger.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from server.plain_text import harmless


def _harmless_values(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if name == "exception" and isinstance(value, str):
            # A traceback stays readable: JSON writes its line ends as \\n, on one line.
            event[name] = "\n".join(harmless(line) for line in value.split("\n"))
        else:
            event[name] = _harmless_value(value)
    return event


def _harmless_value(value: object) -> object:
    match value:
        case str():
            return harmless(value)
        case bool() | int() | float() | None:
            return value
        case list() | tuple():
            return [_harmless_value(item) for item in value]
        case dict():
            return {harmless(str(name)): _harmless_value(item) for name, item in value.items()}
        case bytes() | bytearray() | memoryview():
            return "<octets>"  # ciphertext or worse: never in a line
        case _:
            return harmless(str(value))


def configure(level: str, **context: object) -> None:
    """Send every logger of this process to standard error. level: debug, info, warning, error.

    context: pairs that each line of this process carries (`process="worker"`, `slot=1`).
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        _constant(context),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.PositionalArgumentsFormatter()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _harmless_values,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(threshold)
    # The access log and the parser's complaints print the query, that is OTPs (S10).
    logging.getLogger("aiohttp.access").disabled = True
    logging.getLogger("aiohttp.server").setLevel(max(threshold, logging.ERROR))
    logging.getLogger("asyncio").setLevel(max(threshold, logging.WARNING))
    logging.getLogger("sqlalchemy").setLevel(max(threshold, logging.WARNING))
    logging.getLogger("alembic").setLevel(max(threshold, logging.WARNING))
    logging.getLogger("aiosqlite").setLevel(max(threshold, logging.WARNING))


def _constant(context: dict[str, object]) -> structlog.typing.Processor:
    def add(
        _logger: object, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        for name, value in context.items():
            event.setdefault(name, value)
        return event

    return add
