"""The nodes of a document read one by one, each by the form of its type."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Final

from nodeflow.core.errors import Problem
from nodeflow.core.forms import Draft, Form
from nodeflow.core.inputs import InputReader
from nodeflow.core.json import JsonValue
from nodeflow.core.names import graph_name
from nodeflow.core.pins import install_hint
from nodeflow.core.spec import Spec
from nodeflow.core.specs import Specs
from nodeflow.core.suggest import did_you_mean, listing
from nodeflow.core.workflow import Node, PackPin

_NOTHING: Final[Mapping[str, str]] = {}
_OF_STRUCTURE: Final = frozenset({"input.unknown", "link.malformed"})
"""What is said of a muted or bypassed node: it need not be able to run, but it has to make sense."""

Fed = Mapping[str, Mapping[str, str]]
"""The inputs that an interface feeds: node id to input to the name under which it does."""


Inputs = Callable[[list[Problem]], InputReader]
"""Makes a reader of inputs that writes down what is wrong in a list."""


class NodeReader:
    """Reads the nodes of a document and of its sub-graphs; a type is looked up once, however many nodes have it.

    Args:
        specs: The nodes there are, those that the document defines included.
        graphs: Names of all sub-graphs of the document, also of those that cannot be used.
        pins: The packs that the document asks for.
        inputs: Makes the readers of inputs.
    """

    def __init__(self, specs: Specs, graphs: Collection[str], pins: Mapping[str, PackPin], inputs: Inputs) -> None:
        self.specs = specs
        self._graphs = graphs
        self._pins = pins
        self._inputs = inputs
        self._forms: dict[str, Form] = {}
        self._unknown: dict[str, Problem | None] = {}

    def read(self, nodes: Mapping[str, Node], fed: Fed, problems: list[Problem]) -> list[Draft]:
        """All nodes whose type is known; what is wrong with any is added to ``problems``."""
        reader = self._inputs(problems)
        forms = self._forms
        drafts: list[Draft] = []
        for id, node in nodes.items():
            form = forms.get(node.type) or self.form(node.type)
            if form is None:
                problem = self._unknown_type(id, node.type)
                problems += [] if problem is None else [_as_it_matters(problem, node)]
                continue
            if node.model_extra or node.version != form.spec.version:
                problems.extend(_as_it_matters(problem, node) for problem in _node_problems(id, node, form.spec))
                if not is_of_today(node, form.spec):
                    continue
            before = len(problems)
            drafts.append(reader.read(id, node, form, fed.get(id, _NOTHING)))
            if node.mode:
                problems[before:] = [problem for problem in problems[before:] if problem.code in _OF_STRUCTURE]
        return drafts

    def read_again(self, id: str, node: Node, inputs: dict[str, JsonValue], problems: list[Problem]) -> Draft:
        """One node with other inputs than those it was written with; its type is known."""
        form = self._forms[node.type]
        return self._inputs(problems).read(id, node.model_copy(update={"inputs": inputs}), form, _NOTHING)

    def form(self, type_: str) -> Form | None:
        """The form of a type; None when there is no such node."""
        form = self._forms.get(type_)
        if form is None and (spec := self.specs.specs.get(type_)) is not None:
            form = self._forms[type_] = Form(spec, self.specs)
        return form

    def form_of(self, node: Node) -> Form | None:
        """The form of a node; None when it cannot be read, about which all has been said."""
        form = self.form(node.type)
        return form if form is not None and is_of_today(node, form.spec) else None

    def _unknown_type(self, id: str, type_: str) -> Problem | None:
        if type_ not in self._unknown:
            self._unknown[type_] = _unknown_type(self.specs, self._graphs, self._pins, type_)
        problem = self._unknown[type_]
        return None if problem is None else replace(problem, node=id)


def is_of_today(node: Node, spec: Spec) -> bool:
    """Whether the sockets of a node are those of its spec: no migration failed, and it is not of the future."""
    return node.version == spec.version


def _as_it_matters(problem: Problem, node: Node) -> Problem:
    """A muted node takes no part, so that it may be one that is not here."""
    known = problem.code == "field.unknown"
    return replace(problem, severity="warning") if node.mode == "mute" and not known else problem


def _node_problems(id: str, node: Node, spec: Spec) -> list[Problem]:
    problems: list[Problem] = []
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


def _unknown_type(specs: Specs, graphs: Collection[str], pins: Mapping[str, PackPin], type_: str) -> Problem | None:
    """What to say of a node whose type is not there; None when it is a sub-graph about which all is said."""
    name = graph_name(type_)
    if name is not None:
        if name in graphs:
            return None
        meant = did_you_mean(name, graphs)
        message = f'the document has no sub-graph "{name}"'
        return Problem("graph.unknown", message, expected=listing(graphs), hint=meant, type=type_)
    reason = specs.missing(type_)
    if reason is not None:
        return Problem("pack.failed", "the pack of this node could not be used", hint=reason, type=type_)
    pack = type_.partition(".")[0] if "." in type_ else None
    if pack is not None and not any(known.startswith(f"{pack}.") for known in specs.specs):
        pin = pins.get(pack)
        misspelt = did_you_mean(type_, specs.specs) if pin is None else None  # what is pinned is meant
        hint = misspelt or install_hint(pack, pin)
        return Problem("pack.absent", f"the pack {pack} is not installed", found=type_, hint=hint, type=type_)
    meant = did_you_mean(type_, specs.specs)
    return Problem("type.unknown", "there is no such node", found=type_, hint=meant, type=type_)
