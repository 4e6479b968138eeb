"""Code of packs in this process: compiled from what is in the files, kept out of nodeflow, believed while unchanged."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from nodeflow.core import canonical, discovery
from nodeflow.core.code import PackCode
from nodeflow.core.discovery import files_of
from nodeflow.core.errors import PackFailed
from nodeflow.core.foreign import import_module
from nodeflow.core.packimport import PackFinder, forget
from nodeflow.core.packs import Manifest
from nodeflow.core.registry import Registry
from nodeflow.core.scan import import_pack, scan
from nodeflow.core.stamps import see

TOPS = frozenset({"main_pack", "base_pack"})


@pytest.fixture(autouse=True)
def finder(tmp_path: Path) -> Iterator[PackFinder]:
    """Finds two packs below the folder of the test."""
    finders = list(sys.meta_path)
    found = PackFinder(TOPS, {top: tmp_path / top for top in TOPS})
    found.install()
    yield found
    sys.meta_path[:] = finders
    forget(TOPS)


def write(tmp_path: Path, pack: str, **modules: str) -> Path:
    folder = tmp_path / pack
    folder.mkdir(exist_ok=True)
    for name, text in {"init": "", **modules}.items():
        (folder / f"{'__init__' if name == 'init' else name}.py").write_text(dedent(text), encoding="utf-8")
    return folder


# What is compiled.


def test_a_file_that_looks_the_same_and_is_not_is_compiled_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    file = write(tmp_path, "main_pack", nodes="VALUE = 1\n") / "nodes.py"
    ran: list[int] = []
    for value in (1, 2, 3):
        file.write_text(f"VALUE = {value}\n", encoding="utf-8")
        os.utime(file, (1_000_000, 1_000_000))
        forget(TOPS)
        ran.append(import_module("main_pack", "main_pack.nodes").VALUE)
    assert ran == [1, 2, 3]
    assert list((tmp_path / "main_pack" / "__pycache__").glob("nodes.*.pyc"))


def test_an_installed_pack_is_compiled_with_the_same_care(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finder: PackFinder
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    file = write(tmp_path, "main_pack", nodes="VALUE = 1\n") / "nodes.py"
    sys.meta_path.remove(finder)
    PackFinder(TOPS, {}).install()
    monkeypatch.syspath_prepend(str(tmp_path))
    os.utime(file, (1_000_000, 1_000_000))
    assert import_module("main_pack", "main_pack.nodes").VALUE == 1
    file.write_text("VALUE = 2\n", encoding="utf-8")
    os.utime(file, (1_000_000, 1_000_000))
    forget(TOPS)
    assert import_module("main_pack", "main_pack.nodes").VALUE == 2


def test_a_module_that_is_new_is_found_at_once(tmp_path: Path) -> None:
    folder = write(tmp_path, "main_pack")
    with pytest.raises(PackFailed, match=r"No module named 'main_pack\.late'"):
        import_module("main_pack", "main_pack.late")
    (folder / "late.py").touch()
    forget(TOPS)
    assert import_module("main_pack", "main_pack.late")


def test_a_module_of_others_that_is_missing_is_to_be_installed(tmp_path: Path) -> None:
    write(tmp_path, "main_pack", nodes="import no_such_library.deep\n", own="import main_pack.gone\n")
    with pytest.raises(PackFailed, match=r"nodes\.py:1\); install what brings no_such_library$"):
        import_module("main_pack", "main_pack.nodes")
    with pytest.raises(PackFailed, match=r"No module named 'main_pack\.gone' \(.*own\.py:1\)$"):
        import_module("main_pack", "main_pack.own")


# What code of a pack must not do to nodeflow.

PATCHES = """
    from nodeflow.core import canonical
    from nodeflow.core.registry import Registry
    canonical.record_bytes = lambda value: b""
    Registry.spec = None
    Registry.planted = lambda self: 1
