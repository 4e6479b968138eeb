"""Takes of a scene, counted on from run to run, as a film crew does."""

from collections.abc import Iterator
from typing import Annotated, Literal

from nodeflow.api import Draw, DrawSource, Field, Pack, node

pack = Pack(name="next_take", version="1.0.0", extensions={"draws": {"next_take.take": ":TakeDraw"}})


class TakeDraw(Draw):
    """The name of the next take: ``cat-01``, and ``cat-02`` in the run after it."""

    draw: Literal["next_take.take"]
    scene: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
    first: Annotated[int, Field(ge=1, le=10_000)] = 1

    def pick(self, source: DrawSource) -> str:
        return self._name(source.count(f"next_take.{self.scene}", self.first, 1))

    def samples(self, source: DrawSource) -> Iterator[str]:
        yield from (self.pick(source), self._name(2**53 - 1))

    def _name(self, number: int) -> str:
        return f"{self.scene}-{number:02}"


@node("next_take.Slate", category="text")
def slate(take: str, title: str = "") -> str:
    """What is written on the slate that is held before the camera.

    Args:
        take: The name of the take; draw it with `{"draw": "next_take.take", "scene": "cat"}`.
        title: Of the film.
    """
    scene, _, number = take.rpartition("-")
    return " | ".join(part for part in (title, f"scene {scene}", f"take {number}") if part)
