"""What the specs of a pack say, held against the rules: docs, defaults, ids. Nothing is run."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from nodeflow.core.json import JsonValue
from nodeflow.core.literals import read_literal
from nodeflow.core.packs import BUILT_IN, Manifest
from nodeflow.core.ranges import starts_at_zero
from nodeflow.core.spec import Input, Spec
from nodeflow.core.suggest import shorten
from nodeflow.core.tables import join
from nodeflow.core.unfit import Unfit
from nodeflow.testing.findings import Finding
from nodeflow.testing.sources import Place

_BELOW_ZERO = "Annotated[int, Field(ge=-10)]"
PlaceOf = Callable[[Spec], Place]
Choices = Callable[[str], Sequence[JsonValue]]


def spec_findings(spec: Spec, place: Place, choices: Choices) -> Iterator[Finding]:
    """What is wrong with one node: missing docs, defaults that its own inputs refuse.

    Args:
        choices: The names in an open table.
    """
    if not spec.help:
        way_out = "write one sentence that says what the node does as the function's docstring"
        yield Finding("docs.node", spec.id, "the node has no description", way_out, *place)
    for item in spec.inputs:
        yield from _input_findings(spec.id, item, place, choices)


def _input_findings(node: str, item: Input, place: Place, choices: Choices, outer: str = "") -> Iterator[Finding]:
    label = f"{outer}{item.name}"
    if not item.help:
        way_out = f'add "{item.name}: …" under "Args:" in the docstring'
        yield Finding("docs.input", node, f'the input "{label}" has no description', way_out, *place)
    if not item.required:
        try:
            read_literal(item, item.default, choices(item.open_choices) if item.open_choices else item.choices)
        except Unfit as fault:
            if fault.code == "literal.socket" and item.default is None:
                return
            expected = f"; expected {fault.expected}" if fault.expected else ""
            message = f'the default {shorten(item.default)} of "{label}" is refused: {fault.message}{expected}'
            way_out = fault.hint or "change the default or the range"
            if way_out == "nearest is 0" and starts_at_zero(item):
                way_out += f"; an int starts at 0 unless it says otherwise: {label}: {_BELOW_ZERO}"
            yield Finding("input.default", node, message, way_out, *place)
    for field in item.fields:
        yield from _input_findings(node, field, place, choices, f"{label}.")


def id_findings(manifest: Manifest, others: Sequence[Manifest], place_of: PlaceOf) -> Iterator[Finding]:
    """Ids that are used twice or lack the pack's prefix, and whatever makes the pack no good beside the others.

    Args:
        others: The other packs that are installed.
    """
    counts = Counter(spec.id for spec in manifest.specs)
    prefix = "" if manifest.name == BUILT_IN else f"{manifest.name}."
    for spec in manifest.specs:
        place = place_of(spec)
        if counts[spec.id] > 1:
            yield Finding("id.twice", spec.id, "two functions of the pack have this id", "rename one of them", *place)
        if not spec.id.startswith(prefix):
            way_out = f"call it {prefix}{spec.id.rpartition('.')[2]}"
            yield Finding("id.prefix", spec.id, f"the id does not start with {prefix}", way_out, *place)
    unique = tuple({spec.id: spec for spec in manifest.specs}.values())
    for problem in join([*others, replace(manifest, specs=unique, problems=())], (), ()).problems:
        if problem.pack == manifest.name:
            yield _beside(problem.reason)


def _beside(reason: str) -> Finding:
    """What the joining of all packs has to say about this one."""
    if any(words in reason for words in ("is claimed by", "both say")):
        return Finding("id.taken", "", reason, "choose a name that starts with that of the pack")
    return Finding("pack.requires", "", reason, "install what is required, or change `requires`")
