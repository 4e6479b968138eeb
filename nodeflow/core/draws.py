"""Draws: inputs whose value is chosen when a document is submitted, once, so that everything later sees a literal."""

import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cached_property, partial
from random import Random
from typing import Annotated, Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from nodeflow.core.canonical import MAX_SAFE_INTEGER
from nodeflow.core.files import name_fault
from nodeflow.core.templates import Choice, Template, parse_template
from nodeflow.core.unfit import Unfit

Integer = Annotated[int, Field(ge=-MAX_SAFE_INTEGER, le=MAX_SAFE_INTEGER)]
HERE: Final = "."
"""The folder of a ``next`` draw that means the input folders themselves."""


class DrawSource(Protocol):
    """Where draws take their values from; one source serves one submission."""

    @property
    def random(self) -> Random:
        """What chance decides."""
        ...

    @property
    def now(self) -> datetime:
        """The time of submission."""
        ...

    def count(self, name: str, start: int, step: int, /) -> int:
        """The number of a counter at this submission: ``start`` at the first, ``step`` more at each later one.

        Raises:
            Unfit: It has left the range of whole numbers.
        """
        ...

    def next_file(self, folder: str, pattern: str, /) -> str:
        """The file of an input folder that follows the one of the last submission.

        Raises:
            Unfit: There is no such file.
        """
        ...


class FirstDraws:
    """What draws give where nothing was drawn before and there are no folders of files."""

    @property
    def random(self) -> Random:
        return Random(0)

    @property
    def now(self) -> datetime:
        return datetime.now().astimezone()

    def count(self, name: str, start: int, step: int, /) -> int:
        return start

    def next_file(self, folder: str, pattern: str, /) -> str:
        raise no_file(folder, pattern)


def no_file(folder: str, pattern: str) -> Unfit:
    """The folder of a ``next`` draw holds nothing that fits."""
    message = f'the folder "{folder}" has no file that matches "{pattern}"'
    hint = "put files there, or name another folder; it is looked for in the input folders"
    return Unfit("draw.empty", message, hint=hint)


class Draw(BaseModel):
    """A value that is drawn. A pack's own is a subclass that is named in its table ``draws``.

    A subclass declares the field ``draw: Literal["mypack.take"]`` and fields of its own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @abstractmethod
    def pick(self, source: DrawSource) -> JsonValue:
        """The value for one submission."""

    def samples(self, source: DrawSource) -> Iterator[JsonValue]:
        """Every kind of value that it may give, to be held against the input; at least one."""
        yield self.pick(source)


class RandomDraw(Draw):
    """A whole number between 0 and ``max``."""

    draw: Literal["random"]
    max: Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)] = MAX_SAFE_INTEGER

    def pick(self, source: DrawSource) -> JsonValue:
        """Any of them, each as likely."""
        return source.random.randint(0, self.max)

    def samples(self, source: DrawSource) -> Iterator[JsonValue]:
        """Both ends, and 1 for inputs that take steps."""
        yield from sorted({0, min(1, self.max), self.max})


class CounterDraw(Draw):
    """A number that goes on by ``step`` at each submission.

    Counters of one ``name`` share their state, also between documents; within one submission they give one number.
    """

    draw: Literal["counter"]
    name: Annotated[str, Field(min_length=1)]
    start: Integer = 0
    step: Integer = 1

    def pick(self, source: DrawSource) -> JsonValue:
        """The number of this submission."""
        return source.count(self.name, self.start, self.step)


class ChoiceDraw(Draw):
    """One of a list."""

    draw: Literal["choice"]
    of: Annotated[list[JsonValue], Field(min_length=1)]

    def pick(self, source: DrawSource) -> JsonValue:
        """Any of them, each as likely."""
        return source.random.choice(self.of)

    def samples(self, source: DrawSource) -> Iterator[JsonValue]:
        """All of them."""
        yield from self.of


class TextDraw(Draw):
    r"""A text in which each ``{a|b}`` becomes one of its parts; they nest, and ``\{`` is a brace."""

    draw: Literal["text"]
    template: str

    @field_validator("template")
    @classmethod
    def _balanced(cls, template: str) -> str:
        parse_template(template)
        return template

    def pick(self, source: DrawSource) -> JsonValue:
        """A text in which every part is as likely as its neighbours."""
        return self._parsed.text(lambda choice: source.random.randrange(len(choice.parts)))

    def samples(self, source: DrawSource) -> Iterator[JsonValue]:
        """The shortest, the longest, and as many others as show each part of an outermost choice."""
        yield self._parsed.shortest()
        yield self._parsed.longest()
        for place in range(max((len(choice.parts) for choice in self._parsed.choices()), default=0)):
            yield self._parsed.text(partial(_part_at, place))

    @cached_property
    def _parsed(self) -> Template:
        return parse_template(self.template)


def _part_at(place: int, choice: Choice) -> int:
    return min(place, len(choice.parts) - 1)


class TimeDraw(Draw):
    """The time of submission, as ``strftime`` writes it."""

    draw: Literal["time"]
    format: Annotated[str, Field(min_length=1)] = "%Y-%m-%d"

    @field_validator("format")
    @classmethod
    def _known(cls, format: str) -> str:
        for match in _DIRECTIVE.finditer(format):
            if match[1] not in _DIRECTIVES:
                raise ValueError(f"{match[0]} at character {match.start() + 1} means nothing; a % itself is written %%")
        return format

    def pick(self, source: DrawSource) -> JsonValue:
        """The same text all over the document."""
        return _DIRECTIVE.sub(lambda match: source.now.strftime(match[0]), self.format)


_DIRECTIVE: Final = re.compile(r"%(.?)", re.DOTALL)
_DIRECTIVES: Final = frozenset("aAwdbBmyYHIMSfzZpjUWGuVcxX%")
"""What every system understands after a percent sign."""


class NextDraw(Draw):
    """The next file of an input folder whose name matches ``pattern``, in natural order, from the last to the first.

    Draws of one folder and pattern share their state; within one submission they give one file.
    """

    draw: Literal["next"]
    folder: Annotated[str, Field(min_length=1)]
    pattern: Annotated[str, Field(min_length=1)] = "*"

    @field_validator("folder")
    @classmethod
    def _inside(cls, folder: str) -> str:
        fault = None if folder == HERE else name_fault(folder)
        if fault is not None:
            raise ValueError(fault.message)
        return folder

    def pick(self, source: DrawSource) -> JsonValue:
        """The file of this submission."""
        return source.next_file(self.folder, self.pattern)


BuiltInDraw = Annotated[
    RandomDraw | CounterDraw | ChoiceDraw | TextDraw | TimeDraw | NextDraw, Field(discriminator="draw")
]

DRAWS: Final[Mapping[str, type[Draw]]] = {
    "random": RandomDraw,
    "counter": CounterDraw,
    "choice": ChoiceDraw,
    "text": TextDraw,
    "time": TimeDraw,
    "next": NextDraw,
}
"""The draws that are built in."""

TABLE: Final = "draws"
"""The open table into which packs put theirs."""


class ForeignDraw(BaseModel):
    """A draw of a pack, with fields of its own; only for the schema of documents."""

    model_config = ConfigDict(extra="allow")

    draw: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*\.")]
