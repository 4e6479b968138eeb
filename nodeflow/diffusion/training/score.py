"""The score of a checkpoint: does it paint what a prompt says, for combinations that it was never trained on?"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from PIL import Image as Pillow
from torch import Tensor

from nodeflow.diffusion.autoencoding import decode
from nodeflow.diffusion.checkpoints.load import Checkpoint
from nodeflow.diffusion.conditioning import encode
from nodeflow.diffusion.sampling.run import sample
from nodeflow.diffusion.training.captions import caption
from nodeflow.diffusion.training.recognise import Finding, Recogniser
from nodeflow.diffusion.training.scenes import Pair, Plain, Scene, Single, Subject, lay_out, split_of
from nodeflow.diffusion.training.vocabulary import COLOURS, PLAIN_PHRASES, THINGS, Split
from nodeflow.diffusion.types import Conditioning, Entry, Latent

CELLS = 16
PAIRS = 64
PLAIN_REPEATS = 4


@dataclass(frozen=True, slots=True)
class Task:
    """A prompt and what its picture has to show."""

    prompt: str
    kind: type[Subject]
    things: tuple[str, ...]
    background: str


@dataclass(frozen=True, slots=True)
class Graded:
    """A picture, what it was asked to show and what was found in it."""

    task: Task
    seed: int
    picture: Tensor
    finding: Finding

    @property
    def things_right(self) -> bool:
        """Exactly the things of the prompt were found, wherever they are."""
        return sorted(self.finding.things) == sorted(self.task.things)

    @property
    def background_right(self) -> bool:
        """The background is the one of the prompt."""
        return self.finding.background == self.task.background


@dataclass(frozen=True, slots=True)
class Score:
    """Parts of pictures that are right.

    Attributes:
        thing: of those asked for one thing, those in which it and nothing else was found.
        background: of all pictures, those whose background has the colour asked for.
        empty: of those asked for a plain background, those in which nothing was found.
        both: of those asked for two things, those in which both were found.
        pictures: number of pictures behind each of these.
    """

    thing: float
    background: float
    empty: float
    both: float
    pictures: tuple[int, int, int, int]

    @classmethod
    def of(cls, graded: Sequence[Graded]) -> "Score":
        """The score of graded pictures; a kind that does not occur counts as 1."""
        parts = [[item.things_right for item in graded if item.task.kind is kind] for kind in (Single, Plain, Pair)]
        thing, empty, both = (sum(part) / len(part) if part else 1.0 for part in parts)
        background = sum(item.background_right for item in graded) / max(1, len(graded))
        counts = (len(parts[0]), len(graded), len(parts[1]), len(parts[2]))
        return cls(thing, background, empty, both, counts)

    def __str__(self) -> str:
        singles, everything, plains, pairs = self.pictures
        return (
            f"thing {self.thing:.1%} of {singles}, background {self.background:.1%} of {everything}, "
            f"plain left empty {self.empty:.1%} of {plains}, both things {self.both:.1%} of {pairs}"
        )


def tasks(split: Split, pairs: int = PAIRS) -> tuple[Task, ...]:
    """All single things of a split, all its plain backgrounds (four captions each), and a number of its pairs."""
    rng = random.Random(f"tasks/{split.value}")
    found: list[Task] = []
    for subject, colour in _combinations(split, pairs, rng):
        words = COLOURS[colour].words
        scene = lay_out(subject, colour, rng)
        prompt = next(text for text in _captions(scene, rng) if any(word in text for word in words))
        found.append(Task(prompt, type(subject), tuple(THINGS[index].name for index in scene.things), words[0]))
    return tuple(found)


def _captions(scene: Scene, rng: random.Random) -> Iterator[str]:
    while True:
        yield caption(scene, rng)


def _combinations(split: Split, pairs: int, rng: random.Random) -> Iterator[tuple[Subject, int]]:
    colours = range(len(COLOURS))
    subjects: list[Subject] = [Single(thing) for thing in range(len(THINGS))]
    subjects += [Plain(phrase) for phrase in range(len(PLAIN_PHRASES)) for _ in range(PLAIN_REPEATS)]
    yield from ((subject, colour) for subject in subjects for colour in colours if split_of(subject, colour) is split)
    everything = [Pair(one, other) for one in range(len(THINGS)) for other in range(len(THINGS)) if one != other]
    rng.shuffle(everything)
    drawn = ((pair, rng.choice(colours)) for pair in everything)
    fitting = (item for item in drawn if split_of(*item) is split)
    yield from (item for item, _ in zip(fitting, range(pairs), strict=False))


def draw(
    checkpoint: Checkpoint, prompts: Sequence[str], seed: int, steps: int = 20, cfg: float = 4.0, sampler: str = "ddim"
) -> Tensor:
    """Pictures for prompts, all at once: [B, 3, 128, 128] in 0..1."""
    contexts = [encode(checkpoint.clip, prompt).entries[0].context for prompt in prompts]
    empty = encode(checkpoint.clip, "")
    latent = Latent(torch.zeros(len(prompts), checkpoint.model.latent_format.channels, CELLS, CELLS))
    positive = Conditioning((Entry(torch.cat(contexts)),))
    *_, last = sample(checkpoint.model, positive, empty, latent, seed=seed, steps=steps, cfg=cfg, sampler=sampler)
    return decode(checkpoint.vae, last.latent).pixels.permute(0, 3, 1, 2)


def grade(
    checkpoint: Checkpoint,
    wanted: Sequence[Task],
    seeds: Iterable[int],
    batch: int = 16,
    steps: int = 20,
    cfg: float = 4.0,
) -> Iterator[Graded]:
    """Draw every task with every seed and look at the pictures."""
    recogniser = Recogniser()
    for seed in seeds:
        for start in range(0, len(wanted), batch):
            part = wanted[start : start + batch]
            pictures = draw(checkpoint, [task.prompt for task in part], seed * 1000 + start, steps, cfg)
            for task, picture in zip(part, pictures, strict=True):
                yield Graded(task, seed, picture, recogniser.recognise(picture))


def contact_sheet(graded: Sequence[Graded], columns: int = 16) -> Pillow.Image:
    """All pictures in rows, those in which something is wrong in a red frame."""
    frame, rows = 3, -(-len(graded) // columns)
    side = graded[0].picture.shape[-1]
    sheet = Pillow.new("RGB", (columns * (side + 2 * frame), rows * (side + 2 * frame)), "white")
    for index, item in enumerate(graded):
        right = item.things_right and item.background_right
        tile = Pillow.new("RGB", (side + 2 * frame, side + 2 * frame), "white" if right else "red")
        pixels = (item.picture.permute(1, 2, 0) * 255).round().byte().numpy()
        tile.paste(Pillow.fromarray(pixels), (frame, frame))
        sheet.paste(tile, (index % columns * tile.width, index // columns * tile.height))
    return sheet
