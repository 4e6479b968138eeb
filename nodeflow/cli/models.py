"""``nodeflow models``: where models are looked for and what is there; ``verify`` reads those of a document anew."""

import argparse
import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from nodeflow.cli import wire
from nodeflow.core.errors import InvalidDocument, MissingFile, UsageError
from nodeflow.core.json import JsonValue
from nodeflow.session.verification import State
from nodeflow.storage.headers import Header, HeaderFault, read_header
from nodeflow.storage.models import ModelFile, ModelFolders, Root

_SAFETENSORS = frozenset({".safetensors", ".sft"})
_PICKLED = frozenset({".ckpt", ".pt", ".pth", ".bin"})


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
    if args.json:
        print(json.dumps(_as_json(models), ensure_ascii=False))
        return 0
    for line in (*_roots(models), *_files(models), *_empty(models)):
        print(line)
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


def _files(models: ModelFolders) -> Iterator[str]:
    for kind in models.kinds():
        files = list(models.files(kind))
        if files:
            yield ""
            yield f"{kind}: {models.kind(kind).help}".rstrip()
        width = max((len(file.name) for file in files), default=0)
        for file in files:
            yield f"  {file.name:<{width}}  {_size(file.path):>9}  {_about(file)}  ({file.root.label})"
        for path in models.strays(kind):
            target = path.resolve()
            yield f"  {path} is not used: it links to {target}; to allow that, name its folder in config.toml"


def _empty(models: ModelFolders) -> Iterator[str]:
    """The kinds that packs read and of which there is no file yet, with the folder to put one into."""
    empty = [kind for kind in models.declared.values() if not models.names(kind.name)]
    if empty:
        yield ""
        yield "no files yet:"
    width = max((len(kind.name) for kind in empty), default=0)
    for kind in sorted(empty, key=lambda kind: kind.name):
        yield f"  {kind.name:<{width}}  {models.folder(kind.name)}/*{', *'.join(kind.suffixes)}"


def _as_json(models: ModelFolders) -> Mapping[str, JsonValue]:
    files: list[JsonValue] = [
        {
            "kind": kind,
            "name": file.name,
            "path": str(file.path),
            "bytes": file.path.stat().st_size,
            "about": _about(file),
        }
        for kind in models.kinds()
        for file in models.files(kind)
    ]
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


def _places(root: Root) -> list[Path]:
    spelled_out = dict.fromkeys(folder for folders in root.folders.values() for folder in folders)
    return ([] if root.path is None else [root.path]) + list(spelled_out)


def _about(file: ModelFile) -> str:
    suffix = file.path.suffix.lower()
    if suffix in _PICKLED:
        return "not safetensors: cannot be used, because such files can run code; convert it"
    if suffix not in _SAFETENSORS:
        return f"a {suffix.removeprefix('.')} file"
    try:
        return _summary(read_header(file.path))
    except HeaderFault as error:
        return f"damaged: {error}"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"


def _summary(header: Header) -> str:
    millions = header.parameters / 1e6
    dtypes = ", ".join(sorted(header.dtypes))
    return f"{millions:.1f} M parameters in {header.tensors} tensors, {dtypes}"


def _size(path: Path) -> str:
    size = path.stat().st_size
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
