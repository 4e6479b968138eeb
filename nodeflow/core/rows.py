"""Rows: inputs that are lists of records, such as a stack of LoRAs."""

from dataclasses import dataclass, field
from typing import Any, dataclass_transform


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
@dataclass(frozen=True, kw_only=True)
class Row:
    """Base of a row: every subclass is a frozen dataclass whose fields read like the inputs of a node.

    ``rows: list[MyRow]`` makes an input with one record per line; any field of any row may be linked. Where the list
    may be left out, write ``rows: Sequence[MyRow] = ()``. Bounds and markers go into ``Annotated``, defaults behind the
    field, words about a field into the ``Attributes:`` of the docstring:

        class Lora(Row):
            file: Annotated[Path, ModelFile("loras")]
            strength: Annotated[float, Field(ge=-2, le=2)] = 1.0

    In a recorded graph a row takes what another node gives: ``Lora(file=Path("a.ckpt"), strength=g(number)(0.5))``.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        dataclass(frozen=True, kw_only=True)(cls)
