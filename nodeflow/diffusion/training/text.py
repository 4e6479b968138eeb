"""Pre-training of the text encoder: what a caption says has to be readable from its states."""

import random
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodeflow.diffusion.models.clip import TextConfig, text_model
from nodeflow.diffusion.training.captions import Lexicon, caption
from nodeflow.diffusion.training.optimise import Loss
from nodeflow.diffusion.training.scenes import Pair, Plain, Scene, Single, draw_scene
from nodeflow.diffusion.training.vocabulary import COLOURS, THINGS, Place, Size

CONFIG = TextConfig(width=128, layers=2, heads=4, mlp=512)

_NOTHING = len(THINGS)
_SIZES = list(Size)
_PLACES = list(Place)
QUESTIONS = [len(THINGS) + 1, len(THINGS) + 1, len(COLOURS) + 1, len(Size) + 1, len(Place) + 1, 2]
"""Number of answers to each question about a caption: first and second thing, colour, size, place, stacked."""


class Encoder(nn.Module):
    """The text model over the small token table, from rows [B, L] to states [B, L, width]."""

    def __init__(self, lexicon: Lexicon) -> None:
        super().__init__()
        small = TextConfig(lexicon.rows, CONFIG.width, CONFIG.layers, CONFIG.heads, CONFIG.mlp)
        self.model = text_model(small)

    def forward(self, rows: Tensor) -> Tensor:
        states: Tensor = self.model(input_ids=rows).last_hidden_state
        return states


def answers(scene: Scene, text: str) -> tuple[int, ...]:
    """What the caption of a scene says, as answers to the questions; a colour left unsaid is an answer, too."""
    said = [word for word in COLOURS[scene.colour].words if word in text]
    colour = scene.colour if said else len(COLOURS)
    match scene.subject:
        case Plain():
            return _NOTHING, _NOTHING, colour, len(_SIZES), len(_PLACES), 0
        case Single(thing, size, place):
            size_answer = len(_SIZES) if size is None else _SIZES.index(size)
            place_answer = len(_PLACES) if place is None else _PLACES.index(place)
            return thing, _NOTHING, colour, size_answer, place_answer, 0
        case Pair(first, second, stacked):
            return first, second, colour, len(_SIZES), len(_PLACES), int(stacked)


def draw_captions(size: int, seed: str) -> Iterator[tuple[Scene, str]]:
    """Random scenes of the training split with a caption each."""
    rng = random.Random(seed)
    for _ in range(size):
        scene = draw_scene(rng)
        yield scene, caption(scene, rng)


def questions() -> nn.Linear:
    """The layer that reads all answers from a state; it is thrown away after pre-training."""
    return nn.Linear(CONFIG.width, sum(QUESTIONS))


def _graded(
    encoder: Encoder, reader: nn.Linear, lexicon: Lexicon, pairs: Sequence[tuple[Scene, str]]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits and right answers for every question, at all positions from the end token on."""
    rows = lexicon.encode([text for _, text in pairs])
    ended = (rows == lexicon.rows - 1).nonzero(as_tuple=True)
    logits: Tensor = reader(encoder(rows)[ended])
    right = torch.tensor([answers(scene, text) for scene, text in pairs])[ended[0]]
    for question, part in enumerate(torch.split(logits, QUESTIONS, dim=-1)):
        yield part, right[:, question]


def text_loss(encoder: Encoder, reader: nn.Linear, lexicon: Lexicon, batch: int, seed: int) -> Loss:
    """Cross entropy of the answers, from every position at and after the end token."""

    def loss(step: int, part: int) -> Tensor:
        pairs = list(draw_captions(batch, f"text/{seed}/{step}/{part}"))
        graded = _graded(encoder, reader, lexicon, pairs)
        return torch.stack([F.cross_entropy(logits, right) for logits, right in graded]).sum()

    return loss


@torch.no_grad()
def accuracy(
    encoder: Encoder, reader: nn.Linear, lexicon: Lexicon, size: int = 256, seed: int = 0
) -> tuple[float, ...]:
    """Part of right answers per question, on captions drawn for the purpose."""
    pairs = list(draw_captions(size, f"text accuracy/{seed}"))
    graded = _graded(encoder, reader, lexicon, pairs)
    return tuple(float((logits.argmax(-1) == right).float().mean()) for logits, right in graded)
