"""The pack that adds one of everything, built and installed by pip, used from the shell in processes of its own."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Picture

from tests.packs.conftest import PLUGINS, Place, document

PIP = "install --quiet --no-deps --no-build-isolation --no-index --disable-pip-version-check --target"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip has installed both packs."""
    folder = tmp_path_factory.mktemp("installed") / "site"
    packs = [str(PLUGINS / name) for name in ("base_pack", "complete")]
    subprocess.run([sys.executable, "-m", "pip", *PIP.split(), str(folder), *packs], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def installed(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A home in which both packs are known."""
    place = Place(tmp_path_factory.mktemp("work"), site)
    place.nodeflow("nodes")
    return place


@pytest.fixture
def config(installed: Place) -> Iterator[Path]:
    """The settings file, gone afterwards."""
    file = installed.home / "config.toml"
    yield file
    file.unlink(missing_ok=True)


def picture(**palette: Any) -> bytes:
    """A picture made with the pack's sampler and schedule and a drawn number of steps, its palette, and names."""
    sampling = {"model": "@base.model", "positive": "@text.conditioning", "negative": "@text.conditioning"}
    drawn = {"steps": {"draw": "complete.dice", "sides": 2}, "sampler": "complete.heun"}
    nodes = {
        "base": ("LoadCheckpoint", {"checkpoint": "emoji-tiny.safetensors"}),
        "text": ("CLIPTextEncode", {"clip": "@base.clip", "text": "a cat on a blue background"}),
        "empty": ("EmptyLatent", {"width": 64, "height": 64, "batch_size": 1}),
        "sample": (
            "KSampler",
            sampling | drawn | {"latent": "@empty.latent", "scheduler": "complete.exponential", "cfg": 1},
        ),
        "decode": ("VAEDecode", {"latent": "@sample.latent", "vae": "@base.vae"}),
        "palette": ("complete.Palette", {"image": "@decode.image", **palette}),
        "names": ("complete.Names", {"palette": "@palette.palette"}),
        "gold": ("base_pack.Fill", {"colour": "complete.gold", "size": 8}),
    }
    return document(nodes, {"names": "names.texts", "gold": "gold.image"})


def of_a_file(**more: Any) -> bytes:
    """The palette of a plain picture of the pack below, which takes long enough to be kept on disk."""
    nodes = {
        "plain": ("base_pack.Fill", {"size": 64}),
        "palette": ("complete.Palette", {"image": "@plain.image", "sample": 4000}),
        **more,
    }
    return document(nodes, {"result": f"{list(more)[-1]}.{'texts' if 'names' in more else 'image'}"})


NAMES = {"names": ("complete.Names", {"palette": "@palette.palette"})}
STRIPES = {"stripes": ("complete.Stripes", {"palette": "@palette.palette"})}


def test_its_sampler_schedule_draw_migration_and_its_part_of_anothers_table_work_together(installed: Place) -> None:
    report = installed.nodeflow("run", "-", "--json", stdin=picture(colors=3)).report
    assert len(report["outputs"]["names"]["value"]) == 3
    assert report["nodes"]["palette"]["status"] == "ran"
    (gold,) = report["outputs"]["gold"]["paths"]
    with Picture.open(installed.work / gold) as made:
        assert made.getpixel((0, 0)) == (255, 215, 0)
        drawn = json.loads(made.info["nodeflow"])["nodes"]["sample"]["inputs"]["steps"]
    assert drawn in (1, 2)


def test_a_value_of_its_own_type_survives_on_disk(installed: Place) -> None:
    first = installed.nodeflow("run", "-", "--json", stdin=of_a_file(**NAMES)).report
    assert first["nodes"]["palette"]["status"] == "ran"
    again = installed.nodeflow("run", "-", "--json", stdin=of_a_file(**STRIPES)).report
    assert again["nodes"]["palette"]["status"] == "hit-disk"
    assert first["outputs"]["result"]["value"][0] == "black"


def test_its_workflow_runs_by_name_and_its_settings_reach_its_nodes(installed: Place, config: Path) -> None:
    def width() -> int:
        report = installed.nodeflow("run", "palette", "--json").report
        assert report["outputs"]["names"]["value"] == ["red", "yellow", "brown"]
        with Picture.open(installed.work / report["outputs"]["picture"]["paths"][0]) as made:
            return made.width

    assert width() == 3 * 16
    config.write_text("[packs.complete]\nstripe = 5\n[packs.gone]\nx = 1\n", encoding="utf-8")
    assert width() == 3 * 5
    listed = installed.nodeflow("nodes", "--json")
    assert listed.report["packs"]["complete"]["settings"]["stripe"]["value"] == 5
    assert "[packs.gone] is for a pack that is not installed" in listed.err
    config.write_text('[packs.complete]\nstripes = "5"\n', encoding="utf-8")
    said = installed.nodeflow("check", "palette", code=2)
    assert said.err.startswith("error: ")
    assert "there is no setting packs.complete.stripes; did you mean packs.complete.stripe?" in said.err


def test_its_model_file_comes_with_it(installed: Place) -> None:
    listed = installed.nodeflow("models", "--json").report
    assert [file["name"] for file in listed["files"] if file["kind"] == "palettes"] == ["warm.gpl"]
    assert listed["kinds"]["palettes"]["folder"] == "colour"
    assert [file["about"] for file in listed["files"] if file["name"] == "warm.gpl"] == ["a gpl file"]


def test_a_file_that_its_kind_does_not_take_is_told_as_such(installed: Place) -> None:
    folder = installed.home / "models" / "colour"
    folder.mkdir(parents=True)
    (folder / "cold.txt").touch()
    said = installed.nodeflow("check", "palette", "--input", "palette=cold.txt", code=4)
    assert f"{folder}/cold.txt is there, but a file of palettes ends in .gpl" in said.err
    assert "warm.gpl" in said.err


def test_a_link_that_does_not_fit_is_offered_its_converter(installed: Place) -> None:
    save = {"save": ("SaveImage", {"images": "@palette.palette", "prefix": "x"})}
    nodes = {"plain": ("base_pack.Fill", {}), "palette": ("complete.Palette", {"image": "@plain.image"}), **save}
    said = installed.nodeflow("check", "-", stdin=document(nodes), code=3)
    assert "put complete.Stripes between" in said.err


def test_a_rule_of_it_is_tried_beforehand(installed: Place) -> None:
    nodes = {
        "plain": ("base_pack.Fill", {}),
        "palette": ("complete.Palette", {"image": "@plain.image", "colors": 4, "sample": 2}),
    }
    said = installed.nodeflow("check", "-", stdin=document(nodes), code=3)
    assert "must be at least the number of colours; try 4" in said.err


def test_the_catalogue_tells_all_that_it_brings(installed: Place) -> None:
    pages = installed.nodeflow("nodes", "--packs").out
    for part in (
        "complete 2.1.0",
        "base_pack>=1.2,<2",
        "complete.Stripes: Palette → Image",
        "Palette #c2185b",
        "palettes: models/colour/*.gpl",
        "complete.heun",
        "complete.exponential",
        "complete.dice",
        "complete.gold",
        "stripe = 16  Width of a stripe",
    ):
        assert part in pages
    found = installed.nodeflow("nodes", "--json").report
    assert found["packs"]["complete"]["workflows"] == ["palette"]
    assert found["sockets"]["Palette"] == {"title": "Palette", "color": "#c2185b", "kept_on_disk": True}
    assert found["kinds"]["palettes"]["suffixes"] == [".gpl"]
    assert {"node": "complete.Stripes", "from": "Palette", "to": "Image"} in found["converters"]
    assert "complete.heun" in found["choices"]["samplers"]
    assert found["nodes"]["complete.Palette"]["inputs"][1]["range"]["le"] == 16
    assert found["problems"] == []
    listing = installed.nodeflow("nodes").out
    assert "complete.Stripes" in listing
    assert "(Palette → Image)" in listing


def test_the_check_of_packs_finds_nothing_wrong_with_it(installed: Place) -> None:
    said = installed.nodeflow("pack", "check", str(PLUGINS / "complete"))
    assert "error" not in said.out


def test_without_the_pack_it_builds_on_it_says_what_to_install(site: Path, tmp_path: Path) -> None:
    alone = Place(tmp_path, tmp_path / "site")
    shutil.copytree(site, tmp_path / "site", ignore=shutil.ignore_patterns("base_pack*"))
    said = alone.nodeflow("run", "palette", code=7)
    assert "complete.Stripes" in said.err
    reason = "complete_pack cannot be imported: ModuleNotFoundError: No module named 'base_pack'"
    assert f"pack complete: {reason}" in said.err
    assert "; install what brings base_pack" in said.err
