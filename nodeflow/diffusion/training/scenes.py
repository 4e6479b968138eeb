"""Scenes: what a picture shows and what its caption says, drawn at random, and the drawing of the picture."""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nodeflow.diffusion.training.sprites import Sprites
from nodeflow.diffusion.training.vocabulary import (
    COLOURS,
    PLAIN_PHRASES,
    THINGS,
    Place,
    Size,
    Split,
    split_of_colour,
    split_of_pair,
    split_of_plain,
)

SIDE = 128


@dataclass(frozen=True, slots=True)
class Placed:
    """A thing in a picture; lengths in parts of its side, the angle in degrees."""

    thing: int
    x: float
    y: float
    size: float
    angle: float


@dataclass(frozen=True, slots=True)
class Single:
    """One thing, perhaps with a size and a place that the caption tells."""

    thing: int
    size: Size | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two things, the first left of the second, or above it."""

    first: int
    second: int
    stacked: bool = False


@dataclass(frozen=True, slots=True)
class Plain:
    """No thing at all, asked for by one of the phrases of the vocabulary."""

    phrase: int


Subject = Single | Pair | Plain


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that a picture shows.

    Attributes:
        subject: what a caption can speak of.
        colour: of the background, an index into the vocabulary.
        placed: the things where they are.
        tint: a small change of the background colour, RGB in 0..1.
        slope: change of brightness from top to bottom.
    """

    subject: Subject
    colour: int
    placed: tuple[Placed, ...]
    tint: tuple[float, float, float]
    slope: float

    @property
    def things(self) -> tuple[int, ...]:
        """The things in the picture."""
        return tuple(item.thing for item in self.placed)


@dataclass(frozen=True, slots=True)
class Freedom:
    """How far scenes of the same caption differ from each other.

    Attributes:
        slack: largest shift of a thing, in parts of the picture.
        spread: largest relative change of its size.
        angle: largest turn, in degrees.
        tint: largest change of a colour channel of the background, in 0..1.
    """

    slack: float
    spread: float
    angle: float
    tint: float


LOOSE = Freedom(slack=0.03, spread=0.1, angle=4.0, tint=0.02)
"""For the autoencoder, which has to paint things wherever they are."""

TIGHT = Freedom(slack=0.01, spread=0.025, angle=1.0, tint=0.01)
"""For the denoiser: what a caption leaves open costs a small model dearly, as it has to guess it out of noise."""

SUBJECT_WEIGHTS = {Single: 0.66, Pair: 0.26, Plain: 0.08}


def draw_scene(rng: random.Random, split: Split = Split.TRAIN, freedom: Freedom = LOOSE) -> Scene:
    """A random scene of one split; combinations of the other splits never occur in it."""
    kind = rng.choices(list(SUBJECT_WEIGHTS), weights=list(SUBJECT_WEIGHTS.values()))[0]
    while True:
        colour = rng.randrange(len(COLOURS))
        subject = _draw_subject(kind, rng)
        if split_of(subject, colour) is split:
            return lay_out(subject, colour, rng, freedom)


def _draw_subject(kind: type[Subject], rng: random.Random) -> Subject:
    if kind is Plain:
        return Plain(rng.randrange(len(PLAIN_PHRASES)))
    if kind is Pair:
        first, second = rng.sample(range(len(THINGS)), 2)
        return Pair(first, second, stacked=rng.random() < 0.2)
    size = rng.choice((None, None, None, *Size))
    place = rng.choice((None, None, None, None, None, *Place))
    if size is Size.LARGE and place is not Place.MIDDLE:
        place = None
    return Single(rng.randrange(len(THINGS)), size, place)


def split_of(subject: Subject, colour: int) -> Split | None:
    """The split that a subject on a background belongs to.

    Two things are for training when each on this background is, and they together; else they belong to the split of
    the two together, and to none when it is only a background that keeps them out of the training.
    """
    match subject:
        case Plain(phrase):
            return split_of_plain(phrase, colour)
        case Single(thing):
            return split_of_colour(thing, colour)
        case Pair(first, second):
            together = split_of_pair(first, second)
            trained = all(split_of_colour(thing, colour) is Split.TRAIN for thing in (first, second))
            return together if together is not Split.TRAIN or trained else None


_SIZES = {Size.SMALL: 0.37, Size.MEDIUM: 0.54, Size.LARGE: 0.9}
_FREE_SIZE = 0.69
_PLACED_SIZE = 0.5
_PAIR_SIZE = 0.445


