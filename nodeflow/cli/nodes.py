"""``nodeflow nodes``: the nodes there are, all about one of them, or the packs that bring them."""

import argparse
import difflib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from nodeflow.cli import catalogue
from nodeflow.core.canonical import number_text
from nodeflow.core.errors import PackFailed, UsageError
from nodeflow.core.json import JsonValue
from nodeflow.core.ranges import spell_range, starts_at_zero
from nodeflow.core.registry import Registry
from nodeflow.core.spec import Form, Input, Range, Spec, Widget
from nodeflow.core.tables import owner_of
from nodeflow.session.workplace import Workplace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="type id of a node, such as KSampler")
    parser.add_argument("--packs", action="store_true", help="list the packs, what they bring, and what is wrong")
    parser.add_argument("--json", action="store_true", help="print one JSON object: of the node, or of everything")


def execute(args: argparse.Namespace) -> int:
    """Prints the list, or one page."""
    registry = Workplace.at().registry
    for line in _lines(args, registry):
        print(line)
    if args.name is None and not (args.json or args.packs):
        for problem in registry.problems:
            print(f"warning: {problem}", file=sys.stderr)
    return 0


def _lines(args: argparse.Namespace, registry: Registry) -> Iterator[str]:
    if args.packs and args.name is not None:
        raise UsageError(f"--packs lists all packs; leave out {args.name}, or --packs")
    spec = None if args.name is None else _spec(registry, args.name)
    if args.json:
        tree = catalogue.as_json(registry) if spec is None else catalogue.spec_json(spec)
        return iter((json.dumps(tree, ensure_ascii=False),))
    if spec is not None:
        return _page(spec, registry)
    return catalogue.pack_pages(registry) if args.packs else _listing(registry)


def _spec(registry: Registry, name: str) -> Spec:
    spec = registry.specs.get(name)
    if spec is not None:
        return spec
    reason = registry.missing(name)
    if reason is not None:
        pack = owner_of(name)
        raise PackFailed(pack, reason.removeprefix(f"pack {pack}: "))
    lowered = {id.lower(): id for id in registry.specs}
    near = [lowered[match] for match in difflib.get_close_matches(name.lower(), lowered, 3)]
    hint = f"did you mean {' or '.join(near)}?" if near else "nodeflow nodes lists them all"
    raise UsageError(f"there is no node {name!r}; {hint}")


def _listing(registry: Registry) -> Iterator[str]:
    specs = sorted(registry.specs.values(), key=lambda spec: (spec.category, spec.id))
    width = max((len(spec.id) for spec in specs), default=0)
    for category, members in groupby(specs, key=lambda spec: spec.category):
        yield f"{category or 'other'}:"
        for spec in members:
            converts = f" ({catalogue.converts(spec)})" if spec.converts else ""
            yield f"  {spec.id:<{width}}  {_first_line(spec.help)}{converts}".rstrip()


def _page(spec: Spec, registry: Registry) -> Iterator[str]:
    facts = [spec.id, f"version {spec.version}", spec.category or "other", f"pack {spec.pack or '-'}", spec.kind.value]
    if spec.converts:
        facts.append(f"converts {catalogue.converts(spec)}")
    yield " · ".join(facts)
    if spec.help:
        yield ""
        yield from spec.help.strip().splitlines()
    yield from _table("inputs", [_input_row(item, registry) for item in _inputs(spec)])
    yield from _table("outputs", [(item.name, str(item.type), item.help) for item in spec.outputs])


def _inputs(spec: Spec) -> Iterator[Input]:
    """The inputs, each with the fields of its rows; what an expander gets no value of is nothing a user has to know."""
    for item in spec.inputs:
        yield replace(item, lazy=item.lazy and spec.form is not Form.EXPANDER)
        for field in item.fields:
            yield replace(field, name=f"{item.name}[].{field.name}")


def _table(title: str, rows: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    if not rows:
        return
    yield ""
    yield f"{title}:"
    names, types = max(len(row[0]) for row in rows), max(len(row[1]) for row in rows)
    for name, type_, text in rows:
        yield f"  {name:<{names}}  {type_:<{types}}  {text}".rstrip()


def _input_row(item: Input, registry: Registry) -> tuple[str, str, str]:
    choices: Sequence[JsonValue] | None = registry.choices(item.open_choices) if item.open_choices else item.choices
    bounds = item.range or Range()
    facts = [
        "required" if item.required else f"default {_literal(item.default)}",
        spell_range(replace(bounds, ge=0) if starts_at_zero(item) else bounds),
        f"one of {', '.join(map(_literal, choices))}" if choices else "",
        _files(item.widget),
        "computed only when needed" if item.lazy else "",
    ]
    text = "; ".join(fact for fact in facts if fact)
    return item.name, str(item.type), f"{text}. {item.help}" if item.help else text


def _files(widget: Widget | None) -> str:
    if widget is None or widget.folder is None:
        return ""
    return f"a file in {widget.folder}" if widget.pattern is None else f"may name files in {widget.folder}"


def _literal(value: JsonValue) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number_text(value)
    return json.dumps(value, ensure_ascii=False)


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
