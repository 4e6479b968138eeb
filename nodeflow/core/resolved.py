"""A graph that has been checked and put in order: what validation hands to the engine."""

from collections.abc import Mapping
from dataclasses import dataclass

from nodeflow.core.json import JsonValue
from nodeflow.core.spec import Spec


@dataclass(frozen=True, slots=True)
class Wire:
    """One link into a node: which input is fed by which output of which earlier node.

    Attributes:
        depth: How many list levels of the value are spread over calls. At each level of a mapped node the wires
            whose depth reaches that level are gone through item by item, the others are handed over whole.
    """

    input: str
    source: int
    output: str
    depth: int = 0


@dataclass(frozen=True, slots=True)
class ResolvedNode:
    """One node, ready to be keyed and run.

    Attributes:
        literals: Every input that is not linked, defaults filled in, parsed by its declared type.
        record: ``literals`` in canonical JSON, computed once here so that keys cost one hash.
        wires: Links, ordered by input name; ``source`` is an index into ``ResolvedGraph.nodes``.
        depth: How many list levels map this node (0: called once; 1: called per item of its list inputs).
        nested: For wires that end inside a literal, such as ``rows[0].strength``: that label, which is the wire's
            ``input``, to the input and the keys and positions inside its value, where the literal has null. None
            when there are no such wires.
    """

    id: str
    spec: Spec
    literals: Mapping[str, JsonValue]
    record: bytes
    wires: tuple[Wire, ...]
    depth: int = 0
    nested: Mapping[str, tuple[str, tuple[str | int, ...]]] | None = None


@dataclass(frozen=True, slots=True)
class ResolvedGraph:
    """Nodes in topological order; every wire points backwards.

    Attributes:
        outputs: The declared interface: result name to (node index, output name).
    """

    nodes: tuple[ResolvedNode, ...]
    index: Mapping[str, int]
    outputs: Mapping[str, tuple[int, str]]
