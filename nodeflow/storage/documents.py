"""Finding and reading documents: files, pictures that carry one, and workflows shipped with packs."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nodeflow.core.errors import InvalidDocument, MissingFile, Problem, UsageError
from nodeflow.storage.embedded import PictureDamaged, is_picture, read_texts
from nodeflow.storage.replacing import replace_file

CHUNK = "nodeflow"
"""Name of the text in a picture that holds the document."""
RECORD_CHUNK = "nodeflow.run"
"""Name of the text in a picture that holds the record of the run."""
MAX_FILE = 256 * 2**20
"""Bytes read at most; the limit for the document itself is lower."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a document came from.

    Attributes:
        name: For messages.
        data: Its bytes.
        folder: Where it lies, in which its input files are looked for; None for standard input.
    """

    name: str
    data: bytes
    folder: Path | None = None


def open_document(name: str, shipped: Mapping[str, Path]) -> Source:
    """Reads the file ``name``, a picture with an embedded document, or the shipped workflow of that name.

    Raises:
        MissingFile: There is no such file, or it cannot be read; names the nearest shipped workflows.
        InvalidDocument: It is a picture without a document.
    """
    path = Path(name)
    if not _is_there(path) and name.removesuffix(".json") in shipped:
        path = shipped[name.removesuffix(".json")]
        return Source(name, _read(path, name), path.absolute().parent)
    if not _is_there(path):
        near = difflib.get_close_matches(name, shipped, 3)
        known = f"did you mean the shipped workflow {' or '.join(near)}" if near else f"shipped: {', '.join(shipped)}"
        raise _missing("file.missing", "there is no such workflow file", name, known if shipped else None)
    data = _read(path, name)
    return Source(name, _embedded(data, name) if is_picture(data) else data, path.absolute().parent)


def write_document(path: Path, data: bytes) -> None:
    """Writes a document; it is there whole or as before.

    Raises:
        UsageError: It cannot be written.
    """
    try:
        replace_file(path, data)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error


def shipped_workflows(folders: Iterable[Path]) -> Mapping[str, Path]:
    """Workflows that come with packs, by name; the first folder with a name wins."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.json")):
            found.setdefault(path.stem, path)
    return found


def _embedded(data: bytes, name: str) -> bytes:
    try:
        texts = read_texts(data)
    except PictureDamaged as error:
        raise InvalidDocument([Problem("document.picture", str(error), found=name)]) from error
    if CHUNK not in texts:
        message = "this picture carries no nodeflow document"
        hint = "it was made by another program, or saved with --no-metadata"
        raise InvalidDocument([Problem("document.picture", message, found=name, hint=hint)])
    return texts[CHUNK].encode("utf-8")


def _read(path: Path, name: str) -> bytes:
    if path.is_dir():
        raise _missing("file.folder", "this is a folder, a workflow file is expected", name, None)
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE)
    except OSError as error:
        raise _missing("file.unreadable", f"cannot be read: {error.strerror or error}", name, None) from error


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long, or with a zero byte
        return False


def _missing(code: str, message: str, name: str, hint: str | None) -> MissingFile:
    return MissingFile([Problem(code, message, found=name, hint=hint)])
