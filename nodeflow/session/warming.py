"""What of a graph may be computed ahead of time: all that neither writes nor asks the world outside."""

from collections.abc import Sequence

from nodeflow.core.resolved import ResolvedGraph
from nodeflow.core.spec import Kind


def quiet_ends(graph: ResolvedGraph) -> Sequence[tuple[int, str]]:
    """The last nodes that are pure and hang below nothing but pure ones, with one output each."""
    quiet: set[int] = set()
    for index, node in enumerate(graph.nodes):
        if node.spec.kind is Kind.PURE and all(wire.source in quiet for wire in node.wires):
            quiet.add(index)
    taken = {wire.source for index in quiet for wire in graph.nodes[index].wires}
    ends = (index for index in sorted(quiet - taken) if graph.nodes[index].spec.outputs)
    return [(index, graph.nodes[index].spec.outputs[0].name) for index in ends]
