"""What a server tells of a job, as the events of a run here."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from nodeflow.engine.events import (
    Event,
    NodeFailedEvent,
    NodeFinished,
    NodeStarted,
    Progress,
    RunStarted,
    Shown,
    Status,
    Waiting,
    Warned,
)
from nodeflow.protocol.events import JobEvent

_Data = Mapping[str, Any]


def told_by(event: JobEvent) -> Event | None:
    """The event of a run; None for what a run here has not, and for files, which are told of once they are fetched."""
    reader = _READERS.get(event.kind)
    return None if reader is None else reader(event.data)


def _again(data: _Data) -> Event | None:
    """A job that is queued once more."""
    return (
        Warned("", f"attempt {data['after']} was lost, the job runs again: {data['reason']}")
        if "after" in data
        else None
    )


_READERS: Final[Mapping[str, Callable[[_Data], Event | None]]] = MappingProxyType(
    {
        "queued": _again,
        "plan": lambda data: RunStarted(data["total"]),
        "node.started": lambda data: NodeStarted(data["node"]),
        "node.progress": lambda data: Progress(data["node"], data["step"], data["total"]),
        "node.waiting": lambda data: Waiting(data["node"], data["seconds"], data["reason"], data["tries"]),
        "node.finished": lambda data: NodeFinished(
            data["node"], Status(data["status"]), data["seconds"], data["reason"]
        ),
        "node.failed": lambda data: NodeFailedEvent(data["node"], data["message"], data["traceback"]),
        "warning": lambda data: Warned(data["node"], data["message"]),
        "shown": lambda data: Shown(data["node"], data["value"] if data.get("text") is None else data["text"]),
    }
)
