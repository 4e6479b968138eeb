"""From nodes that are read to nodes that are linked, with sub-graphs and modes taken out of the document on the way."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple, cast

from nodeflow.core.errors import Problem
from nodeflow.core.files import GRAPH
from nodeflow.core.flat import Flat, Place
from nodeflow.core.flattening import Flattening
from nodeflow.core.forms import Draft
from nodeflow.core.json import JsonValue
from nodeflow.core.linking import Linked, link, lost_links
from nodeflow.core.names import graph_name
from nodeflow.core.reading import LIMITS
from nodeflow.core.ruling import rule_problems
from nodeflow.core.specs import Specs
from nodeflow.core.subgraphs import SubGraphs, all_in
from nodeflow.core.workflow import Document, Node


@dataclass(frozen=True, slots=True)
class Wired:
    """A document whose links have been followed.

    Attributes:
        results: The outputs of the interface, as far as there are any.
        flat: The document written out; None when it has neither sub-graphs nor modes.
    """

    linked: Linked
    results: Mapping[str, Place]
    flat: Flat | None = None


def wire(
    document: Document, graphs: SubGraphs, drafts: Sequence[Draft], ids: Set[str], problems: list[Problem]
) -> Wired | None:
    """Link the nodes that are to run; None when there are too many.

    Args:
        document: Migrated, with its settings.
        graphs: Its sub-graphs.
        drafts: Its own nodes, read.
        ids: All its own nodes, also those that cannot be read.
        problems: What has been said so far; more is added.
    """
    specs = graphs.reader.specs
    if not document.graphs and not any(node.mode for node in document.nodes.values()):
        linked = link(drafts, ids, problems, specs.specs)
        problems.extend(rule_problems(linked.drafts, graphs.reader))
        return Wired(linked, {name: _place(item.source) for name, item in document.interface.outputs.items()})
    problems.extend(lost_links(drafts, ids))  # types and circles are those of the nodes that run
    too_large = _too_large(document, specs) if document.graphs else None
    if too_large is not None:
        problems.extend([*graphs.told(document.graphs), too_large])
        return None
    flattening = Flattening(document, graphs.reader, drafts, [*problems, *graphs.told(document.graphs)])
    flat = flattening.flat()
    found: list[Problem] = []
    linked = link(flat.drafts, {draft.id for draft in flat.drafts} | flat.unjudged | ids, found, specs.specs)
    for problem in (*found, *rule_problems(flat.drafts, graphs.reader)):
        flattening.report.add(problem)
    used = flat.graphs.union(*(all_in(document.graphs, name, specs) for name in _named_bodies(flat.drafts)))
    problems.extend([*graphs.told(used), *flattening.report.problems])
    return Wired(linked, flat.results, flat)


def _place(socket: str) -> Place:
    node, _, output = socket.partition(".")
    return node, output


def _named_bodies(drafts: Sequence[Draft]) -> set[str]:
    """The sub-graphs that expanders take by name."""
    known: dict[str, list[str]] = {}
    found: set[str] = set()
    for draft in drafts:
        spec = draft.form.spec
        if spec.id not in known:
            known[spec.id] = [item.name for item in spec.inputs if item.widget and item.widget.kind == GRAPH]
        found.update(str(draft.literals.get(name)) for name in known[spec.id])
    return found


class _Size(NamedTuple):
    """How large a graph is when its sub-graphs are written out."""

    nodes: int
    characters: int


def _too_large(document: Document, specs: Specs) -> Problem | None:
    """Sub-graphs used twice in sub-graphs used twice grow beyond all memory within a few lines."""
    known: dict[str, _Size] = {}

    def measure(nodes: Mapping[str, Node], tree: JsonValue) -> _Size:
        count, characters = 0, len(str(tree))
        for id, node in nodes.items():
            name = graph_name(node.type)
            if name is None or node.type not in specs.specs or node.mode is not None:
                count += 1
                continue
            if name not in known:
                inner = cast(dict[str, dict[str, JsonValue]], document.tree["graphs"])[name]["nodes"]
                known[name] = measure(document.graphs[name].nodes, inner)
            count += known[name].nodes
            characters += known[name].characters + known[name].nodes * (len(id) + 1)
        return _Size(count, characters)

    size = measure(document.nodes, document.tree["nodes"])
    if size.nodes <= LIMITS.nodes and size.characters <= LIMITS.bytes:
        return None
    message = "the document is too large when its sub-graphs are written out"
    found = f"{size.nodes:,} nodes, {size.characters:,} characters"
    expected = f"at most {LIMITS.nodes:,} nodes and {LIMITS.bytes:,} characters"
    return Problem("limit.nodes", message, found=found, expected=expected)
