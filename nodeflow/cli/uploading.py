"""What goes to a server with a workflow: its values, and the user's own files that it names."""

import argparse
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

from pydantic import JsonValue

from nodeflow.cli import wire
from nodeflow.client import Client, Refused
from nodeflow.core.assigning import inputs_named
from nodeflow.core.errors import UsageError, refusal
from nodeflow.core.spec import Input
from nodeflow.core.specs import Specs
from nodeflow.core.subgraphs import with_subgraphs
from nodeflow.core.upgrade import migrate
from nodeflow.core.validate import resolve
from nodeflow.core.workflow import Document
from nodeflow.session.files import IMAGE_FOLDER, SessionFiles
from nodeflow.session.sources import settings
from nodeflow.session.workplace import Workplace
from nodeflow.storage.inputs import files_in

_PICTURES: Final = frozenset({"image_file", "input_file", IMAGE_FOLDER})
"""Widgets whose literal names something in the input folders."""
_DIGITS: Final = 12

Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """A workflow as it goes to a server.

    Attributes:
        document: As it was read.
        tree: As it is sent: with the names that its files have on the server.
        inputs: Values for its inputs.
    """

    document: Document
    tree: Mapping[str, Any]
    inputs: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Noting(SessionFiles):
    """The user's files, and a note of those that a document names and that are here."""

    pictures: dict[str, Path] = field(default_factory=dict[str, Path])
    folders: dict[str, Path] = field(default_factory=dict[str, Path])

    def input(self, name: str) -> Path | None:
        """The picture of that name."""
        return _noted(self.pictures, name, SessionFiles.input(self, name))

    def input_folder(self, name: str) -> Path | None:
        """The folder of that name."""
        return _noted(self.folders, name, SessionFiles.input_folder(self, name))


def _noted(notes: dict[str, Path], name: str, path: Path | None) -> Path | None:
    if path is not None:
        notes[name] = path
    return path


def request_of(client: Client, args: argparse.Namespace) -> Request:
    """A workflow with its values, whose files are on the server by now.

    Args:
        client: Of the server.
        args: Of ``wire.add_document``, ``wire.add_item`` and ``--input-dir``.

    Raises:
        InvalidDocument: It is no document; what else may be wrong is for the server to find.
        MissingFile: The document, or a file given as a value, is not there.
        UsageError: A file was given that cannot be sent, such as a model.
    """
    place = Workplace.at(input_dir=args.input_dir)
    loaded = place.load(wire.source(args), item=args.item)
    values = wire.values(args)
    if loaded.document.faults:
        raise refusal(place.check(loaded, values))
    document, _ = migrate(loaded.document, place.registry)
    specs = with_subgraphs(document, place.registry)
    given = settings(document, values, specs)
    for kind, name in given.granted:
        if kind not in (None, IMAGE_FOLDER):
            where = f"put it into the folder {kind} of the server's models, and give its name there"
            raise UsageError(f"{name}: model files are not sent to a server; {where}")
    found = place.files(loaded)
    files = Noting(found.models, found.inputs, given.granted, found.secrets, found.outputs)
    resolve(loaded.document, place.registry, files, settings=given.values)
    sender = Sender(client)
    names = {name: sender.picture(path, name) for name, path in files.pictures.items()}
    names |= {name: sender.folder(path) for name, path in files.folders.items()}
    changed = {name: there for name, there in names.items() if name != there}
    if not changed:
        return Request(document, loaded.document.tree, given.values)
    rename = _Renaming(changed, specs)
    return Request(document, rename.document(document.tree), rename.values(document, given.values))


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends files; what is there already, under its name and with its content, is not sent again."""

    client: Client

    def picture(self, path: Path, name: str) -> str:
        """Sends a file and gives its name there: its own, or one with a digest where another file has that."""
        try:
            return self.client.upload(path, name).name
        except Refused as error:
            if error.code != "file.exists":
                raise
        own = PurePosixPath(name)
        return self._sent(path, str(own.with_stem(f"{own.stem}-{_digest([path])}")))

    def folder(self, path: Path) -> str:
        """Sends a folder and gives its name there, which tells what is in it."""
        files = files_in(path)
        name = f"{path.absolute().name or 'folder'}-{_digest(files)}"
        for file in files:
            self._sent(file, f"{name}/{file.name}")
        return name

    def _sent(self, path: Path, name: str) -> str:
        """A name that has the digest of what is under it."""
        try:
            return self.client.upload(path, name).name
        except Refused as error:
            if error.code != "file.exists":
                raise
            return name


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(path.name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:_DIGITS]


@dataclass(frozen=True, slots=True)
class _Renaming:
    """Gives files in a document the names that they have elsewhere."""

    names: Mapping[str, str]
    specs: Specs

    def document(self, tree: Tree) -> Tree:
        """A document, with its sub-graphs."""
        graphs = {
            name: {**graph, "nodes": self._nodes(graph["nodes"])} for name, graph in tree.get("graphs", {}).items()
        }
        return {**tree, "nodes": self._nodes(tree["nodes"]), **({"graphs": graphs} if graphs else {})}

    def values(self, document: Document, given: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """Values by name of an input."""
        renamed: dict[str, JsonValue] = {}
        for name, value in given.items():
            inputs = inputs_named(document, name, self.specs)
            renamed[name] = self._value(inputs[0], value) if inputs else value
        return renamed

    def _nodes(self, nodes: Tree) -> Tree:
        return {id: {**node, "inputs": dict(self._inputs(node))} for id, node in nodes.items()}

    def _inputs(self, node: Tree) -> Iterator[tuple[str, JsonValue]]:
        spec = self.specs.specs.get(node["type"])
        for name, value in node.get("inputs", {}).items():
            input = None if spec is None else spec.input(name)
            yield name, value if input is None else self._value(input, value)

    def _value(self, input: Input, value: JsonValue) -> JsonValue:
        match value:
            case str() if input.widget is not None and input.widget.kind in _PICTURES:
                return self.names.get(value, value)
            case list():
                return [self._value(input, member) for member in value]
            case dict() if input.fields:
                fields = {each.name: each for each in input.fields}
                return {key: self._value(fields[key], part) if key in fields else part for key, part in value.items()}
            case _:
                return value
