"""Nodes that make a list, which maps whatever they feed, and nodes that take a list whole."""

from nodeflow.api import InputError, Lane, Prompt, node
from nodeflow.diffusion.types import Image
from nodeflow_nodes.refusals import blaming


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
