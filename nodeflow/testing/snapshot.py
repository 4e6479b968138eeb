"""Today's specs of a pack held against those that documents were saved with, as ``spec.json`` has them."""

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from nodeflow.core.manifest import SNAPSHOT, dump_manifest, parse_manifest
from nodeflow.core.packs import Manifest
from nodeflow.core.ranges import spell_range
from nodeflow.core.spec import Input, Range, Spec
from nodeflow.core.suggest import shorten
from nodeflow.testing.findings import Finding
from nodeflow.testing.sources import Place

PlaceOf = Callable[[Spec], Place]
WRITE = "nodeflow pack check {} --write-spec"


def snapshot_findings(manifest: Manifest, root: Path, place_of: PlaceOf, asked: str = ".") -> Iterator[Finding]:
    """Changes since the snapshot that documents saved before would notice, without a version and a migration.

    Args:
        asked: What whoever checks the pack called it.
    """
    write = WRITE.format(shlex.quote(asked))
    if root.is_file():  # a pack of one file has no place for it
        return
    file = root / SNAPSHOT
    try:
        old = parse_manifest(file.read_bytes())
    except FileNotFoundError:
        message = f"there is no {SNAPSHOT}, so that a change of inputs and outputs would go unnoticed"
        yield Finding("snapshot.missing", "", message, f"run `{write}` and check the file in", str(file))
        return
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        yield Finding("snapshot.missing", "", f"{SNAPSHOT} cannot be read: {reason}", f"run `{write}`", str(file))
        return
    steps = {(step.id, step.version) for step in manifest.migrations}
    now = {spec.id: spec for spec in manifest.specs}
    found = [finding for spec in old.specs for finding in _compared(spec, now.get(spec.id), steps, place_of, write)]
    yield from found
    if not found and dump_manifest(old) != dump_manifest(manifest):
        message = f"{SNAPSHOT} does not tell what the code says, though no saved document would notice"
        yield Finding("snapshot.old", "", message, f"run `{write}` and check the file in", str(file))


def _compared(
    old: Spec, new: Spec | None, steps: Iterable[tuple[str, int]], place_of: PlaceOf, write: str
) -> Iterator[Finding]:
    if new is None:
        if (old.id, old.version) not in steps:
            way_out = f'bring it back, or add @migrates("{old.id}", {old.version}) that names what replaces it'
            yield Finding("spec.changed", old.id, "the node is gone", way_out)
        return
    place = place_of(new)
    if new.version < old.version:
        message = f"the version went back from {old.version} to {new.version}"
        yield Finding("spec.changed", new.id, message, f"make it {old.version} or higher", *place)
        return
    for version in range(old.version, new.version):
        if (new.id, version) not in steps:
            message = f"there is no way from version {version} to {version + 1}"
            way_out = f'add @migrates("{new.id}", {version})'
            yield Finding("spec.migration", new.id, message, way_out, *place)
    if new.version == old.version:
        way_out = (
            f'raise version to {old.version + 1} and add @migrates("{new.id}", {old.version}), '
            f"or run `{write}` if no document was saved with it yet"
        )
        for message in _changes(old, new):
            yield Finding("spec.changed", new.id, message, way_out, *place)


def _changes(old: Spec, new: Spec) -> Iterator[str]:
    """What is different about inputs and outputs in a way that a saved document relies on."""
    yield from _input_changes(old.inputs, new.inputs)
    outputs = {item.name: item for item in new.outputs}
    for output in old.outputs:
        now = outputs.get(output.name)
        if now is None:
            yield f'the output "{output.name}" is gone; there is {_listed(outputs)}'
        elif now.type != output.type:
            yield f'the type of the output "{output.name}" changed from {output.type} to {now.type}'


def _input_changes(old: Iterable[Input], new: Iterable[Input], outer: str = "") -> Iterator[str]:
    before, after = ({item.name: item for item in items} for items in (old, new))
    for name, item in before.items():
        now = after.get(name)
        if now is None:
            yield f'the input "{outer}{name}" is gone; there is {_listed(after)}'
        else:
            yield from (f'the input "{outer}{name}" {what}' for what in _narrower(item, now))
            yield from _input_changes(item.fields, now.fields, f"{name}.")
    for name, item in after.items():
        if name not in before and item.required:
            yield f'the input "{outer}{name}" is new and has no default, so that no saved document has it'


def _narrower(old: Input, new: Input) -> Iterator[str]:
    """What an input no longer takes."""
    if old.type != new.type:
        yield f"changed its type from {old.type} to {new.type}"
    if new.required and not old.required:
        yield "lost its default"
    gone = [choice for choice in old.choices or () if new.choices is not None and choice not in new.choices]
    if gone:
        yield f"lost the choices {', '.join(map(shorten, gone))}"
    elif new.choices is not None and old.choices is None:
        yield "became a choice"
    if new.range is not None and not _covers(new.range, old.range or Range()):
        yield f"allows less than before: {spell_range(new.range) or 'another length or form'}"
    folders = [widget.folder if widget is not None else None for widget in (old.widget, new.widget)]
    if folders[0] != folders[1]:
        yield f"looks for its files in {folders[1]} instead of {folders[0]}"


def _covers(new: Range, old: Range) -> bool:
    """Whether all that ``old`` allowed is allowed still."""
    above = _bound(old.ge, old.gt) >= _bound(new.ge, new.gt)
    below = _bound(old.le, old.lt, -1) >= _bound(new.le, new.lt, -1)
    lengths = (old.min_length or 0) >= (new.min_length or 0) and (
        new.max_length is None or (old.max_length is not None and old.max_length <= new.max_length)
    )
    steps = new.multiple_of is None or (old.multiple_of is not None and old.multiple_of % new.multiple_of == 0)
    return above and below and lengths and steps and new.pattern in (None, old.pattern)


def _bound(closed: float | None, open: float | None, sign: int = 1) -> tuple[float, bool]:
    """A lower bound as a value that sorts by how much it allows; for an upper one, signs are turned."""
    bounds = [(sign * value, is_open) for value, is_open in ((closed, False), (open, True)) if value is not None]
    return max(bounds, default=(float("-inf"), False))


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(names) or "none"
