"""What is said over the WebSocket: one JSON message per text frame, and pictures as binary frames.

A binary frame is 4 bytes of length (big endian), a JSON head (``protocol.work.Preview``), and the picture.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, JsonValue, TypeAdapter

from nodeflow.protocol.base import JobId, Message
from nodeflow.protocol.events import JobEvent


class Subscribe(Message):
    """Client: tell of these jobs, each from the event after the number given; 0 is from its beginning."""

    type: Literal["subscribe"] = "subscribe"
    jobs: Mapping[JobId, Annotated[int, Field(ge=0, le=2**53)]] = Field(max_length=1000)


class Unsubscribe(Message):
    """Client: tell of these jobs no more."""

    type: Literal["unsubscribe"] = "unsubscribe"
    jobs: tuple[JobId, ...] = Field(max_length=1000)


class Everything(Message):
    """Client: tell of all jobs it may see, from their next event on, and of the server itself."""

    type: Literal["everything"] = "everything"


class Ping(Message):
    """Client: answer; ``id`` comes back."""

    type: Literal["ping"] = "ping"
    id: Annotated[int, Field(ge=0, le=2**53)] = 0


class Hello(Message):
    """Server, first: who is there and whom it takes the client for."""

    type: Literal["hello"] = "hello"
    instance: str
    version: str
    client: str
    role: str


class Pong(Message):
    """Server: the answer to ``ping``."""

    type: Literal["pong"] = "pong"
    id: int


class EventSaid(Message):
    """Server: something happened to a job."""

    type: Literal["event"] = "event"
    event: JobEvent


class NoticeSaid(Message):
    """Server: something changed that is no job's own.

    ``kind`` is ``queue``, or ``worker``: what it does, and the models and the bytes that it holds.
    """

    type: Literal["notice"] = "notice"
    kind: str
    key: str = ""
    data: Mapping[str, JsonValue]


class ErrorSaid(Message):
    """Server: a message of the client was not understood, or asked for something that is not there."""

    type: Literal["error"] = "error"
    code: str
    message: str
    job: str = ""


FromClient = Annotated[Subscribe | Unsubscribe | Everything | Ping, Field(discriminator="type")]
FROM_CLIENT: TypeAdapter[Subscribe | Unsubscribe | Everything | Ping] = TypeAdapter(FromClient)
