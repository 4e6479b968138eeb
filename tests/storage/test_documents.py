"""Finding documents: files, pictures that carry one, shipped workflows."""

import struct
import zlib
from pathlib import Path

import pytest

from nodeflow.core.errors import InvalidDocument, MissingFile
from nodeflow.storage.documents import open_document, shipped_workflows
from nodeflow.storage.png import MAX_TEXT, SIGNATURE, NotPng, read_texts


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*chunks: bytes) -> bytes:
    return SIGNATURE + b"".join(chunks) + chunk(b"IEND", b"")


def test_all_kinds_of_text_are_read() -> None:
    data = png(
        chunk(b"IHDR", b"0" * 13),
        chunk(b"tEXt", b"plain\0caf\xe9"),
        chunk(b"zTXt", b"packed\0\0" + zlib.compress(b"text")),
        chunk(b"iTXt", b"world\0\0\0\0\0" + "katzä".encode()),
        chunk(b"iTXt", b"small\0\1\0de\0x\0" + zlib.compress("ü".encode())),
        chunk(b"tEXt", b"plain\0second"),
    )
    assert read_texts(data) == {"plain": "café", "packed": "text", "world": "katzä", "small": "ü"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"GIF89a", "not a PNG"),
        (SIGNATURE, "cut off"),
        (png(chunk(b"tEXt", b"a\0b"))[:-6], "cut off"),
        (SIGNATURE + b"\xff\xff\xff\xfftEXt" + b"x" * 20, "cut off"),
        (png(chunk(b"tEXt", b"a\0b")).replace(b"a\0b", b"a\0c"), "checksum"),
        (png(chunk(b"zTXt", b"a\0\0nonsense")), "damaged"),
        (png(chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(MAX_TEXT + 1)))), "larger than"),
    ],
)
def test_a_damaged_picture_is_named_as_such(data: bytes, message: str) -> None:
    with pytest.raises(NotPng, match=message):
        read_texts(data)


def test_a_file_a_picture_and_a_shipped_name_give_the_same_document(tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "txt2img.json").write_bytes(b"{}")
    (tmp_path / "picture.png").write_bytes(png(chunk(b"tEXt", b"nodeflow\0{}")))
    shipped = shipped_workflows([tmp_path / "absent", tmp_path / "flows"])
    for name in (str(tmp_path / "flows/txt2img.json"), str(tmp_path / "picture.png"), "txt2img", "txt2img.json"):
        assert open_document(name, shipped).data == b"{}"
    assert open_document(str(tmp_path / "picture.png"), shipped).folder == tmp_path
    assert open_document("txt2img", shipped).folder == tmp_path / "flows"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("txt2imj", "shipped workflow txt2img"),
        ("zzz", "shipped: txt2img"),
        (".", "folder"),
        ("x" * 5000, "no such"),
        ("a\0b", "no such"),
    ],
)
def test_a_document_that_is_not_there(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(MissingFile, match=message):
        open_document(name, {"txt2img": tmp_path / "txt2img.json"})


def test_pictures_without_a_document(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "b.png").write_bytes(SIGNATURE)
    with pytest.raises(InvalidDocument, match="carries no nodeflow document"):
        open_document(str(tmp_path / "a.png"), {})
    with pytest.raises(InvalidDocument, match="cut off"):
        open_document(str(tmp_path / "b.png"), {})
