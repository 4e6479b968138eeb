"""Plots: every curve is drawn, where its numbers say, in a picture of the asked size."""

import numpy as np
import pytest

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.plots import plot_sigmas
from nodeflow.diffusion.types import Image, Sigmas

BLUE, ORANGE = (31, 119, 180), (255, 127, 14)  # the first two of matplotlib's colours


def ink(picture: Image, colour: tuple[int, int, int]) -> np.ndarray:
    pixels = (picture.pixels[0].numpy() * 255).round().astype(int)
    return np.abs(pixels - np.array(colour)).max(axis=-1) < 12


def test_every_curve_is_drawn() -> None:
    falling = Sigmas((14.6, 4.0, 1.0, 0.2, 0.0))
    picture = plot_sigmas([falling, Sigmas((14.6, 8.0, 3.0, 1.0, 0.0))], ["first", "second"], width=640, height=480)
    assert picture.pixels.shape == (1, 480, 640, 3)
    assert ink(picture, BLUE).sum() > 300
    assert ink(picture, ORANGE).sum() > 300


@pytest.mark.parametrize("logarithmic", [True, False])
def test_a_falling_curve_falls_on_the_picture(logarithmic: bool) -> None:
    values = (10.0, 5.0, 2.0, 1.0, 0.5, 0.0)
    picture = plot_sigmas([Sigmas(values)], ["one"], width=640, height=480, logarithmic=logarithmic)
    drawn = ink(picture, BLUE)
    drawn[:, 520:] = False  # the legend
    columns = np.flatnonzero(drawn.any(axis=0))
    heights = np.array([np.flatnonzero(drawn[:, column]).mean() for column in columns])
    assert (np.diff(heights) >= -2).all()  # rows count downwards
    assert heights[-1] - heights[0] > 150


@pytest.mark.parametrize(
    ("curves", "labels", "size", "message"),
    [
        ([], [], 400, "there is no curve"),
        ([Sigmas(())], ["empty"], 400, "one without levels"),
        ([Sigmas((1.0, 0.0))], [], 400, "0 labels for 1 curves"),
        ([Sigmas((1.0, 0.0))], ["one"], 100, "too small"),
    ],
)
def test_what_cannot_be_drawn_is_refused(curves: list[Sigmas], labels: list[str], size: int, message: str) -> None:
    with pytest.raises(ValueRuleError, match=message):
        plot_sigmas(curves, labels, width=size)
