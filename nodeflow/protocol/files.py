"""Files that clients have sent."""

from typing import Annotated

from pydantic import Field

from nodeflow.protocol.base import Message, Moment

ThumbnailSize = Annotated[int, Field(ge=16, le=1024)]
"""Longer side in pixels; the next power of two is taken."""


class FileInfo(Message):
    """A file that documents name as it is named here."""

    name: str
    bytes: int
    media_type: str
    modified: Moment
    sha256: str = ""
    """Told when the file has just been sent."""
    width: int | None = None
    height: int | None = None
    """Of a picture that has just been sent."""


class FilePage(Message):
    """Files by name; ``next`` is the ``after`` of the following part."""

    files: tuple[FileInfo, ...]
    next: str | None = None
    total: int
    bytes: int
    """Of all files of the client."""
    quota: int


class FilesSent(Message):
    """What was kept of one form."""

    files: tuple[FileInfo, ...]


class FileQuery(Message):
    """Which part of the list, and whether that of the files that all clients have."""

    shared: bool = False
    after: str = ""
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class SendQuery(Message):
    """Whether a file of the same name goes, and whether a picture is turned upright by its EXIF first."""

    replace: bool = False
    upright: bool = False


class PictureQuery(Message):
    """A small picture instead of the file."""

    thumbnail: ThumbnailSize | None = None
