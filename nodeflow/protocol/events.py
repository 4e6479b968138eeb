"""What happens to a job, as its event stream tells it."""

from collections.abc import Mapping

from pydantic import Field, JsonValue

from nodeflow.protocol.base import JobId, Message, Moment


class JobEvent(Message):
    """One event; ``seq`` counts from 1 within its job, without gaps, and is what ``Last-Event-ID`` names.

    ``kind`` says what ``data`` has:

    - ``queued``: nothing, or, where it waits again, the attempt that it comes after and the reason;
    - ``cancelling``: nothing;
    - ``attempt``: number, worker;
    - ``problem``: a warning about the document;
    - ``plan``: total;
    - ``node.started``, ``node.progress``, ``node.waiting``, ``node.finished``, ``node.failed``, ``warning``, ``saved``:
      node, and the fields of ``nodeflow.engine.events``;
    - ``shown``: node, value, and the text where the value is no plain one;
    - ``finished``: state, and the error if there is one; always the last.

    Where data would be very long, texts in it are cut, lists are null and ``cut`` is true; the job has all of it.
    """

    job: JobId
    seq: int
    at: Moment
    kind: str
    data: Mapping[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