"""


def test_a_pack_that_changes_nodeflow_fails_and_nodeflow_is_as_it_was(tmp_path: Path) -> None:
    write(tmp_path, "main_pack", nodes=PATCHES, good="", leads="from main_pack import nodes\n")
    kept = canonical.record_bytes
    for name in ("nodes", "leads", "nodes"):
        with pytest.raises(PackFailed) as caught:
            import_module("main_pack", f"main_pack.{name}")
        assert caught.value.reason == (
            f"main_pack.{name} changes nodeflow.core.canonical.record_bytes when it is imported; "
            "a pack must leave nodeflow as it is"
        )
    assert canonical.record_bytes is kept
    assert callable(Registry.spec)
    assert not hasattr(Registry, "planted")
    assert import_module("main_pack", "main_pack.good")


def test_a_pack_that_deletes_a_part_of_nodeflow_and_then_fails_is_told_about_that_first(tmp_path: Path) -> None:
    write(tmp_path, "main_pack", nodes="from nodeflow.core import discovery\ndel discovery.GROUP\n1 / 0\n")
    with pytest.raises(PackFailed, match=r"changes nodeflow\.core\.discovery\.GROUP"):
        import_module("main_pack", "main_pack.nodes")
    assert discovery.GROUP == "nodeflow.packs"


def test_code_that_is_put_into_nodeflow_under_a_borrowed_name_is_found(tmp_path: Path) -> None:
    text = """
    import functools
    from nodeflow.core import canonical

    @functools.wraps(canonical.record_text)
    def mine(value):
        return ""

    canonical.new_one = mine
    canonical.harmless = 5
    """
    write(tmp_path, "main_pack", nodes=text)
    with pytest.raises(PackFailed, match=r"changes nodeflow\.core\.canonical\.new_one"):
        import_module("main_pack", "main_pack.nodes")
    assert not hasattr(canonical, "new_one")
    del canonical.harmless  # type: ignore[attr-defined]


def test_only_the_modules_that_change_nodeflow_lose_their_nodes(tmp_path: Path) -> None:
    node = "from nodeflow.api import node\n@node('main_pack.{0}')\ndef one() -> int:\n    return 1\n"
    init = "from nodeflow.api import Pack\npack = Pack('main_pack', '1.0', modules=('good', 'bad'))\n"
    bad = dedent(PATCHES) + node.format("Bad")
    write(tmp_path, "main_pack", init=init, good=node.format("Good"), bad=bad)
    manifest = scan(import_pack("main_pack"))
    assert [spec.id for spec in manifest.specs] == ["main_pack.Good"]
    assert len(manifest.problems) == 1


# What is believed.


def code_of(tmp_path: Path, finder: PackFinder) -> tuple[PackCode, dict[str, Manifest]]:
    packs = {
        "main_pack": Manifest("main_pack", "1", "main_pack", requires=("base_pack",)),
        "base_pack": Manifest("base_pack", "1", "base_pack"),
    }
    roots = {name: tmp_path / name for name in packs}
    seen = {name: see(list(files_of(root)), tmp_path) for name, root in roots.items()}
    code = PackCode(finder, roots, seen)
    code.forget_stale(packs)
    return code, packs


def test_code_is_not_imported_once_its_files_have_changed(tmp_path: Path, finder: PackFinder) -> None:
    write(tmp_path, "base_pack")
    folder = write(tmp_path, "main_pack", nodes="VALUE = 1\n", more="VALUE = 1\n")
    code, packs = code_of(tmp_path, finder)
    assert code.attribute("main_pack.nodes:VALUE", "main_pack", packs) == 1
    (folder / "more.py").write_text("VALUE = 2\n", encoding="utf-8")
    assert code.attribute("main_pack.nodes:VALUE", "main_pack", packs) == 1
    with pytest.raises(PackFailed, match="main_pack: its files have changed since this session read them"):
        code.attribute("main_pack.more:VALUE", "main_pack", packs)


def test_a_later_look_imports_what_changed_anew_and_the_earlier_one_notices(tmp_path: Path, finder: PackFinder) -> None:
    base = write(tmp_path, "base_pack", tools="VALUE = 1\n")
    write(tmp_path, "main_pack", nodes="from base_pack.tools import VALUE\n", more="")
    early, packs = code_of(tmp_path, finder)
    assert early.attribute("main_pack.nodes:VALUE", "main_pack", packs) == 1
    (base / "tools.py").write_text("VALUE = 2\n", encoding="utf-8")
    late, _ = code_of(tmp_path, finder)
    assert late.attribute("main_pack.nodes:VALUE", "main_pack", packs) == 2
    assert late.digests != early.digests
    with pytest.raises(PackFailed, match="base_pack: its files have changed"):
        early.attribute("main_pack.nodes:VALUE", "main_pack", packs)


def test_what_did_not_change_stays_loaded(tmp_path: Path, finder: PackFinder) -> None:
    write(tmp_path, "base_pack", tools="")
    folder = write(tmp_path, "main_pack", nodes="import base_pack.tools\nVALUE = 1\n")
    early, packs = code_of(tmp_path, finder)
    early.attribute("main_pack.nodes:VALUE", "main_pack", packs)
    tools, nodes = sys.modules["base_pack.tools"], sys.modules["main_pack.nodes"]
    (folder / "nodes.py").write_text("import base_pack.tools\nVALUE = 2\n", encoding="utf-8")
    late, _ = code_of(tmp_path, finder)
    assert late.attribute("main_pack.nodes:VALUE", "main_pack", packs) == 2
    assert sys.modules["base_pack.tools"] is tools
    assert sys.modules["main_pack.nodes"] is not nodes


def test_a_pack_that_failed_halfway_is_imported_anew_once_mended(tmp_path: Path, finder: PackFinder) -> None:
    write(tmp_path, "base_pack")
    folder = write(tmp_path, "main_pack", nodes="VALUE = WRONG\n", init="VALUE = 1\n")
    early, packs = code_of(tmp_path, finder)
    with pytest.raises(PackFailed, match="NameError"):
        early.attribute("main_pack.nodes:VALUE", "main_pack", packs)
    (folder / "__init__.py").write_text("VALUE = 2\n", encoding="utf-8")
    late, _ = code_of(tmp_path, finder)
    assert late.attribute("main_pack:VALUE", "main_pack", packs) == 2


def test_packs_that_nobody_looked_at_are_simply_imported(tmp_path: Path) -> None:
    write(tmp_path, "main_pack", nodes="VALUE = 1\n")
    assert PackCode().attribute("main_pack.nodes:VALUE", "main_pack", {}) == 1
