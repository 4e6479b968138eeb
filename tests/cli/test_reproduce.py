"""``nodeflow reproduce``: equal pixels, or the first thing that differs."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from nodeflow.storage.png import read_texts
from tests.cli.conftest import Shell, document, interface

PAINT = document(
    {
        "paint": ("Paint", {"seed": 5, "batch": 3}),
        "save": ("SaveImage", {"images": "@paint.image", "filename_prefix": "p"}),
    }
).replace(b"shelltest.SaveImage", b"SaveImage")


def rewrite(path: Path, change: dict[str, Any]) -> None:
    """Saves a picture anew with another record."""
    texts = dict(read_texts(path.read_bytes()))
    record = json.loads(texts["nodeflow.run"])
    record.update(change)
    texts["nodeflow.run"] = json.dumps(record)
    info = PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    with Image.open(path) as picture:
        picture.load()
    picture.save(path, pnginfo=info)


@pytest.fixture
def pictures(shell: Shell, place: Path) -> list[Path]:
    report = shell("run", "-", "--json", "--set", "paint.width=24", stdin=PAINT).report
    return [place / path for path in report["saved"]["save"]]


def test_a_picture_carries_the_document_as_it_ran_and_a_record(pictures: list[Path]) -> None:
    texts = read_texts(pictures[1].read_bytes())
    ran = json.loads(texts["nodeflow"])
    assert ran["nodes"]["paint"]["inputs"] == {"seed": 5, "batch": 3, "width": 24}
    assert ran["nodes"]["save"]["inputs"]["format"] == "png", "defaults are written out"
    record = json.loads(texts["nodeflow.run"])
    assert record["item"] == [1, 3]
    assert record["node"] == "save"
    assert record["seeds"] == {"paint.seed": 5}
    assert record["device"] == "cpu"
    assert {"nodeflow", "versions", "packs", "models", "inputs", "dtype", "hardware"} <= record.keys()
    assert set(record["packs"]) == {"nodeflow_nodes", "shelltest"}


def test_each_picture_of_a_batch_is_reproduced(shell: Shell, pictures: list[Path]) -> None:
    for picture in pictures[1:]:
        said = shell("reproduce", picture)
        assert (said.code, said.err) == (0, f"save: wrote {said.err.removeprefix('save: wrote ')}"), said
        assert "all pixels are equal" in said.out


def test_a_picture_runs_as_a_workflow(shell: Shell, pictures: list[Path]) -> None:
    again = shell("run", pictures[0], "--json").report["saved"]["save"]
    assert Path(again[0]).read_bytes() == pictures[0].read_bytes()


def test_an_interface_output_is_reproduced_too(shell: Shell, place: Path) -> None:
    paint = document({"paint": ("Paint", {})}, interface=interface({}, {"picture": "paint.image"}))
    report = shell("run", "-", "--json", stdin=paint).report
    assert report["outputs"]["picture"]["paths"] == ["output/picture_00001.png"]
    assert "all pixels are equal" in shell("reproduce", "output/picture_00001.png").out


def test_a_node_that_breaks_the_rules_is_found(shell: Shell, place: Path) -> None:
    shell("run", "-", stdin=document({"r": ("Random", {})}, interface=interface({}, {"picture": "r.image"})))
    said = shell("reproduce", "output/picture_00001.png")
    assert said.code == 1
    assert "does not give the same result twice" in said.out
    assert "pixels differ" in said.out


def test_the_first_difference_is_named_in_order(shell: Shell, home: Path, place: Path) -> None:
    model = home / "models/checkpoints/m.safetensors"
    model.parent.mkdir(parents=True, exist_ok=True)
    model.write_bytes(b"1")
    nodes = {"paint": ("Paint", {}), "dark": ("Dark", {"image": "@paint.image", "file": "m.safetensors"})}
    shell("run", "-", stdin=document(nodes, interface=interface({}, {"picture": "dark.image"})))
    model.write_bytes(b"22")
    said = shell("reproduce", "output/picture_00001.png")
    assert said.code == 1
    assert "first difference: models · checkpoints/m.safetensors: was 6b86b27" in said.out
    rewrite(place / "output/picture_00001.png", {"nodeflow": "0.0.1"})
    said = shell("reproduce", "output/picture_00001.png")
    assert "first difference: nodeflow: was 0.0.1" in said.out
    assert "also: models" in said.out
    model.unlink()
    assert shell("reproduce", "output/picture_00001.png").code == 4


def test_another_size_is_named(shell: Shell, pictures: list[Path], place: Path) -> None:
    texts = read_texts(pictures[0].read_bytes())
    info = PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    Image.new("RGB", (4, 4)).save(pictures[0], pnginfo=info)
    said = shell("reproduce", pictures[0])
    assert said.code == 1
    assert "size: was 4x4 with 4 channels, is 24x8 with 4 channels" in said.out


def test_equal_pixels_count_more_than_versions(shell: Shell, pictures: list[Path]) -> None:
    rewrite(pictures[0], {"nodeflow": "0.0.1", "device": "cuda:7"})
    said = shell("reproduce", pictures[0])
    assert said.code == 0
    assert "although there is a difference: nodeflow" in said.out
    assert "try cpu" in said.err


def test_pictures_without_what_is_needed(shell: Shell, place: Path, pictures: list[Path]) -> None:
    Image.new("RGB", (4, 4)).save("plain.png")
    Image.new("RGB", (4, 4)).save("plain.jpg")
    rewrite(pictures[0], {"node": None})
    rewrite(pictures[1], {"item": [7, 9]})
    for name, code, message in (
        ("plain.png", 3, "--no-metadata"),
        ("plain.jpg", 3, "only PNG"),
        ("absent.png", 4, "cannot be read"),
        (".", 4, "cannot be read"),
        (pictures[0], 3, "names no node"),
        (pictures[1], 5, "no picture of item"),
    ):
        said = shell("reproduce", name)
        assert (said.code, said.out) == (code, ""), said
        assert message in said.err


def test_the_switch_leaves_nothing_in_the_picture(shell: Shell, place: Path) -> None:
    report = shell("run", "-", "--json", "--no-metadata", stdin=PAINT).report
    assert read_texts(Path(report["saved"]["save"][0]).read_bytes()) == {}
