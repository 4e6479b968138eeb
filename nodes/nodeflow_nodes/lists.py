"""Nodes that make a list, which maps whatever they feed, and nodes that take a list whole."""

from typing import Annotated, Literal, TypeVar

from nodeflow.api import Field, InputError, Lane, Prompt, node
from nodeflow.diffusion.types import Image
from nodeflow_nodes.refusals import blaming

T = TypeVar("T")

Index = Annotated[int, Field(ge=-(2**53) + 1, le=2**53 - 1)]


@node("SplitLines", category="list", title="One text per line", lane=Lane.CPU)
def split_lines(text: Prompt = "") -> list[str]:
    """Make one text of every line; what they feed then runs once for each.

    Args:
        text: The lines; empty ones are left out.
    """
    return [line.strip() for line in text.splitlines() if line.strip()]


@node("JoinImages", category="list", title="One batch of all pictures", lane=Lane.CPU)
def join_images(images: list[Image]) -> Image:
    """Put a list of pictures into one batch.

    Args:
        images: Pictures or batches of one size, one after the other.
    """
    if not images:
        raise InputError("images", "the list is empty, and a batch needs a picture; feed it at least one")
    first, *others = images
    with blaming("images"):
        return first.concat(*others)


@node("MakeList", category="list", title="List", lane=Lane.CPU)
def make_list(items: list[T]) -> list[T]:
    """Make a list of values that come from several places.

    Args:
        items: The values, each written here or linked.
    """
    return [*items]


@node("Choose", category="list", title="Choose from a list", lane=Lane.CPU)
def choose(items: list[T], index: Index = 0, beyond: Literal["fail", "wrap", "clamp"] = "fail") -> T:
    """Hand on one item of a list.

    Args:
        items: The list, or one linked value after the other.
        index: Number of the item; 0 is the first, -1 the last.
        beyond: What an index that the list does not have means: `fail` is an error, `wrap` counts on from the other
            end, `clamp` takes the item at that end.
    """
    count = len(items)
    if not count:
        raise InputError("items", "the list is empty, and there is nothing to choose")
    if beyond == "wrap":
        return items[index % count]
    if not -count <= index < count:
        if beyond == "clamp":
            return items[0 if index < 0 else -1]
        raise InputError("index", f"there is no item {index} in a list of {count}; expected {-count} … {count - 1}")
    return items[index]


@choose.check
def _is_in_the_list(items: list[T], index: int, beyond: Literal["fail", "wrap", "clamp"]) -> None:
    choose(items, index, beyond)
