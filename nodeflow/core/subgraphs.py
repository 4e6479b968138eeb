"""The sub-graphs that a document defines, each described as a node: ``graph:NAME`` with what its interface shows."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from nodeflow.core.drawing import DrawTrial
from nodeflow.core.draws import Draw, FirstDraws
from nodeflow.core.errors import Problem
from nodeflow.core.files import GRAPH, FileCheck, NoFiles
from nodeflow.core.forms import Draft
from nodeflow.core.inputs import InputReader
from nodeflow.core.interface import as_range, interface_problems
from nodeflow.core.linking import Linked, link
from nodeflow.core.migrations import Migration
from nodeflow.core.names import GRAPH_PREFIX, graph_name, place_in
from nodeflow.core.nodes import Inputs, NodeReader
from nodeflow.core.order import cycles, order
from nodeflow.core.rules import Rule
from nodeflow.core.spec import Input, Output, Range, Spec
from nodeflow.core.specs import Specs
from nodeflow.core.types import ANY, Type, is_generic
from nodeflow.core.workflow import Bounds, Definition, Document, fed_inputs

MAX_DEPTH: Final = 64
"""How deep sub-graphs may be nested: far beyond what anybody draws, and within what Python calls of its own."""

_LINKS: Final = frozenset({"link.node", "link.output"})
_TYPES: Final = frozenset({"link.type", "literal.type"})


@dataclass(frozen=True, slots=True)
class Extended:
    """The nodes there are, and some more beside them that are known as plain data only."""

    base: Specs
    more: Mapping[str, Spec]
    specs: dict[str, Spec] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "specs", {**self.base.specs, **self.more})

    def missing(self, id: str) -> str | None:
        return self.base.missing(id)

    def choices(self, table: str) -> Sequence[str]:
        return self.base.choices(table)

    def checks(self, spec: Spec) -> Sequence[Rule]:
        return self.base.checks(spec)

    def migration(self, id: str, version: int) -> Migration | None:
        return self.base.migration(id, version)

    def draw(self, name: str) -> type[Draw] | None:
        return self.base.draw(name)


@dataclass(frozen=True, slots=True)
class SubGraphs:
    """The sub-graphs of one document.

    Attributes:
        reader: Reads nodes by their types, sub-graphs included.
        problems: What is wrong inside each, by its name.
    """

    reader: NodeReader
    problems: dict[str, list[Problem]]

    def claim(self, problems: Iterable[Problem]) -> list[Problem]:
        """Take over the problems that lie inside them; the other ones are given back."""
        others: list[Problem] = []
        for problem in problems:
            graph, slash, _ = (problem.node or "").partition("/")
            (self.problems.setdefault(graph.removeprefix(GRAPH_PREFIX), []) if slash else others).append(problem)
        return others

    def told(self, used: Collection[str]) -> Iterator[Problem]:
        """What is wrong inside them; in those that are not used it keeps nothing from running."""
        for name, problems in self.problems.items():
            for problem in problems:
                yield problem if name in used else replace(problem, severity="warning")


def with_subgraphs(document: Document, specs: Specs) -> Specs:
    """The nodes there are, and the sub-graphs of a document beside them."""
    if not document.graphs:
        return specs
    reading = FileCheck(NoFiles()), DrawTrial(specs, FirstDraws())
    return read_subgraphs(document, specs, lambda found: InputReader(*reading, found)).reader.specs


def read_subgraphs(document: Document, specs: Specs, inputs: Inputs) -> SubGraphs:
    """Look at every sub-graph that a document defines, whether it is used or not.

    One that uses itself, or is nested too deeply, has no spec.
    """
    known = Extended(specs, {})
    names = [*document.graphs, *document.lost_graphs]
    reader = NodeReader(known, names, document.packs, inputs)
    problems: dict[str, list[Problem]] = {}
    for name in _by_use(document.graphs, specs, problems):
        definition = document.graphs[name]
        found: list[Problem] = []
        spec = _looked_at(name, definition, reader, found)
        known.specs[spec.id] = spec
        problems[name] = [replace(item, node=place_in(name, item.node)) for item in found]
    return SubGraphs(reader, problems)


def _by_use(graphs: Mapping[str, Definition], specs: Specs, problems: dict[str, list[Problem]]) -> list[str]:
    """The sub-graphs so that each comes after those it uses; without those that cannot be written out."""
    uses = {name: _uses(definition, specs) & graphs.keys() for name, definition in graphs.items()}
    names = list(graphs)
    while True:
        position = {name: index for index, name in enumerate(names)}
        edges = [(position[used], position[name]) for name in names for used in uses[name] if used in position]
        placed = order(len(names), edges)
        if placed is not None:
            return _not_too_deep([names[index] for index in placed], uses, problems)
        found = cycles(len(names), [(user, used) for used, user in edges])
        circles = [[names[index] for index in cycle] for cycle in found]
        problems |= {circle[0]: [_recursive(circle, graphs, specs)] for circle in circles}
        names = [name for name in names if not any(name in circle for circle in circles)]


def all_in(graphs: Mapping[str, Definition], name: str, specs: Specs) -> set[str]:
    """A sub-graph and all that it contains or lets its loops run, as far as they are defined."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        at = waiting.pop()
        if at in graphs and at not in found:
            found.add(at)
            waiting.extend(_uses(graphs[at], specs))
    return found


def _uses(definition: Definition, specs: Specs) -> set[str]:
    return {name for _, name in _used(definition, specs)}


