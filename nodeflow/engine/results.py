"""What a run leaves behind."""

from collections.abc import Mapping
from dataclasses import dataclass

from nodeflow.core.errors import NodeFailed
from nodeflow.engine.events import Status, Warned


@dataclass(frozen=True, slots=True)
class RunResult:
    """The end of a run.

    Attributes:
        values: Wanted outputs by node id and output name; those that could not be computed, or that a node above held
            back, are missing, and so are items of lists.
        withheld: For what was held back of the wanted outputs, the reason.
        blocked: Node id to the reason why it did not run, not for all of its items, or gave nothing on.
        failures: One error per node that failed, in the order of failing.
        saved: Node id to the paths of the files it wrote.
        shown: Node id to what it showed.
        status: Node id to how the node ended, nodes that expanders added included.
        seconds: Node id to the time its call took; nodes that were not called are missing.
        cancelled: The run was stopped on request before everything wanted was there.
        keys: Node id to the key under which its results are remembered, as far as it came to be known.
    """

    values: Mapping[tuple[str, str], object]
    withheld: Mapping[tuple[str, str], str]
    blocked: Mapping[str, str]
    failures: tuple[NodeFailed, ...]
    warnings: tuple[Warned, ...]
    saved: Mapping[str, tuple[str, ...]]
    shown: Mapping[str, tuple[object, ...]]
    status: Mapping[str, Status]
    seconds: Mapping[str, float]
    cancelled: bool
    keys: Mapping[str, bytes]
