"""The node that takes one picture out of a batch without changing what it will become."""

from typing import Annotated, TypeVar, cast

from nodeflow.api import Field, InputError, Lane, Run, node, quiet
from nodeflow.diffusion.types import Image, Item, Latent, Mask

T = TypeVar("T")

_MOST = 4_096


@node("TakeItem", category="batch", title="One of a batch", lane=Lane.CPU)
def take_item(
    value: T,
    index: Annotated[int, Field(ge=0, lt=_MOST)] = 0,
    batch_size: Annotated[int, Field(ge=0, le=_MOST)] = 0,
    *,
    run: Run = quiet,
) -> T:
    """Hand on one picture, mask or latent of a batch; it still gets the noise that it has in the whole batch.

    Args:
        value: The batch; one that has a single row is handed on as it is.
        index: Which one, counted from 0.
        batch_size: Take it from a batch of this size only, and hand on others whole; 0 takes it from any.
    """
    batch = value if isinstance(value, Image | Latent | Mask) else None
    if batch is None:
        raise InputError("value", f"a batch of pictures, masks or latents is expected, found {type(value).__name__}")
    if len(batch) == 1:
        return value
    items = tuple(Item(row, len(batch)) for row in range(len(batch))) if isinstance(batch, Mask) else batch.items
    rows = [row for row, item in enumerate(items) if item.index == index and batch_size in (0, item.batch_size)]
    if not rows and batch_size == 0:
        raise InputError("index", f"there is no item {index} in this batch of {len(batch)}, which counts from 0")
    if not rows:
        run.warn(f"item {index} of {batch_size} is not in this batch of {len(batch)}, which is handed on whole")
        return value
    return cast(T, batch.select(rows))
