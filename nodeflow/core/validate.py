"""A document held against the nodes there are: everything that is wrong with it at once, or a graph ready to run."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from nodeflow.core.codes import CODES
from nodeflow.core.drawing import DrawTrial
from nodeflow.core.draws import DrawSource, FirstDraws
from nodeflow.core.errors import InvalidDocument, MissingFile, Problem
from nodeflow.core.files import FileCheck, Files
from nodeflow.core.inputs import InputReader, rule_problems
from nodeflow.core.interface import apply_settings, interface_problems
from nodeflow.core.json import JsonValue
from nodeflow.core.linking import Linked, link
from nodeflow.core.nodes import read_nodes
from nodeflow.core.order import needed
from nodeflow.core.pins import PinCheck, Stock, UnknownStock
from nodeflow.core.resolved import ResolvedGraph, ResolvedNode, Wire
from nodeflow.core.spec import Kind
from nodeflow.core.specs import Specs
from nodeflow.core.suggest import did_you_mean, listing
from nodeflow.core.upgrade import migrate
from nodeflow.core.workflow import Document

__all__ = ["CODES", "Resolution", "check", "resolve"]

Target = tuple[int, str]
"""A node by position, and one of its outputs; the name is empty for a node without outputs."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What validation found.

    Attributes:
        graph: What can run; None when there is an error.
        problems: Errors and warnings, all of them.
        targets: What was asked for by name; the nodes are positions in ``graph``.
        drawn: Inputs that are draws, by node id; ``graph`` holds one of the values that they may give.
        models: Kind and name of every model file that was looked for.
    """

    graph: ResolvedGraph | None
    problems: tuple[Problem, ...]
    targets: tuple[Target, ...] = ()
    drawn: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    models: tuple[tuple[str, str], ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that forbid a run."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    def require(self) -> ResolvedGraph:
        """The graph.

        Raises:
            MissingFile: When nothing is wrong but files that are not here.
            InvalidDocument: With all problems.
        """
        if self.graph is not None:
            return self.graph
        only_files = all(problem.code == "file.missing" for problem in self.errors)
        raise (MissingFile if only_files else InvalidDocument)(self.problems)


def check(
    document: Document,
    specs: Specs,
    files: Files,
    *,
    settings: Mapping[str, JsonValue] | None = None,
    stock: Stock | None = None,
) -> tuple[Problem, ...]:
    """Everything that is wrong with a document."""
    return resolve(document, specs, files, settings=settings, stock=stock).problems


def resolve(
    document: Document,
    specs: Specs,
    files: Files,
    *,
    targets: Sequence[str] | None = None,
    settings: Mapping[str, JsonValue] | None = None,
    draws: DrawSource | None = None,
    stock: Stock | None = None,
) -> Resolution:
    """Check a document and put what is needed of it in order.

    Args:
        document: As parsed.
        specs: The nodes there are.
        files: The user's models and pictures.
        targets: Node ids, ``node.output`` or names of the interface's outputs; by default all effects and all outputs
            of the interface. What they do not need is checked, and left out.
        settings: Values for inputs of the interface, or for ``node.input``; texts are read by the declared type.
        draws: What draws would give; by default what they give at the very first time.
        stock: What is here of the packs and models that the document pins; without it pins are not looked at.
    """
    faults, ids = document.faults, document.ids
    document, problems = migrate(document, specs)
    problems[:0] = faults
    pins = PinCheck(document, stock or UnknownStock())
    problems.extend(pins.packs())
    document, refused = apply_settings(document, settings or {}, specs)
    problems.extend(refused)
    problems.extend(interface_problems(document, specs, ids))
    file_check = FileCheck(files, pins.twin)
    reader = InputReader(file_check, DrawTrial(specs, draws or FirstDraws()), problems)
    drafts = read_nodes(document, specs, reader)
    models = file_check.models
    problems.extend(pins.models(models))
    linked = link(drafts, ids, problems, specs.specs)
    for draft in drafts:
        if draft.form.spec.checks:
            problems.extend(rule_problems(draft, specs))
    roots = _roots(document, linked, targets, ids, problems)
    if linked.order is None or any(problem.severity == "error" for problem in problems):
        return Resolution(None, tuple(problems), models=models)
    wanted = needed((index for index, _ in roots), [[joint.source for joint in row] for row in linked.joints])
    graph, places = _graph(document, linked, [index for index in linked.order if index in wanted])
    chosen = roots if targets is not None else ()
    drawn = {draft.id: tuple(draft.drawn) for draft in drafts if draft.drawn}
    roots = tuple((places[index], output) for index, output in chosen)
    return Resolution(graph, tuple(problems), roots, drawn, models)


def _roots(
    document: Document, linked: Linked, targets: Sequence[str] | None, ids: Set[str], problems: list[Problem]
) -> tuple[Target, ...]:
    """The outputs that a run is for."""
    if targets is not None:
        return tuple(root for name in targets for root in _target(document, linked, name, ids, problems))
    effects = [(index, "") for index, draft in enumerate(linked.drafts) if draft.form.spec.kind is Kind.EFFECT]
    results = [
        (linked.position[node], output)
        for node, output in _interface_outputs(document).values()
        if node in linked.position
    ]
    if not effects and not results:
        message = "no node saves or shows anything, and the interface declares no output"
        problems.append(Problem("run.nothing", message, severity="warning", hint="add a node that saves the result"))
        return tuple((index, "") for index in range(len(linked.drafts)))
    return (*effects, *results)


def _target(document: Document, linked: Linked, name: str, ids: Set[str], problems: list[Problem]) -> list[Target]:
    results = _interface_outputs(document)
    node, output = results.get(name) or name.partition(".")[::2]
    index = linked.position.get(node)
    if index is not None:
        outputs = linked.drafts[index].form.outputs
        if output in outputs:
            return [(index, output)]
        if not output:
            return [(index, known) for known in outputs] or [(index, "")]
        names = [f"{node}.{known}" for known in outputs]
    elif node in ids:
        return []
    else:
        names = [*results, *ids]
    message = f'there is no target "{name}"'
    problems.append(Problem("target.unknown", message, expected=listing(names), hint=did_you_mean(name, names)))
    return []


def _interface_outputs(document: Document) -> dict[str, tuple[str, str]]:
    outputs: dict[str, tuple[str, str]] = {}
    for name, item in document.interface.outputs.items():
        node, _, output = item.source.partition(".")
        outputs[name] = node, output
    return outputs


def _graph(document: Document, linked: Linked, kept: Sequence[int]) -> tuple[ResolvedGraph, Mapping[int, int]]:
    """The graph of the drafts to keep, and where each draft is in it."""
    places = {index: place for place, index in enumerate(kept)}
    nodes = tuple(_node(linked, index, places) for index in kept)
    outputs = {
        name: (places[linked.position[node]], output)
        for name, (node, output) in _interface_outputs(document).items()
        if linked.position[node] in places
    }
    return ResolvedGraph(nodes, {node.id: place for place, node in enumerate(nodes)}, outputs), places


def _node(linked: Linked, index: int, places: Mapping[int, int]) -> ResolvedNode:
    draft = linked.drafts[index]
    inferred = linked.inferred[index]
    wires = tuple(
        Wire(joint.input, places[joint.source], joint.output, inferred.depths.get(joint.input, 0))
        for joint in sorted(linked.joints[index])
    )
    nested = draft.places() if draft.nested else None
    return ResolvedNode(draft.id, draft.form.spec, draft.literals, draft.record, wires, inferred.depth, nested)
