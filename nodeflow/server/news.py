"""What is told to those who watch: events of jobs, pictures of steps, changes of the server itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import JsonValue

from nodeflow.protocol.events import JobEvent
from nodeflow.protocol.work import Preview


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
