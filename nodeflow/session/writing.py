"""Files for results that no node of the document saves."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

from nodeflow.diffusion.types import Image, Latent
from nodeflow.session.results import image_of

Provenance = Callable[[tuple[int, int] | None], Mapping[str, str]]


def files_of(value: object, provenance: Provenance) -> Iterator[tuple[str, bytes]]:
    """Suffix and content of every file that holds ``value``; none for a value that cannot be written, such as a model.

    Pictures and masks become PNG, one per row; latents what SaveLatent writes; texts ``txt``; other plain values
    ``json``; a list the files of its members.
    """
    image = image_of(value)
    match value:
        case _ if image is not None:
            yield from _pictures(image, provenance)
        case Latent():
            from nodeflow.diffusion.latent_files import write_latent

            yield "latent", write_latent(value, provenance(None))
        case str():
            yield "txt", value.encode("utf-8")
        case None | bool() | int() | float():
            yield "json", json.dumps(value).encode("utf-8")
        case list() | tuple():
            for member in cast("Sequence[object]", value):
                yield from files_of(member, provenance)
        case _:
            return


def _pictures(image: Image, provenance: Provenance) -> Iterator[tuple[str, bytes]]:
    from nodeflow.diffusion.pictures import write_picture

    for row, item in enumerate(image.items):
        yield "png", write_picture(image, row=row, text=provenance((item.index, item.batch_size)))
