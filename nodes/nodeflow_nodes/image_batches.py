"""Nodes that put pictures into batches and take them out."""

from typing import Annotated

from nodeflow.api import Field, Lane, Run, node, quiet
from nodeflow.diffusion.types import Image
from nodeflow_nodes.refusals import blaming

Amount = Annotated[int, Field(ge=1, le=4_096)]
Index = Annotated[int, Field(ge=0, le=4_095)]


@node("ImageBatch", category="image/batch", title="Batch images", lane=Lane.CPU)
def image_batch(image1: Image, image2: Image) -> Image:
    """Put two batches of pictures one after the other.

    Args:
        image1: The first pictures.
        image2: The others; scaled to the size of the first, and cut to their proportions. Where only one of the two has
            transparency, the other becomes opaque.
    """
    from nodeflow.diffusion.rows import joined_batches

    with blaming("image2"):
        return joined_batches(image1, image2)


@node("RepeatImageBatch", category="image/batch", title="Repeat images", lane=Lane.CPU)
def repeat_image_batch(image: Image, amount: Amount = 1) -> Image:
    """Make a batch of pictures so many times over.

    Args:
        image: The pictures.
        amount: How often; 1 leaves them as they are.
    """
    from nodeflow.diffusion.rows import repeated

    with blaming("amount"):
        return repeated(image, amount)


@node("ImageFromBatch", category="image/batch", title="Images from a batch", lane=Lane.CPU)
def image_from_batch(image: Image, batch_index: Index = 0, length: Amount = 1, *, run: Run = quiet) -> Image:
    """Take pictures out of a batch.

    Args:
        image: The batch.
        batch_index: The first one to take, counted from 0; from beyond the end, the last one.
        length: How many to take, as far as there are that many.
    """
    start = min(batch_index, len(image) - 1)
    rows = range(start, min(start + length, len(image)))
    if start != batch_index or len(rows) != length:
        wanted, found = (
            f"{first} to {last}" for first, last in ((batch_index, batch_index + length - 1), (rows[0], rows[-1]))
        )
        run.warn(f"of {len(image)} pictures, counted from 0, there are no {wanted}; {found} are taken")
    return image.select(rows)


@node("RebatchImages", category="image/batch", title="Rebatch images", lane=Lane.CPU)
def rebatch_images(images: Image | list[Image], batch_size: Amount = 1) -> list[Image]:
    """Make batches of another size, in the same order.

    Args:
        images: A batch, or a list of them; what comes into one batch must have one size.
        batch_size: Pictures in each; the last batch may have fewer. At 1, what follows runs for each picture alone.
    """
    from nodeflow.diffusion.rows import rebatched

    with blaming("images"):
        return list(rebatched(images if isinstance(images, list) else [images], batch_size))
