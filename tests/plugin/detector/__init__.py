"""A detector with model files of its own: it finds the brightest spot of each picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from nodeflow.api import Encoded, Fraction, ModelFile, ModelKind, Pack, Socket, node
from nodeflow.diffusion.types import Image, Mask


@dataclass(frozen=True, slots=True)
class Boxes:
    """Left, top, right and bottom of what was found in each picture, in pixels."""

    places: tuple[tuple[int, ...], ...]


class BoxesCodec:
    """Boxes are so few that they fit into the header."""

    def encode(self, value: Boxes, /) -> Encoded:
        return Encoded([list(place) for place in value.places], [])

    def decode(self, encoded: Encoded, /) -> Boxes:
        places: Any = encoded.header
        return Boxes(tuple(tuple(map(int, place)) for place in places))


class Found(NamedTuple):
    """Boxes around the spots, and masks that are 1 where they are."""

    boxes: Boxes
    mask: Mask


codec = BoxesCodec()
kind = ModelKind("detectors", help="Convolutions that answer to what they look for.")
pack = Pack(name="detector", version="1.0.0", kinds=(kind,), sockets=(Socket(Boxes, "Boxes", "#ffb300", ":codec"),))


@node("detector.Find", category="image")
def find(image: Image, detector: Annotated[Path, ModelFile("detectors")], threshold: Fraction = 0.5) -> Found:
    """Find where the detector answers most, and all around that answers nearly as much.

    Args:
        image: The pictures.
        detector: A safetensors file with the weights `kernel` [1, 3, n, n].
        threshold: The share of the strongest answer that still counts.
    """
    from safetensors.torch import load_file
    from torch.nn.functional import conv2d, max_pool2d

    answer = conv2d(image.pixels[..., :3].movedim(3, 1), load_file(detector)["kernel"], padding="same")
    peak = answer.amax((2, 3), keepdim=True)
    spot = (answer == peak).float()
    while not (grown := max_pool2d(spot, 3, 1, 1) * (answer >= threshold * peak)).equal(spot):
        spot = grown
    spots = [each.nonzero().flip(1) for each in spot[:, 0]]  # across and down of each pixel
    return Found(Boxes(tuple((*at.amin(0).tolist(), *(at.amax(0) + 1).tolist()) for at in spots)), Mask(spot[:, 0]))
