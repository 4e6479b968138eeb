"""Contact sheets: every picture in its place, with room for what it is called."""

import io

import torch
from PIL import Image as Pillow

from nodeflow.diffusion.contactsheets import SheetRow, contact_sheet, fitted
from nodeflow.diffusion.types import Image


def plain(red: float, width: int = 20, height: int = 10, count: int = 1) -> Image:
    pixels = torch.zeros((count, height, width, 3))
    pixels[..., 0] = red
    return Image(pixels)


def opened(data: bytes) -> Pillow.Image:
    return Pillow.open(io.BytesIO(data)).convert("RGB")


def test_pictures_stand_beside_and_below_each_other() -> None:
    sheet = opened(contact_sheet([SheetRow([plain(0.2), plain(0.4)]), SheetRow([plain(0.6), None])]))
    assert sheet.size == (44, 24)
    assert [sheet.getpixel(place) for place in ((0, 0), (24, 0), (0, 14), (24, 14), (21, 0))] == [
        (51, 0, 0),
        (102, 0, 0),
        (153, 0, 0),
        (236, 236, 236),
        (255, 255, 255),
    ]


def test_a_smaller_picture_stands_in_the_middle_and_a_batch_is_a_small_sheet() -> None:
    sheet = opened(contact_sheet([SheetRow([plain(1, 10, 10), plain(1, 20, 20), plain(1, 4, 4, count=4)])]))
    assert sheet.size == (20 * 3 + 8, 20)
    assert [sheet.getpixel((x, 10)) for x in (4, 5, 14, 15)] == [(255,) * 3, (255, 0, 0), (255, 0, 0), (255,) * 3]


def test_labels_have_room_and_ink() -> None:
    rows = [SheetRow([plain(1, 60, 60)], heads=["cfg = 4"], label="seed = 1")]
    bare, labelled = (
        opened(contact_sheet([SheetRow([plain(1, 60, 60)])])),
        opened(contact_sheet(rows, "sampler = euler")),
    )
    assert labelled.width > bare.width + 30
    assert labelled.height > bare.height + 30
    assert any(max(colour) < 120 for _, colour in labelled.getcolors(1 << 16) or ())


def test_a_large_picture_is_made_smaller_and_a_small_one_is_not() -> None:
    assert (fitted(plain(1, 200, 100), 50).width, fitted(plain(1, 200, 100), 50).height) == (50, 25)
    small = plain(1)
    assert fitted(small, 50) is small
