r"""Texts with choices in them: each ``{a|b}`` becomes one of its parts; they nest, and ``\{ \| \} \\`` are letters."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

Pick = Callable[["Choice"], int]
"""Which part of a choice is taken."""

MAX_DEPTH: Final = 50
_ESCAPED: Final = frozenset("{|}\\")


class TemplateFault(ValueError):
    """Braces that do not fit together; the message says where."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several texts, each of which may have choices again."""

    parts: "tuple[Template, ...]"


@dataclass(frozen=True, slots=True)
class Template:
    """A text in pieces: as they stand, or chosen."""

    pieces: "tuple[str | Choice, ...]"

    def text(self, pick: Pick) -> str:
        """The text that these picks give."""
        return "".join(
            piece if isinstance(piece, str) else piece.parts[pick(piece)].text(pick) for piece in self.pieces
        )

    def choices(self) -> Iterator[Choice]:
        """Every choice in it, also those inside others."""
        for piece in self.pieces:
            if isinstance(piece, Choice):
                yield piece
                for part in piece.parts:
                    yield from part.choices()

    def shortest(self) -> str:
        """The shortest text that it can give."""
        return self._extreme(min)

    def longest(self) -> str:
        """The longest text that it can give."""
        return self._extreme(max)

    def _extreme(self, which: Callable[..., str]) -> str:
        return "".join(
            piece if isinstance(piece, str) else which((part._extreme(which) for part in piece.parts), key=len)
            for piece in self.pieces
        )


def parse_template(text: str) -> Template:
    """Take a text with choices apart.

    Raises:
        TemplateFault: A brace without its other half, or choices nested too deeply; with its place, counted from 1.
    """
    scopes = [_Scope(0)]
    at = 0
    while at < len(text):
        here, place = text[at], at + 1
        if here == "\\" and text[place : place + 1] in _ESCAPED and place < len(text):
            scopes[-1].letters.append(text[place])
            at += 1
        elif here == "{":
            if len(scopes) > MAX_DEPTH:
                raise TemplateFault(f"the {{ at character {place} nests choices deeper than {MAX_DEPTH}")
            scopes.append(_Scope(place))
        elif here == "}":
            if len(scopes) == 1:
                raise TemplateFault(f"the }} at character {place} closes nothing; a brace itself is written \\}}")
            closed = scopes.pop().closed()
            scopes[-1].add(closed)
        elif here == "|" and len(scopes) > 1:
            scopes[-1].end_part()
        else:
            scopes[-1].letters.append(here)
        at += 1
    if len(scopes) > 1:
        raise TemplateFault(f"the {{ at character {scopes[-1].opened} is never closed; a brace itself is written \\{{")
    return scopes[0].template()


class _Scope:
    """What was read since a brace was opened."""

    def __init__(self, opened: int) -> None:
        self.opened = opened
        self.letters: list[str] = []
        self._pieces: list[str | Choice] = []
        self._parts: list[Template] = []

    def add(self, choice: Choice) -> None:
        self._flush()
        self._pieces.append(choice)

    def end_part(self) -> None:
        self._parts.append(self.template())
        self._pieces = []

    def closed(self) -> Choice:
        self.end_part()
        return Choice(tuple(self._parts))

    def template(self) -> Template:
        self._flush()
        return Template(tuple(self._pieces))

    def _flush(self) -> None:
        if self.letters:
            self._pieces.append("".join(self.letters))
            self.letters = []
