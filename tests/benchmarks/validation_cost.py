"""Measures, in a process of its own, what reading and checking a document costs: microseconds of CPU time per node."""

import json
import sys
import time
from typing import Any

from nodeflow.core.files import NoFiles
from nodeflow.core.node import node
from nodeflow.core.registry import Registry
from nodeflow.core.validate import resolve
from nodeflow.core.workflow import parse_document


@node("Count")
def count(value: int = 0, by: int = 1) -> int:
    """Add."""
    return value + by


def chain(length: int) -> bytes:
    """A document in which every node adds one to what the node before it gives."""
    nodes: dict[str, Any] = {"n0": {"type": "Count", "version": 1, "inputs": {"value": 0, "by": 1}}}
    for index in range(1, length):
        inputs = {"value": {"link": f"n{index - 1}.number"}, "by": 1}
        nodes[f"n{index}"] = {"type": "Count", "version": 1, "inputs": inputs}
    results = {"last": {"from": f"n{length - 1}.number"}}
    return json.dumps({"nodeflow": 1, "nodes": nodes, "interface": {"outputs": results}}).encode()


def microseconds(length: int) -> float:
    """The best of several runs, per node."""
    registry = Registry()
    registry.add_node(count)
    data = chain(length)
    times: list[float] = []
    for _ in range(7):
        start = time.process_time()
        graph = resolve(parse_document(data), registry, NoFiles()).require()
        times.append(time.process_time() - start)
        assert len(graph.nodes) == length
    return min(times) / length * 1e6


if __name__ == "__main__":
    print(json.dumps({length: microseconds(int(length)) for length in sys.argv[1:]}))
