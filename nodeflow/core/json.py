"""The type of a JSON value, as it crosses the rim of the core."""

from typing import Any, TypeAlias, Union

JsonValue: TypeAlias = Union[bool, int, float, str, "list[JsonValue]", "dict[str, JsonValue]", None]
"""What a document may hold as a literal."""


class AsIs:
    """Tells pydantic to pass a value on as it is: ``JsonValue`` names itself, and pydantic would follow it for ever."""

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> Any:
        from pydantic_core import core_schema

        return core_schema.any_schema()
