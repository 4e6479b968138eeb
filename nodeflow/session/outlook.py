"""What would become of a document that may be broken, as far as that can be said."""

from collections.abc import Iterable
from dataclasses import dataclass

from nodeflow.core.errors import Problem
from nodeflow.core.sound import LeftOut
from nodeflow.engine.explain import NodeExplanation, State


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is known of the nodes of a document.

    Attributes:
        nodes: One for each; unknown are those that cannot run, with what is missing or wrong.
        problems: Everything that is wrong with the document.
    """

    nodes: tuple[NodeExplanation, ...]
    problems: tuple[Problem, ...]

    @property
    def failed(self) -> bool:
        """Whether the document cannot run as it is."""
        return any(problem.severity == "error" for problem in self.problems)


def in_doubt(known: Iterable[NodeExplanation], left_out: Iterable[LeftOut]) -> tuple[NodeExplanation, ...]:
    """The nodes of which something is known, and those that something keeps from running."""
    unknown = (NodeExplanation(item.node, item.type, State.UNKNOWN, (item.reason,)) for item in left_out)
    return (*known, *unknown)
