"""Nodes that put pictures into batches and take them out."""

from pathlib import Path
from typing import Any

import pytest
import torch

from nodeflow import Session
from nodeflow.api import Graph, InputError
from nodeflow.diffusion.types import Image, Item
from nodeflow_nodes.image_batches import image_batch, image_from_batch, rebatch_images, repeat_image_batch
from nodeflow_nodes.images import empty_image, get_image_size


def picture(rows: int = 1, height: int = 8, width: int = 12) -> Image:
    return Image(torch.rand(rows, height, width, 3))


def test_the_second_batch_follows_the_first_at_its_size() -> None:
    one, other = picture(2), picture(1, 20, 20)
    found = image_batch(one, other)
    assert found.pixels.shape == (3, 8, 12, 3)
    assert torch.equal(found.pixels[:2], one.pixels)


def test_a_batch_is_repeated() -> None:
    image = picture(2)
    assert torch.equal(repeat_image_batch(image, 2).pixels, image.pixels[[0, 1, 0, 1]])
    with pytest.raises(InputError, match=r"^amount: 4096 x 8000x8000 pixels take"):
        repeat_image_batch(Image(torch.zeros(1, 1, 1, 3).expand(1, 8000, 8000, 3)), 4096)


def test_pictures_are_taken_out_of_a_batch_as_the_items_they_are(recorder: Any) -> None:
    image = picture(5)
    found = image_from_batch(image, 1, 3, run=recorder)
    assert torch.equal(found.pixels, image.pixels[1:4])
    assert found.items == (Item(1, 5), Item(2, 5), Item(3, 5))
    assert recorder.warnings == []


@pytest.mark.parametrize(
    ("start", "length", "rows", "told"), [(3, 9, [3, 4], "3 to 11; 3 to 4"), (7, 2, [4], "7 to 8; 4 to 4")]
)
def test_what_is_not_in_the_batch_is_told(start: int, length: int, rows: list[int], told: str, recorder: Any) -> None:
    image = picture(5)
    assert torch.equal(image_from_batch(image, start, length, run=recorder).pixels, image.pixels[rows])
    assert recorder.warnings == [f"of 5 pictures, counted from 0, there are no {told} are taken"]


def test_batches_are_cut_anew() -> None:
    one, other = picture(3), picture(2)
    assert [len(batch) for batch in rebatch_images([one, other], 4)] == [4, 1]
    with pytest.raises(InputError, match=r"^images: image: only equal sizes can be joined"):
        rebatch_images([one, picture(1, 4, 4)], 4)


def test_what_follows_a_rebatch_runs_once_for_each_batch(tmp_path: Path) -> None:
    session, graph = Session(tmp_path / "home", output_dir=tmp_path / "output"), Graph()
    batches = graph(rebatch_images)(graph(empty_image)(8, 8, 5), 2)
    graph.output("sizes", graph(get_image_size)(batches).batch_size)
    assert session.run(graph, write=())["sizes"].value == [2, 2, 1]
