"""What a run leaves behind."""

from collections.abc import Mapping
from dataclasses import dataclass

from nodeflow.core.errors import NodeFailed
from nodeflow.engine.events import Status, Warned


@dataclass(frozen=True, slots=True)
class RunResult:
    """The end of a run.

    Attributes:
        values: Wanted outputs by node id and output name; those that could not be computed are missing.
        failures: One error per node that failed, in the order of failing.
        saved: Node id to the paths of the files it wrote.
        shown: Node id to what it showed.
        status: Node id to how the node ended, nodes that expanders added included.
        seconds: Node id to the time its call took; nodes that were not called are missing.
        cancelled: The run was stopped on request before everything wanted was there.
    """

    values: Mapping[tuple[str, str], object]
    failures: tuple[NodeFailed, ...]
    warnings: tuple[Warned, ...]
    saved: Mapping[str, tuple[str, ...]]
    shown: Mapping[str, tuple[object, ...]]
    status: Mapping[str, Status]
    seconds: Mapping[str, float]
    cancelled: bool
