"""What is told to those who watch: events of jobs, pictures of steps, changes of the server itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from pydantic import JsonValue
from pydantic_core import to_json

from nodeflow.protocol.events import JobEvent
from nodeflow.protocol.work import Preview

MOST_BYTES: Final = 65_536
"""Bytes of JSON that the data of an event may have."""

_LONGEST: Final = 2000


@dataclass(frozen=True, slots=True)
class Told:
    """An event that is on disk, and its JSON, which all who hear of it share."""

    event: JobEvent
    line: bytes

    @classmethod
    def of(cls, event: JobEvent) -> "Told":
        """The event with its JSON."""
        return cls(event, event.model_dump_json().encode())


@dataclass(frozen=True, slots=True)
class Picture:
    """What a step of a node looks like; it is nowhere on disk."""

    head: Preview
    body: bytes


@dataclass(frozen=True, slots=True)
class Notice:
    """A change that is no job's own: the queue, a worker, its models, its memory. Only the latest of a key counts."""

    kind: str
    data: Mapping[str, JsonValue]
    key: str = ""


News: TypeAlias = Told | Picture | Notice


def brief(data: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """The data of an event; where it is too much, long texts are cut and lists left out. The report has all of it."""
    if len(to_json(data)) <= MOST_BYTES:
        return data
    return {**{name: _cut(value) for name, value in data.items()}, "cut": True}


def _cut(value: JsonValue) -> JsonValue:
    match value:
        case str():
            return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
        case list() | dict():
            return None
        case _:
            return value
