"""Picture files: what is read is what is there, what is written reads back, and no file can do harm."""

import contextlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.pictures import FileFormat, PictureError, read_picture, write_picture
from nodeflow.diffusion.types import Image


def file_of(picture: Pillow.Image, format: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format, **options)
    return stream.getvalue()


def noise(height: int, width: int, channels: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


def every_byte() -> Image:
    bytes_ = torch.arange(256, dtype=torch.float32).view(1, 16, 16, 1).expand(1, 16, 16, 3)
    return Image(bytes_ / 255)


def test_a_png_reads_back_exactly_as_it_was_written() -> None:
    image = every_byte()
    assert torch.equal(read_picture(write_picture(image)).image.pixels, image.pixels)


def test_bytes_are_rounded_down() -> None:
    image = Image(torch.tensor([0.0, 0.999 / 255, 254.99 / 255, 1.0]).view(1, 2, 2, 1).expand(1, 2, 2, 3).contiguous())
    with Pillow.open(io.BytesIO(write_picture(image))) as picture:
        assert np.asarray(picture)[..., 0].tolist() == [[0, 0], [254, 255]]


def test_the_mask_is_one_minus_alpha() -> None:
    pixels = noise(3, 5, 4)
    decoded = read_picture(file_of(Pillow.fromarray(pixels)))
    assert decoded.image.pixels.shape == (1, 3, 5, 3)
    expected = 1 - torch.from_numpy(pixels[..., 3].astype(np.float32) / 255)
    assert torch.equal(decoded.mask.values[0], expected)


def test_without_transparency_nothing_is_masked() -> None:
    decoded = read_picture(file_of(Pillow.new("RGB", (4, 3), "red")))
    assert decoded.mask.values.shape == (1, 3, 4)
    assert not decoded.mask.values.any()


def test_a_transparent_palette_colour_is_masked() -> None:
    picture = Pillow.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 255, 0])
    picture.putpixel((1, 0), 1)
    decoded = read_picture(file_of(picture, transparency=1))
    assert decoded.mask.values.tolist() == [[[0.0, 1.0]]]
    assert decoded.image.pixels[0, 0, 0].tolist() == [1.0, 0.0, 0.0]


def test_exif_orientation_turns_the_picture_upright() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6  # the camera was turned: what is stored lies on its side
    decoded = read_picture(file_of(Pillow.new("RGB", (8, 4), "blue"), "JPEG", exif=exif))
    assert (decoded.image.width, decoded.image.height) == (4, 8)


def test_sixteen_bit_grey_keeps_its_precision() -> None:
    grey = np.array([[0, 1, 257, 65535]], np.uint16)
    decoded = read_picture(file_of(Pillow.fromarray(grey)))
    assert torch.equal(decoded.image.pixels[0, 0, :, 1], torch.from_numpy(grey[0].astype(np.float32)) / 65535)


def test_sixteen_bit_colour_is_read() -> None:
    row = b"\0" + struct.pack(">6H", 0xFFFF, 0x8000, 0, 0, 0x1234, 0xFFFF)
    decoded = read_picture(png_of(2, 1, depth=16, rows=row))
    assert decoded.image.pixels[0, 0, 0].tolist() == pytest.approx([1.0, 0x80 / 255, 0.0])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "F"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    picture = Pillow.new(mode, (3, 2))
    decoded = read_picture(file_of(picture, "TIFF"))
    assert decoded.image.pixels.shape == (1, 2, 3, 3)


