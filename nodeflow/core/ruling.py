"""The rules of nodes tried on what a document gives them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from nodeflow.core.errors import InputError, PackFailed, Problem
from nodeflow.core.forms import Draft, Form
from nodeflow.core.links import Link
from nodeflow.core.names import GRAPH_PREFIX
from nodeflow.core.nodes import NodeReader
from nodeflow.core.raised import told
from nodeflow.core.rules import Known, Rule
from nodeflow.core.suggest import shorten
from nodeflow.core.whereabouts import whereabouts
from nodeflow.core.workflow import Node
from nodeflow.core.written import written

_STEP: Final = re.compile(r"\.(\w+)|\[(\d+)\]")


def rule_problems(drafts: Iterable[Draft], reader: NodeReader) -> list[Problem]:
    """What the rules of nodes say about their inputs.

    Args:
        drafts: Nodes that are read.
        reader: Knows their rules, and the sub-graphs of the document.
    """
    bodies = Bodies(reader)
    found = (_problem(draft, reader, bodies) for draft in drafts if draft.form.spec.checks)
    return [problem for problem in found if problem is not None]


class _Unusable(Exception):
    """A sub-graph that cannot be written out, of which all has been said."""


class Bodies:
    """The sub-graphs of a document as the rules of its nodes see them."""

    def __init__(self, reader: NodeReader) -> None:
        self._reader = reader

    def takes(self, name: str) -> Sequence[str]:
        return list(self._form(name).inputs)

    def gives(self, name: str) -> Sequence[str]:
        return list(self._form(name).outputs)

    def check(self, name: str, inputs: Mapping[str, Any]) -> None:
        node = Node(type=self._form(name).spec.id)
        found: list[Problem] = []
        self._reader.read_again(name, node, {given: written(value) for given, value in inputs.items()}, found)
        for problem in found:
            details = f", expected {problem.expected}" if problem.expected else ""
            raise InputError(problem.input or "", f"{problem.message}{details}")

    def _form(self, name: str) -> Form:
        form = self._reader.form(GRAPH_PREFIX + name)
        if form is None:
            raise _Unusable
        return form


def _problem(draft: Draft, reader: NodeReader, bodies: Bodies) -> Problem | None:
    spec = draft.form.spec
    known = Known(draft.known, _with_links(draft), draft.wrong, bodies)
    try:
        rules = reader.specs.checks(spec)
    except PackFailed as error:
        return _untried(draft, str(error))
    return next((problem for rule in rules if (problem := _tried(rule, known, draft)) is not None), None)


def _tried(rule: Rule, known: Known, draft: Draft) -> Problem | None:
    try:
        rule(known)
    except _Unusable:
        return None
    except InputError as error:
        found = _found(draft, error.input)
        return Problem("input.rule", error.message, draft.id, error.input, found, type=draft.form.spec.id)
    except Exception as error:  # noqa: BLE001 - a rule is foreign code, and its failure says nothing about the inputs
        return _untried(draft, f"{whereabouts(rule.check, error=error)}: {told(error)}")
    return None


def _untried(draft: Draft, reason: str) -> Problem:
    message = "the rules of this node cannot be tried"
    type = draft.form.spec.id
    return Problem("pack.failed", message, draft.id, hint=reason, severity="warning", type=type)


def _with_links(draft: Draft) -> Mapping[str, Any]:
    """The inputs of a node with links where they are linked."""
    values: dict[str, Any] = dict(draft.literals)
    for label, link in draft.links.items():
        nested = draft.nested.get(label)
        name, path = (label, ()) if nested is None else (nested.input, nested.path)
        values[name] = _put(values.get(name), path, Link(*link))
    return values


def _put(value: Any, path: Sequence[str | int], link: Link) -> Any:
    """``value``, as a copy along the way, with a link at the place that ``path`` leads to."""
    if not path:
        return link
    copied = value.copy()
    copied[path[0]] = _put(value[path[0]], path[1:], link)
    return copied


def _found(draft: Draft, label: str) -> str | None:
    """What stands at a place, for a message; None where a link does, or what may be a secret, or nothing."""
    name = re.split(r"[.\[]", label, maxsplit=1)[0]
    if name in draft.form.secrets or name not in draft.literals or any(at.startswith(label) for at in draft.nested):
        return None
    value: Any = draft.literals[name]
    try:
        for key, index in _STEP.findall(label[len(name) :]):
            value = value[key or int(index)]
    except (LookupError, TypeError):
        return None
    return shorten(value)
