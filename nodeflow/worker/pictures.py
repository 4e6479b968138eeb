"""The process that decodes pictures of unknown origin: ``python -m nodeflow.worker.pictures PIXELS FRAMES``.

It has no network, no file, no environment, and no more memory than a picture within the limits needs. Sizes are read
from the head of a file before any decoder sees it.
"""

import ctypes
import io
import struct
import sys
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from PIL import Image, ImageOps, PngImagePlugin
from PIL import JpegImagePlugin as _Jpeg
from PIL import WebPImagePlugin as _WebP

from nodeflow.protocol.pictures import Ask, Told
from nodeflow.storage.pictureheads import HeadDamaged, PictureHead, read_head

if sys.platform != "win32":
    import resource

FORMATS: Final = ("PNG", "JPEG", "WEBP")
_PLUGINS: Final = (PngImagePlugin, _Jpeg, _WebP)
"""Named, so that they are loaded before files can no longer be opened."""
_CHECKED: Final = 30_000_000
"""Pixels up to which a picture is decoded to see whether it is whole; of larger ones the head has to do."""
_BYTES_PER_PIXEL: Final = 8
_ROOM: Final = 256 * 2**20
_PAGE: Final = 4096
_NEW_NETWORK, _NEW_USER = 0x40000000, 0x10000000
_DIE_WITH_PARENT, _KILL = 1, 9

_DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    Warning,
)
"""What decoders raise on damaged data."""


class _Refused(ValueError):
    """The picture is not taken."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Answers questions about pictures.

    Attributes:
        pixels: What a picture may have, all frames together.
        frames: How many it may have.
    """

    pixels: int
    frames: int

    def answer(self, ask: Ask, data: bytes) -> tuple[Told, bytes]:
        """What was asked for, or why not."""
        try:
            head = read_head(data)
            self._measure(head)
            body = _body(ask, data, head)
        except (_Refused, HeadDamaged) as error:
            return Told(refused=str(error)), b""
        except MemoryError:
            return Told(refused="decoding the picture takes too much memory; scale it down first"), b""
        except (Image.DecompressionBombError, *_DAMAGED) as error:
            return Told(refused=f"the picture is damaged: {str(error)[:200]}"), b""
        shown = read_head(body) if body else head
        told = Told(
            media_type=shown.media_type, width=shown.width, height=shown.height, frames=shown.frames, length=len(body)
        )
        return told, body

    def _measure(self, head: PictureHead) -> None:
        if head.frames > self.frames:
            raise _Refused(f"the picture has {head.frames:,} frames, more than the {self.frames:,} allowed")
        if head.pixels > self.pixels:
            raise _Refused(
                f"the picture has {head.pixels:,} pixels ({head.frames} x {head.width}x{head.height}), more than the "
                f"{self.pixels:,} allowed; scale it down first"
            )


def _body(ask: Ask, data: bytes, head: PictureHead) -> bytes:
    match ask.what:
        case "check":
            return _check(data, head)
        case "upright":
            return _upright(data, head)
        case "thumbnail":
            return _thumbnail(data, ask.size)


def _check(data: bytes, head: PictureHead) -> bytes:
    if head.pixels > _CHECKED:
        return b""
    with _opened(data) as picture:
        for frame in range(head.frames):
            picture.seek(frame)
            picture.load()
    return b""


def _upright(data: bytes, head: PictureHead) -> bytes:
    """Nothing for a picture that stands upright already: it is good as it is."""
    if head.frames > 1:
        return b""
    with _opened(data) as picture:
        if picture.getexif().get(0x0112, 1) == 1:
            picture.load()
            return b""
        turned = ImageOps.exif_transpose(picture)
        turned.info.pop("exif", None)
        stream = io.BytesIO()
        profile = picture.info.get("icc_profile")
        match head.media_type:
            case "image/jpeg":
                turned.save(stream, "JPEG", quality=95, subsampling=0, icc_profile=profile)
            case "image/png":
                turned.save(stream, "PNG", icc_profile=profile)
            case _:
                turned.save(stream, "WEBP", lossless=True, exact=True, icc_profile=profile)
    return stream.getvalue()


def _thumbnail(data: bytes, size: int) -> bytes:
    with _opened(data) as picture:
        picture.draft("RGB", (2 * size, 2 * size))  # JPEG is decoded smaller at once
        small = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
        small.thumbnail((size, size))
        stream = io.BytesIO()
        ImageOps.exif_transpose(small).save(stream, "WEBP", quality=80, exif=b"")
    return stream.getvalue()


def _opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=FORMATS)


def confine(pixels: int) -> None:
    """Take from this process what decoding does not need; none of it comes back."""
    if sys.platform == "win32":
        return
    library = ctypes.CDLL(None, use_errno=True)
    unshare = getattr(library, "unshare", None)
    if unshare is not None and unshare(_NEW_NETWORK) != 0:
        unshare(_NEW_USER | _NEW_NETWORK)  # where the system does not let it, the other limits must do
    limits = {resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0, resource.RLIMIT_NOFILE: 16}
    if sys.platform == "linux":
        library.prctl(_DIE_WITH_PARENT, _KILL)
        used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * _PAGE
        limits[resource.RLIMIT_AS] = used + _BYTES_PER_PIXEL * pixels + _ROOM
    for what, value in limits.items():
        resource.setrlimit(what, (value, value))


def serve(desk: Desk, questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer until there are no more questions."""
    while line := questions.readline(10_000):
        ask = Ask.model_validate_json(line)
        told, body = desk.answer(ask, questions.read(ask.length))
        answers.write(told.model_dump_json().encode() + b"\n" + body)
        answers.flush()


def main(arguments: list[str]) -> int:
    """Confine this process, then answer."""
    pixels, frames = map(int, arguments)
    warnings.simplefilter("error")
    Image.MAX_IMAGE_PIXELS = None  # every size is known before a decoder is asked
    confine(pixels)
    serve(Desk(pixels, frames), sys.stdin.buffer, sys.stdout.buffer)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
