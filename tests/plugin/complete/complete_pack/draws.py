"""A draw."""

from collections.abc import Iterator
from typing import Annotated, Literal

from nodeflow.api import Draw, DrawSource, Field


class DiceDraw(Draw):
    """What a dice shows."""

    draw: Literal["complete.dice"]
    sides: Annotated[int, Field(ge=2)] = 6

    def pick(self, source: DrawSource) -> int:
        return source.random.randint(1, self.sides)

    def samples(self, source: DrawSource) -> Iterator[int]:
        yield from (1, self.sides)
