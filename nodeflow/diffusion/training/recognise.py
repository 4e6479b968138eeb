"""Recognition of what a picture shows, by comparison with the sprites: retrieval among known things, nothing more."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from nodeflow.diffusion.training.sheet import load_sheet
from nodeflow.diffusion.training.vocabulary import COLOURS, THINGS

SIDE = 128
_WINDOW = 24
_MARGIN = 1.3
_BORDER = 4
_THRESHOLD = 0.2
_EMPTY = 0.006
_PAIR_PENALTY = 1.1
_SCALES = (0.92, 1.0, 1.1, 1.22)
_SHIFTS = (-0.09, 0.0, 0.09)


@dataclass(frozen=True, slots=True)
class Found:
    """A thing found in a picture.

    Attributes:
        name: of the thing.
        x, y: centre of its box, in parts of the picture.
        size: longer side of its box, in parts of the picture.
        error: mean squared difference from its sprite there; how sure it is.
    """

    name: str
    x: float
    y: float
    size: float
    error: float


@dataclass(frozen=True, slots=True)
class Finding:
    """What a picture shows: none, one or two things on a background, from left to right or top to bottom."""

    background: str
    found: tuple[Found, ...]

    @property
    def things(self) -> tuple[str, ...]:
        """The names of the things."""
        return tuple(item.name for item in self.found)


@dataclass(frozen=True, slots=True)
class _Box:
    left: int
    top: int
    right: int
    bottom: int

    @property
    def side(self) -> int:
        return max(self.right - self.left, self.bottom - self.top)

    @property
    def centre(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2


class Recogniser:
    """Compares pictures with sprites placed in many ways; making one costs a few tenths of a second.

    Args:
        sprites: [N, 4, S, S], premultiplied RGBA in 0..1, in the order of the vocabulary; by default the package's.
    """

    def __init__(self, sprites: Tensor | None = None) -> None:
        placed = _placements(load_sheet() if sprites is None else sprites).flatten(-2)  # things placements 4 hw
        self._ink, self._clear = placed[:, :, :3], 1 - placed[:, :, 3]
        # |ink + clear colour|^2 summed over pixels is a polynomial in the colour: its coefficients, per channel.
        self._ink_ink = self._ink.square().sum(-1)
        self._ink_clear = (self._ink * self._clear[:, :, None]).sum(-1)
        self._clear_clear = self._clear.square().sum(-1, keepdim=True)
        self._palette = torch.tensor([colour.rgb for colour in COLOURS]) / 255

    def recognise(self, picture: Image.Image | Tensor) -> Finding:
        """Say what a picture shows.

        Args:
            picture: a PIL picture, or [3, H, W] in 0..1; any size, square.
        """
        pixels = _pixels(picture)
        edge = _edge(pixels)
        colour = edge.median(dim=1).values
        background = int((self._palette - colour).square().sum(1).argmin())
        mask = _mask(pixels, colour)
        name = COLOURS[background].name
        if float(mask.float().mean()) < _EMPTY:
            return Finding(name, ())
        best: tuple[float, tuple[Found, ...]] = (math.inf, ())
        for penalty, parts in _hypotheses(mask):
            matches = [self._match(pixels, colour, keep, box) for keep, box in parts]
            total = penalty * sum(match.error * match.size**2 for match in matches)
            best = min(best, (total, tuple(matches)), key=lambda candidate: candidate[0])
        return Finding(name, best[1])

    def _match(self, pixels: Tensor, colour: Tensor, keep: Tensor, box: _Box) -> Found:
        """The nearest thing in a box, where pixels not to keep count as background."""
        flat = colour[:, None, None]
        window = _crop(torch.where(keep, pixels, flat), flat, box).flatten(1)  # 3 hw
        painted = self._ink_ink + 2 * colour * self._ink_clear + colour.square() * self._clear_clear
        common = self._ink.flatten(2) @ window.flatten() + self._clear @ (colour @ window)
        errors = (painted.sum(-1) - 2 * common + window.square().sum()) / window.numel()  # things placements
        thing = int(errors.amin(1).argmin())
        x, y = box.centre
        return Found(THINGS[thing].name, x / SIDE, y / SIDE, box.side / SIDE, float(errors[thing].min()))


def recognise(picture: Image.Image | Tensor) -> Finding:
    """What a picture shows; make a `Recogniser` to ask for several."""
    return Recogniser().recognise(picture)


def _pixels(picture: Image.Image | Tensor) -> Tensor:
    if isinstance(picture, Image.Image):
        array = np.asarray(picture.convert("RGB"), dtype=np.float32) / 255
        picture = torch.from_numpy(array).permute(2, 0, 1)
    return F.interpolate(picture[None].float(), size=(SIDE, SIDE), mode="bilinear", antialias=True)[0]


def _edge(pixels: Tensor) -> Tensor:
    rows = torch.cat([pixels[:, :_BORDER], pixels[:, -_BORDER:]], dim=1).flatten(1)
    columns = torch.cat([pixels[:, :, :_BORDER], pixels[:, :, -_BORDER:]], dim=2).flatten(1)
    return torch.cat([rows, columns], dim=1)


def _mask(pixels: Tensor, colour: Tensor) -> Tensor:
    """Where the picture differs from the background, single specks removed: [H, W]."""
    distance = (pixels - colour[:, None, None]).square().sum(0).sqrt()
    smooth = F.avg_pool2d(distance[None, None], 3, stride=1, padding=1, count_include_pad=False)[0, 0]
    return smooth > _THRESHOLD


def _box_of(mask: Tensor) -> _Box | None:
    rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
    if len(rows) == 0:
        return None
    return _Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def _hypotheses(mask: Tensor) -> Iterator[tuple[float, Sequence[tuple[Tensor, _Box]]]]:
    """One thing, two side by side, two above each other: how to see the mask, with a factor on the error."""
    whole = _box_of(mask)
    assert whole is not None
    everything = torch.ones_like(mask)
    yield 1.0, [(everything, whole)]
    for axis, start, end in ((1, whole.left, whole.right), (0, whole.top, whole.bottom)):
        parts = _halves(mask, axis, start, end)
        if parts is not None:
            yield _PAIR_PENALTY, parts


def _halves(mask: Tensor, axis: int, start: int, end: int) -> Sequence[tuple[Tensor, _Box]] | None:
    """Cut where the mask is thinnest in the middle of its extent; None when a part is hardly there."""
    length = end - start
    if length < 0.6 * SIDE:
        return None
    low = start + int(0.35 * length)
    counts = mask.sum(1 - axis)[low : start + int(0.65 * length)]
    thinnest = (counts == counts.min()).nonzero().flatten()
    cut = low + int(thinnest[len(thinnest) // 2])
    first = torch.zeros_like(mask)
    first.narrow(axis, 0, cut).fill_(True)
    parts: list[tuple[Tensor, _Box]] = []
    for keep in (first, ~first):
        box = _box_of(mask & keep)
        if box is None or float((mask & keep).float().mean()) < _EMPTY:
            return None
        parts.append((keep, box))
    return parts


def _crop(pixels: Tensor, fill: Tensor, box: _Box) -> Tensor:
    """A square window around a box, resampled: [3, 24, 24]; outside of the picture it is background."""
    x, y = box.centre
    scale = box.side * _MARGIN / SIDE
    theta = torch.tensor([[scale, 0.0, 2 * x / SIDE - 1], [0.0, scale, 2 * y / SIDE - 1]])
    shrink = max(1, round(box.side * _MARGIN / _WINDOW))
    blurred = F.avg_pool2d((pixels - fill)[None], shrink, stride=1, padding=shrink // 2, count_include_pad=False)
    grid = F.affine_grid(theta[None], [1, 3, _WINDOW, _WINDOW], align_corners=False)
    return F.grid_sample(blurred, grid, align_corners=False)[0] + fill


def _placements(sprites: Tensor) -> Tensor:
    """Sprites in a window in every way that the box may be off: [N, placements, 4, 24, 24]."""
    thetas = [
        [[_MARGIN / scale, 0.0, x * 2], [0.0, _MARGIN / scale, y * 2]]
        for scale in _SCALES
        for x in _SHIFTS
        for y in _SHIFTS
    ]
    ways, count = len(thetas), len(sprites)
    grid = F.affine_grid(torch.tensor(thetas), [ways, 4, _WINDOW, _WINDOW], align_corners=False)
    stacked = sprites.flatten(0, 1)[None].expand(ways, -1, -1, -1)
    placed = F.grid_sample(stacked, grid, align_corners=False)  # placements (n 4) h w
    return placed.reshape(ways, count, 4, _WINDOW, _WINDOW).transpose(0, 1).contiguous()
