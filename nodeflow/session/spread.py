"""The values of an axis as they are typed: lists, ranges, lines of a file, and names with wildcards."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from nodeflow.core.assigning import inputs_named
from nodeflow.core.errors import UsageError
from nodeflow.core.json import JsonValue
from nodeflow.core.spec import Input
from nodeflow.core.specs import Specs
from nodeflow.core.suggest import listing
from nodeflow.core.texts import parse_text
from nodeflow.core.types import ANY, Type
from nodeflow.core.workflow import Document
from nodeflow.session.axes import MAX_POINTS
from nodeflow.session.drawing import natural
from nodeflow.session.files import SessionFiles
from nodeflow.storage.containment import NameRefused, contains, relative_name

_NUMBER: Final = r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d{1,2})?"
_RANGE: Final = re.compile(rf"\s*({_NUMBER})\.\.({_NUMBER})(?:/(\d{{1,6}}))?\s*")
_WILD: Final = re.compile(r"[*?\[]")
_MOST_TEXT: Final = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Spread:
    """Reads values by the type of the input that they are for."""

    document: Document
    specs: Specs
    files: SessionFiles

    def values(self, name: str, text: str) -> tuple[JsonValue, ...]:
        """All values that ``text`` stands for.

        ``4,5,6``, quoted where a value has a comma; for numbers also ``4..8`` and, in five equal steps, ``4..8/5``;
        ``@FILE`` for the lines of a file; ``*``, ``?`` and ``[…]`` in names of files and of choices.

        Raises:
            UsageError: It cannot be read, or stands for nothing.
        """
        inputs = inputs_named(self.document, name, self.specs)
        type_ = inputs[0].type if inputs else ANY
        if text.startswith("@") and not text.startswith("@@"):
            found = [parse_text(type_, line) for line in _lines(name, Path(text[1:]).expanduser())]
        else:
            parts = _parts(name, text[1:] if text.startswith("@@") else text)
            found = [value for part in parts for value in self._part(name, part, type_, inputs)]
        if not found:
            raise UsageError(f"{name}={text}: there is no value in it")
        return tuple(found)

    def value(self, name: str, text: str) -> JsonValue:
        """One value, read by the type of its input."""
        inputs = inputs_named(self.document, name, self.specs)
        return parse_text(inputs[0].type if inputs else ANY, text)

    def _part(self, name: str, part: str, type_: Type, inputs: Sequence[Input]) -> Sequence[JsonValue]:
        number = _number_type(type_)
        match = _RANGE.fullmatch(part) if number else None
        if match is not None:
            return _range(name, part, match, whole=number == "int")
        if inputs and _WILD.search(part) and (names := self._names(inputs[0], part)) is not None:
            fitting = sorted((each for each in names if fnmatchcase(each, part)), key=natural)
            if not fitting:
                raise UsageError(f"{name}={part}: nothing has such a name; there is {listing(sorted(names))}")
            return fitting
        return [parse_text(type_, part)]

    def _names(self, input: Input, pattern: str) -> Sequence[str] | None:
        """What a name with wildcards may stand for; None for an input whose values are no names."""
        if input.choices is not None:
            return [choice for choice in input.choices if isinstance(choice, str)]
        if input.open_choices is not None:
            return self.specs.choices(input.open_choices)
        match input.widget.kind if input.widget is not None else None:
            case "model_file":
                return self.files.names(str(input.widget and input.widget.folder))
            case "image_file" | "input_file":
                return list(_pictures(self.files.inputs.folders, pattern))
            case "output_image":
                return list(_pictures(self.files.outputs.folders, pattern))
            case _:
                return None


def _lines(name: str, path: Path) -> Sequence[str]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(_MOST_TEXT)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text in UTF-8"
        raise UsageError(f"{name}=@{path}: the file cannot be read: {reason}") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _parts(name: str, text: str) -> Sequence[str]:
    try:
        rows = list(csv.reader([text], skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise UsageError(f'{name}={text}: {error}; a value with a comma is written "in quotes"') from error
    return [part.strip() for part in rows[0]] if rows else []


def _number_type(type_: Type) -> str | None:
    match type_.name:
        case "int" | "float":
            return type_.name
        case "optional":
            return _number_type(type_.args[0])
        case _:
            return None


def _range(name: str, part: str, match: re.Match[str], *, whole: bool) -> Sequence[JsonValue]:
    first, last = Decimal(match[1]), Decimal(match[2])
    count = int(match[3]) if match[3] else int(abs(last - first)) + 1
    if count > MAX_POINTS or (match[3] and count < 2):
        raise UsageError(f"{name}={part}: a range has from 2 to {MAX_POINTS:,} values")
    step = (last - first) / (count - 1) if match[3] else Decimal(1 if last >= first else -1)
    numbers = [first + step * place for place in range(count)]
    return list(dict.fromkeys(_rounded(number, whole=whole) for number in numbers))


def _rounded(number: Decimal, *, whole: bool) -> int | float:
    """Whole where it has to be, else at most six digits, so that steps of a tenth look like it."""
    if whole or number == number.to_integral_value():
        return int(number.to_integral_value(ROUND_HALF_UP))
    return float(f"{number:.6g}")


def _pictures(folders: Iterable[Path], pattern: str) -> Iterator[str]:
    try:
        relative_name(pattern)
    except NameRefused as error:
        raise UsageError(f"{pattern}: {error}") from error
    for folder in folders:
        for path in folder.glob(pattern):
            if path.is_file() and contains(folder, path):
                yield path.relative_to(folder).as_posix()
