"""Showing any value."""

from typing import Any

import pytest
import torch

from nodeflow.diffusion.latent_formats import SD1
from nodeflow.diffusion.types import Conditioning, Entry, Image, Latent, Mask
from nodeflow_nodes.showing import preview_any, show_text, show_value

IMAGE = Image(torch.rand(2, 4, 6, 3))
TEXT = Conditioning((Entry(torch.zeros(1, 77, 8)), Entry(torch.zeros(1, 154, 8))))


class Thing:
    """A value of a pack."""


def test_a_text_is_shown(recorder: Any) -> None:
    show_text("a cat", run=recorder)
    assert recorder.shown == ["a cat"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (3, [3]),
        (0.5, [0.5]),
        (True, [True]),
        ("a", ["a"]),
        ([1, ["b"]], [[1, ["b"]]]),
        ([], [[]]),
        ({"a": 1}, ['{"a": 1}']),
        (None, ["nothing"]),
        (IMAGE, ["Image: 2 of 6 × 4 pixels"]),
        ([IMAGE, 1], ["Image: 2 of 6 × 4 pixels", 1]),
        (Mask(torch.zeros(1, 4, 6)), ["Mask: 1 of 6 × 4 pixels"]),
        (Latent(torch.zeros(3, 4, 2, 1), SD1), ["Latent: 3 of 8 × 16 pixels"]),
        (TEXT, ["Conditioning: 77 + 154 tokens"]),
        (Thing(), ["Thing"]),
    ],
)
def test_a_value_is_told_in_words(value: object, shown: list[object], recorder: Any) -> None:
    show_value(value, run=recorder)
    assert recorder.shown == shown


def test_pictures_are_previewed_as_they_are(recorder: Any) -> None:
    preview_any([IMAGE, [IMAGE]], run=recorder)
    assert recorder.shown == [IMAGE, IMAGE]


def test_a_mask_is_previewed_in_grey(recorder: Any) -> None:
    preview_any(Mask(torch.full((1, 4, 6), 0.25)), run=recorder)
    (picture,) = recorder.shown
    assert picture.pixels.shape == (1, 4, 6, 3)
    assert picture.pixels.unique().tolist() == [0.25]


def test_a_latent_is_previewed_as_a_small_picture(recorder: Any) -> None:
    preview_any(Latent(torch.randn(2, 4, 3, 2), SD1), run=recorder)
    (picture,) = recorder.shown
    assert picture.pixels.shape == (1, 3, 2, 3)


def test_a_latent_of_an_unknown_space_is_told_in_words(recorder: Any) -> None:
    preview_any(Latent(torch.zeros(1, 4, 3, 2)), run=recorder)
    assert recorder.shown == ["Latent: 1 of 16 × 24 pixels"]


@pytest.mark.parametrize("value", [3, "a", [1, 2], False])
def test_plain_values_are_previewed_as_they_are(value: object, recorder: Any) -> None:
    preview_any(value, run=recorder)
    assert recorder.shown == [value]


def test_everything_else_is_previewed_in_words(recorder: Any) -> None:
    preview_any([TEXT, Thing()], run=recorder)
    assert recorder.shown == ["Conditioning: 77 + 154 tokens", "Thing"]
