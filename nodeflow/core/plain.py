"""Python values as the JSON values that a document holds for them."""

import math
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import PurePath
from typing import Any, cast

from nodeflow.core.json import JsonValue
from nodeflow.core.rows import Row


def plain_value(value: Any) -> JsonValue:
    """A Python value as the JSON value that a document holds for it.

    Raises:
        ValueError: When JSON has no such value.
    """
    match value:
        case Enum():
            return plain_value(value.value)
        case None | bool() | int() | str():
            return value
        case float() if math.isfinite(value):
            return value
        case PurePath():
            return value.as_posix()
        case Row():
            return {name: plain_value(part) for name, part in vars(value).items()}
        case list() | tuple():
            return [plain_value(item) for item in cast(Sequence[Any], value)]
        case dict():
            return {_key(key): plain_value(item) for key, item in cast(Mapping[Any, Any], value).items()}
        case _:
            raise ValueError(f"{value!r} cannot stand in a document")


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise ValueError(f"has the key {key!r}, and keys are texts in a document")
    return key
