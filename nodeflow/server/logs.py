"""The log: one JSON object a line on standard error, which no client can forge a line of."""

import json
import logging
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Final, TextIO

_FIELDS: Final = ("event", "job", "client", "worker", "route", "method", "status", "ms", "fault")
"""What a record may carry besides its message, as ``extra``: in this order in the line."""

ROOT: Final = "nodeflow"


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
    """Sends what nodeflow logs to ``stream`` as JSON; what is given back ends that."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines(scrub))
    logger = logging.getLogger(ROOT)
    before = (logger.level, logger.propagate)
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False

    def end() -> None:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before
        handler.close()

    return end


def _moment(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03}Z"


def _plain(value: object, scrub: Callable[[str], str]) -> object:
    match value:
        case bool() | int() | float():
            return value
        case Mapping():
            return {str(key): _plain(member, scrub) for key, member in value.items()}
        case _:
            return scrub(str(value))
