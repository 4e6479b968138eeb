"""Problems of structure: what pydantic found wrong with a document, in the words and codes of nodeflow."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from nodeflow.core.errors import Problem
from nodeflow.core.json import JsonValue
from nodeflow.core.reading import Path, place, spell
from nodeflow.core.suggest import did_you_mean, listing, shorten
from nodeflow.core.wanted import wanted


def count_nodes(tree: JsonValue) -> int:
    """How many nodes a document claims to have, those of its sub-graphs included."""
    if not isinstance(tree, dict):
        return 0
    graphs = tree.get("graphs")
    nodes = tree.get("nodes")
    inner = sum(map(count_nodes, graphs.values())) if isinstance(graphs, dict) else 0
    return inner + (len(nodes) if isinstance(nodes, dict) else 0)


def is_foreign(tree: dict[str, JsonValue]) -> bool:
    """Whether an object is no document at all, so that naming its fields one by one would help nobody."""
    return "nodeflow" not in tree and not isinstance(tree.get("nodes"), dict)


def foreign_problem(tree: JsonValue) -> Problem:
    """What an object that is no document seems to be."""
    members = tree.values() if isinstance(tree, dict) else ()
    comfy = isinstance(tree, dict) and "last_node_id" in tree
    if comfy or any(isinstance(member, dict) and "class_type" in member for member in members):
        message = "this is a workflow of ComfyUI, which cannot be read yet"
    else:
        message = "this is JSON, but no document"
    return Problem("document.foreign", message, expected='{"nodeflow": 1, "nodes": {…}}')


FieldsAt = Callable[[Path], Sequence[str]]
"""The fields that the object at a path may have."""

_CODES: Final[Mapping[str, str]] = {
    "missing": "field.missing",
    "extra_forbidden": "field.unknown",
    "string_pattern_mismatch": "field.name",
    "literal_error": "field.value",
    "greater_than": "field.value",
    "greater_than_equal": "field.value",
    "less_than_equal": "field.value",
    "too_short": "field.value",
    "string_too_short": "field.value",
}
"""Kinds of pydantic's errors; every other one is about the type of a field."""


def structure_problems(error: ValidationError, tree: JsonValue, fields: FieldsAt) -> Iterator[Problem]:
    """One problem for each field that does not fit the schema."""
    for details in error.errors(include_url=False, include_context=True):
        yield _problem(details, tree, fields)


class Mended(NamedTuple):
    """A tree without the parts that are wrong.

    Attributes:
        nodes: Ids of the nodes that were left out.
        graphs: Names of the sub-graphs that were left out.
    """

    tree: dict[str, JsonValue]
    nodes: tuple[str, ...]
    graphs: tuple[str, ...]


def without_faults(tree: dict[str, JsonValue], error: ValidationError) -> Mended:
    """A copy of the tree without the parts that are wrong."""
    mended = tree
    broken: dict[str, dict[str, None]] = {"nodes": {}, "graphs": {}}
    for details in error.errors(include_url=False, include_context=False):
        path = tuple(map(str, details["loc"]))
        part = path[: _PARTS.get(path[0], 1)]
        if part[0] in broken and len(part) == 2:
            broken[part[0]][part[1]] = None
        mended = _without(mended, part)
    return Mended({"nodeflow": 1, **mended}, tuple(broken["nodes"]), tuple(broken["graphs"]))


_PARTS: Final[Mapping[str, int]] = {"nodes": 2, "graphs": 2, "interface": 3}
"""How deep the parts lie that are left out: a node, a sub-graph, an input or output of the interface; else a field."""


def _without(tree: dict[str, JsonValue], path: Sequence[str]) -> dict[str, JsonValue]:
    """``tree`` without the member at ``path``."""
    first, *rest = path
    member = tree.get(first)
    if rest and isinstance(member, dict):
        return {**tree, first: _without(member, rest)}
    return {key: value for key, value in tree.items() if key != first}


def _problem(details: ErrorDetails, tree: JsonValue, fields: FieldsAt) -> Problem:
    path: Path = details["loc"]
    code = _CODES.get(details["type"], "field.type")
    is_key = path[-1:] == ("[key]",)
    inside = path[:-1] if is_key or code == "field.missing" else path
    node, _ = place(inside)
    found = None if code == "field.missing" else shorten(path[-2] if is_key else details["input"])
    type_ = _node_type(tree, inside)
    if code == "field.unknown":
        names = fields(path[:-1])
        message, expected = f"there is no field {spell(path)}", listing(names)
        return Problem(
            code, message, node, None, expected=expected, hint=did_you_mean(str(path[-1]), names), type=type_
        )
    if code == "field.missing":
        return Problem(code, f"the field {spell(path)} is missing", node, type=type_)
    what = "name" if is_key else "field"
    message = f"the {what} {spell(inside)} is wrong"
    return Problem(code, message, node, found=found, expected=wanted(details), type=type_)


def _node_type(tree: JsonValue, path: Path) -> str | None:
    """The type of the node that a path leads into, in a sub-graph or not."""
    steps = path[: 4 if path[:1] == ("graphs",) else 2]
    for key in (*steps, "type") if steps[-2:-1] == ("nodes",) else ():
        tree = tree.get(str(key)) if isinstance(tree, dict) else None
    return tree if isinstance(tree, str) else None
