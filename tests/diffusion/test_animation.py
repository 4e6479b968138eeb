"""Moving pictures read back as they were written."""

import io
import json
from collections.abc import Callable

import pytest
import torch
from PIL import Image as Pillow

from nodeflow.diffusion.animation import write_animated_png, write_animated_webp
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.pictures import read_picture
from nodeflow.diffusion.types import Image

Writer = Callable[..., bytes]
WRITERS = [write_animated_png, write_animated_webp]


def frames(rows: int = 4, channels: int = 3) -> Image:
    bytes_ = torch.randint(0, 256, (rows, 12, 16, channels), generator=torch.Generator().manual_seed(0))
    return Image(bytes_.float() / 255)


def smooth() -> Image:
    y, x = torch.meshgrid(torch.linspace(0, 1, 64), torch.linspace(0, 1, 64), indexing="ij")
    return Image(torch.stack([torch.stack([x, y, x * y], -1), torch.stack([y, x, x], -1)]))


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("rows", [1, 4])
def test_every_frame_reads_back_exactly(write: Writer, rows: int) -> None:
    image = frames(rows)
    assert torch.equal(read_picture(write(image)).image.pixels, image.pixels)


@pytest.mark.parametrize("write", WRITERS)
def test_transparency_is_kept(write: Writer) -> None:
    image = frames(channels=4)
    decoded = read_picture(write(image))
    assert torch.allclose(decoded.mask.values, 1 - image.pixels[..., 3], atol=1e-6)


@pytest.mark.parametrize(
    ("write", "rows", "kept"),
    [(write_animated_png, 3, True), (write_animated_webp, 1, True), (write_animated_webp, 3, False)],
)
def test_of_colours_that_cannot_be_seen_webp_keeps_those_of_a_single_frame(
    write: Writer, rows: int, kept: bool
) -> None:
    image = frames(rows, channels=4)
    image.pixels[:, :, 8:, 3] = 0.0
    seen: list[torch.Tensor] = []
    with Pillow.open(io.BytesIO(write(image))) as picture:
        for frame in range(rows):
            picture.seek(frame)
            seen.append(torch.frombuffer(bytearray(picture.convert("RGBA").tobytes()), dtype=torch.uint8))
    found = torch.stack(seen).reshape(rows, 12, 16, 4)
    expected = (image.pixels * 255).round().to(torch.uint8)
    seen_at_all = expected[..., 3:] > 0
    assert torch.equal(found, expected if kept else torch.where(seen_at_all, expected, 0))


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(("fps", "milliseconds"), [(0.01, 100_000), (6.0, 166), (24.0, 41), (1000.0, 1)])
def test_a_frame_lasts_whole_milliseconds_and_all_repeat_for_ever(write: Writer, fps: float, milliseconds: int) -> None:
    with Pillow.open(io.BytesIO(write(frames(), fps))) as picture:
        assert picture.n_frames == 4
        assert picture.info["loop"] == 0
        for frame in range(4):
            picture.seek(frame)
            picture.load()
            assert picture.info["duration"] == milliseconds


def test_an_animated_png_has_its_texts_and_its_compression() -> None:
    text = {"nodeflow": '{"text": "a café with 猫"}', "nodeflow.run": "{}"}
    with Pillow.open(io.BytesIO(write_animated_png(frames(), text=text))) as picture:
        assert {name: picture.info[name] for name in text} == text
    flat = Image(torch.zeros(2, 32, 32, 3))
    assert len(write_animated_png(flat, compression=9)) < len(write_animated_png(flat, compression=0))


def test_an_animated_webp_has_its_texts_in_exif() -> None:
    text = {"nodeflow": '{"text": "a café with 猫"}', "nodeflow.run": "{}"}
    with Pillow.open(io.BytesIO(write_animated_webp(frames(), text=text))) as picture:
        found = dict(str(value).split(":", 1) for value in picture.getexif().values())
    assert {name: json.loads(value) for name, value in found.items()} == {
        name: json.loads(value) for name, value in text.items()
    }


def test_a_lossy_webp_is_smaller_and_nearly_the_same() -> None:
    lossy = write_animated_webp(smooth(), lossless=False, quality=60)
    assert len(lossy) < len(write_animated_webp(smooth()))
    assert (read_picture(lossy).image.pixels - smooth().pixels).abs().mean() < 0.02


def test_taking_more_time_makes_no_larger_file() -> None:
    sizes = [len(write_animated_webp(smooth(), method=method)) for method in ("slowest", "default", "fastest")]
    assert sizes[0] <= sizes[1] < sizes[2]


def test_pictures_too_large_for_the_format_are_told() -> None:
    with pytest.raises(ValueRuleError, match="2 frames of 16400x1 cannot be written as WEBP"):
        write_animated_webp(Image(torch.rand(2, 1, 16_400, 3)))
