"""What happens to a job, as its event stream tells it."""

from collections.abc import Mapping
from typing import Final

from pydantic import Field, JsonValue

from nodeflow.protocol.base import JobId, Message, Moment

KINDS: Final = (
    "queued",
    "attempt",
    "problem",
    "plan",
    "node.started",
    "node.progress",
    "node.waiting",
    "node.finished",
    "node.failed",
    "warning",
    "saved",
    "shown",
    "cancelling",
    "retried",
    "finished",
)
"""``attempt``: {number, worker}; ``plan``: {total}; ``node.*``: {node, …} with the fields of
``nodeflow.engine.events``; ``shown``: {node, value, text?}, the text where the value is no plain one;
``finished``: {state, error?} is always the last one. Where data would be very long, texts in it are cut, lists are
null and ``cut`` is true; the job itself has all of it."""


class JobEvent(Message):
    """One event; ``seq`` counts from 1 within its job, without gaps, and is what ``Last-Event-ID`` names."""

    job: JobId
    seq: int
    at: Moment
    kind: str
    data: Mapping[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