def _used(definition: Definition, specs: Specs) -> Iterator[tuple[str, str]]:
    """The nodes that are sub-graphs or run one that is written down; what the interface gives may be another one."""
    fed = fed_inputs(definition)
    for id, node in definition.nodes.items():
        if (name := graph_name(node.type)) is not None:
            yield id, name
        spec = specs.specs.get(node.type) if node.mode is None else None
        for item in spec.inputs if spec else ():
            if item.widget and item.widget.kind == GRAPH and item.name not in fed.get(id, ()):
                named = node.inputs.get(item.name, item.default)
                if isinstance(named, str):
                    yield id, named


def _recursive(circle: Sequence[str], graphs: Mapping[str, Definition], specs: Specs) -> Problem:
    first, second = circle[0], circle[1 % len(circle)]
    user = next(id for id, used in _used(graphs[first], specs) if used == second)
    type_ = graphs[first].nodes[user].type
    way = " → ".join([*circle, first])
    message = f'the sub-graph "{first}" contains itself'
    return Problem("graph.recursive", message, place_in(first, user), None, way, hint="take one use out", type=type_)


def _not_too_deep(
    names: Sequence[str], uses: Mapping[str, Collection[str]], problems: dict[str, list[Problem]]
) -> list[str]:
    depths: dict[str, int] = {}
    for name in names:
        depth = 1 + max((depths.get(used, 0) for used in uses[name]), default=0)
        if depth == MAX_DEPTH + 1:
            message = f'the sub-graph "{name}" has sub-graphs nested too deeply in it'
            problems[name] = [Problem("graph.depth", message, place_in(name), expected=f"at most {MAX_DEPTH} levels")]
        depths[name] = depth
    return [name for name in names if depths[name] <= MAX_DEPTH]


def _looked_at(name: str, definition: Definition, reader: NodeReader, problems: list[Problem]) -> Spec:
    """The spec of a definition whose own sub-graphs have specs; what is wrong by itself is added to ``problems``."""
    fed = fed_inputs(definition)
    drafts = reader.read(definition.nodes, fed, problems)
    problems[:] = [item for item in problems if not _may_be_given(item, fed)]
    found: list[Problem] = []
    linked = link(drafts, definition.nodes.keys(), found, reader.specs.specs)
    # A muted or bypassed node brings other types than it declares: then only the written out graph can tell.
    codes = _LINKS if any(node.mode for node in definition.nodes.values()) else _LINKS | _TYPES
    problems.extend(item for item in found if item.code in codes)
    problems.extend(interface_problems(definition, reader.specs, definition.nodes.keys()))
    return _spec(name, definition, linked)


def _may_be_given(problem: Problem, fed: Mapping[str, Mapping[str, str]]) -> bool:
    return problem.code == "input.missing" and problem.input in fed.get(problem.node or "", ())


def _spec(name: str, definition: Definition, linked: Linked) -> Spec:
    drafts = {draft.id: draft for draft in linked.drafts}
    inputs = [
        _input(shown, [socket.partition(".") for socket in declared.to], declared.range, definition, drafts)
        for shown, declared in definition.interface.inputs.items()
    ]
    outputs = [
        Output(shown, _output_type(declared.source, drafts, linked))
        for shown, declared in definition.interface.outputs.items()
    ]
    title = definition.title or name
    return Spec(GRAPH_PREFIX + name, title=title, category="graph", inputs=tuple(inputs), outputs=tuple(outputs))


def _input(
    name: str,
    sockets: Sequence[tuple[str, str, str]],
    narrowed: Bounds | None,
    definition: Definition,
    drafts: Mapping[str, Draft],
) -> Input:
    """An input of the interface: as the first socket it feeds, and needed when one of them is and has no value."""
    known = [
        (drafts[node], input)
        for node, _, socket in sockets
        if node in drafts and (input := drafts[node].form.inputs.get(socket)) is not None
    ]
    if not known:
        return Input(name, ANY, required=False)
    first, shown = known[0]
    return replace(
        shown,
        name=name,
        type=_of_its_own(shown.type, first.id),
        required=any(_needs(definition, draft.id, input) for draft, input in known),
        default=first.literals.get(shown.name),
        range=_within(shown.range, narrowed),
    )


def _needs(definition: Definition, id: str, input: Input) -> bool:
    node = definition.nodes[id]
    return input.required and node.mode is None and input.name not in node.inputs


def _within(declared: Range | None, narrowed: Bounds | None) -> Range | None:
    """The declared range with the bounds that the interface narrows."""
    if narrowed is None:
        return declared
    bounds = declared or Range()
    inner = as_range(narrowed)
    below = inner if inner.ge is not None or inner.gt is not None else bounds
    above = inner if inner.le is not None or inner.lt is not None else bounds
    step = bounds.multiple_of if inner.multiple_of is None else inner.multiple_of
    return replace(bounds, ge=below.ge, gt=below.gt, le=above.le, lt=above.lt, multiple_of=step)


def _output_type(socket: str, drafts: Mapping[str, Draft], linked: Linked) -> Type:
    node, _, output = socket.partition(".")
    draft = drafts.get(node)
    if draft is None or output not in draft.form.outputs:
        return ANY
    declared = draft.form.outputs[output]
    inferred = linked.inferred[linked.position[node]].outputs[output]
    return _of_its_own(declared, node) if inferred == ANY and is_generic(declared) else inferred


def _of_its_own(type_: Type, node: str) -> Type:
    """``type_`` with variables that belong to ``node``, so that those of two nodes stay apart."""
    name = f"$({node}){type_.name}" if type_.name.startswith("$") else type_.name
    return Type(name, tuple(_of_its_own(inner, node) for inner in type_.args))
