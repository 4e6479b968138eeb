"""JSON text in: read within limits, refusing whatever another reader would take for something else.

Size, nesting and the number of values are measured on the text, before any value is built. What JavaScript would
silently change (a key that occurs twice, an integer it cannot hold, NaN) is an error that says where it stands, and so
is a text that no file can hold, because half of a character is missing.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from nodeflow.core.canonical import MAX_SAFE_INTEGER, half_character, number_text
from nodeflow.core.errors import InvalidDocument, Problem
from nodeflow.core.json import JsonValue
from nodeflow.core.names import place_in

Path = tuple[str | int, ...]
"""Keys and indices that lead from the root of a JSON value to a place inside it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a document may not exceed.

    Attributes:
        bytes: Size of the text.
        depth: Nesting of lists and objects.
        values: Lists, objects and their members together: what bounds the memory a text can ask for.
        nodes: Nodes of the document, those of sub-graphs included.
    """

    bytes: int = 64 * 2**20
    depth: int = 100
    values: int = 2_000_000
    nodes: int = 200_000


LIMITS: Final = Limits()


def read_json(data: bytes | str, limits: Limits = LIMITS) -> JsonValue:
    """Read JSON text whose numbers come out in canonical form: an integral one is an int.

    Raises:
        InvalidDocument: Too large, too deep, not JSON, or ambiguous; with line and column, or with the place.
    """
    text = _decoded(data, limits)
    marks = _Marks()
    decoder = json.JSONDecoder(
        object_pairs_hook=marks.object,
        parse_int=marks.integer,
        parse_float=marks.number,
        parse_constant=marks.constant,
    )
    try:
        value: JsonValue = decoder.decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidDocument([Problem("json.syntax", f"this is not JSON: {error.msg} at {where}")]) from None
    if marks.found or (_HALF.search(text) and any(map(_half_in, (inner for _, inner in walk(value))))):
        raise InvalidDocument(marks.problems(value))
    return value


def integral(value: float) -> int | float:
    """``value`` as an int where JavaScript would print it as one that it can hold."""
    if value.is_integer() and -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
        return int(value)
    return value


_HALF: Final = re.compile(r"\\u[dD][89a-fA-F]")
"""What may be half of a character, unless the other half follows."""

WHOLE: Final = "whole characters; two escapes may make one, as \\ud83d\\ude00 do"


def _half_in(value: JsonValue) -> str | None:
    """The half of a character in a text, or in a key of an object."""
    texts = value if isinstance(value, dict) else (value,) if isinstance(value, str) else ()
    return next(filter(None, map(half_character, texts)), None)


# The closing quote is optional so that an unterminated string is one match: the scan stays linear.
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEP: Final = tuple({"[": 1, "{": 1, "]": -1, "}": -1}.get(chr(code), 0) for code in range(256))


def _decoded(data: bytes | str, limits: Limits) -> str:
    if len(data) > limits.bytes:
        raise _limit("bytes", f"{len(data):,} bytes", f"at most {limits.bytes:,}")
    try:
        raw = data.encode() if isinstance(data, str) else data
        text = raw.decode("utf-8-sig")
    except UnicodeError as error:
        raise InvalidDocument([Problem("json.encoding", f"this is not UTF-8 text: {error}")]) from None
    _measure(raw, limits)
    return text


def _measure(raw: bytes, limits: Limits) -> None:
    skeleton = _STRING.sub(b"", raw)
    values = skeleton.count(b",") + skeleton.count(b"[") + skeleton.count(b"{")
    if values > limits.values:
        raise _limit("values", f"{values:,} values", f"at most {limits.values:,}")
    brackets = skeleton.translate(None, _NOT_BRACKETS)
    depth = max(accumulate(map(_STEP.__getitem__, brackets)), default=0)
    if depth > limits.depth:
        raise _limit("depth", f"{depth:,} levels of brackets", f"at most {limits.depth}")


def _limit(name: str, found: str, expected: str) -> InvalidDocument:
    return InvalidDocument([Problem(f"limit.{name}", "the document is too large", found=found, expected=expected)])


class _Lost(float):
    """A number that cannot be kept, with the text it was written as."""

    text: str


@dataclass(slots=True)
class _Marks:
    """The hooks of one decoder; remembers what must be refused, so that the usual document pays nothing for it."""

    repeated: dict[int, tuple[object, str]] = field(default_factory=dict[int, tuple[object, str]])
    found: bool = False

    def object(self, pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
        result = dict(pairs)
        if len(result) != len(pairs):
            self.found = True
            counts = Counter(key for key, _ in pairs)
            again = counts.most_common(1)[0][0]
            self.repeated[id(result)] = result, again  # keeps it alive, so that no other object gets its id
        return result

    def integer(self, text: str) -> float:
        if len(text) < 16:
            return int(text)
        value = integral(float(text))
        if isinstance(value, int) or (value - value == 0 and number_text(value) == text):
            # An integer above 2^53 - 1 stands for the float that JavaScript prints so.
            return value
        return self.lost(text)

    def number(self, text: str) -> float:
        value = float(text)
        return integral(value) if value - value == 0 else self.lost(text)

    def constant(self, text: str) -> float:
        return self.lost(text)

    def lost(self, text: str) -> float:
        self.found = True
        number = _Lost()
        number.text = text
        return number

    def problems(self, root: JsonValue) -> Iterator[Problem]:
        for path, value in walk(root):
            path = tuple(key if isinstance(key, int) else _printable(key) for key in path)
            if (half := _half_in(value)) is not None:
                where = "a key of" if isinstance(value, dict) else "the text at"
                message = f"{where} {spell(path)} has half of a character"
                yield Problem("json.text", message, *place(path), found=half, expected=WHOLE)
            if isinstance(value, _Lost):
                node, input = place(path)
                yield Problem(
                    "json.number",
                    f"the number at {spell(path)} is not the same everywhere",
                    node,
                    input,
                    found=value.text if len(value.text) < 40 else f"{value.text[:37]}…",
                    expected="a finite number; integers between -(2^53 - 1) and 2^53 - 1",
                )
            elif id(value) in self.repeated:
                _, key = self.repeated[id(value)]
                key = _printable(key)
                node, input = place((*path, key))
                yield Problem("json.duplicate", f'the key "{key}" occurs twice in {spell(path)}', node, input)


def _printable(key: str) -> str:
    return key.encode("utf-8", "backslashreplace").decode()


def walk(root: JsonValue, path: Path = ()) -> Iterator[tuple[Path, JsonValue]]:
    """Every value inside ``root``, itself included, with the path to it."""
    yield path, root
    if isinstance(root, dict):
        for key, value in root.items():
            yield from walk(value, (*path, key))
    elif isinstance(root, list):
        for index, item in enumerate(root):
            yield from walk(item, (*path, index))


def place(path: Path) -> tuple[str | None, str | None]:
    """The node and the input that a path leads into, where it does."""
    match path:
        case ("nodes", str() as node, "inputs", str() as input, *_):
            return node, input
        case ("nodes", str() as node, *_):
            return node, None
        case ("graphs", str() as graph, *inner) if inner:
            inside, name = place(tuple(inner))
            return place_in(graph, inside), name
        case _:
            return None, None


def spell(path: Path) -> str:
    """A path as people write it: ``nodes.base.inputs.rows[0]``."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".") or "the document"
