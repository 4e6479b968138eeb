# pyright: strict
"""The nodes that the lines in ``right`` and ``wrong`` link together."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, TypeVar

from nodeflow.api import Field, Graph, Lazy, ModelFile, Ref, Row, Run, expander, node, quiet

T = TypeVar("T")


class Image:
    """Stands for a picture."""


class Mask:
    """Stands for a mask."""


class Split(NamedTuple):
    image: Image
    alpha: Mask


@node("test.Load")
def load(file: Annotated[Path, ModelFile("pictures")]) -> Image:
    return Image()


@node("test.Split")
def split(image: Image) -> Split:
    return Split(image, Mask())


@node("test.Blur")
def blur(
    image: Image,
    radius: Annotated[float, Field(ge=0)] = 4.0,
    mode: Literal["fast", "good"] = "good",
    *,
    run: Run = quiet,
) -> Image:
    return image


@node("test.Fetch")
async def fetch(url: str) -> Image:
    return Image()


@node("test.Switch")
async def switch(on: bool, yes: Lazy[T], no: Lazy[T]) -> T:
    return await (yes if on else no)


@node("test.First")
def first(items: list[T]) -> T:
    return items[0]


@node("test.Save")
def save(images: list[Image]) -> None: ...


@node("test.Cut")
def cut(image: Image, mask: Mask) -> Image:
    return image


@expander("test.Soften")
def soften(g: Graph, image: Ref[Image], times: int = 2) -> Ref[Image]:
    for _ in range(times):
        image = g(blur)(image, radius=1.0)
    return image


class Layer(Row):
    image: Image
    strength: Annotated[float, Field(ge=0, le=1)] = 1.0


@node("test.Number")
def number(value: float) -> float:
    return value


@node("test.Lay")
def lay(image: Image, layers: Sequence[Layer] = ()) -> Image:
    return image


def plain(image: Image) -> Image:
    return image
