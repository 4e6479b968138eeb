"""What pictures carry beside their pixels: texts, such as the document that made them."""

from collections.abc import Mapping

from nodeflow.storage import png, webp

FIRST_BYTES = webp.SIGNATURE_LENGTH
"""So many bytes of a file tell whether it is such a picture."""
SUFFIXES = frozenset({".png", ".webp"})
"""Of files that can carry texts."""


class PictureDamaged(ValueError):
    """The bytes are no picture that carries texts, or it is damaged."""


def is_picture(data: bytes) -> bool:
    """Whether a file that begins so is a picture that can carry texts."""
    return data.startswith(png.SIGNATURE) or webp.is_webp(data)


def read_texts(data: bytes) -> Mapping[str, str]:
    """The texts of a PNG or a WebP file by name.

    Raises:
        PictureDamaged: It is another file, or damaged.
    """
    if not is_picture(data):
        raise PictureDamaged("this is neither a PNG nor a WebP file")
    try:
        return webp.read_texts(data) if webp.is_webp(data) else png.read_texts(data)
    except (png.NotPng, webp.NotWebp) as error:
        raise PictureDamaged(str(error)) from error
