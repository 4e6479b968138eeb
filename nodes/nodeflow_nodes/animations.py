"""Nodes that write batches as moving pictures."""

from typing import Annotated, Literal

from nodeflow.api import Field, FilePrefix, Kind, Lane, Run, node, quiet
from nodeflow.diffusion.types import Image
from nodeflow_nodes.refusals import blaming
from nodeflow_nodes.saving import stays_in_the_output_folder

FramesPerSecond = Annotated[float, Field(ge=0.01, le=1000.0)]
Quality = Annotated[int, Field(ge=0, le=100)]
Compression = Annotated[int, Field(ge=0, le=9)]


@node("SaveAnimatedWEBP", category="image/animation", title="Save animated WebP", kind=Kind.EFFECT, lane=Lane.CPU)
def save_animated_webp(
    images: Image,
    filename_prefix: FilePrefix = "nodeflow",
    fps: FramesPerSecond = 6.0,
    lossless: bool = True,
    quality: Quality = 80,
    method: Literal["default", "fastest", "slowest"] = "default",
    *,
    run: Run = quiet,
) -> None:
    """Write a batch as one moving picture that repeats for ever, under the next free number.

    The file carries the document and the record of the run, so that it can be made again, unless switched off.

    Args:
        images: The frames.
        filename_prefix: Start of the file name; `a/b` writes into the folder `a`.
        fps: Frames in a second; a frame lasts whole milliseconds.
        lossless: Whether every pixel that can be seen stays what it is. Colours under full transparency are dropped
            from several frames; SaveAnimatedPNG keeps them.
        quality: How good the picture is; of a lossless file, how hard it is compressed.
        method: How much time to take for a smaller file.
    """
    from nodeflow.diffusion.animation import write_animated_webp

    with blaming("images"):
        data = write_animated_webp(
            images, fps, lossless=lossless, quality=quality, method=method, text=run.provenance()
        )
    run.save(filename_prefix, "webp", data)


@node("SaveAnimatedPNG", category="image/animation", title="Save animated PNG", kind=Kind.EFFECT, lane=Lane.CPU)
def save_animated_png(
    images: Image,
    filename_prefix: FilePrefix = "nodeflow",
    fps: FramesPerSecond = 6.0,
    compress_level: Compression = 4,
    *,
    run: Run = quiet,
) -> None:
    """Write a batch as one moving picture that repeats for ever, under the next free number; every pixel is kept.

    The file carries the document and the record of the run, so that it can be made again, unless switched off.

    Args:
        images: The frames.
        filename_prefix: Start of the file name; `a/b` writes into the folder `a`.
        fps: Frames in a second; a frame lasts whole milliseconds.
        compress_level: How hard to compress, from not at all to slowly.
    """
    from nodeflow.diffusion.animation import write_animated_png

    with blaming("images"):
        data = write_animated_png(images, fps, compression=compress_level, text=run.provenance())
    run.save(filename_prefix, "png", data)


save_animated_webp.check(stays_in_the_output_folder)
save_animated_png.check(stays_in_the_output_folder)
