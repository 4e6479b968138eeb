"""The prompt syntax: weights in round brackets, learned words, and the cutting of a prompt into chunks of 77 tokens.

`(x)` weighs x by 1.1 and nests; `(x:1.3)` sets its weight, whatever is around it; `\\(` and `\\)` are plain brackets.
`embedding:name`, at the beginning, after a blank or after a bracket, is a word learned as vectors (textual inversion).
What is not well formed is plain text: a bracket without partner, a weight that is no number. Weights mean what they
mean in ComfyUI; its treatment of unbalanced brackets, which swallows what follows, is not copied.
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Final

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.tokens import END, START, Tokenizer

EMPHASIS = 1.1
CHUNK = 77
_ROOM = CHUNK - 2
_LARGE = 8
"""A piece of so many tokens is cut at the end of a chunk; shorter ones move whole to the next."""

_PARTS = re.compile(r"\\[()]|[()]|[^()\\]+|\\")
_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_WEIGHT = re.compile(rf"(?P<text>.*):\s*(?P<number>{_NUMBER})\s*", re.DOTALL)
LEARNED: Final = (
    r"(?:^|(?<=[ \n()]))(?<!\\[()])embedding:([^\s()\\]+?)"
    rf"(?=,*(?:$|[\s()\\]|:\s*{_NUMBER}\s*\)))"
)
"""Where a prompt names a learned word; the name is the first group. It ends before commas, a weight or a bracket."""
_LEARNED = re.compile(LEARNED)


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a prompt with one weight.

    Attributes:
        text: What stands there, or the name of a learned word.
        learned: It is such a name.
    """

    text: str
    weight: float
    learned: bool = False


@dataclass(frozen=True, slots=True)
class _Name:
    name: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """What the encoder sees at once: 77 token numbers, and the weight of each position."""

    tokens: tuple[int, ...]
    weights: tuple[float, ...]


EMPTY = Chunk((START, *[END] * (CHUNK - 1)), (1.0,) * CHUNK)
"""The chunk of the empty prompt."""


def parse(prompt: str) -> tuple[Segment, ...]:
    """Splits a prompt into weighted pieces, in order; an empty prompt has none."""
    parts = _parts(prompt)
    closes = _partners(parts)
    brackets = {*closes, *closes.values()}
    explicit = {close: found for opening, close in closes.items() if (found := _explicit(parts, opening, close))}
    weights, buffer, segments = [1.0], "", list[Segment]()
    for index, part in enumerate(parts):
        if isinstance(part, str) and index not in brackets:
            text = explicit[index + 1][0] if index + 1 in explicit else part
            buffer += text.removeprefix("\\") if text in ("\\(", "\\)") else text
            continue
        if buffer:
            segments.append(Segment(buffer, weights[-1]))
            buffer = ""
        if isinstance(part, _Name):
            segments.append(Segment(part.name, weights[-1], learned=True))
        elif part == ")":
            weights.pop()
        else:
            given = explicit.get(closes[index])
            weights.append(weights[-1] * EMPHASIS if given is None else given[1])
    return (*segments, Segment(buffer, 1.0)) if buffer else tuple(segments)


def learned_names(prompt: str) -> tuple[str, ...]:
    """The learned words that a prompt names, each once."""
    return tuple(dict.fromkeys(match[1] for match in _LEARNED.finditer(prompt)))


def chunks(
    prompt: str, tokenizer: Tokenizer, learned: Mapping[str, Sequence[int]] | None = None, limit: int = 0
) -> tuple[Chunk, ...]:
    """Tokenises a prompt and lays it into chunks: start, up to 75 tokens, end, padding; at least one chunk.

    Each weighted piece and each learned word is taken by itself. One of fewer than 8 tokens that does not fit into the
    rest of a chunk moves whole to the next; longer ones are cut.

    Args:
        prompt: Its syntax is that of this module.
        tokenizer: Of the text encoder.
        learned: The numbers that stand for the vectors of each learned word, by its name.
        limit: So many tokens at most; what comes after them is left out. 0 is no limit.

    Raises:
        ValueRuleError: A learned word is not known.
    """
    filled: list[list[tuple[int, float]]] = [[]]
    for piece in _limited(prompt, tokenizer, learned or {}, limit)[0]:
        laid, count = 0, len(piece.tokens)
        while len(filled[-1]) + count - laid > _ROOM:
            until = laid + _ROOM - len(filled[-1]) if count >= _LARGE else laid
            filled[-1].extend((token, piece.weight) for token in piece.tokens[laid:until])
            filled.append([])
            laid = until
        filled[-1].extend((token, piece.weight) for token in piece.tokens[laid:])
    return tuple(_padded(row) for row in filled)


