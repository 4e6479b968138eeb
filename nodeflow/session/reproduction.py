"""Making a picture again from what is embedded in it, and finding the first thing that differs."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from nodeflow.core.errors import InvalidDocument, MissingFile, NodeflowError, Problem
from nodeflow.storage.documents import CHUNK, RECORD_CHUNK
from nodeflow.storage.embedded import SUFFIXES, PictureDamaged, read_texts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ORDER = ("nodeflow", "versions", "packs", "models", "inputs", "seeds", "device", "dtype", "hardware")
"""Parts of a record in the order in which a difference explains the others."""


@dataclass(frozen=True, slots=True)
class Original:
    """A picture as it was found.

    Attributes:
        record: What ``nodeflow.session.record`` wrote.
    """

    path: Path
    document: bytes
    record: Mapping[str, object]

    @property
    def target(self) -> str:
        """What to run up to: the node that wrote the picture, or the result that it is."""
        return str(self.record.get("output") or self.record.get("node"))

    @property
    def device(self) -> str:
        """What it was made on."""
        return str(self.record.get("device", "cpu"))

    @property
    def dtype(self) -> str:
        """The precision that was asked for."""
        return str(self.record.get("dtype", "auto"))


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the new picture compares.

    Attributes:
        pixels: Empty when all pixels are equal, else how they differ.
        differences: What differs in the records, most telling first.
    """

    pixels: str
    differences: tuple[str, ...]


def read_original(path: Path) -> Original:
    """Reads what is embedded.

    Raises:
        MissingFile: There is no such file.
        InvalidDocument: It is neither PNG nor WebP, is damaged, or carries no document and record.
    """
    try:
        texts = read_texts(path.read_bytes())
    except PictureDamaged as error:
        raise _refused(path, str(error), "only PNG and WebP files carry what is needed") from error
    except OSError as error:
        message = f"the picture cannot be read: {error.strerror or error}"
        raise MissingFile([Problem("file.missing", message, found=str(path))]) from error
    if CHUNK not in texts or RECORD_CHUNK not in texts:
        hint = "it was made by another program, or saved with --no-metadata"
        raise _refused(path, "this picture does not carry a document and the record of a run", hint)
    try:
        record = json.loads(texts[RECORD_CHUNK])
    except (ValueError, RecursionError) as error:
        raise _refused(path, "the record in this picture is not JSON", "it was changed by hand") from error
    if not isinstance(record, dict) or not isinstance(cast("dict[str, object]", record).get("node"), str):
        raise _refused(path, "the record in this picture names no node", "it was changed by hand")
    return Original(path, texts[CHUNK].encode("utf-8"), cast("dict[str, object]", record))


def compare(original: Original, made: Path) -> Comparison:
    """Holds the new picture against the original.

    Raises:
        InvalidDocument: The original's pixels cannot be decoded.
    """
    again = read_original(made)
    return Comparison(_pixels(original.path, made), tuple(_differences(original.record, again.record)))


def same_item(original: Original, candidates: Iterator[Path]) -> Path:
    """The file that holds the same item of the batch.

    Raises:
        NodeflowError: The document does not write such a picture any more.
    """
    for path in candidates:
        if path.suffix in SUFFIXES and read_original(path).record.get("item") == original.record.get("item"):
            return path
    raise NodeflowError(f"{original.target} ran, but wrote no picture of item {original.record.get('item')}")


def _differences(old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[str]:
    for part in _ORDER:
        was, now = _flat(part, old.get(part)), _flat(part, new.get(part))
        for name in sorted(was.keys() | now.keys(), key=_telling):
            if was.get(name) != now.get(name):
                yield f"{name}: was {_short(was.get(name))}, is {_short(now.get(name))}"


def _telling(name: str) -> tuple[bool, str]:
    """A version says more than a digest, which changes with it."""
    return name.endswith("sha256"), name


def _flat(name: str, value: object) -> Mapping[str, object]:
    """A part of a record as one value per name, however deep it is."""
    if not isinstance(value, dict):
        return {name: value}
    members = cast("dict[str, object]", value).items()
    return {inner: found for key, member in members for inner, found in _flat(f"{name} · {key}", member).items()}


def _short(value: object) -> str:
    text = "absent" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _pixels(old: Path, new: Path) -> str:
    before, after = _decode(old), _decode(new)
    if before.shape != after.shape:
        return f"size: was {_size(before)}, is {_size(after)}"
    distance = abs(before.astype("int16") - after.astype("int16"))
    if not distance.any():
        return ""
    differing = int(distance.any(axis=2).sum())
    share = 100 * differing / (before.shape[0] * before.shape[1])
    mean = float(distance.mean())
    return f"{differing} pixels differ ({share:.2f} %), by at most {distance.max()} of 255, {mean:.4f} on average"


def _size(pixels: "NDArray[np.uint8]") -> str:
    return f"{pixels.shape[1]}x{pixels.shape[0]} with {pixels.shape[2]} channels"


def _decode(path: Path) -> "NDArray[np.uint8]":
    """Colours and opacity; the frames of an animation one below the other."""
    import numpy as np

    from nodeflow.diffusion.images import to_uint8
    from nodeflow.diffusion.pictures import PictureError, read_picture

    try:
        decoded = read_picture(path)
    except PictureError as error:
        raise _refused(path, str(error), "take an undamaged copy") from error
    alpha = np.floor(255 * (1 - decoded.mask.values.numpy())).astype(np.uint8)[..., None]
    frames = zip(to_uint8(decoded.image), alpha, strict=True)
    return np.concatenate([np.concatenate(planes, axis=2) for planes in frames])


def _refused(path: Path, message: str, hint: str) -> InvalidDocument:
    return InvalidDocument([Problem("document.picture", message, found=str(path), hint=hint)])
