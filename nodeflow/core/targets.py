"""What a run is for: the effects and results of a document, or what somebody asked for by name."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from nodeflow.core.errors import Problem
from nodeflow.core.flat import Flat, Place
from nodeflow.core.forms import Form
from nodeflow.core.linking import Linked
from nodeflow.core.remains import Nothing, Why
from nodeflow.core.spec import Kind
from nodeflow.core.suggest import did_you_mean, listing

_UNREAD: Final = frozenset({"graph.unknown", "pack.absent", "pack.failed", "type.unknown"})
"""What is told of nodes that cannot be read, and of which nobody knows what they save or give."""


class Root(NamedTuple):
    """One thing that a run is for.

    Attributes:
        node: The node by position.
        output: One of its outputs; empty for the node itself.
        name: As whoever asked for it calls it.
    """

    node: int
    output: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Roots:
    """Finds what a run is for.

    Attributes:
        ids: All nodes of the document, also those that cannot be read.
        results: The outputs of the interface, as far as they are there.
        flat: The document written out; None when it has neither sub-graphs nor modes.
        problems: Where to write down what is not there.
    """

    linked: Linked
    ids: Collection[str]
    results: Mapping[str, Place]
    flat: Flat | None
    problems: list[Problem]

    def of_document(self) -> tuple[Root, ...]:
        """All effects, and all outputs of the interface."""
        self._refuse_values()
        drafts = self.linked.drafts
        effects = [Root(index, "") for index, draft in enumerate(drafts) if draft.form.spec.kind is Kind.EFFECT]
        results = [root for name, place in self.results.items() for root in self._at(place, name)]
        if effects or results:
            return (*effects, *results)
        quiet = self.flat is not None and self.flat.quiet
        if quiet:
            message, way_out = "all that saves, shows or is a result is muted or bypassed", "take a mode off"
        else:
            message = "no node saves or shows anything, and the interface declares no output"
            way_out = "add a node that saves the result"
        unread = any(problem.code in _UNREAD and problem.severity == "error" for problem in self.problems)
        if not (quiet or unread) or all(problem.severity == "warning" for problem in self.problems):
            self.problems.append(Problem("run.nothing", message, severity="warning", hint=way_out))
        return () if quiet else tuple(Root(index, "") for index in range(len(drafts)))

    def _refuse_values(self) -> None:
        """A result that is a plain value cannot be had, as no node makes it; left out it would be missed too late."""
        for name, nothing in self.flat.absent.items() if self.flat else ():
            if nothing is None:
                message = f'the result "{name}" cannot be had: a bypassed node hands on a value, and no node makes it'
                hint = "take the bypass off, or take the result from a node that runs"
                self.problems.append(Problem("mode.bypass", message, hint=hint))

    def named(self, names: Sequence[str]) -> tuple[Root, ...]:
        """What was asked for: results, nodes, or ``node.output``; nodes in sub-graphs by their path."""
        return tuple(root for name in names for root in self._named(name))

    def _named(self, name: str) -> Iterator[Root]:
        node, _, output = name.partition(".")
        if name in self.results:
            yield from self._at(self.results[name], name)
        elif self.flat is not None and name in self.flat.absent:
            self._refuse(name, self.flat.absent[name])
        elif node in self.linked.position:
            outputs = self.linked.drafts[self.linked.position[node]].form.outputs
            whole = [""] if not outputs and not output else []
            for known in self._outputs(name, node, output, outputs) or whole:
                yield from self._at((node, known), f"{node}.{known}" if known else node)
        elif self.flat is not None and (form := self.flat.form(node)) is not None:
            yield from self._behind(name, node, output, form, self.flat)
        elif node not in self.ids:
            self._unknown(name, [*self.results, *self.ids])

    def _behind(self, name: str, node: str, output: str, form: Form, flat: Flat) -> Iterator[Root]:
        """What stands behind a node that is a sub-graph, or has a mode, or does not run."""
        wanted = self._outputs(name, node, output, form.outputs)
        ends = {known: flat.source(node, known) for known in wanted}
        places = [
            (f"{node}.{known}", end) for known, end in ends.items() if end is not None and not isinstance(end, Nothing)
        ]
        if not output:
            places += [(path, (path, "")) for path in flat.effects(node)]
        for label, place in places:
            yield from self._at(place, label)
        if not places and (ends or not output):
            nothing = next((end for end in ends.values() if isinstance(end, Nothing)), None)
            self._refuse(name, nothing or flat.reason(node))

    def _outputs(self, name: str, node: str, output: str, outputs: Collection[str]) -> list[str]:
        if not output or output in outputs:
            return [output] if output else list(outputs)
        self._unknown(name, [f"{node}.{known}" for known in outputs])
        return []

    def _at(self, place: Place, name: str) -> Iterator[Root]:
        if place[0] in self.linked.position:
            yield Root(self.linked.position[place[0]], place[1], name)

    def _unknown(self, name: str, names: Sequence[str]) -> None:
        message = f'there is no target "{name}"'
        hint = did_you_mean(name, names)
        self.problems.append(Problem("target.unknown", message, expected=listing(names), hint=hint))

    def _refuse(self, name: str, nothing: Nothing | None) -> None:
        if nothing is not None and nothing.why is Why.MUTED:
            code, reason = "target.muted", f'"{nothing.node}" is muted'
        elif nothing is not None:
            code, reason = "target.bypassed", f'the bypassed "{nothing.node}" has nothing to hand on'
        else:
            code, reason = "target.bypassed", "no node makes it"
        self.problems.append(Problem(code, f'the target "{name}" cannot be had: {reason}', hint="ask for another one"))
