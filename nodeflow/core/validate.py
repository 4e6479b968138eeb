"""A document held against the nodes there are: everything that is wrong with it at once, or a graph ready to run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nodeflow.core.assigning import apply_settings
from nodeflow.core.codes import CODES
from nodeflow.core.drawing import DrawTrial, has_draw
from nodeflow.core.draws import DrawSource, FirstDraws
from nodeflow.core.errors import Problem, refusal
from nodeflow.core.files import FileCheck, Files
from nodeflow.core.inputs import InputReader
from nodeflow.core.interface import interface_problems
from nodeflow.core.json import JsonValue
from nodeflow.core.linking import Linked
from nodeflow.core.order import needed
from nodeflow.core.pins import PinCheck, Stock, UnknownStock
from nodeflow.core.resolved import ResolvedGraph, ResolvedNode, Wire
from nodeflow.core.sound import SoundPart, all_nodes, broken_nodes, left_out, sound_order
from nodeflow.core.specs import Specs
from nodeflow.core.subgraphs import read_subgraphs
from nodeflow.core.targets import Roots
from nodeflow.core.upgrade import migrate
from nodeflow.core.workflow import Document, fed_inputs
from nodeflow.core.writingout import Wired, wire

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
        names: What each of them is called by whoever asked for it.
        drawn: Inputs that are draws, by node id; ``graph`` holds one of the values that they may give.
        undrawn: Whether there is a draw anywhere, also where only a loop comes to it: what ``drawn`` does not tell.
        models: Kind and name of every model file that was looked for.
        sound: What could run all the same when there is an error; None when nothing can be said about that.
    """

    graph: ResolvedGraph | None
    problems: tuple[Problem, ...]
    targets: tuple[Target, ...] = ()
    names: tuple[str, ...] = ()
    drawn: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    undrawn: bool = False
    models: tuple[tuple[str, str], ...] = ()
    sound: SoundPart | None = None

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that forbid a run."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    def require(self) -> ResolvedGraph:
        """The graph.

        Raises:
            MissingFile: When nothing is wrong but files and secrets that are not here.
            InvalidDocument: With all problems.
        """
        if self.graph is not None:
            return self.graph
        raise refusal(self.problems)


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
        targets: Node ids, ``node.output`` or names of the interface's outputs, and those of nodes inside sub-graphs by
            their path; by default all effects and all outputs of the interface. What they do not need is checked, and
            left out.
        settings: Values for inputs of the interface, for ``node.input``, or for ``use/node.input``; texts are read by
            the declared type.
        draws: What draws would give; by default what they give at the very first time.
        stock: What is here of the packs and models that the document pins; without it pins are not looked at.
    """
    document, stuck = migrate(document, specs)
    ids, problems = document.ids, [*document.faults]
    pins = PinCheck(document, stock or UnknownStock())
    problems.extend(pins.packs())
    looking = FileCheck(files, pins.twin, (*document.graphs, *document.lost_graphs))
    trial = DrawTrial(specs, draws or FirstDraws())
    reading = looking, trial
    graphs = read_subgraphs(document, specs, lambda found: InputReader(*reading, found))
    known = document.graphs.keys()
    document, refused = apply_settings(document, settings or {}, graphs.reader.specs, trial)
    if document.graphs.keys() != known:
        graphs = read_subgraphs(document, specs, lambda found: InputReader(*reading, found))
    problems.extend([*graphs.claim(stuck), *refused])
    problems.extend(interface_problems(document, graphs.reader.specs, ids))
    drafts = graphs.reader.read(document.nodes, fed_inputs(document), problems)
    wired = wire(document, graphs, drafts, ids, problems)
    models = looking.models
    problems.extend(pins.models(models))
    if wired is None:
        return Resolution(None, tuple(problems), models=models)
    roots = Roots(wired.linked, ids, wired.results, wired.flat, problems)
    chosen = roots.of_document() if targets is None else roots.named(targets)
    drawn = {draft.id: tuple(draft.drawn) for draft in wired.linked.drafts if draft.drawn}
    order = wired.linked.order
    if order is None or any(problem.severity == "error" for problem in problems):
        return Resolution(None, tuple(problems), drawn=drawn, models=models, sound=_sound(document, wired, problems))
    feeders = [[joint.source for joint in row] for row in wired.linked.joints]
    wanted = needed((root.node for root in chosen), feeders)
    graph, places = _graph(wired, [index for index in order if index in wanted])
    asked = () if targets is None else chosen
    return Resolution(
        graph,
        tuple(problems),
        tuple((places[root.node], root.output) for root in asked),
        tuple(root.name for root in asked),
        drawn,
        has_draw(document),
        models,
    )


def _sound(document: Document, wired: Wired, problems: Sequence[Problem]) -> SoundPart:
    """What of a broken document could run."""
    nodes = all_nodes(document, wired.flat)
    broken = broken_nodes(nodes, problems)
    kept = sound_order(wired.linked, broken)
    graph, _ = _graph(wired, kept)
    taken = {(wire.source, wire.output) for node in graph.nodes for wire in node.wires}
    ends = [
        (place, output)
        for place, node in enumerate(graph.nodes)
        for output in [item.name for item in node.spec.outputs] or [""]
        if (place, output) not in taken
    ]
    return SoundPart(graph, tuple(ends), left_out(nodes, wired.linked, kept, broken))


def _graph(wired: Wired, kept: Sequence[int]) -> tuple[ResolvedGraph, Mapping[int, int]]:
    """The graph of the drafts to keep, and where each draft is in it."""
    places = {index: place for place, index in enumerate(kept)}
    nodes = tuple(_node(wired.linked, index, places) for index in kept)
    position = wired.linked.position
    outputs = {
        name: (places[position[node]], output)
        for name, (node, output) in wired.results.items()
        if node in position and position[node] in places
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
