"""The nodes of a document read one by one, each by the form of its type."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from nodeflow.core.errors import Problem
from nodeflow.core.forms import Draft, Form
from nodeflow.core.inputs import InputReader
from nodeflow.core.pins import install_hint
from nodeflow.core.spec import Spec
from nodeflow.core.specs import Specs
from nodeflow.core.suggest import did_you_mean, listing
from nodeflow.core.workflow import Document, Node, fed_inputs

GRAPH_PREFIX: Final = "graph:"
"""What the type of a node starts with when it is a sub-graph of the document."""

_NOTHING: Final[Mapping[str, str]] = {}


def read_nodes(document: Document, specs: Specs, reader: InputReader) -> list[Draft]:
    """All nodes whose type is known; what is wrong with any is written down by ``reader``."""
    known = specs.specs
    fed = fed_inputs(document)
    forms: dict[str, Form] = {}
    unknown: dict[str, Problem] = {}
    drafts: list[Draft] = []
    for id, node in document.nodes.items():
        form = forms.get(node.type)
        if form is None:
            if node.type not in known:
                if node.type not in unknown:
                    unknown[node.type] = _unknown_type(document, specs, id, node.type)
                reader.problems.append(replace(unknown[node.type], node=id))
                continue
            form = forms[node.type] = Form(known[node.type], specs)
        if node.mode or node.model_extra or node.version != form.spec.version:
            reader.problems.extend(_node_problems(id, node, form.spec))
        drafts.append(reader.read(id, node, form, fed.get(id, _NOTHING)))
    return drafts


def _node_problems(id: str, node: Node, spec: Spec) -> list[Problem]:
    problems: list[Problem] = []
    if node.mode:
        message, way_out = f"mode {node.mode} is not supported yet", "take the node out, or the mode"
        problems.append(Problem("unsupported.mode", message, id, hint=way_out, type=spec.id))
    if node.version > spec.version:
        hint = f"update the pack {spec.pack}" if spec.pack else None
        message = "the document was made with a newer version of this node"
        found, expected = f"version {node.version}", f"version {spec.version} or older"
        problems.append(Problem("version.newer", message, id, None, found, expected, hint, type=spec.id))
    fields = list(Node.model_fields)
    for name in node.model_extra or ():
        message = f"there is no field {name}"
        problems.append(
            Problem("field.unknown", message, id, None, None, listing(fields), did_you_mean(name, fields), type=spec.id)
        )
    return problems


def _unknown_type(document: Document, specs: Specs, id: str, type_: str) -> Problem:
    if type_.startswith(GRAPH_PREFIX):
        name = type_.removeprefix(GRAPH_PREFIX)
        if name in document.graphs:
            return Problem("unsupported.graph", "sub-graphs are not supported yet", id, type=type_)
        meant = did_you_mean(name, document.graphs)
        message = f'the document has no sub-graph "{name}"'
        return Problem("graph.unknown", message, id, expected=listing(document.graphs), hint=meant, type=type_)
    reason = specs.missing(type_)
    if reason is not None:
        return Problem("pack.failed", "the pack of this node could not be used", id, hint=reason, type=type_)
    pack = type_.partition(".")[0] if "." in type_ else None
    if pack is not None and not any(known.startswith(f"{pack}.") for known in specs.specs):
        hint = did_you_mean(type_, specs.specs) or install_hint(pack, document.packs.get(pack))
        return Problem("pack.absent", f"the pack {pack} is not installed", id, None, type_, None, hint, type=type_)
    meant = did_you_mean(type_, specs.specs)
    return Problem("type.unknown", "there is no such node", id, None, type_, None, meant, type=type_)