def test_frames_of_an_animation_are_a_batch() -> None:
    frames = [Pillow.new("RGB", (4, 4), colour) for colour in ("red", "lime", "blue")]
    decoded = read_picture(file_of(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert [row[0, 0].tolist() for row in decoded.image.pixels] == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert [item.batch_size for item in decoded.image.items] == [3, 3, 3]


def test_frames_of_another_size_are_counted_as_skipped() -> None:
    frames = [Pillow.new("RGB", (4, 4)), Pillow.new("RGB", (2, 2)), Pillow.new("RGB", (4, 4))]
    decoded = read_picture(file_of(frames[0], "TIFF", save_all=True, append_images=frames[1:]))
    assert (len(decoded.image), decoded.skipped) == (2, 1)


def png_of(width: int, height: int, *, depth: int = 8, rows: bytes = b"") -> bytes:
    """A PNG file with any header over any rows."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [9_000, 12_000, 60_000], ids=["ours", "pillow warns", "pillow refuses"])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(side: int) -> None:
    with pytest.raises(PictureError, match=r"more than the [\d,]+ (pixels )?allowed; scale it down"):
        read_picture(png_of(side, side))


def test_frames_count_towards_the_limit() -> None:
    frames = [Pillow.new("RGB", (10, 10), (shade, 0, 0)) for shade in range(5)]
    data = file_of(frames[0], "GIF", save_all=True, append_images=frames[1:])
    with pytest.raises(PictureError, match="5 x 10x10"):
        read_picture(data, limit=499)


@pytest.mark.parametrize("data", [b"", b"not a picture", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_what_is_no_picture_is_refused_with_what_is_read(data: bytes) -> None:
    with pytest.raises(PictureError, match="PNG, JPEG, WEBP"):
        read_picture(data)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_file_cut_off_anywhere_is_refused_or_read(format: str) -> None:
    whole = file_of(Pillow.fromarray(noise(16, 16, 3)), format)
    for length in range(0, len(whole), max(1, len(whole) // 40)):
        with contextlib.suppress(PictureError):
            read_picture(whole[:length])


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_file_with_wrong_bytes_is_refused_or_read(format: str) -> None:
    whole = file_of(Pillow.fromarray(noise(16, 16, 3)), format)
    rng = np.random.default_rng(1)
    for _ in range(60):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), 6):
            data[int(place)] = int(rng.integers(0, 256))
        with contextlib.suppress(PictureError):
            read_picture(bytes(data), limit=100_000)


def test_the_message_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "notes.png"
    path.write_text("shopping list")
    with pytest.raises(PictureError, match=r"notes\.png is not a picture"):
        read_picture(path)


def test_text_chunks_are_kept_with_any_letters() -> None:
    text = {"nodeflow": '{"text": "a café with 猫"}', "nodeflow.run": "{}"}
    with Pillow.open(io.BytesIO(write_picture(every_byte(), text=text))) as picture:
        picture.load()
        assert picture.info == text


def test_jpeg_gets_white_where_it_is_transparent() -> None:
    data = write_picture(Image(torch.zeros(1, 8, 8, 4)), FileFormat.JPEG, quality=95)
    assert read_picture(data).image.pixels.min() > 0.99


def test_quality_changes_the_size_and_webp_is_exact_at_100() -> None:
    image = Image(torch.from_numpy(noise(32, 32, 3).astype(np.float32) / 255)[None])
    for format in (FileFormat.JPEG, FileFormat.WEBP):
        assert len(write_picture(image, format, quality=20)) < len(write_picture(image, format, quality=95))
    assert torch.equal(read_picture(write_picture(image, FileFormat.WEBP, quality=100)).image.pixels, image.pixels)


def test_one_row_of_a_batch_is_written() -> None:
    image = Image(torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 4, 4, 3).contiguous())
    assert read_picture(write_picture(image, row=1)).image.pixels.min() == 1.0


def test_a_picture_too_large_for_its_format_is_an_error_with_its_size() -> None:
    with pytest.raises(ValueRuleError, match="16400x1 cannot be written as WEBP"):
        write_picture(Image(torch.zeros(1, 1, 16_400, 3)), FileFormat.WEBP)


def test_of_a_stereo_photograph_the_first_view_is_read() -> None:
    views = [Pillow.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    decoded = read_picture(file_of(views[0], "MPO", save_all=True, append_images=views[1:]))
    assert (len(decoded.image), decoded.skipped) == (1, 0)
    assert decoded.image.pixels[0, 0, 0, 0] > 0.9
