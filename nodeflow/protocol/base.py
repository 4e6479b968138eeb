"""What all messages have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Message(BaseModel):
    """Plain data that travels; a field nobody knows is refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""Name of a document, a client or a worker: usable in a URL and as a file name."""

JobId = Annotated[str, Field(pattern=r"^[0-9a-z]{26}$")]
"""26 characters, in the order in which they were made (ULID, lower case)."""

Moment = float
"""Seconds since 1970, UTC."""
