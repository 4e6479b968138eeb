"""The type of a JSON value, as it crosses the rim of the core."""

from typing import TypeAlias, Union

JsonValue: TypeAlias = Union[None, bool, int, float, str, "list[JsonValue]", "dict[str, JsonValue]"]
"""What a document may hold as a literal."""
