"""The checkpoint that comes with the package paints what prompts say, combinations it never saw included."""

from importlib import resources
from pathlib import Path

import pytest

from nodeflow.diffusion.checkpoints import load_checkpoint
from nodeflow.diffusion.checkpoints.load import Checkpoint
from nodeflow.diffusion.training.recognise import Recogniser
from nodeflow.diffusion.training.score import Score, draw, grade, tasks
from nodeflow.diffusion.training.vocabulary import Split


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    file = resources.files("nodeflow_nodes").joinpath("models", "checkpoints", "emoji-tiny.safetensors")
    assert Path(str(file)).stat().st_size <= 40_000_000
    return load_checkpoint(Path(str(file)))


def test_pictures_show_what_their_prompts_say(checkpoint: Checkpoint) -> None:
    prompts = {
        "a cat on a blue background": (("cat",), "blue"),
        "masterpiece, a rocket on black, 4k": (("rocket",), "black"),
        "a dog on the left and a star on the right, green background": (("dog", "star"), "green"),
        "a plain pink background": ((), "pink"),
    }
    recogniser = Recogniser()
    pictures = draw(checkpoint, list(prompts), seed=0, steps=12)
    found = [recogniser.recognise(picture) for picture in pictures]
    assert [(finding.things, finding.background) for finding in found] == list(prompts.values())


def test_a_place_in_the_prompt_is_obeyed(checkpoint: Checkpoint) -> None:
    recogniser = Recogniser()
    left, right = draw(
        checkpoint, ["a small car on the left on white", "a small car on the right on white"], 0, steps=8
    )
    assert recogniser.recognise(left).found[0].x < 0.4
    assert recogniser.recognise(right).found[0].x > 0.6


def test_held_out_combinations_pass(checkpoint: Checkpoint) -> None:
    graded = list(grade(checkpoint, tasks(Split.TEST, pairs=8)[::8], seeds=[0], steps=12))
    score = Score.of(graded)
    assert min(score.thing, score.background, score.empty, score.both) >= 0.8, score
