"""Documents made with older packs, brought to the node versions of today before anything is validated."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import cast

from nodeflow.core.errors import PackFailed, Problem
from nodeflow.core.json import JsonValue
from nodeflow.core.migrations import Migrated
from nodeflow.core.specs import Specs
from nodeflow.core.workflow import Document, Node

Tree = dict[str, JsonValue]


def migrate(document: Document, specs: Specs) -> tuple[Document, list[Problem]]:
    """The document as it would be saved today, and the nodes that could not be brought there."""
    problems: list[Problem] = []
    tree = dict(document.tree)
    changed = _migrate_scope(tree, document.nodes, specs, problems)
    graphs = dict(cast(Tree, tree.get("graphs", {})))
    for name, definition in document.graphs.items():
        inner = dict(cast(Tree, graphs[name]))
        if _migrate_scope(inner, definition.nodes, specs, problems):
            graphs[name] = inner
            tree["graphs"] = graphs
            changed = True
    return (Document.from_tree(tree) if changed else document), problems


@dataclass(slots=True)
class _Renames:
    """Sockets of one graph that have new names, by node."""

    outputs: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    inputs: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])

    def add(self, id: str, migrated: Migrated) -> None:
        for known, new in ((self.outputs, migrated.outputs), (self.inputs, migrated.renamed)):
            names = known.setdefault(id, {})
            for old in names:
                names[old] = new.get(names[old], names[old])
            for old, name in new.items():
                names.setdefault(old, name)

    def __bool__(self) -> bool:
        return any(self.outputs.values()) or any(self.inputs.values())


def _migrate_scope(scope: Tree, nodes: Mapping[str, Node], specs: Specs, problems: list[Problem]) -> bool:
    """Bring the nodes of one graph up to date, in place; says whether anything changed."""
    renames = _Renames()
    newer: Tree = {}
    known = specs.specs
    for id, node in nodes.items():
        spec = known.get(node.type)
        if spec is None or node.version < spec.version:
            fields = _migrate_node(id, node, specs, renames, problems)
            if fields is not None:
                newer[id] = fields
    if not newer:
        return False
    old = cast(Tree, scope["nodes"])
    scope["nodes"] = {id: {**cast(Tree, node), **cast(Tree, newer.get(id, {}))} for id, node in old.items()}
    if renames:
        for member in _members(scope, "nodes"):
            if "inputs" in member:
                inputs = cast(Tree, member["inputs"])
                member["inputs"] = {name: _relinked(value, renames.outputs) for name, value in inputs.items()}
        if "interface" in scope:
            scope["interface"] = _renamed_interface(cast(Tree, scope["interface"]), renames)
    return True


def _migrate_node(id: str, node: Node, specs: Specs, renames: _Renames, problems: list[Problem]) -> Tree | None:
    """The new type, version and inputs of a node; None when there is no step to take."""
    type_, version, inputs = node.type, node.version, node.inputs
    seen: set[tuple[str, int]] = set()
    while (type_, version) not in seen:
        seen.add((type_, version))
        spec = specs.specs.get(type_)
        if spec is not None and version >= spec.version:
            return {"type": type_, "version": version, "inputs": dict(inputs)}
        try:
            step = specs.migration(type_, version)
            if step is None:
                break
            result = step(deepcopy(dict(inputs)))
        except PackFailed as error:
            problems.append(Problem("pack.failed", "old inputs cannot be migrated", id, hint=str(error), type=type_))
            return None
        except Exception as error:  # noqa: BLE001 - a migration is foreign code, and its failure concerns this node only
            reason = f"the migration from version {version} failed: {type(error).__name__}: {error}"
            problems.append(Problem("version.migration", reason, id, type=type_))
            return None
        migrated = result if isinstance(result, Migrated) else Migrated(result)
        renames.add(id, migrated)
        inputs = dict(migrated.inputs)
        type_, version = _next(type_, version, migrated, specs)
    if type_ in specs.specs or type_ != node.type:
        message = f"there is no way from version {version} of {type_} to the one of today"
        problems.append(Problem("version.migration", message, id, found=f"version {node.version}", type=node.type))
    return None


def _next(type_: str, version: int, migrated: Migrated, specs: Specs) -> tuple[str, int]:
    if migrated.type is None or migrated.type == type_:
        return type_, migrated.version or version + 1
    spec = specs.specs.get(migrated.type)
    return migrated.type, migrated.version or (spec.version if spec else 1)


def _relinked(value: JsonValue, outputs: Mapping[str, Mapping[str, str]]) -> JsonValue:
    """``value`` with every link to a renamed output rewritten; escaped literals stay as they are."""
    match value:
        case {"link": str() as link, **others} if not others:
            return {"link": _renamed(link, outputs)}
        case {"value": _, **others} if not others:
            return value
        case {"draw": _}:
            return value
        case dict():
            return {key: _relinked(inner, outputs) for key, inner in value.items()}
        case list():
            return [_relinked(inner, outputs) for inner in value]
        case _:
            return value


def _renamed_interface(interface: Tree, renames: _Renames) -> JsonValue:
    renamed = deepcopy(interface)
    for item in _members(renamed, "inputs"):
        item["to"] = [_renamed(socket, renames.inputs) for socket in cast(list[str], item["to"])]
    for item in _members(renamed, "outputs"):
        item["from"] = _renamed(cast(str, item["from"]), renames.outputs)
    return renamed


def _members(parent: Tree, name: str) -> Iterable[Tree]:
    return cast(dict[str, Tree], parent.get(name, {})).values()


def _renamed(socket: str, names: Mapping[str, Mapping[str, str]]) -> str:
    node, _, name = socket.partition(".")
    return f"{node}.{names.get(node, {}).get(name, name)}"
