"""The record of a run that is embedded into every picture: enough to make it again, and to say what differs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from nodeflow.core.codedigest import code_digest
from nodeflow.core.json import JsonValue
from nodeflow.core.registry import Registry
from nodeflow.core.resolved import ResolvedGraph
from nodeflow.session.environment import Environment
from nodeflow.session.files import FileDigests
from nodeflow.storage.documents import CHUNK, RECORD_CHUNK
from nodeflow.storage.home import Home
from nodeflow.version import __version__


@dataclass(frozen=True, slots=True)
class Recorder:
    """Makes the text chunks of one run.

    Attributes:
        document: What runs, every input written out.
        enabled: False with ``--no-metadata``.
    """

    document: str
    graph: ResolvedGraph
    registry: Registry
    environment: Environment
    files: FileDigests
    home: Home
    enabled: bool = True

    def chunks(self, node: str, item: tuple[int, int] | None, output: str | None = None) -> Mapping[str, str]:
        """The chunks of one file.

        Args:
            node: Id of the node that writes it, or whose result it is.
            item: Index and batch size of the picture.
            output: Name of the interface output, when nodeflow writes it itself.
        """
        if not self.enabled:
            return {}
        record = {**self._common(), "node": node, "output": output, "item": None if item is None else list(item)}
        return {CHUNK: self.document, RECORD_CHUNK: json.dumps(record, sort_keys=True, ensure_ascii=False)}

    def _common(self) -> dict[str, JsonValue]:
        return {
            "nodeflow": __version__,
            "versions": dict(self.environment.versions),
            "packs": self._packs(),
            "models": dict(self.files.models),
            "inputs": dict(self.files.inputs),
            "seeds": self._seeds(),
            "device": self.environment.device,
            "dtype": self.environment.dtype,
            "hardware": self.environment.hardware,
        }

    def _packs(self) -> dict[str, JsonValue]:
        """Version and code digest of every pack whose nodes take part."""
        specs = {node.spec.pack: node.spec for node in self.graph.nodes}
        return {
            name: {"version": pack.version, "sha256": code_digest(self.registry, spec, self.home.root)}
            for name, spec in sorted(specs.items())
            if (pack := self.registry.pack_of(spec)) is not None
        }

    def _seeds(self) -> dict[str, JsonValue]:
        return {
            f"{node.id}.{input.name}": node.literals[input.name]
            for node in self.graph.nodes
            for input in node.spec.inputs
            if input.widget is not None and input.widget.kind == "seed" and input.name in node.literals
        }
