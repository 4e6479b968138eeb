"""Reading the pictures of a folder."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from nodeflow.api import InputError
from nodeflow.diffusion.pictures import READABLE
from nodeflow_nodes.folders import load_image_folder


def grey(path: Path, level: int = 0, size: int = 4) -> None:
    path.parent.mkdir(exist_ok=True)
    Pillow.new("RGB", (size, size), (level, level, level)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for level, name in enumerate(("cat 10.png", "cat 2.png", "Cat 1.PNG", "dog.jpg")):
        grey(tmp_path / "pictures" / name, level)
    (tmp_path / "pictures" / "notes.txt").write_text("no picture")
    grey(tmp_path / "pictures" / ".hidden.png")
    (tmp_path / "pictures" / "folder.png").mkdir()
    return tmp_path / "pictures"


def test_pictures_come_in_the_order_of_the_numbers_in_their_names(folder: Path) -> None:
    images, masks, names = load_image_folder(folder)
    assert names == ["Cat 1", "cat 2", "cat 10", "dog"]
    assert [round(image.pixels[0, 0, 0, 0].item() * 255) for image in images] == [2, 1, 0, 3]
    assert [mask.values.max().item() for mask in masks] == [0.0] * 4


@pytest.mark.parametrize(
    ("pattern", "start", "limit", "names"),
    [
        ("cat*", 0, 0, ["Cat 1", "cat 2", "cat 10"]),
        ("*.PNG", 1, 1, ["cat 2"]),
        ("*", 2, 0, ["cat 10", "dog"]),
        ("cat ?.png", 0, 9, ["Cat 1", "cat 2"]),
    ],
)
def test_some_of_the_pictures_are_read(pattern: str, start: int, limit: int, names: list[str], folder: Path) -> None:
    assert load_image_folder(folder, pattern, start, limit).names == names


@pytest.mark.parametrize(
    ("pattern", "start", "message"),
    [
        ("lion*", 0, r"pattern: no picture in .*/pictures has a name like 'lion\*'; .* such as \*, which takes all 4"),
        ("*", 4, r"start: there are 4 pictures in .*/pictures that fit, and all are passed over; start at 3 or before"),
    ],
)
def test_no_picture_is_an_error_that_says_where_it_looked(pattern: str, start: int, message: str, folder: Path) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        load_image_folder(folder, pattern, start)


def test_a_folder_without_pictures_is_named_with_what_it_could_hold(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"^folder: there is no picture in /.*; put one there, .* ends in \.bmp, \.gif"
    ):
        load_image_folder(tmp_path)


def test_a_damaged_picture_is_named(folder: Path) -> None:
    (folder / "broken.png").write_text("no picture")
    with pytest.raises(InputError, match=r"^folder: broken\.png is not a picture"):
        load_image_folder(folder)


def test_links_that_leave_the_folder_are_passed_over(folder: Path) -> None:
    grey(folder.parent / "secret.png")
    (folder / "linked.png").symlink_to(folder.parent / "secret.png")
    assert "linked" not in load_image_folder(folder).names


def test_left_out_frames_are_warned_of_once(folder: Path, recorder: Any) -> None:
    for name in ("a.tiff", "b.tiff"):
        pages = [Pillow.new("RGB", (2, 2))]
        Pillow.new("RGB", (4, 4)).save(folder / name, save_all=True, append_images=pages)
    load_image_folder(folder, "*.tiff", run=recorder)
    assert recorder.warnings == ["2 frames of another size than the first of their file were left out"]
    assert recorder.steps == 2


@pytest.mark.parametrize("format", READABLE)
def test_every_format_that_can_be_read_is_found(format: str, tmp_path: Path) -> None:
    for suffix in (ending for ending, known in Pillow.registered_extensions().items() if known == format):
        if suffix in (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"):
            Pillow.new("RGB", (4, 4)).save(tmp_path / f"{format}{suffix}", format)
    assert load_image_folder(tmp_path).names
