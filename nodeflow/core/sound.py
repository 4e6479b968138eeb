"""What of a broken document could run all the same, and why the rest could not."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nodeflow.core.errors import Problem
from nodeflow.core.flat import Flat, Somewhere, inside
from nodeflow.core.linking import Linked
from nodeflow.core.resolved import ResolvedGraph
from nodeflow.core.workflow import Document


class LeftOut(NamedTuple):
    """A node that cannot run.

    Attributes:
        reason: What is wrong with it, or with what it needs.
    """

    node: str
    type: str
    reason: str


@dataclass(frozen=True, slots=True)
class SoundPart:
    """The nodes of a broken document that need nothing which is broken.

    Attributes:
        graph: These nodes; nothing is declared as a result.
        ends: Those of their outputs that no other of them takes.
        left_out: The other nodes.
    """

    graph: ResolvedGraph
    ends: tuple[tuple[int, str], ...]
    left_out: tuple[LeftOut, ...]


def all_nodes(document: Document, flat: Flat | None) -> Sequence[Somewhere]:
    """Every node that would run if nothing was wrong."""
    readable = ((id, node.type) for id, node in document.nodes.items())
    unreadable = [Somewhere(id, "", (id,)) for id in document.ids if id not in document.nodes]
    return [*(flat.everything() if flat else (Somewhere(id, type_, (id,)) for id, type_ in readable)), *unreadable]


def sound_order(linked: Linked, broken: Mapping[str, str]) -> list[int]:
    """Positions of the nodes that need nothing broken, each after those that feed it."""
    sources = [{joint.source for joint in row} for row in linked.joints]
    waiting = [len(found) for found in sources]
    takers: list[list[int]] = [[] for _ in sources]
    for index, found in enumerate(sources):
        for source in found:
            takers[source].append(index)
    ready = [index for index, count in enumerate(waiting) if not count]
    order: list[int] = []
    for index in ready:
        draft = linked.drafts[index]
        if draft.id in broken or len(linked.joints[index]) < len(draft.links):
            continue
        order.append(index)
        for taker in takers[index]:
            waiting[taker] -= 1
            if not waiting[taker]:
                ready.append(taker)
    return order


def broken_nodes(nodes: Iterable[Somewhere], problems: Iterable[Problem]) -> dict[str, str]:
    """The nodes that have something wrong with them, with the first thing that is."""
    blame: dict[str, str] = {}
    for problem in problems:
        if problem.severity == "error" and problem.node is not None:
            reason = f"{problem.input}: {problem.message}" if problem.input else problem.message
            blame.setdefault(problem.node, reason)
            blame.setdefault(inside(problem.node.partition("/")[0]), reason)
    found = ((node.path, next((blame[place] for place in node.places if place in blame), None)) for node in nodes)
    return {path: reason for path, reason in found if reason is not None}


def left_out(
    nodes: Iterable[Somewhere], linked: Linked, kept: Iterable[int], broken: Mapping[str, str]
) -> tuple[LeftOut, ...]:
    """Why each of the other nodes cannot run."""
    running = {linked.drafts[index].id for index in kept}
    return tuple(
        LeftOut(node.path, node.type, broken.get(node.path) or _lacking(node.path, linked, running))
        for node in nodes
        if node.path not in running
    )


def _lacking(path: str, linked: Linked, running: set[str]) -> str:
    index = linked.position.get(path)
    sources = [] if index is None else [source for source, _ in linked.drafts[index].links.values()]
    lacking = next((source for source in sources if source not in running), None)
    return "it cannot run" if lacking is None else f'needs "{lacking.rstrip("/")}", which cannot run'
