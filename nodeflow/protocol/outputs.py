"""Files that jobs have written, apart from their jobs."""

from typing import Annotated

from pydantic import Field

from nodeflow.protocol.base import Message, Moment
from nodeflow.protocol.jobs import OutputInfo


class OutputEntry(OutputInfo):
    """A file in a list of all files."""

    job: str
    client: str
    created: Moment


class OutputPage(Message):
    """Files, the latest first; ``next`` is the ``after`` of the following part."""

    outputs: tuple[OutputEntry, ...]
    next: str | None = None


class OutputQuery(Message):
    """Which part of the list, and whether that of the trash."""

    after: str | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    trashed: bool = False
