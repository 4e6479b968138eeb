"""``nodeflow models``: where models are looked for and what is there; ``verify`` reads those of a document anew."""

import argparse
import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from nodeflow.cli import wire
from nodeflow.cli.messages import printable
from nodeflow.core.errors import InvalidDocument, MissingFile, UsageError
from nodeflow.core.json import JsonValue
from nodeflow.session.cataloguing import Catalogued, catalogue
from nodeflow.session.verification import State
from nodeflow.storage.models import ModelFolders, Root


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("verify", nargs="?", choices=("verify",), help="hold the models of a workflow against its pins")
    parser.add_argument("file", nargs="?", metavar="FILE", help=wire.DOCUMENT_HELP)
    wire.add_places(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def execute(args: argparse.Namespace) -> int:
    """Prints roots and files, or one line for each model of a workflow."""
    if args.verify:
        return _verify(args)
    models = wire.workplace(args).models
    found = catalogue(models)
    if args.json:
        print(json.dumps(_as_json(models, found), ensure_ascii=False))
        return 0
    print("\n".join(map(printable, (*_roots(models), *_files(models, found), *_empty(models, found)))))
    return 0


def _verify(args: argparse.Namespace) -> int:
    """0 when every file is the pinned one; 4 when all that is wrong is that files are missing."""
    if args.file is None:
        raise UsageError("nodeflow models verify FILE: which workflow?")
    found = wire.workplace(args).verify(wire.source(args))
    if args.json:
        print(json.dumps([dataclasses.asdict(verdict) for verdict in found], ensure_ascii=False))
    else:
        for verdict in found:
            print(verdict)
        if not found:
            print(f"{args.file}: pins no models and uses none")
    wrong = {verdict.state for verdict in found} - {State.OK}
    if not wrong:
        return 0
    return (MissingFile if wrong == {State.MISSING} else InvalidDocument).exit_code


def _roots(models: ModelFolders) -> Iterator[str]:
    yield "folders, first to last:"
    for root in models.roots:
        for place in _places(root):
            yield f"  {place}  ({root.label}{'' if place.is_dir() else ', not there'})"


def _files(models: ModelFolders, found: Mapping[str, Sequence[Catalogued]]) -> Iterator[str]:
    for kind, files in found.items():
        told = [f"  {path} is not used: {why}" for path, why in models.broken(kind)]
        if files or told:
            yield ""
            yield f"{kind}: {models.kind(kind).help}".rstrip()
        widths = [max((len(text) for text in column), default=0) for column in zip(*map(_columns, files), strict=True)]
        for file in files:
            cells = "  ".join(f"{text:<{width}}" for text, width in zip(_columns(file), widths, strict=True))
            yield f"  {cells}  {_remarks(file)}".rstrip()
        for path, first in models.hidden(kind):
            yield f"  {path} is not used: {first} has the same name and comes first"
        for path in models.strays(kind):
            target = path.resolve()
            yield f"  {path} is not used: it links to {target}; to allow that, name its folder in config.toml"
        yield from told


def _columns(file: Catalogued) -> tuple[str, ...]:
    about = file.about
    what = about.fault or about.title
    return printable(file.name), _size(file.nbytes), about.precision or "-", about.prediction or "-", what


def _remarks(file: Catalogued) -> str:
    about = file.about
    counted = f"{about.parameters / 1e6:.1f} M parameters in {about.tensors} tensors" if about.tensors else ""
    triggers = f"triggers: {', '.join(about.triggers)}" if about.triggers else ""
    title = about.metadata.get("modelspec.title", "")
    named = f"“{title}”" if title else ""
    return "  ".join(text for text in (counted, named, triggers, f"({file.root.label})") if text)


def _empty(models: ModelFolders, found: Mapping[str, Sequence[Catalogued]]) -> Iterator[str]:
    """The kinds that packs read and of which there is no file yet, with the folder to put one into."""
    empty = [kind for kind in models.declared.values() if not found.get(kind.name)]
    if empty:
        yield ""
        yield "no files yet:"
    width = max((len(kind.name) for kind in empty), default=0)
    for kind in sorted(empty, key=lambda kind: kind.name):
        yield f"  {kind.name:<{width}}  {models.folder(kind.name)}/*{', *'.join(kind.suffixes)}"


def _as_json(models: ModelFolders, found: Mapping[str, Sequence[Catalogued]]) -> Mapping[str, JsonValue]:
    files: list[JsonValue] = [_file_json(kind, file) for kind, group in found.items() for file in group]
    roots: list[JsonValue] = [
        {"source": root.label, "path": str(place), "exists": place.is_dir()}
        for root in models.roots
        for place in _places(root)
    ]
    kinds: dict[str, JsonValue] = {
        name: {"folder": kind.place, "suffixes": list(kind.suffixes), "help": kind.help}
        for name, kind in sorted(models.declared.items())
    }
    return {"folders": roots, "files": files, "kinds": kinds}


def _file_json(kind: str, file: Catalogued) -> dict[str, JsonValue]:
    about = file.about
    return {
        "kind": kind,
        "name": file.name,
        "path": str(file.path),
        "bytes": file.nbytes,
        "family": about.family or None,
        "about": about.fault or about.title,
        "usable": not about.fault,
        "base": about.base,
        "precision": about.precision or None,
        "prediction": about.prediction,
        "parameters": about.parameters,
        "tensors": about.tensors,
        "triggers": list(about.triggers),
        "metadata": dict(about.metadata),
    }


def _places(root: Root) -> list[Path]:
    spelled_out = dict.fromkeys(folder for folders in root.folders.values() for folder in folders)
    return ([] if root.path is None else [root.path]) + list(spelled_out)


def _size(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
