"""The log: one JSON object a line on standard error, which no client can forge a line of."""

import json
import logging
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import lru_cache
from typing import Any, Final, TextIO

from nodeflow.protocol.events import JobEvent

_FIELDS: Final = ("event", "job", "client", "worker", "route", "method", "status", "ms", "fault")
"""What a record may carry besides its message, as ``extra``: in this order in the line."""

ROOT: Final = "nodeflow"
LOGGERS: Final = (ROOT, "aiohttp", "asyncio")
_LOG: Final = logging.getLogger("nodeflow.server.jobs")


class JsonLines(logging.Formatter):
    """A record as one line of JSON.

    JSON escapes line ends and control characters, those beyond ASCII included, so a name that a client chose neither
    begins a line nor steers a terminal.

    Args:
        scrub: Masks the values of secrets; the identity when there are none.
    """

    def __init__(self, scrub: Callable[[str], str] = str) -> None:
        super().__init__()
        self._scrub = scrub

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "time": _moment(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._scrub(record.getMessage()),
        }
        line |= {
            name: _plain(value, self._scrub) for name in _FIELDS if (value := getattr(record, name, None)) is not None
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["traceback"] = self._scrub("".join(traceback.format_exception(record.exc_info[1])))
        return json.dumps(line)


def log_to(stream: TextIO, level: int = logging.INFO, scrub: Callable[[str], str] = str) -> Callable[[], None]:
    """Sends what nodeflow logs, and what the libraries below it complain of, to ``stream`` as JSON.

    What is given back ends that.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines(scrub))
    with ExitStack() as stack:
        stack.callback(handler.close)
        for name in LOGGERS:
            logger = logging.getLogger(name)
            stack.callback(logger.setLevel, logger.level)
            stack.callback(setattr, logger, "propagate", logger.propagate)
            stack.callback(logger.removeHandler, handler)
            logger.addHandler(handler)
            logger.setLevel(level if name == ROOT else logging.WARNING)
            logger.propagate = False
        return stack.pop_all().close


_STEPS: Final[Mapping[str, int]] = {
    "queued": logging.INFO,
    "attempt": logging.INFO,
    "warning": logging.WARNING,
    "node.failed": logging.WARNING,
    "cancelling": logging.INFO,
    "finished": logging.INFO,
}
"""Events of jobs that the log has, and how loudly."""


def log_event(event: JobEvent) -> None:
    """Writes the steps in the life of a job; given to ``Hub.listen``."""
    level = _STEPS.get(event.kind)
    if level is not None and _LOG.isEnabledFor(level):
        told = ", ".join(f"{name} {value}" for name, value in event.data.items() if name != "traceback")
        _LOG.log(level, f"{event.kind}: {told}" if told else event.kind, extra={"job": event.job, "event": event.kind})


def _moment(seconds: float) -> str:
    return f"{_second(int(seconds))}.{int(seconds % 1 * 1000):03}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _plain(value: object, scrub: Callable[[str], str]) -> object:
    return value if isinstance(value, bool | int | float) else scrub(str(value))
