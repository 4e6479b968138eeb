"""One node taken step by step from the version it was saved with to today's."""

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Final, cast

from nodeflow.core.canonical import record_text
from nodeflow.core.errors import PackFailed, Problem
from nodeflow.core.json import JsonValue
from nodeflow.core.migrations import ExtraNode, Migrated
from nodeflow.core.raised import told
from nodeflow.core.specs import Specs
from nodeflow.core.workflow import Node

_SUFFIX: Final = re.compile(r"[A-Za-z0-9_-]+")
_PARTS: Final[Mapping[bool, str]] = {True: ".output, or .extra.output", False: ".extra.name"}

Tree = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What a node has become.

    Attributes:
        inputs: Links that start with a dot are those of ``Migrated``.
        outputs: Outputs that have another name: old to new.
        renamed: Inputs that have another name: old to new.
        extra: Further nodes, by what is put behind the id.
    """

    type: str
    version: int
    inputs: Mapping[str, JsonValue]
    outputs: Mapping[str, str] = field(default_factory=dict[str, str])
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])
    extra: Mapping[str, ExtraNode] = field(default_factory=dict[str, ExtraNode])

    def after(self, step: Migrated, specs: Specs) -> "Upgraded":
        """One step later.

        Raises:
            ValueError: The step names what is not there, or gives what is no JSON.
        """
        if again := self.extra.keys() & step.extra.keys():
            raise ValueError(f"it brings the node {min(again)} once more")
        extra = {suffix: _with_outputs(node, step.outputs) for suffix, node in self.extra.items()} | dict(step.extra)
        type_, version = _next(self.type, self.version, step, specs)
        outputs, renamed = _later(self.outputs, step.outputs), _later(self.renamed, step.renamed)
        later = Upgraded(type_, version, dict(step.inputs), outputs, renamed, extra)
        later.check()
        return later

    def check(self) -> None:
        """Raise ValueError where the names of the steps so far make no sense."""
        for suffix in self.extra:
            if not _SUFFIX.fullmatch(suffix):
                raise ValueError(f"{suffix!r} cannot be put behind an id; use letters, digits, _ and -")
        for inputs in (self.inputs, *(node.inputs for node in self.extra.values())):
            record_text(dict(inputs))
            relinked_all(inputs, self._checked_link)
        for name in (*self.outputs.values(), *self.renamed.values()):
            self._check_name(name, own=False)

    def _checked_link(self, link: str) -> str:
        self._check_name(link, own=True)
        return link

    def _check_name(self, name: str, *, own: bool) -> None:
        if not name.startswith(".") or name.startswith(".."):
            return
        _, *parts = name.split(".")
        if not (len(parts) == 2 and parts[0] in self.extra) and not (own and len(parts) == 1):
            raise ValueError(f"{name!r} names no node that it brings; write {_PARTS[own]}")


def upgraded(node: Node, specs: Specs) -> Upgraded | Problem | None:
    """What a node is today, or why it cannot be brought there; None when there is no step to take."""
    now = Upgraded(node.type, node.version, node.inputs)
    seen: set[tuple[str, int]] = set()
    while (now.type, now.version) not in seen:
        seen.add((now.type, now.version))
        spec = specs.specs.get(now.type)
        if spec is not None and now.version >= spec.version:
            return now
        try:
            step = specs.migration(now.type, now.version)
            if step is None:
                break
            result = cast("object", step(deepcopy(dict(now.inputs))))
            if not isinstance(result, Migrated | Mapping):
                found, wanted = type(result).__name__, "inputs or Migrated"
                reason = f"the migration from version {now.version} returned {found}, expected {wanted}"
                return Problem("version.migration", reason, type=now.type)
            now = now.after(result if isinstance(result, Migrated) else Migrated(cast(Tree, result)), specs)
        except PackFailed as error:
            return Problem("pack.failed", "old inputs cannot be migrated", hint=str(error), type=now.type)
        except Exception as error:  # noqa: BLE001 - a migration is foreign code, and its failure concerns this node only
            reason = f"the migration from version {now.version} failed: {told(error)}"
            return Problem("version.migration", reason, type=now.type)
    if now.type in specs.specs or now.type != node.type:
        message = f"there is no way from version {now.version} of {now.type} to the one of today"
        return Problem("version.migration", message, found=f"version {node.version}", type=node.type)
    return None


def relinked_all(inputs: Mapping[str, JsonValue], rename: Callable[[str], str]) -> Tree:
    """The inputs of a node with every link in them rewritten; draws and escaped literals stay as they are."""
    return {name: _relinked(value, rename) for name, value in inputs.items()}


def _relinked(value: JsonValue, rename: Callable[[str], str]) -> JsonValue:
    match value:
        case {"link": str() as link, **others} if not others:
            return {"link": rename(link)}
        case {"value": _, **others} if not others:
            return value
        case {"draw": _}:
            return value
        case dict():
            return {key: _relinked(inner, rename) for key, inner in value.items()}
        case list():
            return [_relinked(inner, rename) for inner in value]
        case _:
            return value


def _with_outputs(node: ExtraNode, outputs: Mapping[str, str]) -> ExtraNode:
    """An extra node whose links to the node it came with follow new names of that node's outputs."""

    def rename(link: str) -> str:
        name = link.removeprefix(".")
        if link == name or "." in name or name not in outputs:
            return link
        return outputs[name] if outputs[name].startswith(".") else f".{outputs[name]}"

    return replace(node, inputs=relinked_all(node.inputs, rename))


def _later(names: Mapping[str, str], new: Mapping[str, str]) -> Mapping[str, str]:
    return {**new, **{old: new.get(name, name) for old, name in names.items()}}


def _next(type_: str, version: int, step: Migrated, specs: Specs) -> tuple[str, int]:
    if step.type is None or step.type == type_:
        return type_, step.version or version + 1
    spec = specs.specs.get(step.type)
    return step.type, step.version or (spec.version if spec else 1)
