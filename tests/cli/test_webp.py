"""WebP files as documents: run, checked, locked and made again like PNG files."""

import json
from pathlib import Path

import pytest

from nodeflow.storage.embedded import read_texts
from tests.cli.conftest import Shell, document


def painting(saver: str, **inputs: object) -> bytes:
    save = (saver, {"images": "@paint.image", "filename_prefix": "p", **inputs})
    made = document({"paint": ("Paint", {"seed": 5, "batch": 3}), "save": save})
    return made.replace(f"shelltest.{saver}".encode(), saver.encode())


STILL = painting("SaveImage", format="webp", quality=60)


@pytest.fixture
def pictures(shell: Shell, place: Path) -> list[Path]:
    return [place / path for path in shell("run", "-", "--json", stdin=STILL).report["saved"]["save"]]


def test_each_picture_of_a_batch_carries_its_document_and_is_reproduced(shell: Shell, pictures: list[Path]) -> None:
    assert [path.suffix for path in pictures] == [".webp"] * 3
    texts = read_texts(pictures[1].read_bytes())
    assert json.loads(texts["nodeflow"])["nodes"]["save"]["inputs"]["quality"] == 60
    assert json.loads(texts["nodeflow.run"])["item"] == [1, 3]
    said = shell("reproduce", pictures[1])
    assert said.code == 0, said
    assert "all pixels are equal" in said.out


def test_a_webp_file_is_checked_and_explained(shell: Shell, pictures: list[Path]) -> None:
    assert shell("check", pictures[0]).code == 0
    assert shell("explain", pictures[0]).code == 0


def test_one_item_of_a_batch_is_made_alone(shell: Shell, place: Path) -> None:
    empty = {"width": 8, "height": 8, "batch_size": 3, "color": 255}
    save = ("SaveImage", {"images": "@paint.image", "filename_prefix": "p", "format": "webp"})
    drawn = document({"paint": ("EmptyImage", empty), "save": save}).replace(b"shelltest.", b"")
    paths = shell("run", "-", "--json", stdin=drawn).report["saved"]["save"]
    report = shell("run", place / paths[2], "--item", "--json", "--output-dir", place / "alone").report
    (alone,) = report["saved"]["save"]
    assert json.loads(read_texts((place / alone).read_bytes())["nodeflow.run"])["item"] == [2, 3]


def test_locking_does_not_write_over_the_picture(shell: Shell, pictures: list[Path]) -> None:
    before = pictures[0].read_bytes()
    assert shell("lock", pictures[0]).out.startswith("{")
    assert pictures[0].read_bytes() == before


@pytest.mark.parametrize("saver", ["SaveAnimatedWEBP", "SaveAnimatedPNG"])
def test_an_animation_is_reproduced(shell: Shell, place: Path, saver: str) -> None:
    (path,) = shell("run", "-", "--json", stdin=painting(saver)).report["saved"]["save"]
    said = shell("reproduce", place / path)
    assert said.code == 0, said
    assert "all pixels are equal" in said.out


def test_nothing_is_embedded_when_that_is_switched_off(shell: Shell, place: Path) -> None:
    paths = shell("run", "-", "--json", "--no-metadata", stdin=STILL).report["saved"]["save"]
    assert read_texts((place / paths[0]).read_bytes()) == {}
    said = shell("check", place / paths[0])
    assert said.code == 3
    assert "carries no nodeflow document" in said.err + said.out
