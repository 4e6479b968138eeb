"""Small pictures, made once and kept."""

import asyncio
import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nodeflow.server.pictures import Pictures
from nodeflow.storage.home import Home
from nodeflow.storage.replacing import replace_file

_SMALLEST: Final = 16


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """Makes small pictures, and remembers them by the content they were made of."""

    home: Home
    pictures: Pictures

    async def of(self, picture: Path, identity: str, size: int) -> tuple[bytes, str]:
        """A WebP of a picture, and its tag.

        Args:
            picture: The file.
            identity: Changes with its content.
            size: Longer side; the next power of two is taken.

        Raises:
            Refusal: It is no picture, or damaged.
        """
        side = max(_SMALLEST, 1 << (size - 1).bit_length())
        tag = hashlib.sha256(f"{identity} {side}".encode()).hexdigest()[:32]
        kept = self.home.thumbnails / tag[:2] / f"{tag}.webp"
        try:
            return await asyncio.to_thread(kept.read_bytes), tag
        except OSError:
            small = await self.pictures.thumbnail(picture, side)
        with suppress(OSError):  # a full disk costs time, not the picture
            await asyncio.to_thread(replace_file, kept, small)
        return small, tag


def identity_of(file: Path) -> str:
    """Changes when a file is written anew; raises OSError when it is not there."""
    status = file.stat()
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}"
