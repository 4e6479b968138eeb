"""The order in which nodes can run, and the cycles that leave none."""

from collections.abc import Iterable, Sequence
from typing import cast

import networkx as nx

Edge = tuple[int, int]
"""From a node to one that it feeds, both as positions."""


def order(count: int, edges: Iterable[Edge]) -> list[int] | None:
    """Positions so that every node comes after those that feed it; None when there is a cycle."""
    try:
        return list(nx.topological_sort(_graph(count, edges)))
    except nx.NetworkXUnfeasible:
        return None


def cycles(count: int, edges: Iterable[Edge]) -> list[list[int]]:
    """One cycle out of each knot of nodes that feed each other, in the direction of the links."""
    graph = _graph(count, edges)
    knots = (knot for knot in nx.strongly_connected_components(graph) if len(knot) > 1 or _feeds_itself(graph, knot))
    return sorted((_around(graph.subgraph(knot), min(knot)) for knot in knots), key=min)


def needed(roots: Iterable[int], feeders: Sequence[Iterable[int]]) -> set[int]:
    """The roots and everything that they are made from."""
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting.extend(feeders[node])
    return seen


def _around(knot: "nx.DiGraph[int]", start: int) -> list[int]:
    edges = cast(list[Edge], nx.find_cycle(knot, start))
    return [source for source, _ in edges]


def _feeds_itself(graph: "nx.DiGraph[int]", knot: set[int]) -> bool:
    (node,) = knot
    return graph.has_edge(node, node)


def _graph(count: int, edges: Iterable[Edge]) -> "nx.DiGraph[int]":
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(count))
    graph.add_edges_from(edges)
    return graph
