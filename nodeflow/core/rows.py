"""Rows: inputs that are lists of records, such as a stack of LoRAs."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidatorFunctionWrapHandler, field_validator

from nodeflow.core.links import Asked, Link


class Row(BaseModel):
    """Base of a row: a frozen model whose fields read like the inputs of a node, markers and bounds included.

    ``rows: list[MyRow]`` makes an input with one record per line; any field of any row may be linked. Where the list
    may be left out, write ``rows: Sequence[MyRow] = ()``. In a recorded graph a row takes what another node gives:
    ``MyRow(file="a.safetensors", strength=g(number)(0.5))``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    @field_validator("*", mode="wrap")
    @classmethod
    def _linked(cls, value: Any, read: ValidatorFunctionWrapHandler) -> Any:
        """A value that is not there yet is held against the field when the graph is checked."""
        return value if isinstance(value, Link | Asked) else read(value)
