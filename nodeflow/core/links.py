"""What stands for a value that a recorded graph does not have yet."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from nodeflow.core.errors import UsageError
from nodeflow.core.json import JsonValue


class Unset(Enum):
    """Stands for a value where there is none."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


@dataclass(frozen=True, slots=True)
class Link:
    """What a recorded call gives back: one output of one node, standing for the value it will have."""

    node: str
    output: str

    def __str__(self) -> str:
        return f"{self.node}.{self.output}"

    def __iter__(self) -> Iterator[Any]:
        raise UsageError(f"{self} has no value yet and cannot be unpacked or looped over; its node has one output")

    def __bool__(self) -> bool:
        raise UsageError(f"{self} has no value yet and cannot be asked for; use a lazy switch")


@dataclass(frozen=True, slots=True)
class Asked:
    """The value of an input of the whole graph: a name to set it by, and what holds when nobody does, if anything."""

    name: str
    default: JsonValue | Unset
