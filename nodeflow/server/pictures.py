"""Pictures are decoded in a process of their own, which may do little else; this is its supervisor."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class PictureInfo:
    """What a picture file is."""

    media_type: str
    width: int
    height: int
    frames: int


class Pictures:
    """Looks into pictures of unknown origin."""

    async def start(self) -> None:
        """Nothing is started before the first picture."""

    async def aclose(self) -> None:
        """End the process."""

    async def check(self, picture: bytes | Path) -> PictureInfo:
        """What a picture is; decodes it whole. Raises Refusal("picture.refused")."""
        raise NotImplementedError

    async def upright(self, picture: bytes | Path) -> tuple[bytes, PictureInfo]:
        """The picture as it is meant to be seen: turned by its EXIF, which is then gone. Unturned ones stay as is."""
        raise NotImplementedError

    async def thumbnail(self, picture: bytes | Path, size: int) -> bytes:
        """A WebP whose longer side is at most ``size``."""
        raise NotImplementedError
