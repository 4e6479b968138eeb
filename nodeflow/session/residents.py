"""Which model files are in memory: those whose nodes' results are still remembered."""

from collections.abc import Iterator, Mapping
from threading import Lock
from typing import Final

from nodeflow.core.resolved import ResolvedGraph
from nodeflow.engine.cache import MemoryCache

_MOST: Final = 10_000
"""Files that are kept in mind; far more than fit into any memory."""


class Residents:
    """Knows the nodes that have read model files. Safe to use from several threads."""

    def __init__(self, memory: MemoryCache) -> None:
        self._memory = memory
        self._readers: dict[str, bytes] = {}
        self._lock = Lock()

    def note(self, graph: ResolvedGraph, keys: Mapping[str, bytes]) -> None:
        """Keep in mind under which keys the nodes of a run that name model files are remembered."""
        found = {name: keys[node] for node, name in _readers(graph) if node in keys}
        with self._lock:
            for name, key in found.items():
                self._readers.pop(name, None)
                self._readers[name] = key
            for name in list(self._readers)[:-_MOST]:
                del self._readers[name]

    @property
    def names(self) -> tuple[str, ...]:
        """The model files in memory, as ``checkpoints/emoji-tiny.safetensors``."""
        with self._lock:
            readers = tuple(self._readers.items())
        return tuple(sorted(name for name, key in readers if key in self._memory))


def _readers(graph: ResolvedGraph) -> Iterator[tuple[str, str]]:
    """Ids of nodes, and the model files that they name."""
    for node in graph.nodes:
        for input in node.spec.inputs:
            folder = input.widget.folder if input.widget is not None else None
            value = node.literals.get(input.name) if folder is not None else None
            if isinstance(value, str) and input.widget is not None and input.widget.pattern is None:
                yield node.id, f"{folder}/{value}"
