"""What all packs bring, as one JSON object for tools and as pages for people."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from pathlib import Path
from textwrap import wrap
from typing import Final, cast

from pydantic import TypeAdapter

from nodeflow.core.converters import source_of
from nodeflow.core.json import JsonValue
from nodeflow.core.packs import Manifest, ModelKind
from nodeflow.core.registry import Registry
from nodeflow.core.spec import Spec
from nodeflow.session.sources import workflow_folders

_SPEC: Final = TypeAdapter(Spec)
_WIDTH: Final = 100


def as_json(registry: Registry) -> JsonValue:
    """Everything: nodes by id with all that is known of them, packs, value types, kinds of models, open choices."""
    tree: dict[str, JsonValue] = {
        "packs": {name: _pack_json(pack, registry) for name, pack in sorted(registry.packs.items())},
        "nodes": {id: spec_json(spec) for id, spec in sorted(registry.specs.items())},
        "converters": [
            {"node": spec.id, "from": str(source_of(spec).type), "to": str(spec.outputs[0].type)}
            for spec in _converting(registry)
        ],
        "sockets": {
            name: {"title": socket.title, "color": socket.color, "kept_on_disk": socket.codec is not None}
            for name, socket in sorted(registry.sockets.items())
        },
        "kinds": {name: _kind_json(kind) for name, kind in sorted(registry.kinds.items())},
        "choices": {table: list(registry.choices(table)) for table in _tables(registry)},
        "problems": [{"pack": problem.pack, "reason": problem.reason} for problem in registry.problems],
    }
    return tree


def spec_json(spec: Spec) -> JsonValue:
    """All that is known of one node."""
    return cast(JsonValue, _SPEC.dump_python(spec, mode="json"))


def pack_pages(registry: Registry) -> Iterator[str]:
    """For every pack: who it is, what it brings, and what is wrong with it."""
    names = dict.fromkeys((*sorted(registry.packs), *(problem.pack for problem in registry.problems)))
    for index, name in enumerate(names):
        if index:
            yield ""
        pack = registry.packs.get(name)
        yield " ".join(filter(None, (name, pack.version if pack else "")))
        facts = [(title, lines) for title, lines in _facts(name, pack, registry) if lines]
        width = max((len(title) for title, _ in facts), default=0)
        for title, lines in facts:
            for label, line in zip(chain([title], repeat("")), lines, strict=False):
                yield f"  {label:<{width}}  {line}"


def converts(spec: Spec) -> str:
    """What a converter does, in short; empty for other nodes."""
    return f"{source_of(spec).type} → {spec.outputs[0].type}" if spec.converts else ""


def _facts(name: str, pack: Manifest | None, registry: Registry) -> Iterator[tuple[str, Sequence[str]]]:
    """Titles and lines; a title without lines is not shown."""
    root = registry.roots.get(name)
    yield "folder", [str(root)] if root is not None else []
    if pack is not None:
        values = registry.settings(name)
        yield "requires", _wrapped(pack.requires)
        yield "nodes", _wrapped(sorted(spec.id for spec in pack.specs))
        yield "converters", [f"{spec.id}: {converts(spec)}" for spec in pack.specs if spec.converts]
        yield "types", [f"{it.name} {it.color}{'' if it.codec else ', in memory only'}" for it in pack.sockets]
        yield "models", [f"{kind.name}: models/{kind.place}/*{', *'.join(kind.suffixes)}" for kind in pack.kinds]
        for table, entries in pack.extensions.items():
            yield table, _wrapped(entries)
        yield "workflows", _wrapped(_workflows(name, root))
        yield "settings", [f"{item.name} = {json.dumps(values[item.name])}  {item.help}" for item in pack.settings]
    yield "problems", [problem.reason for problem in registry.problems if problem.pack == name]


def _wrapped(names: Iterable[str]) -> Sequence[str]:
    return wrap(", ".join(names), _WIDTH, break_long_words=False, break_on_hyphens=False)


def _workflows(name: str, root: Path | None) -> list[str]:
    folders = () if root is None else workflow_folders([(name, root)])
    return sorted({file.stem for folder in folders for file in folder.glob("*.json")})


def _pack_json(pack: Manifest, registry: Registry) -> JsonValue:
    root = registry.roots.get(pack.name)
    values = registry.settings(pack.name)
    return {
        "version": pack.version,
        "package": pack.package,
        "folder": None if root is None else str(root),
        "requires": list(pack.requires),
        "nodes": [spec.id for spec in pack.specs],
        "sockets": [socket.name for socket in pack.sockets],
        "kinds": [kind.name for kind in pack.kinds],
        "extensions": {table: list(entries) for table, entries in pack.extensions.items()},
        "workflows": list(_workflows(pack.name, root)),
        "settings": {
            item.name: {"value": values[item.name], "default": item.default, "help": item.help}
            for item in pack.settings
        },
        "problems": [problem.reason for problem in registry.problems if problem.pack == pack.name],
    }


def _kind_json(kind: ModelKind) -> JsonValue:
    return {"folder": kind.place, "suffixes": list(kind.suffixes), "help": kind.help}


def _converting(registry: Registry) -> Sequence[Spec]:
    return [registry.specs[id] for id in sorted(registry.specs) if registry.specs[id].converts]


def _tables(registry: Registry) -> Sequence[str]:
    return sorted({table for pack in registry.packs.values() for table in pack.extensions})
