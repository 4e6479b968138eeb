"""Sub-graphs: written out they are the same graph, and to whoever uses one it is a node like any other."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from nodeflow.core.resolved import ResolvedGraph
from nodeflow.core.validate import Resolution, resolve
from nodeflow.core.workflow import Document

REFINE: Any = {
    "nodes": {
        "s1": {"type": "Sample", "version": 2, "inputs": {"seed": 1, "steps": 20}},
        "s2": {"type": "Sample", "version": 2, "inputs": {"latent": {"link": "s1.latent"}, "seed": 2, "steps": 10}},
    },
    "interface": {
        "inputs": {
            "model": {"to": ["s1.model", "s2.model"]},
            "latent": {"to": ["s1.latent"]},
            "seed": {"to": ["s1.seed", "s2.seed"]},
            "second": {"to": ["s2.latent"]},
            "steps": {"to": ["s2.steps"], "range": {"ge": 5, "le": 50}},
        },
        "outputs": {"latent": {"from": "s2.latent"}, "first": {"from": "s1.latent"}},
    },
}

FLAT: Any = {
    "load": {"type": "Load", "inputs": {"checkpoint": "emoji-tiny.safetensors"}},
    "s1": {
        "type": "Sample",
        "version": 2,
        "inputs": {"model": {"link": "load.model"}, "latent": {"link": "load.latent"}, "seed": 1, "steps": 20},
    },
    "s2": {
        "type": "Sample",
        "version": 2,
        "inputs": {"model": {"link": "load.model"}, "latent": {"link": "s1.latent"}, "seed": 2, "steps": 10},
    },
    "decode": {"type": "Decode", "inputs": {"latent": {"link": "s2.latent"}}},
    "save": {"type": "Save", "inputs": {"images": {"link": "decode.image"}}},
}


def used(**inputs: Any) -> dict[str, Any]:
    """A use of ``refine`` that is fed what it needs."""
    fed = {"model": {"link": "load.model"}, "latent": {"link": "load.latent"}}
    return {"type": "graph:refine", "version": 1, "inputs": fed | inputs}


def document(changes: Mapping[str, Any] | None = None, **graphs: Any) -> Document:
    """A document that uses ``refine`` once; ``changes`` replaces nodes, and None takes one out."""
    nodes = deepcopy(FLAT)
    del nodes["s1"], nodes["s2"]
    nodes["twice"] = used()
    nodes["decode"]["inputs"]["latent"] = {"link": "twice.latent"}
    for id, node in (changes or {}).items():
        nodes[id] = node
    tree = {
        "nodeflow": 1,
        "nodes": {id: node for id, node in nodes.items() if node is not None},
        "graphs": {"refine": deepcopy(REFINE), **graphs},
        "interface": {"outputs": {"picture": {"from": "decode.image"}}},
    }
    return Document.from_tree(tree)


def shape(graph: ResolvedGraph, *, ids: bool = False) -> set[Any]:
    """All that keys are made of, by way of each node's place in the graph."""
    known: list[Any] = []
    for node in graph.nodes:
        fed = tuple((wire.input, known[wire.source], wire.output, wire.depth) for wire in node.wires)
        known.append((node.spec.id, node.record, fed, node.depth) + ((node.id,) if ids else ()))
    return set(known)


def said(found: Resolution) -> list[tuple[str, str | None, str | None]]:
    return [(problem.code, problem.node, problem.input) for problem in found.problems]


def test_a_sub_graph_becomes_the_flat_graph(catalogue: Any, files: Any) -> None:
    flat = resolve(Document.from_tree({"nodeflow": 1, "nodes": FLAT}), catalogue, files).require()

    found = resolve(document(), catalogue, files)

    assert found.problems == ()
    assert {node.id for node in found.require().nodes} == {"load", "twice/s1", "twice/s2", "decode", "save"}
    assert shape(found.require()) == shape(flat)
    assert found.require().outputs == {"picture": (found.require().index["decode"], "image")}
