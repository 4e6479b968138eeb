"""Documents made with older packs, brought to the node versions of today before anything is validated."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Final, cast

from nodeflow.core.errors import Problem
from nodeflow.core.json import JsonValue
from nodeflow.core.migrations import ExtraNode
from nodeflow.core.names import place_in
from nodeflow.core.specs import Specs
from nodeflow.core.steps import Tree, Upgraded, relinked_all, upgraded
from nodeflow.core.workflow import Document, Node

_MOST: Final = 100
"""How many nodes may come of one: a migration that goes on for ever is stopped there."""

_FINAL: Final = ".."
"""Starts a link that must not be rewritten: it has the names of today already."""


def migrate(document: Document, specs: Specs) -> tuple[Document, list[Problem]]:
    """The document as it would be saved today, and the nodes that could not be brought there."""
    top = _Scope(specs, dict(document.nodes))
    tree = dict(document.tree)
    changed = top.migrate(tree)
    problems = top.problems
    graphs = dict(cast(Tree, tree.get("graphs", {})))
    for name, definition in document.graphs.items():
        scope = _Scope(specs, dict(definition.nodes))
        inner = dict(cast(Tree, graphs[name]))
        if scope.migrate(inner):
            graphs[name] = inner
            tree["graphs"] = graphs
            changed = True
        problems.extend(replace(item, node=place_in(name, item.node)) for item in scope.problems)
    return (document.with_tree(tree) if changed else document), problems


@dataclass(slots=True)
class _Scope:
    """The nodes of a document, or of one of its sub-graphs.

    Attributes:
        nodes: By id; those that migrations bring are added.
        now: What nodes have become.
        brought: For such nodes, the ids of the further ones that came of them, by what was put behind the id.
    """

    specs: Specs
    nodes: dict[str, Node]
    problems: list[Problem] = field(default_factory=list[Problem])
    now: dict[str, Upgraded] = field(default_factory=dict[str, Upgraded])
    brought: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])

    def migrate(self, tree: Tree) -> bool:
        """Bring the nodes in a tree up to date, in place; says whether anything changed."""
        known = self.specs.specs
        for id, node in list(self.nodes.items()):
            spec = known.get(node.type)
            if spec is None or node.version < spec.version:
                self._upgrade(id, node)
        if not self.now:
            return False
        old = cast(dict[str, Tree], tree["nodes"])
        members = dict(member for id, node in old.items() for member in self._trees(id, node))
        if any(node.outputs or node.renamed or node.extra for node in self.now.values()):
            for member in members.values():
                if "inputs" in member:
                    member["inputs"] = relinked_all(cast(Tree, member["inputs"]), self._output)
            if "interface" in tree:
                tree["interface"] = self._interface(cast(Tree, tree["interface"]))
        tree["nodes"] = cast(JsonValue, members)
        return True

    def _upgrade(self, id: str, node: Node) -> None:
        """Take a node, and those that come of it, to today's versions."""
        waiting = [(id, node)]
        for at, old in waiting:
            result = upgraded(old, self.specs)
            if isinstance(result, Upgraded) and len(waiting) + len(result.extra) > _MOST:
                result = Problem("version.migration", "its migration brings ever more nodes", type=node.type)
            if isinstance(result, Problem):
                self.problems.append(replace(result, node=id))
            elif result is not None:
                waiting += self._bring(at, old, result)

    def _bring(self, id: str, old: Node, result: Upgraded) -> list[tuple[str, Node]]:
        """Note what a node has become; the further nodes that came of it, which may be of an older version."""
        brought: dict[str, str] = {}
        for suffix in result.extra:
            brought[suffix] = self._free_id(f"{id}_{suffix}")
            self.nodes[brought[suffix]] = old

        def absolute(link: str) -> str:
            if not link.startswith(".") or link.startswith(_FINAL):
                return link
            suffix, _, name = link.removeprefix(".").rpartition(".")
            return f"{brought[suffix]}.{name}" if suffix else f"{_FINAL}{id}.{name}"

        self.now[id] = replace(result, inputs=relinked_all(result.inputs, absolute))
        self.brought[id] = brought
        further = {
            brought[suffix]: self._node(extra, relinked_all(extra.inputs, absolute), old)
            for suffix, extra in result.extra.items()
        }
        self.nodes.update(further)
        return list(further.items())

    def _node(self, extra: ExtraNode, inputs: Tree, old: Node) -> Node:
        spec = self.specs.specs.get(extra.type)
        version = extra.version or (spec.version if spec else 1)
        return Node(type=extra.type, version=version, mode=old.mode, title=extra.title, inputs=inputs)

    def _free_id(self, wanted: str) -> str:
        id, number = wanted, 2
        while id in self.nodes:
            id, number = f"{wanted}_{number}", number + 1
        return id

    def _trees(self, id: str, old: Tree) -> Iterator[tuple[str, Tree]]:
        """A node as it is now, and those that came of it."""
        now = self.now.get(id)
        new: Tree = {} if now is None else {"type": now.type, "version": now.version, "inputs": dict(now.inputs)}
        yield id, {**old, **new}
        for further in self.brought.get(id, {}).values():
            yield from self._trees(further, _tree(self.nodes[further]))

    def _output(self, link: str) -> str:
        if link.startswith(_FINAL):
            return link.removeprefix(_FINAL)
        return self._renamed(link, lambda node: node.outputs)

    def _input(self, socket: str) -> str:
        return self._renamed(socket, lambda node: node.renamed)

    def _renamed(self, socket: str, names: Callable[[Upgraded], Mapping[str, str]]) -> str:
        id, _, name = socket.partition(".")
        now = self.now.get(id)
        new = name if now is None else names(now).get(name, name)
        if not new.startswith("."):
            return f"{id}.{new}"
        suffix, _, inner = new.removeprefix(".").partition(".")
        return self._renamed(f"{self.brought[id][suffix]}.{inner}", names)

    def _interface(self, interface: Tree) -> JsonValue:
        renamed = deepcopy(interface)
        for item in _members(renamed, "inputs"):
            item["to"] = [self._input(socket) for socket in cast(list[str], item["to"])]
        for item in _members(renamed, "outputs"):
            item["from"] = self._output(cast(str, item["from"]))
        return renamed


def _tree(node: Node) -> Tree:
    optional = {name: value for name, value in (("mode", node.mode), ("title", node.title)) if value is not None}
    return {"type": node.type, "version": node.version, **optional, "inputs": dict(node.inputs)}


def _members(parent: Tree, name: str) -> Iterable[Tree]:
    return cast(dict[str, Tree], parent.get(name, {})).values()
