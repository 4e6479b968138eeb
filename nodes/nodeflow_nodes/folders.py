"""The node that reads all pictures of a folder."""

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, NamedTuple

from nodeflow.api import Field, ImageFolder, InputError, Lane, Run, node, quiet
from nodeflow.diffusion.types import Image, Mask
from nodeflow_nodes.refusals import blaming

Count = Annotated[int, Field(ge=0, le=1_000_000)]

_SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"))


class Pictures(NamedTuple):
    """What the picture files of a folder hold, one item for each file.

    Attributes:
        images: Their colours; the frames of an animation are a batch.
        masks: 1 where they are transparent, 0 where they are not.
        names: Their names without the ending.
    """

    images: list[Image]
    masks: list[Mask]
    names: list[str]


@node("LoadImageFolder", category="image", title="Load a folder of images", lane=Lane.CPU)
def load_image_folder(
    folder: Annotated[Path, ImageFolder()],
    pattern: str = "*",
    start: Count = 0,
    limit: Count = 0,
    *,
    run: Run = quiet,
) -> Pictures:
    """Read the picture files of a folder, in the order of their names: `cat 2` stands before `cat 10`.

    What the lists feed runs once for each picture; JoinImages makes one batch of pictures of one size.

    Args:
        folder: A folder in the input folder or beside the document; `.` is the input folder itself.
        pattern: Which names to read, such as `cat*` or `*.png`; upper and lower case are the same.
        start: How many to pass over.
        limit: How many to read at most; 0 reads all.
    """
    from nodeflow.diffusion.pictures import read_picture

    files = _pictures(folder, pattern.lower())
    chosen = files[start : start + limit if limit else None]
    if not chosen:
        raise _nothing(folder, pattern, len(files))
    with blaming("folder"):
        decoded = [read_picture(file) for file in run.track(chosen, total=len(chosen))]
    if skipped := sum(picture.skipped for picture in decoded):
        run.warn(f"{skipped} frames of another size than the first of their file were left out")
    return Pictures(
        [picture.image for picture in decoded], [picture.mask for picture in decoded], [file.stem for file in chosen]
    )


def _nothing(folder: Path, pattern: str, fitting: int) -> InputError:
    """What to say when there is no picture to read."""
    if fitting:
        way_out = f"start at {fitting - 1} or before"
        return InputError(
            "start", f"there are {fitting} pictures in {folder} that fit, and all are passed over; {way_out}"
        )
    if here := len(_pictures(folder, "*")):
        way_out = f"write one that does, such as *, which takes all {here}"
        return InputError("pattern", f"no picture in {folder} has a name like {pattern!r}; {way_out}")
    endings = ", ".join(sorted(_SUFFIXES))
    return InputError("folder", f"there is no picture in {folder}; put one there, with a name that ends in {endings}")


def natural(name: str) -> list[tuple[int, str]]:
    """Sorts names so that numbers in them count as numbers."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _pictures(folder: Path, pattern: str) -> list[Path]:
    """The picture files in a folder whose name fits; links that leave the folder are not followed."""
    home = folder.resolve()
    found = [
        entry
        for entry in folder.iterdir()
        if entry.suffix.lower() in _SUFFIXES
        and not entry.name.startswith(".")
        and fnmatchcase(entry.name.lower(), pattern)
        and entry.is_file()
        and entry.resolve().is_relative_to(home)
    ]
    return sorted(found, key=lambda entry: (natural(entry.name), entry.name))
