"""The digest of the code behind a node: it changes with the code and with nothing else."""

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from nodeflow.core import codedigest, stamps
from nodeflow.core.codedigest import code_digest, pin_digest
from nodeflow.core.packs import BUILT_IN, Manifest
from nodeflow.core.registry import Registry
from nodeflow.core.spec import Spec

SPEC = Spec("shop.One", pack="shop")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two packs, and one that stands for ``nodeflow.diffusion``."""
    for name in ("shop", "base", "diffusion"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"NAME = {name!r}\n", encoding="utf-8")
    monkeypatch.setattr(codedigest, "_DIFFUSION", tmp_path / "diffusion")
    return tmp_path


def registry_of(folder: Path) -> Registry:
    registry = Registry()
    registry.add(Manifest("shop", package="shop", requires=("base", "gone")), root=folder / "shop")
    registry.add(Manifest("base", package="base", requires=("shop",)), root=folder / "base")
    return registry


def digest(folder: Path, home: str = "home") -> str:
    return code_digest(registry_of(folder), SPEC, folder / home)


@pytest.mark.parametrize("changed", ["shop", "base", "diffusion"])
def test_the_digest_changes_with_the_pack_with_what_it_requires_and_with_diffusion(shop: Path, changed: str) -> None:
    before = digest(shop)
    assert digest(shop) == before
    (shop / changed / "__init__.py").write_text("NAME = 'another'\n", encoding="utf-8")
    assert digest(shop) != before


def test_the_digest_is_of_names_and_contents_and_not_of_times_or_places(shop: Path, tmp_path: Path) -> None:
    before = digest(shop)
    (shop / "shop" / "__init__.py").touch()
    assert digest(shop) == before
    moved = shop / "moved"
    moved.mkdir()
    for name in ("shop", "base"):
        (shop / name).rename(moved / name)
    assert digest(moved) == before
    (moved / "shop" / "__init__.py").rename(moved / "shop" / "other.py")
    assert digest(moved) != before


@pytest.mark.parametrize(("changed", "seen"), [("shop", True), ("base", False), ("diffusion", False)])
def test_a_document_pins_a_packs_own_files(shop: Path, changed: str, seen: bool) -> None:
    before = pin_digest(registry_of(shop), "shop", shop / "home")
    (shop / changed / "__init__.py").write_text("NAME = 'another'\n", encoding="utf-8")
    assert (pin_digest(registry_of(shop), "shop", shop / "home") != before) == seen


def test_the_pin_of_the_built_in_pack_covers_the_library_behind_it(shop: Path) -> None:
    registry = Registry()
    registry.add(Manifest(BUILT_IN, package="shop"), root=shop / "shop")
    before = pin_digest(registry, BUILT_IN, shop / "home")
    (shop / "diffusion" / "__init__.py").write_text("NAME = 'another'\n", encoding="utf-8")
    assert pin_digest(registry, BUILT_IN, shop / "home") != before


def test_models_and_workflows_of_a_pack_are_not_its_code(shop: Path) -> None:
    before = digest(shop)
    (shop / "shop" / "models").mkdir()
    (shop / "shop" / "models" / "big.safetensors").write_bytes(b"x")
    assert digest(shop) == before


def test_a_pack_may_be_a_single_file(shop: Path) -> None:
    (shop / "shop.py").write_text("x = 1\n", encoding="utf-8")
    registry = Registry()
    registry.add(Manifest("shop", package="shop"), root=shop / "shop.py")
    before = code_digest(registry, SPEC, shop / "home")
    (shop / "shop.py").write_text("x = 22\n", encoding="utf-8")
    assert code_digest(registry, SPEC, shop / "home") != before


def test_files_are_read_once_and_then_only_looked_at(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stamps, "_GRAIN_NS", 0)
    before = digest(shop)
    (memo,) = (shop / "home" / "cache" / "manifests").glob("shop-*")
    known = json.loads(memo.read_bytes())
    memo.write_text(json.dumps({**known, "digest": "remembered"}), encoding="utf-8")
    other = digest(shop)
    assert other != before
    assert digest(shop) == other
    memo.write_text("{", encoding="utf-8")
    assert digest(shop) == before


def test_a_home_that_cannot_be_written_costs_time_only(shop: Path) -> None:
    (shop / "file").touch()
    assert digest(shop, "file/home") == digest(shop)


def test_a_file_that_cannot_be_read_does_not_stop_the_others(shop: Path) -> None:
    (shop / "shop" / "link").symlink_to(shop / "gone")
    before = digest(shop)
    (shop / "shop" / "__init__.py").write_text("NAME = 'another'\n", encoding="utf-8")
    assert digest(shop) != before


def test_a_node_made_at_run_time_has_the_digest_it_was_added_with(tmp_path: Path) -> None:
    registry = Registry()
    registry.add_spec(SPEC, lambda: 1, digest="v1")
    assert code_digest(registry, SPEC, tmp_path) == "v1"
    assert list(tmp_path.iterdir()) == []


def test_code_that_is_loaded_keeps_the_digest_it_had(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = ModuleType("shop")
    loaded.__file__ = str(shop / "shop" / "__init__.py")
    monkeypatch.setitem(sys.modules, "shop", loaded)
    before = digest(shop)
    (shop / "shop" / "__init__.py").write_text("NAME = 'another'\n", encoding="utf-8")
    assert digest(shop) == before
    monkeypatch.delitem(sys.modules, "shop")
    assert digest(shop) != before


def test_another_module_of_the_same_name_does_not_count(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest(shop)
    monkeypatch.setitem(sys.modules, "shop", ModuleType("shop"))
    assert digest(shop) == before
