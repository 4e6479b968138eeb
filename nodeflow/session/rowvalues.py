"""Rows that are given to a run in Python: what a document holds for them, and the files that they name outright."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast

from nodeflow.core.errors import MissingFile, Problem, UsageError
from nodeflow.core.files import FILE_WIDGETS
from nodeflow.core.plain import plain_value
from nodeflow.core.rows import Row
from nodeflow.core.spec import Input, Widget
from nodeflow.session.files import IMAGE_FOLDER

Granted: TypeAlias = dict[tuple[str | None, str], Path]
"""Files by kind of model, None for a picture, and by the name under which a document asks for them."""


def written_rows(place: str, value: object, fields: Sequence[Input], granted: Granted) -> Any:
    """Rows as objects; any other value as it is.

    Args:
        place: What they are for, as in ``stack.rows``.
        value: Rows, or objects as a document has them; a Path in a field for files is that very file or folder.
        fields: Of the rows.
        granted: Where to note these files.

    Raises:
        MissingFile: There is no such file.
        UsageError: Two files have one name.
    """
    match value:
        case list() | tuple():
            rows = cast("Sequence[object]", value)
            return [written_rows(f"{place}[{number}]", row, fields, granted) for number, row in enumerate(rows)]
        case Row():
            parts = vars(value)
            row = written_rows(place, parts, fields, granted)
            return {name: {"value": part} if isinstance(parts[name], dict) else part for name, part in row.items()}
        case dict():
            known = {field.name: field for field in fields}
            members = cast("Mapping[str, object]", value)
            return {name: _part(f"{place}.{name}", part, known.get(name), granted) for name, part in members.items()}
        case _:
            return value


def _part(place: str, value: object, field: Input | None, granted: Granted) -> Any:
    if isinstance(value, Path) and field is not None and field.widget and field.widget.kind in FILE_WIDGETS:
        return _file(place, value, field.widget, granted)
    if field is not None and field.fields:
        return written_rows(place, value, field.fields, granted)
    try:
        return plain_value(value)
    except ValueError as error:
        raise UsageError(f"{place}: {error}") from None


def _file(place: str, path: Path, widget: Widget, granted: Granted) -> str:
    what = "folder" if widget.kind == IMAGE_FOLDER else "file"
    if not (path.is_dir() if what == "folder" else path.is_file()):
        raise MissingFile([Problem("file.missing", f"the {what} for {place} is not there", found=str(path))])
    kind = IMAGE_FOLDER if what == "folder" else widget.folder
    known = granted.setdefault((kind, path.name), path.absolute())
    if known != path.absolute():
        raise UsageError(f"{place}: {path} has the same name as {known}, which is given too; rename one of them")
    return path.name
