"""Reading, resizing and writing pictures."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image as Pillow
from safetensors.torch import load

from nodeflow import Session
from nodeflow.api import Graph, InputError
from nodeflow.diffusion.latent_formats import SD1
from nodeflow.diffusion.types import Conditioning, Entry, Image, Item, Latent, Mask
from nodeflow_nodes.grids import image_grid
from nodeflow_nodes.images import (
    empty_image,
    get_image_size,
    image_scale,
    image_scale_by,
    image_scale_to_max_dimension,
    image_scale_to_total_pixels,
    load_image,
)
from nodeflow_nodes.saving import (
    preview_image,
    save_any,
    save_image,
    save_latent,
    save_text,
    stays_in_the_output_folder,
)


def batch(rows: int = 2, height: int = 4, width: int = 6) -> Image:
    return Image(torch.rand(rows, height, width, 3))


def test_load_image_gives_colours_and_transparency(tmp_path: Path) -> None:
    path = tmp_path / "half.png"
    Pillow.new("RGBA", (4, 2), (255, 0, 0, 51)).save(path)
    image, mask = load_image(path)
    assert image.pixels[0, 0, 0].tolist() == [1.0, 0.0, 0.0]
    assert mask.values[0, 0, 0].item() == pytest.approx(0.8)


def test_a_file_that_is_no_picture_is_told_of_the_input(tmp_path: Path) -> None:
    path = tmp_path / "letter.png"
    path.write_text("Dear reader")
    with pytest.raises(InputError, match=r"^image: letter\.png is not a picture"):
        load_image(path)


def test_frames_of_another_size_are_warned_of(tmp_path: Path, recorder: Any) -> None:
    path = tmp_path / "pages.tiff"
    Pillow.new("RGB", (4, 4)).save(path, save_all=True, append_images=[Pillow.new("RGB", (2, 2))])
    load_image(path, run=recorder)
    assert recorder.warnings == ["1 frames of another size than the first were left out"]


@pytest.mark.parametrize("method", ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"])
def test_resizing_leaves_its_input_alone(method: Any) -> None:
    image = batch()
    before = image.pixels.clone()
    larger = image_scale(image, method, 12, 0)
    assert larger.pixels.shape == (2, 8, 12, 3)
    assert larger.items == image.items
    assert torch.equal(image.pixels, before)


def test_cropping_keeps_the_middle() -> None:
    columns = torch.linspace(0, 1, 9).view(1, 1, 9, 1).expand(1, 3, 9, 3).contiguous()
    found = image_scale(Image(columns), "nearest-exact", 3, 3, "center")
    assert torch.equal(found.pixels, columns[:, :, 3:6])


def test_a_size_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match=r"^width: "):
        image_scale(batch(), width=0, height=0)


def test_the_size_of_pictures_is_told() -> None:
    assert get_image_size(batch(3, height=4, width=6)) == (6, 4, 3)


def test_a_grid_is_about_as_wide_as_high() -> None:
    sheet = image_grid(batch(5, 4, 4), gap=1)
    assert (sheet.width, sheet.height) == (14, 9)  # 3 columns, 2 rows
    assert torch.equal(sheet.pixels[:, :, 4], torch.ones(1, 9, 3))


def test_a_grid_has_the_columns_asked_for() -> None:
    image = batch(3, 4, 4)
    sheet = image_grid(image, columns=3, gap=0)
    assert torch.equal(sheet.pixels[0], torch.cat(list(image.pixels), dim=1))


def test_each_picture_is_saved_with_its_document_and_its_item(recorder: Any) -> None:
    save_image(Image(torch.rand(2, 4, 4, 3), (Item(1, 5), Item(4, 5))), "out/cat", run=recorder)
    assert [(prefix, suffix) for prefix, suffix, _ in recorder.saved] == [("out/cat", "png")] * 2
    for (_, _, data), item in zip(recorder.saved, ([1, 5], [4, 5]), strict=True):
        with Pillow.open(io.BytesIO(data)) as picture:
            assert json.loads(picture.info["nodeflow.run"]) == {"item": item}
            assert json.loads(picture.info["nodeflow"]) == {"nodeflow": 1}


@pytest.mark.parametrize(("format", "suffix", "start"), [("jpeg", "jpg", b"\xff\xd8"), ("webp", "webp", b"RIFF")])
def test_other_formats_have_their_suffix(format: Any, suffix: str, start: bytes, recorder: Any) -> None:
    save_image(batch(1), format=format, quality=80, run=recorder)
    ((_, found, data),) = recorder.saved
    assert found == suffix
    assert data.startswith(start)


def test_a_picture_too_large_for_its_format_is_told_of_the_input(recorder: Any) -> None:
    with pytest.raises(InputError, match=r"^images: .* cannot be written as WEBP"):
        save_image(Image(torch.zeros(1, 1, 16_400, 3)), format="webp", run=recorder)


def test_a_preview_is_shown_and_not_written(recorder: Any) -> None:
    image = batch()
    preview_image(image, run=recorder)
    assert recorder.shown == [image]
    assert recorder.saved == []


def test_a_latent_is_saved_as_comfyui_reads_it(recorder: Any) -> None:
    latent = Latent(torch.randn(2, 4, 3, 2, dtype=torch.float32).transpose(2, 3), SD1)
    save_latent(latent, run=recorder)
    ((prefix, suffix, data),) = recorder.saved
    assert (prefix, suffix) == ("latents/nodeflow", "latent")
    tensors = load(data)
    assert torch.equal(tensors["latent_tensor"], latent.samples)
    assert "latent_format_version_0" in tensors


@pytest.mark.parametrize("prefix", ["../x", "/tmp/x", "a//b", "a/./b", ".", "a\nb"])
def test_a_prefix_that_leaves_the_output_folder_is_refused_beforehand(prefix: str) -> None:
    with pytest.raises(InputError, match=r"^filename_prefix: .* write one such as"):
        stays_in_the_output_folder(prefix)


@pytest.mark.parametrize("prefix", ["cat", "cats/cat 1", "猫/🐱"])
def test_a_plain_prefix_is_fine(prefix: str) -> None:
    stays_in_the_output_folder(prefix)


def test_a_text_is_saved_as_it_is(recorder: Any) -> None:
    save_text("a cat\n猫", "words/cat", "md", run=recorder)
    assert recorder.saved == [("words/cat", "md", "a cat\n猫".encode())]


@pytest.mark.parametrize(
    ("value", "suffixes"),
    [
        (batch(2), ["png", "png"]),
        (Mask(torch.rand(1, 4, 4)), ["png"]),
        (Latent(torch.zeros(1, 4, 2, 2)), ["latent"]),
        (Conditioning((Entry(torch.rand(1, 77, 8), torch.rand(1, 4), 0.5),)), ["safetensors"]),
        ("a cat", ["txt"]),
        (["a cat", "a dog"], ["txt", "txt"]),
        (3, ["json"]),
        ([1, {"a": [True, None]}], ["json"]),
        ([batch(1), Mask(torch.rand(1, 4, 4))], ["png", "png"]),
    ],
)
def test_anything_is_saved_in_a_file_of_its_kind(value: object, suffixes: list[str], recorder: Any) -> None:
    save_any(value, "any", run=recorder)
    assert [suffix for _, suffix, _ in recorder.saved] == suffixes


def test_saved_conditioning_has_its_tensors_and_strengths(recorder: Any) -> None:
    entry = Entry(torch.rand(1, 77, 8), torch.rand(1, 4), 0.5)
    save_any(Conditioning((entry, entry)), run=recorder)
    ((_, _, data),) = recorder.saved
    tensors = load(data)
    assert sorted(tensors) == ["0.context", "0.pooled", "1.context", "1.pooled"]
    assert torch.equal(tensors["1.context"], entry.context)
    assert b"[0.5, 0.5]" in data


def test_saved_numbers_are_json(recorder: Any) -> None:
    save_any([1, 0.5, "é"], run=recorder)
    ((_, _, data),) = recorder.saved
    assert json.loads(data) == [1, 0.5, "é"]


def test_of_an_empty_list_is_said_that_it_is_empty(recorder: Any) -> None:
    with pytest.raises(InputError, match=r"^value: the list is empty, and there is nothing to write"):
        save_any([], run=recorder)


@pytest.mark.parametrize("value", [object(), float("nan"), [object()], {"a": object()}])
def test_what_no_file_can_hold_is_refused(value: object, recorder: Any) -> None:
    with pytest.raises(InputError, match=r"^value: a value of type \w+ cannot be written into a file; pictures"):
        save_any(value, run=recorder)
    assert recorder.saved == []


def test_a_picture_of_one_colour_is_made() -> None:
    image = empty_image(6, 4, 2, 0x336699)
    assert image.pixels.shape == (2, 4, 6, 3)
    assert image.pixels.reshape(-1, 3).unique(dim=0)[0].tolist() == pytest.approx([0.2, 0.4, 0.6])


def test_pictures_that_do_not_fit_into_memory_are_refused_before_anything_runs(tmp_path: Path) -> None:
    graph = Graph()
    graph.output("image", graph(empty_image)(16384, 16384, 4096))
    (problem,) = Session(tmp_path).check(graph)
    assert "width: 4096 x 16384x16384 pixels take 24,576.0 GiB of memory" in str(problem)
    with pytest.raises(InputError, match=r"^width: 4096 x 16384x16384 pixels take .* make them smaller, or fewer"):
        empty_image(16384, 16384, 4096)


@pytest.mark.parametrize(("factor", "size"), [(1.5, (9, 6)), (0.3, (2, 1)), (0.01, (1, 1)), (1.0, (6, 4))])
def test_pictures_are_resized_by_a_factor(factor: float, size: tuple[int, int]) -> None:
    image = batch()
    found = image_scale_by(image, "bilinear", factor)
    assert (found.width, found.height) == size
    assert torch.equal(found.pixels, image_scale(image, "bilinear", *size).pixels)


def test_a_factor_that_makes_too_much_is_refused() -> None:
    many = Image(torch.zeros(1, 1, 1, 3).expand(4096, 1, 4096, 3))
    with pytest.raises(InputError, match=r"^scale_by: 4096 x 32768x8 pixels take"):
        image_scale_by(many, "area", 8.0)


@pytest.mark.parametrize(("megapixels", "size"), [(1.0, (1254, 836)), (0.25, (627, 418)), (0.01, (125, 84))])
def test_pictures_are_resized_to_a_number_of_pixels(megapixels: float, size: tuple[int, int]) -> None:
    found = image_scale_to_total_pixels(batch(1), "nearest-exact", megapixels)
    assert (found.width, found.height) == size
    assert found.width * found.height == pytest.approx(megapixels * 1024 * 1024, rel=0.01)


@pytest.mark.parametrize(
    ("image", "size"), [(batch(1, 4, 6), (30, 20)), (batch(1, 6, 4), (20, 30)), (batch(1, 4, 4), (30, 30))]
)
def test_pictures_are_resized_to_their_longer_side(image: Image, size: tuple[int, int]) -> None:
    found = image_scale_to_max_dimension(image, "area", 30)
    assert (found.width, found.height) == size


def test_a_longer_side_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match=r"^largest_size: 0 leaves no pixel; give at least 1"):
        image_scale_to_max_dimension(batch(), largest_size=0)