def lay_out(subject: Subject, colour: int, rng: random.Random, freedom: Freedom = LOOSE) -> Scene:
    """Decide at random what a subject leaves open."""
    red, green, blue = (rng.uniform(-freedom.tint, freedom.tint) for _ in range(3))
    slope = rng.uniform(-2 * freedom.tint, 2 * freedom.tint)
    return Scene(subject, colour, tuple(_place(subject, rng, freedom)), (red, green, blue), slope)


def _place(subject: Subject, rng: random.Random, freedom: Freedom) -> Iterator[Placed]:
    match subject:
        case Plain():
            return
        case Single(thing, size, place):
            length = _size(size, place)
            x, y = _centre(place, length)
            slack = freedom.slack if size is not Size.LARGE else freedom.slack / 3
            yield _jittered(Placed(thing, x, y, length, 0.0), slack, rng, freedom)
        case Pair(first, second, stacked):
            for thing, along in ((first, 0.255), (second, 0.745)):
                x, y = (0.5, along) if stacked else (along, 0.5)
                yield _jittered(Placed(thing, x, y, _PAIR_SIZE, 0.0), freedom.slack / 2, rng, freedom)


def _size(size: Size | None, place: Place | None) -> float:
    if size is not None:
        return _SIZES[size]
    return _FREE_SIZE if place in (None, Place.MIDDLE) else _PLACED_SIZE


def _centre(place: Place | None, length: float) -> tuple[float, float]:
    near = length / 2 + 0.05
    match place:
        case Place.LEFT:
            return near, 0.5
        case Place.RIGHT:
            return 1 - near, 0.5
        case Place.TOP:
            return 0.5, near
        case Place.BOTTOM:
            return 0.5, 1 - near
        case _:
            return 0.5, 0.5


def _jittered(item: Placed, slack: float, rng: random.Random, freedom: Freedom) -> Placed:
    x, y = item.x + rng.uniform(-slack, slack), item.y + rng.uniform(-slack, slack)
    spread = freedom.spread if item.size != _PAIR_SIZE else freedom.spread / 2
    size = item.size * (1 + rng.uniform(-spread, spread))
    return Placed(item.thing, x, y, size, rng.uniform(-freedom.angle, freedom.angle))


def render(scenes: Sequence[Scene], sprites: Sprites, side: int = SIDE) -> Tensor:
    """Draw scenes: [B, 3, side, side] in -1..1."""
    pictures = _backgrounds(scenes, side)
    depth = max((len(scene.placed) for scene in scenes), default=0)
    for layer in range(depth):
        rows = [row for row, scene in enumerate(scenes) if len(scene.placed) > layer]
        ink = _ink([scenes[row].placed[layer] for row in rows], sprites, side)
        pictures[rows] = pictures[rows] * (1 - ink[:, 3:]) + ink[:, :3]
    return pictures.clamp(0, 1) * 2 - 1


def _backgrounds(scenes: Sequence[Scene], side: int) -> Tensor:
    flat = torch.tensor([COLOURS[scene.colour].rgb for scene in scenes]) / 255
    flat = flat + torch.tensor([scene.tint for scene in scenes])
    slope = torch.tensor([scene.slope for scene in scenes])[:, None] * torch.linspace(-1, 1, side)
    return flat[:, :, None, None] + slope[:, None, :, None].expand(-1, 3, -1, side)


def _ink(placed: Sequence[Placed], sprites: Sprites, side: int) -> Tensor:
    """Sprites moved to where they belong: [B, 4, side, side], premultiplied."""
    result = torch.empty(len(placed), 4, side, side)
    small = [item.size * side <= sprites.half.shape[-1] for item in placed]
    for table, wanted in ((sprites.half, True), (sprites.full, False)):
        rows = [row for row, found in enumerate(small) if found is wanted]
        if not rows:
            continue
        chosen = [placed[row] for row in rows]
        grid = F.affine_grid(_inverse_maps(chosen), [len(rows), 4, side, side], align_corners=False)
        source = table[[item.thing for item in chosen]]
        result[rows] = F.grid_sample(source, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return result


def _inverse_maps(placed: Sequence[Placed]) -> Tensor:
    """Affine maps from picture coordinates (-1..1) to sprite coordinates: [B, 2, 3]."""
    rows: list[list[list[float]]] = []
    for item in placed:
        cos = math.cos(math.radians(item.angle)) / item.size
        sin = math.sin(math.radians(item.angle)) / item.size
        x, y = 2 * item.x - 1, 2 * item.y - 1
        rows.append([[cos, sin, -cos * x - sin * y], [-sin, cos, sin * x - cos * y]])
    return torch.tensor(rows)
