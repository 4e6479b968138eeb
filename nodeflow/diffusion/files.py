"""Files that hold a value: pictures, latents and conditioning in formats of their own, plain values as text or JSON."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import cast

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.types import Conditioning, Image, Latent, Mask

Provenance = Callable[[tuple[int, int] | None], Mapping[str, str]]
"""Text to embed into a file, for one item of a batch or for the whole."""


def files_of(value: object, provenance: Provenance) -> Iterator[tuple[str, bytes]]:
    """Suffix and content of every file that holds ``value``; none for a value that cannot be written, such as a model.

    Pictures and masks become PNG, one per row; latents what SaveLatent writes; conditioning safetensors; texts
    ``txt``; other plain values ``json``; a list of texts, or of what JSON has not, the files of its members.
    """
    match value:
        case Image():
            yield from _pictures(value, provenance)
        case Mask():
            yield from _pictures(value.as_image(), provenance)
        case Latent():
            from nodeflow.diffusion.latent_files import write_latent

            yield "latent", write_latent(value, provenance(None))
        case Conditioning():
            yield "safetensors", _conditioning(value, provenance(None))
        case str():
            yield "txt", text_bytes(value)
        case _ if _is_json(value) and not _is_texts(value):
            # Half of a character has no UTF-8, but an escape in JSON, which is what this error handler writes.
            yield "json", json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")
        case list() | tuple():
            for member in cast("list[object]", value):
                yield from files_of(member, provenance)
        case _:
            return


def text_bytes(text: str) -> bytes:
    """A text as a file holds it.

    Raises:
        ValueRuleError: It has half of a character.
    """
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        half = f"{text[error.start]!r}".strip("'")
        raise ValueRuleError(
            f"the text has half of a character ({half}, at character {error.start + 1}), which no file can hold"
        ) from None


def _is_json(value: object) -> bool:
    match value:
        case None | bool() | int() | str():
            return True
        case float():
            return math.isfinite(value)
        case list() | tuple():
            return all(map(_is_json, cast("list[object]", value)))
        case dict():
            entries = cast("dict[object, object]", value).items()
            return all(isinstance(name, str) and _is_json(entry) for name, entry in entries)
        case _:
            return False


def _is_texts(value: object) -> bool:
    """Whether a value is a list of nothing but texts, each of which is a file of its own."""
    return isinstance(value, list | tuple) and all(isinstance(each, str) for each in cast("list[object]", value))


def _pictures(image: Image, provenance: Provenance) -> Iterator[tuple[str, bytes]]:
    from nodeflow.diffusion.pictures import write_picture

    for row, item in enumerate(image.items):
        yield "png", write_picture(image, row=row, text=provenance((item.index, item.batch_size)))


def _conditioning(value: Conditioning, text: Mapping[str, str]) -> bytes:
    """Tensors ``0.context``, ``0.pooled``, …, and the strength of each entry in the metadata."""
    from safetensors.torch import save

    tensors = {
        f"{number}.{name}": tensor.detach().cpu().contiguous().clone()
        for number, entry in enumerate(value.entries)
        for name, tensor in (("context", entry.context), ("pooled", entry.pooled))
        if tensor is not None
    }
    strengths = json.dumps([entry.strength for entry in value.entries])
    return save(tensors, {**text, "nodeflow.strengths": strengths})
