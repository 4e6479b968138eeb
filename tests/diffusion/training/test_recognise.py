"""Recognition finds what real renders show, and nothing where nothing is."""

import random

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from nodeflow.diffusion.training.recognise import Recogniser, recognise
from nodeflow.diffusion.training.scenes import Pair, Plain, Scene, Single, draw_scene, render
from nodeflow.diffusion.training.score import Graded, Score, contact_sheet, tasks
from nodeflow.diffusion.training.sheet import load_sheet, sheet_sprites
from nodeflow.diffusion.training.vocabulary import COLOURS, THINGS, Split


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    return Recogniser()


def drawn(count: int) -> tuple[list[Scene], Tensor]:
    rng = random.Random(11)
    scenes = [draw_scene(rng, Split.TEST) for _ in range(count)]
    return scenes, (render(scenes, sheet_sprites()) + 1) / 2


def right(recogniser: Recogniser, scenes: list[Scene], pictures: Tensor) -> float:
    found = [recogniser.recognise(picture) for picture in pictures]
    return sum(
        finding.things == tuple(THINGS[thing].name for thing in scene.things)
        and finding.background == COLOURS[scene.colour].name
        for scene, finding in zip(scenes, found, strict=True)
    ) / len(scenes)


def test_nearly_everything_is_right_on_real_renders(recogniser: Recogniser) -> None:
    scenes, pictures = drawn(40)
    assert right(recogniser, scenes, pictures) >= 0.97


def test_blur_and_noise_do_not_confuse_it(recogniser: Recogniser) -> None:
    scenes, pictures = drawn(20)
    blurred = F.avg_pool2d(pictures, 3, stride=1, padding=1, count_include_pad=False)
    noisy = (blurred + 0.03 * torch.randn(blurred.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    assert right(recogniser, scenes, noisy) >= 0.95


def test_a_written_picture_of_another_size_is_recognised_too() -> None:
    fox = next(index for index, thing in enumerate(THINGS) if thing.name == "fox")
    sprite = (load_sheet()[fox].permute(1, 2, 0) * 255).round().byte().numpy()
    picture = Image.new("RGBA", (64, 64), (*COLOURS[4].rgb, 255))
    picture.alpha_composite(Image.fromarray(sprite, "RGBA").resize((40, 40)), (12, 12))
    finding = recognise(picture.convert("RGB").resize((256, 256)))
    assert finding.things == ("fox",)
    assert finding.background == "blue"
    assert finding.found[0].x == pytest.approx(0.5, abs=0.06)


def test_a_plain_picture_shows_nothing(recogniser: Recogniser) -> None:
    assert recogniser.recognise(Image.new("RGB", (128, 128), COLOURS[0].rgb)).things == ()


def test_tasks_are_reproducible_and_held_out() -> None:
    wanted = tasks(Split.TEST, pairs=10)
    assert wanted == tasks(Split.TEST, pairs=10)
    assert {task.kind for task in wanted} == {Single, Pair, Plain}
    assert sum(task.kind is Pair for task in wanted) == 10
    assert not {task.prompt for task in wanted} & {task.prompt for task in tasks(Split.DEVELOPMENT, pairs=10)}


def test_a_score_counts_every_kind_apart_and_the_sheet_shows_mistakes_in_red(recogniser: Recogniser) -> None:
    scenes, pictures = drawn(1)
    finding = recogniser.recognise(pictures[0])
    task = next(task for task in tasks(Split.TEST, pairs=1) if task.kind is Single)
    graded = [Graded(task, 0, pictures[0], finding)]
    score = Score.of(graded)
    assert score.pictures == (1, 1, 0, 0)
    assert score.empty == score.both == 1.0
    assert "thing" in str(score)
    assert contact_sheet(graded).getpixel((0, 0)) in {(255, 255, 255), (255, 0, 0)}
    assert len(scenes) == 1
