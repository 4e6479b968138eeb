"""What would become of a document that may be broken, as far as that can be said."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from nodeflow.core.errors import Problem
from nodeflow.core.resolved import ResolvedGraph
from nodeflow.core.sound import LeftOut
from nodeflow.engine.explain import NodeExplanation, State
from nodeflow.session.workplace import Prepared, Workplace

Explained: TypeAlias = Callable[
    [Prepared, ResolvedGraph, Sequence[tuple[int, str]] | None, Collection[str] | bool], tuple[NodeExplanation, ...]
]
"""Explains a graph that can run: for which targets, and what is asked again."""


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


def outlook_of(
    workplace: Workplace, undrawn: Prepared, refresh: Collection[str] | bool, explained: Explained
) -> Outlook:
    """The outlook of a document that was read and checked.

    Args:
        workplace: Makes its draws, none of which is kept.
        undrawn: The document.
        refresh: Ids of external nodes to ask again, of those that can run; True for all.
        explained: Explains what can run.
    """
    resolution = undrawn.resolution
    if resolution.graph is None:
        sound = resolution.sound
        if sound is None:
            return Outlook((), resolution.problems)
        again = refresh if isinstance(refresh, bool) else sound.graph.index.keys() & set(refresh)
        known = explained(undrawn, sound.graph, sound.ends, again)
        return Outlook(_in_doubt(known, sound.left_out), resolution.problems)
    prepared = workplace.foreseen(undrawn)
    wanted = None if undrawn.targets is None else prepared.resolution.targets
    nodes = explained(prepared, prepared.resolution.require(), wanted, refresh)
    drawn = resolution.drawn
    told = tuple(_with_draws(item, drawn[item.node]) if item.node in drawn else item for item in nodes)
    return Outlook(told, prepared.resolution.problems)


def _with_draws(found: NodeExplanation, inputs: Sequence[str]) -> NodeExplanation:
    """What is said about a node some of whose inputs have another value at each run."""
    reasons = (reason for reason in found.reasons if not reason.startswith(tuple(f"{input}: " for input in inputs)))
    return replace(found, reasons=(*reasons, *(f"{input} is drawn anew at each run" for input in inputs)))


def _in_doubt(known: Iterable[NodeExplanation], left_out: Iterable[LeftOut]) -> tuple[NodeExplanation, ...]:
    """The nodes of which something is known, and those that something keeps from running."""
    unknown = (NodeExplanation(item.node, item.type, State.UNKNOWN, (item.reason,)) for item in left_out)
    return (*known, *unknown)
