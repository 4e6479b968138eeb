"""The texts of WebP files: as Pillow writes them, and of damaged and hostile files one clear error."""

import io
import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from nodeflow.core.errors import InvalidDocument
from nodeflow.storage.documents import open_document
from nodeflow.storage.embedded import PictureDamaged, is_picture, read_texts
from nodeflow.storage.png import MAX_TEXT

MAKE, MODEL = 0x010F, 0x0110


def webp(exif: bytes | None, *, frames: int = 1) -> bytes:
    picture, stream = Pillow.new("RGB", (5, 3), "red"), io.BytesIO()
    more = [Pillow.new("RGB", (5, 3), "blue")] * (frames - 1)
    picture.save(stream, "WEBP", save_all=frames > 1, append_images=more, **({} if exif is None else {"exif": exif}))
    return stream.getvalue()


def exif(*texts: tuple[int, str]) -> bytes:
    made = Pillow.Exif()
    for tag, text in texts:
        made[tag] = text
    return made.tobytes()


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for kind, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def entry(tag: int, kind: int, length: int, place: int) -> bytes:
    return struct.pack("<HHII", tag, kind, length, place)


def directory(*entries: bytes, after: bytes = b"") -> bytes:
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(entries) + after


@pytest.mark.parametrize("frames", [1, 3])
def test_texts_are_read_as_pillow_writes_them(frames: int) -> None:
    data = webp(exif((MAKE, "nodeflow:{}"), (MODEL, 'nodeflow.run:{"a": "b:c"}'), (0x013B, "artist:x")), frames=frames)
    assert is_picture(data[:12])
    assert read_texts(data) == {"nodeflow": "{}", "nodeflow.run": '{"a": "b:c"}'}


def test_the_other_order_of_bytes_and_a_mark_in_front_are_read() -> None:
    big = b"MM\0*" + struct.pack(">IHHHII", 8, 1, MAKE, 2, 12, 22) + b"nodeflow:{}\0"
    assert read_texts(riff((b"EXIF", b"Exif\0\0" + big))) == {"nodeflow": "{}"}


def test_a_text_of_four_bytes_stands_in_its_entry_and_of_two_with_one_tag_the_first_counts() -> None:
    found = directory(
        struct.pack("<HHI4s", MAKE, 2, 4, b"a:b\0"), struct.pack("<HHI4s", MAKE, 2, 4, b"c:d\0"), entry(MODEL, 3, 1, 7)
    )
    assert read_texts(riff((b"VP8 ", b"odd"), (b"EXIF", found), (b"EXIF", b"never read"))) == {"a": "b"}


def test_what_is_no_text_with_a_name_is_left_out() -> None:
    assert read_texts(webp(exif((MAKE, "Leica")))) == {}
    assert read_texts(webp(None)) == {}


WHOLE = webp(exif((MAKE, "nodeflow:{}")))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"GIF89a", "neither a PNG nor a WebP"),
        (b"RIFF" + bytes(4) + b"WAVE", "neither a PNG nor a WebP"),
        (WHOLE[:-1], "WebP file is cut off"),
        (WHOLE[:12], "WebP file is cut off"),
        (riff()[:4] + b"\xff\xff\xff\xffWEBP", "WebP file is cut off"),
        (riff((b"EXIF", b""))[:-4] + b"\xff\xff\xff\xff", "reaches beyond its end"),
        (riff((b"EXIF", b"")), "has no beginning"),
        (riff((b"EXIF", b"nonsense")), "has no beginning"),
        (riff((b"EXIF", b"II*\0")), "EXIF is cut off"),
        (riff((b"EXIF", b"II*\0\xff\xff\xff\xff")), "EXIF is cut off"),
        (riff((b"EXIF", b"II*\0\x08\0\0\0\xff\xff")), "EXIF is cut off"),
        (riff((b"EXIF", directory(entry(MAKE, 2, 9, 2**32 - 1)))), "a text in its EXIF reaches beyond"),
        (riff((b"EXIF", directory(entry(MAKE, 2, 2**32 - 1, 0)))), "larger than"),
        (riff((b"EXIF", directory(entry(MAKE, 2, MAX_TEXT, 26)))), "a text in its EXIF reaches beyond"),
        (riff((b"EXIF", directory(entry(MAKE, 2, 3, 0))[:-3])), "a text in its EXIF reaches beyond"),
    ],
)
def test_a_damaged_file_is_named_as_such(data: bytes, message: str) -> None:
    with pytest.raises(PictureDamaged, match=message):
        read_texts(data)


@given(st.binary(max_size=200))
def test_any_exif_gives_texts_or_one_error(data: bytes) -> None:
    for start in (b"", b"II*\0\x08\0\0\0"):
        with suppress(PictureDamaged):
            assert isinstance(read_texts(riff((b"EXIF", start + data))), dict)


def test_many_entries_with_one_tag_are_read_once() -> None:
    text = b"a:" + b"b" * 2**20 + b"\0"
    entries = [entry(MAKE, 2, len(text), 10 + 12 * 60_000)] * 60_000
    assert read_texts(riff((b"EXIF", directory(*entries, after=text)))) == {"a": "b" * 2**20}


def test_a_document_is_opened_out_of_a_webp_file(tmp_path: Path) -> None:
    (tmp_path / "a.webp").write_bytes(WHOLE)
    (tmp_path / "b.webp").write_bytes(webp(exif((MODEL, "prompt:{}"))))
    (tmp_path / "c.webp").write_bytes(WHOLE[:-20])
    opened = open_document(str(tmp_path / "a.webp"), {})
    assert (opened.data, opened.folder) == (b"{}", tmp_path)
    with pytest.raises(InvalidDocument, match="carries no nodeflow document"):
        open_document(str(tmp_path / "b.webp"), {})
    with pytest.raises(InvalidDocument, match="WebP file is cut off"):
        open_document(str(tmp_path / "c.webp"), {})
