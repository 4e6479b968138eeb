"""Rules over several inputs: what one looks at, and when it can be tried."""

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, get_type_hints

from nodeflow.core.arrival import arriving
from nodeflow.core.hints import UNREADABLE, HintError, read_hint

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Graphs(Protocol):
    """The sub-graphs of the document, for a rule of an expander that records them.

    A rule gets them in a parameter of its own: ``def _fits(body: str, graphs: Graphs) -> None``.
    """

    def takes(self, name: str) -> Sequence[str]:
        """Names of the inputs of a sub-graph."""
        ...

    def gives(self, name: str) -> Sequence[str]:
        """Names of the outputs of a sub-graph."""
        ...

    def check(self, name: str, inputs: Mapping[str, Any]) -> None:
        """See whether ``Graph.call`` could be given these inputs: values as documents have them, and links.

        Raises:
            InputError: One is of the wrong type or otherwise not what the sub-graph takes, or one that it needs is not
                among them; it names the input of the sub-graph.
        """
        ...


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the inputs of a node before anything runs.

    Attributes:
        literals: Those that no link is part of.
        written: All of them, with a ``Link`` at each place that is linked.
        wrong: Those that cannot be read; a rule that looks at one is not tried.
        graphs: The sub-graphs of the document.
    """

    literals: Mapping[str, Any]
    written: Mapping[str, Any]
    wrong: Collection[str]
    graphs: Graphs


class Rule:
    """A function that was marked with ``check``; it passes when an input that it looks at is missing or wrong.

    Attributes:
        check: The function as its author wrote it.
        names: The inputs that it looks at.
    """

    def __init__(self, check: Callable[..., None]) -> None:
        self.check = check
        self._check = arriving(check)
        hints = _hints(check)
        parameters = [item for item in inspect.signature(check).parameters.values() if item.kind in _NAMED]
        self._graphs = [item.name for item in parameters if hints.get(item.name) is Graphs]
        own = [item for item in parameters if item.name not in self._graphs]
        self.names = tuple(item.name for item in own)
        self._needed = frozenset(item.name for item in own if item.default is inspect.Parameter.empty)
        self._references = frozenset(item.name for item in own if _is_reference(hints.get(item.name)))

    def __call__(self, known: Known) -> None:
        """Try it.

        Raises:
            InputError: The inputs do not go together.
        """
        given = {
            name: values[name]
            for name in self.names
            if name in (values := known.written if name in self._references else known.literals)
        }
        if self._needed <= given.keys() and set(known.wrong).isdisjoint(self.names):
            self._check(**given, **dict.fromkeys(self._graphs, known.graphs))


def _hints(check: Callable[..., None]) -> Mapping[str, Any]:
    try:
        return get_type_hints(check, include_extras=True)
    except UNREADABLE:  # code made at run time may have hints that nobody can read
        return {}


def _is_reference(hint: Any) -> bool:
    try:
        return hint is not None and read_hint(hint).ref
    except HintError:
        return False
