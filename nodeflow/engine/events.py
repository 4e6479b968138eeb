"""What the engine tells a listener while a graph runs."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Status(StrEnum):
    """How a node of the graph ended."""

    HIT_MEMORY = "hit-memory"
    HIT_DISK = "hit-disk"
    RAN = "ran"
    SKIPPED = "skipped"
    """Not needed, or below something that failed, was blocked or was cancelled."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The plan stands.

    Attributes:
        total: Nodes that will run, as far as that is known: a lazy or expanding node may add to them.
    """

    total: int


@dataclass(frozen=True, slots=True)
class NodeStarted:
    """A node is about to be called."""

    node: str


@dataclass(frozen=True, slots=True)
class Progress:
    """A node has finished one of its steps.

    Attributes:
        step: Counts from 1.
        total: Number of steps, when the node knows it.
        preview: What the node's preview function made of the step; None unless previews were asked for.
    """

    node: str
    step: int
    total: int | None
    preview: object | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A node asked for patience: the same call is made again.

    Attributes:
        seconds: How long it waits before.
        reason: What it said; may be empty.
        tries: How often it was called so far.
    """

    node: str
    seconds: float
    reason: str
    tries: int


@dataclass(frozen=True, slots=True)
class NodeFinished:
    """A node has its results, computed or remembered, or is known to do without.

    Attributes:
        reason: Why it did not run, where a value above it says so.
    """

    node: str
    status: Status
    seconds: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class NodeFailedEvent:
    """A node failed; what does not depend on it goes on.

    Attributes:
        traceback: Set when the fault is the node's and not the user's.
    """

    node: str
    message: str
    traceback: str | None = None


@dataclass(frozen=True, slots=True)
class Warned:
    """Something worth knowing that stopped nothing; ``node`` is empty when it is about the run as a whole."""

    node: str
    message: str


@dataclass(frozen=True, slots=True)
class Saved:
    """A node has written a file.

    Attributes:
        unchanged: The very same file was there already, so nothing was written.
    """

    node: str
    path: str
    unchanged: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """A node shows a text, a number or a picture."""

    node: str
    value: object


@dataclass(frozen=True, slots=True)
class RunFinished:
    """Nothing more will come."""

    seconds: float
    failed: int
    cancelled: bool


Event: TypeAlias = (
    RunStarted
    | NodeStarted
    | Progress
    | Waiting
    | NodeFinished
    | NodeFailedEvent
    | Warned
    | Saved
    | Shown
    | RunFinished
)
