"""What a session takes as a document, and as values for its inputs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from nodeflow.core.assigning import inputs_named
from nodeflow.core.drawing import is_draw
from nodeflow.core.errors import MissingFile, Problem, UsageError
from nodeflow.core.files import FILE_WIDGETS
from nodeflow.core.graph import Graph
from nodeflow.core.json import JsonValue
from nodeflow.core.registry import Registry
from nodeflow.core.rows import Row
from nodeflow.core.spec import Input
from nodeflow.core.specs import Specs
from nodeflow.core.texts import parse_text
from nodeflow.core.workflow import Document, parse_document
from nodeflow.session.files import IMAGE_FOLDER
from nodeflow.session.rowvalues import Granted, written_rows
from nodeflow.storage.documents import open_document

Source: TypeAlias = "Loaded | Document | Graph | Path | str | bytes | Mapping[str, Any]"
"""A document, a recorded graph, a file (or a picture that carries a document), a shipped workflow's name, or JSON: as
bytes, or as the dictionary that was read from them."""
Value: TypeAlias = "JsonValue | Path | Sequence[Row]"
"""A value for an input; a Path gives a text input the text of that file, and a file input that very file or folder.

In a row a Path is a file as well.
"""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A document that was read, and the folder in which its input files are looked for first."""

    document: Document
    folder: Path | None = None


def load(source: Source, registry: Registry, shipped: Mapping[str, Path]) -> Loaded:
    """Reads a document from wherever it is.

    Raises:
        MissingFile: There is no such file or shipped workflow.
        InvalidDocument: It is no document.
        UsageError: It is of no type that a document can have.
    """
    match source:
        case Loaded():
            return source
        case Document():
            return Loaded(source)
        case Graph():
            _register(source, registry)
            return Loaded(source.document())
        case bytes():
            return Loaded(parse_document(source, keep_going=True))
        case str() | Path():
            found = open_document(str(source), shipped)
            return Loaded(parse_document(found.data, keep_going=True), found.folder)
        case Mapping():
            return Loaded(parse_document(_as_json(source), keep_going=True))
        case _:
            given = type(source).__name__
            raise UsageError(f"a document is a path, a name, JSON, a dictionary, a Graph or a Document, not {given}")


def _as_json(document: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(document).encode()
    except (TypeError, ValueError) as error:
        raise UsageError(f"the dictionary given as a document is no JSON: {error}") from error


@dataclass(frozen=True, slots=True)
class Settings:
    """Values ready for a document: plain JSON, and the files that were named outright."""

    values: Mapping[str, JsonValue]
    granted: Granted = field(default_factory=dict[tuple[str | None, str], Path])


def settings(document: Document, values: Mapping[str, Value], specs: Specs) -> Settings:
    """Replaces every Path by what the input it is for needs.

    Raises:
        MissingFile: There is no such file.
        UsageError: A text input was given a file that is not UTF-8.
    """
    plain: dict[str, JsonValue] = {}
    granted: Granted = {}
    for name, value in values.items():
        inputs = inputs_named(document, name, specs)
        if not isinstance(value, Path):
            fields = inputs[0].fields if inputs else ()
            given: Any = written_rows(name, value, fields, granted) if fields else value
            plain[name] = _draw_of(given, inputs)
            continue
        widgets = [input.widget for input in inputs]
        files = [widget for widget in widgets if widget is not None and widget.kind in FILE_WIDGETS]
        folders = [widget for widget in files if widget.kind == IMAGE_FOLDER]
        if not (value.is_dir() if folders else value.is_file()):
            what = "folder" if folders else "file"
            raise MissingFile([Problem("file.missing", f"the {what} for {name} is not there", found=str(value))])
        if files and len(files) == len(widgets):
            place = value.absolute()
            plain[name] = place.name
            granted.update({(IMAGE_FOLDER if folders else widget.folder, place.name): place for widget in files})
        else:
            plain[name] = text_of(name, value)
    return Settings(plain, granted)


def _draw_of(value: JsonValue, inputs: Sequence[Input]) -> JsonValue:
    """A draw that was typed as text, as an object, so that all inputs it is for get what it gives once."""
    if not isinstance(value, str) or not inputs:
        return value
    read = parse_text(inputs[0].type, value)
    return read if is_draw(read) else value


def text_of(name: str, path: Path) -> str:
    """The text in a file.

    Raises:
        UsageError: It is not UTF-8, or cannot be read; the message says that it was for ``name``.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: {path} is not a text in UTF-8; only file inputs take other files") from error
    except OSError as error:
        raise UsageError(f"{name}: {path} cannot be read: {error.strerror or error}") from error


def _register(graph: Graph, registry: Registry) -> None:
    """Makes the graph's own functions known where no pack has them."""
    for function, spec in graph.functions.items():
        registry.add_node(function, spec)


def pack_folders(registry: Registry) -> Iterable[tuple[str, Path]]:
    """Name and folder of every pack that has one."""
    return [(name, root) for name, root in registry.roots.items() if root.is_dir()]


def workflow_folders(folders: Iterable[tuple[str, Path]]) -> Sequence[Path]:
    """Where packs keep workflows: ``workflows`` in the pack, and beside the sources where those are run in place."""
    found: list[Path] = []
    for _, folder in folders:
        found.append(folder / "workflows")
        checkout = folder.parent.parent
        if folder.parent.name == "nodes" and (checkout / "pyproject.toml").is_file():
            found.append(checkout / "workflows")
    return found
