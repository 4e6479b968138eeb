"""JSON in a column, as text that comes back as it went in."""

import json
from typing import Any, Final

from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

from nodeflow.protocol.report import finite


class Json(TypeDecorator[Any]):
    """Plain data as ASCII JSON.

    SQLite's own JSON type would turn ``1.0`` into ``1``; whatever a client sends as text, half a surrogate pair
    included, fits into ASCII. JSON has no NaN, which becomes null.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        """To the database."""
        return dump(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """From the database."""
        return json.loads(value)


_encode: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def dump(value: Any) -> str:
    """Plain data as compact ASCII JSON."""
    try:
        return _encode(value)
    except ValueError:
        return _encode(finite(value))
