"""Media types: what a file is by what is in it, and how it may be shown."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from nodeflow.protocol.errors import Refusal
from nodeflow.storage.pictureheads import SIGNATURE, media_type_of

PICTURES: Final = frozenset({"image/png", "image/jpeg", "image/webp"})
"""What is shown in a page; everything else is only ever saved."""
PLAIN: Final = "application/octet-stream"

_OF_PICTURES: Final = frozenset({".png", ".jpg", ".jpeg", ".webp"})
_TEXTS: Final[Mapping[str, str]] = {".txt": "text/plain", ".csv": "text/csv", ".json": "application/json"}
_LATENT: Final = ".latent"
_LOOKED_AT: Final = 64 * 1024


def media_type_for(name: str, file: Path) -> str:
    """The media type of a file that was sent under a name.

    Raises:
        Refusal: It is of no kind that is taken, or named like another one.
    """
    suffix = PurePosixPath(name).suffix.lower()
    with file.open("rb") as opened:
        start = opened.read(_LOOKED_AT)
    picture = media_type_of(start)
    if picture is not None and suffix in _OF_PICTURES:
        return picture
    if suffix in _TEXTS and _is_text(start):
        return _TEXTS[suffix]
    if suffix == _LATENT and start[8:9] == b"{":
        return PLAIN
    raise Refusal(
        "request.media-type",
        f"the file {name!r} is not taken: "
        + (f"it is a picture of {picture}" if picture else "what is in it is not what its name says"),
        hint="PNG, JPEG and WebP pictures, .txt, .csv and .json in UTF-8, and .latent are taken",
    )


def shown_as(file: Path) -> str:
    """The fixed media type under which a file is sent to a client."""
    with file.open("rb") as opened:
        picture = media_type_of(opened.read(SIGNATURE))
    return picture or _TEXTS.get(file.suffix.lower(), PLAIN)


def safe_type(media_type: str) -> str:
    """The type under which a file is sent that a node has written: its own, if no browser runs what is of it."""
    return media_type if media_type in PICTURES or media_type in _TEXTS.values() else PLAIN


def _is_text(start: bytes) -> bool:
    try:
        start.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(start) - 3:  # a character may be cut at the end
            return False
    return b"\0" not in start
