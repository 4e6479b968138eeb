"""Rows: inputs that are lists of records, such as a stack of LoRAs."""

from pydantic import BaseModel, ConfigDict


class Row(BaseModel):
    """Base of a row: a frozen model whose fields read like the inputs of a node, markers and bounds included.

    ``list[MyRow]`` makes an input with one record per line; any field of any row may be linked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
