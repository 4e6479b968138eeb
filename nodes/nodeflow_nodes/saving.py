"""Nodes that write files or show pictures."""

from typing import Annotated, Any, Literal, cast

from nodeflow.api import Field, FilePrefix, InputError, Kind, Lane, Run, node, quiet
from nodeflow.diffusion.types import Image, Latent
from nodeflow_nodes.refusals import blaming


@node("SaveImage", category="image", title="Save image", kind=Kind.EFFECT, lane=Lane.CPU)
def save_image(
    images: Image,
    filename_prefix: FilePrefix = "nodeflow",
    format: Literal["png", "jpeg", "webp"] = "png",
    quality: Annotated[int, Field(ge=1, le=100)] = 90,
    *,
    run: Run = quiet,
) -> None:
    """Write pictures into the output folder, under the next free number.

    A PNG or WebP file carries the document and the record of the run, so that it can be opened and made again, unless
    that is switched off.

    Args:
        images: The pictures.
        filename_prefix: Start of the file names; `a/b` writes into the folder `a`.
        format: File format; png is exact, jpeg keeps no document.
        quality: For jpeg and webp; at 100, webp is exact too.
    """
    from nodeflow.diffusion.pictures import FileFormat, write_picture

    kind = FileFormat[format.upper()]
    for row, item in enumerate(images.items):
        text = run.provenance((item.index, item.batch_size)) if kind.keeps_texts else None
        with blaming("images"):
            data = write_picture(images, kind, row=row, quality=quality, text=text)
        run.save(filename_prefix, kind.value, data)


@node("PreviewImage", category="image", title="Preview image", kind=Kind.EFFECT, lane=Lane.CPU)
def preview_image(images: Image, *, run: Run = quiet) -> None:
    """Show pictures on the node without writing them into the output folder.

    Args:
        images: The pictures.
    """
    run.show(images)


@node("SaveLatent", category="latent", title="Save latent", kind=Kind.EFFECT, lane=Lane.CPU)
def save_latent(latent: Latent, filename_prefix: FilePrefix = "latents/nodeflow", *, run: Run = quiet) -> None:
    """Write a latent into the output folder as a safetensors file that ComfyUI reads too.

    Args:
        latent: What to save, all items in one file.
        filename_prefix: Start of the file name; `a/b` writes into the folder `a`.
    """
    from nodeflow.diffusion.latent_files import write_latent

    run.save(filename_prefix, "latent", write_latent(latent, run.provenance()))


@node("SaveText", category="text", title="Save text", kind=Kind.EFFECT, lane=Lane.CPU)
def save_text(
    text: str,
    filename_prefix: FilePrefix = "text/nodeflow",
    format: Literal["txt", "md", "csv", "json"] = "txt",
    *,
    run: Run = quiet,
) -> None:
    """Write a text into the output folder, in UTF-8 and exactly as it is.

    Args:
        text: The text; of a list, each into a file of its own.
        filename_prefix: Start of the file name; `a/b` writes into the folder `a`.
        format: Ending of the file name.
    """
    from nodeflow.diffusion.files import text_bytes

    with blaming("text"):
        run.save(filename_prefix, format, text_bytes(text))


@node("SaveAny", category="values", title="Save anything", kind=Kind.EFFECT, lane=Lane.CPU)
def save_any(value: Any, filename_prefix: FilePrefix = "any/nodeflow", *, run: Run = quiet) -> None:
    """Write any value into the output folder: pictures and masks as PNG, latents, conditioning, texts, else as JSON.

    Args:
        value: Any value but a model. Texts, pictures and whatever else is no JSON go into a file each when they come
            in a list; a list of other plain values is one JSON file.
        filename_prefix: Start of the file names; `a/b` writes into the folder `a`.
    """
    from nodeflow.diffusion.files import files_of

    with blaming("value"):
        files = list(files_of(value, run.provenance))
    if not files:
        takes = "pictures, masks, latents, conditioning, texts, numbers and lists of them can be"
        said = f"a value of type {type(value).__name__} cannot be written into a file; {takes}"
        if isinstance(value, list | tuple) and not cast("list[object]", value):
            said = "the list is empty, and there is nothing to write; feed it at least one value"
        raise InputError("value", said)
    for suffix, data in files:
        run.save(filename_prefix, suffix, data)


@save_image.check
@save_latent.check
@save_text.check
@save_any.check
def stays_in_the_output_folder(filename_prefix: str) -> None:
    """Refuse before anything runs what the output folder would refuse at the end."""
    if any(part in ("", ".", "..") for part in filename_prefix.split("/")) or not filename_prefix.isprintable():
        found = f"{filename_prefix!r} is no name inside the output folder"
        raise InputError("filename_prefix", f'{found}; write one such as "cat" or "cats/cat"')
