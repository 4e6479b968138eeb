"""The prompt syntax: weights in round brackets, and the cutting of a prompt into chunks of 77 tokens.

`(x)` weighs x by 1.1 and nests; `(x:1.3)` sets its weight, whatever is around it; `\\(` and `\\)` are plain brackets.
What is not well formed is plain text: a bracket without partner, a weight that is no number. Weights mean what they
mean in ComfyUI; its treatment of unbalanced brackets, which swallows what follows, is not copied.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from nodeflow.diffusion.tokens import END, START, Tokenizer

EMPHASIS = 1.1
CHUNK = 77
_ROOM = CHUNK - 2
_LARGE = 8
"""A piece of so many tokens is cut at the end of a chunk; shorter ones move whole to the next."""

_PARTS = re.compile(r"\\[()]|[()]|[^()\\]+|\\")
_WEIGHT = re.compile(r"(?P<text>.*):\s*(?P<number>[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a prompt with one weight."""

    text: str
    weight: float


@dataclass(frozen=True, slots=True)
class Chunk:
    """What the encoder sees at once: 77 token numbers, and the weight of each position."""

    tokens: tuple[int, ...]
    weights: tuple[float, ...]


EMPTY = Chunk((START, *[END] * (CHUNK - 1)), (1.0,) * CHUNK)
"""The chunk of the empty prompt."""


def parse(prompt: str) -> tuple[Segment, ...]:
    """Splits a prompt into weighted pieces, in order; an empty prompt has none."""
    parts = _PARTS.findall(prompt)
    closes = _partners(parts)
    brackets = {*closes, *closes.values()}
    explicit = {close: found for opening, close in closes.items() if (found := _explicit(parts, opening, close))}
    weights, buffer, segments = [1.0], "", list[Segment]()
    for index, part in enumerate(parts):
        if index not in brackets:
            text = explicit[index + 1][0] if index + 1 in explicit else part
            buffer += text.removeprefix("\\") if text in ("\\(", "\\)") else text
            continue
        if buffer:
            segments.append(Segment(buffer, weights[-1]))
            buffer = ""
        if part == ")":
            weights.pop()
        else:
            given = explicit.get(closes[index])
            weights.append(weights[-1] * EMPHASIS if given is None else given[1])
    return (*segments, Segment(buffer, 1.0)) if buffer else tuple(segments)


def chunks(prompt: str, tokenizer: Tokenizer) -> tuple[Chunk, ...]:
    """Tokenises a prompt and lays it into chunks: start, up to 75 tokens, end, padding; at least one chunk.

    Each weighted piece is tokenised by itself. One of fewer than 8 tokens that does not fit into the rest of a chunk
    moves whole to the next; longer ones are cut.
    """
    filled: list[list[tuple[int, float]]] = [[]]
    for segment in parse(prompt):
        rest = [(token, segment.weight) for token in tokenizer.encode(segment.text)]
        large = len(rest) >= _LARGE
        while len(filled[-1]) + len(rest) > _ROOM:
            fitting = _ROOM - len(filled[-1]) if large else 0
            filled[-1].extend(rest[:fitting])
            filled.append([])
            rest = rest[fitting:]
        filled[-1].extend(rest)
    return tuple(_padded(row) for row in filled)


def _partners(parts: Sequence[str]) -> dict[int, int]:
    """Where each opening bracket that has a partner is closed."""
    waiting: list[int] = []
    closes: dict[int, int] = {}
    for index, part in enumerate(parts):
        if part == "(":
            waiting.append(index)
        elif part == ")" and waiting:
            closes[waiting.pop()] = index
    return closes


def _explicit(parts: Sequence[str], opening: int, close: int) -> tuple[str, float] | None:
    """The text before a weight and the weight, when the last part inside a pair of brackets ends in one."""
    last = close - 1
    match = _WEIGHT.fullmatch(parts[last]) if last > opening else None
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