def left_out(prompt: str, tokenizer: Tokenizer, learned: Mapping[str, Sequence[int]], limit: int) -> str:
    """What of a prompt comes after so many tokens, in small letters; empty when nothing does."""
    pieces = _limited(prompt, tokenizer, learned, limit)[1]
    texts = ((piece.name and f"embedding:{piece.name}") or tokenizer.decode(piece.tokens) for piece in pieces)
    return " ".join(filter(None, texts))


@dataclass(frozen=True, slots=True)
class _Piece:
    """Tokens with one weight; those of a learned word have its name."""

    tokens: Sequence[int]
    weight: float
    name: str = ""


def _limited(
    prompt: str, tokenizer: Tokenizer, learned: Mapping[str, Sequence[int]], limit: int
) -> tuple[list[_Piece], list[_Piece]]:
    """The pieces of a prompt up to a number of tokens, and those after it."""
    within, beyond, room = list[_Piece](), list[_Piece](), limit or sys.maxsize
    for piece in _pieces(prompt, tokenizer, learned):
        tokens, rest = piece.tokens[:room], piece.tokens[room:]
        room -= len(tokens)
        within += [replace(piece, tokens=tokens)] if tokens else []
        beyond += [replace(piece, tokens=rest)] if rest else []
    return within, beyond


def _pieces(prompt: str, tokenizer: Tokenizer, learned: Mapping[str, Sequence[int]]) -> Iterator[_Piece]:
    for segment in parse(prompt):
        if not segment.learned:
            yield _Piece(tokenizer.encode(segment.text), segment.weight)
        elif segment.text in learned:
            yield _Piece(learned[segment.text], segment.weight, segment.text)
        else:
            near = get_close_matches(segment.text, learned, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueRuleError(f"there is no embedding {segment.text!r}{hint}")


def _parts(prompt: str) -> list[str | _Name]:
    """Brackets, escaped brackets, learned words, and the text between them."""
    parts, position = list[str | _Name](), 0
    for match in _LEARNED.finditer(prompt):
        parts += _PARTS.findall(prompt[position : match.start()])
        parts.append(_Name(match[1]))
        position = match.end()
    return parts + _PARTS.findall(prompt[position:])


def _partners(parts: Sequence[str | _Name]) -> dict[int, int]:
    """Where each opening bracket that has a partner is closed."""
    waiting: list[int] = []
    closes: dict[int, int] = {}
    for index, part in enumerate(parts):
        if part == "(":
            waiting.append(index)
        elif part == ")" and waiting:
            closes[waiting.pop()] = index
    return closes


def _explicit(parts: Sequence[str | _Name], opening: int, close: int) -> tuple[str, float] | None:
    """The text before a weight and the weight, when the last part inside a pair of brackets ends in one."""
    last = close - 1
    text = parts[last]
    match = _WEIGHT.fullmatch(text) if last > opening and isinstance(text, str) else None
    if match is None or (last == opening + 1 and not match["text"]):
        return None
    return match["text"], float(match["number"])


def _padded(row: Sequence[tuple[int, float]]) -> Chunk:
    padding = CHUNK - 1 - len(row)
    tokens = (START, *(token for token, _ in row), *[END] * padding)
    return Chunk(tokens, (1.0, *(weight for _, weight in row), *[1.0] * padding))


def weighted(rows: Sequence[Chunk]) -> bool:
    """Whether any position has a weight other than 1."""
    return any(weight != 1.0 for row in rows for weight in row.weights)
