"""The process that decodes pictures: what it tells, what it refuses, and that it costs little to refuse."""

import asyncio
import io
import os
import struct
import time
import zlib
from pathlib import Path

import pytest
from PIL import Image

from nodeflow.protocol.errors import Refusal
from nodeflow.server.pictures import Pictures
from nodeflow.server.settings import Limits


def asked(*questions, limits=None, seconds=10.0):
    """Ask one process several questions; answers and refusals in order, and its pid."""

    async def ask():
        pictures = Pictures(limits or Limits(), seconds=seconds)
        found = []
        try:
            for question in questions:
                try:
                    found.append(await question(pictures))
                except Refusal as refusal:
                    found.append(refusal)
            return found
        finally:
            await pictures.aclose()

    return asyncio.run(ask())


def encoded(picture, format, **options):
    stream = io.BytesIO()
    picture.save(stream, format, **options)
    return stream.getvalue()


def halves(width=40, height=20):
    """Red above, blue below."""
    picture = Image.new("RGB", (width, height), "red")
    picture.paste("blue", (0, height // 2, width, height))
    return picture


@pytest.mark.parametrize(
    ("format", "media_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")]
)
def test_a_picture_is_told_by_its_content(format, media_type):
    (info,) = asked(lambda pictures: pictures.check(encoded(halves(), format)))
    assert (info.media_type, info.width, info.height, info.frames) == (media_type, 40, 20, 1)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_a_picture_on_its_side_is_turned_and_its_exif_is_gone(format, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "a camera"
    file = tmp_path / "photo"
    file.write_bytes(encoded(halves(), format, exif=exif, **({"quality": 100} if format != "PNG" else {})))
    ((turned, info),) = asked(lambda pictures: pictures.upright(file))
    assert (info.width, info.height) == (20, 40)
    with Image.open(io.BytesIO(turned)) as picture:
        assert not picture.getexif()
        blue, red = picture.convert("RGB").getpixel((2, 20)), picture.convert("RGB").getpixel((17, 20))
    assert blue[2] > 200 > 60 > blue[0]
    assert red[0] > 200 > 60 > red[2]


def test_an_upright_picture_stays_as_it_is():
    data = encoded(halves(), "JPEG")
    ((same, _),) = asked(lambda pictures: pictures.upright(data))
    assert same == data


def test_a_thumbnail_fits_its_size_and_stands_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(halves(400, 200), "JPEG", exif=exif)
    (small,) = asked(lambda pictures: pictures.thumbnail(data, 64))
    with Image.open(io.BytesIO(small)) as picture:
        assert (picture.format, picture.size) == ("WEBP", (32, 64))
        assert not picture.getexif()


@pytest.mark.parametrize(
    "data",
    [b"", b"GIF89a", b"<svg/>", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\0\0\0\0WEBP", b"\xff\xd8\xff" * 9],
)
def test_what_is_no_picture_is_refused(data):
    (refusal,) = asked(lambda pictures: pictures.check(data))
    assert refusal.body.code == "picture.refused"


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_a_picture_cut_off_anywhere_is_refused_and_the_process_goes_on(format):
    whole = encoded(Image.effect_noise((64, 64), 90).convert("RGB"), format)
    cuts = range(0, len(whole) - 40, max(1, len(whole) // 40))
    *found, info = asked(
        *(lambda pictures, cut=cut: pictures.check(whole[:cut]) for cut in cuts),
        lambda pictures: pictures.check(whole),
    )
    assert {refusal.body.code for refusal in found} == {"picture.refused"}
    assert info.width == 64


def test_a_process_that_dies_or_hangs_is_replaced():
    async def kill_and_ask():
        pictures = Pictures(Limits())
        try:
            await pictures.start()
            first = pictures.pid
            os.kill(first, 9)
            with pytest.raises(Refusal, match="ended the process"):
                await pictures.check(encoded(halves(), "PNG"))
            info = await pictures.check(encoded(halves(), "PNG"))
            return first, pictures.pid, info.width
        finally:
            await pictures.aclose()

    first, second, width = asyncio.run(kill_and_ask())
    assert (first != second, width) == (True, 40)


def test_a_picture_that_takes_too_long_is_refused():
    slow = encoded(Image.effect_noise((3000, 3000), 50), "PNG")
    (refusal,) = asked(lambda pictures: pictures.check(slow), seconds=0.02)
    assert "took more than 0.02 s" in str(refusal)


def test_the_process_reaches_no_network_and_no_file():
    async def limits():
        pictures = Pictures(Limits(pixels=1000))
        try:
            await pictures.check(encoded(Image.new("L", (3, 3)), "PNG"))
            return Path(f"/proc/{pictures.pid}/limits").read_text(), Path(f"/proc/{pictures.pid}/environ").read_text()
        finally:
            await pictures.aclose()

    text, environ = asyncio.run(limits())
    rows = {line[:26].strip(): line[26:].split()[0] for line in text.splitlines()}
    assert (rows["Max file size"], rows["Max core file size"], rows["Max open files"]) == ("0", "0", "16")
    assert int(rows["Max address space"]) < 2**30
    assert "HOME=" not in environ


def bomb_png(width, height):
    """A PNG of a few kilobytes that says it has so many pixels, and has the first rows of them."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = zlib.compress(bytes(10_000_000), 9)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def bomb_jpeg(width, height):
    small = bytearray(encoded(Image.new("L", (8, 8)), "JPEG"))
    place = small.index(b"\xff\xc0")
    small[place + 5 : place + 9] = struct.pack(">HH", height, width)
    return bytes(small)


def bomb_webp(width, height):
    small = bytearray(encoded(Image.new("RGBA", (8, 8), (1, 2, 3, 4)), "WEBP", lossless=False))
    place = small.index(b"VP8X") + 8
    small[place + 4 : place + 10] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(small)


def many_frames():
    frames = [Image.new("RGB", (4, 4), ("red", "blue")[number % 2]) for number in range(1100)]
    options = {"save_all": True, "append_images": frames[1:]}
    return [encoded(frames[0], "PNG", **options), encoded(frames[0], "WEBP", lossless=True, **options)]


BOMBS = [
    bomb_png(60_000, 60_000),
    bomb_png(2**31 - 1, 2**31 - 1),
    bomb_png(2**32 - 1, 1),
    bomb_png(5000, 5000),
    bomb_jpeg(65_000, 65_000),
    bomb_webp(2**24, 2**24),
    bomb_webp(16_383, 16_383),
    bomb_webp(5000, 5000),
]


def test_bombs_of_every_format_cost_little_memory_and_little_time():
    async def drop():
        pictures, found = Pictures(Limits()), []
        try:
            await pictures.start()
            for bomb in (*BOMBS, *many_frames()):
                for ask in (pictures.check, pictures.upright, lambda data: pictures.thumbnail(data, 256)):
                    began = time.perf_counter()
                    try:
                        await ask(bomb)
                        found.append(("taken", time.perf_counter() - began))
                    except Refusal as refusal:
                        found.append((refusal.body.code, time.perf_counter() - began))
            status = Path(f"/proc/{pictures.pid}/status").read_text()
            peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
            return found, peak
        finally:
            await pictures.aclose()

    found, peak = asyncio.run(drop())
    assert {code for code, _ in found} == {"picture.refused"}
    assert max(seconds for _, seconds in found) < 1.0
    assert peak < 200 * 2**20
