"""Manifests: what is kept on disk, when it is believed, and that nothing heavy is needed to read it."""

import json
import os
import runpy
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from nodeflow.core import atomic, manifest, stamps
from nodeflow.core.codedigest import code_digest
from nodeflow.core.discovery import FoundPack
from nodeflow.core.errors import PackFailed
from nodeflow.core.manifest import dump_manifest, load_registry, main, parse_manifest, renewed, write_snapshot
from nodeflow.core.packs import BUILT_IN, Manifest, MigrationSpec, ModelKind, Setting, SocketSpec
from nodeflow.core.registry import Registry
from nodeflow.core.spec import Form, Input, Kind, Lane, Output, Range, Spec, Widget
from nodeflow.core.types import Type

PACK = """
import os
from nodeflow.api import Pack, node

pack = Pack("tiny_pack", "1.0")
with open(os.environ["TINY_PACK_LOG"], "a") as log:
    log.write("x")

@node("tiny_pack.One")
def one() -> int:
    return 1
"""
WITHOUT_TORCH = """
import json, sys, time
from importlib.abc import MetaPathFinder
from pathlib import Path

class Refuse(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "numpy", "PIL", "transformers", "safetensors"):
            raise ImportError(f"{name} is not installed")

sys.meta_path.insert(0, Refuse())
start = time.process_time()
from nodeflow.core.discovery import discover
from nodeflow.core.manifest import load_registry
home = Path(sys.argv[1])
found = [item for item in discover(home)[0] if item.package == "nodeflow_nodes"]
registry = load_registry(home, packs=found)
print(json.dumps({
    "ids": list(registry.specs),
    "samplers": list(registry.choices("samplers")),
    "problems": [str(problem) for problem in registry.problems],
    "seconds": time.process_time() - start,
    "modules": [name for name in ("torch", "networkx", "nodeflow_nodes", "asyncio") if name in sys.modules],
}))
"""


@pytest.fixture(autouse=True)
def clean_imports() -> Iterator[None]:
    """Forget the packs that a test imported."""
    finders = list(sys.meta_path)
    yield
    sys.meta_path[:] = finders
    for name in [name for name in sys.modules if name.partition(".")[0].endswith("_pack")]:
        del sys.modules[name]


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FoundPack:
    """A pack that writes a letter into a log whenever it is imported."""
    monkeypatch.setenv("TINY_PACK_LOG", str(tmp_path / "log"))
    root = tmp_path / "packs" / "tiny_pack"
    root.mkdir(parents=True)
    (root / "__init__.py").write_text(PACK, encoding="utf-8")
    (tmp_path / "log").touch()
    return FoundPack("tiny_pack", root, folder=True)


@pytest.fixture
def load(tiny: FoundPack, tmp_path: Path) -> Callable[[], Registry]:
    return lambda: load_registry(tmp_path, packs=[tiny])


@pytest.fixture
def imports(tmp_path: Path) -> Callable[[], int]:
    """How often the pack has been imported."""
    return lambda: len((tmp_path / "log").read_text(encoding="utf-8"))


def cache_files(home: Path) -> list[Path]:
    return sorted((home / "cache" / "manifests").iterdir())


def test_a_manifest_is_read_as_it_was_written() -> None:
    written = Manifest(
        "shop",
        "1.0",
        "shop",
        requires=("base",),
        imports=("other_package",),
        specs=(
            Spec("shop.Empty"),
            Spec(
                "shop.Full",
                version=3,
                category="a/b",
                title="Full",
                help="Ünïcode\nin two lines",
                inputs=(
                    Input("a", Type("list", (Type("optional", (Type("Image"),)),)), lazy=True, help="x"),
                    Input("b", Type("float"), False, 0.5, Range(ge=0, le=1, multiple_of=0.1)),
                    Input("c", Type("str"), False, "x", Range(pattern="^x", max_length=3), ("x", "y"), "table"),
                    Input("d", Type("any"), False, {"deep": [1, None, True, 1.5]}, widget=Widget("text", lines=3)),
                    Input("e", Type("int"), False, 2**53 - 1, choices=(1, 2)),
                ),
                outputs=(Output("image", Type("Image"), "y"),),
                kind=Kind.EXTERNAL,
                form=Form.ASYNC,
                lane=Lane.CPU,
                takes_run=True,
                checks=True,
                multiple=True,
                implementation="shop.nodes:full",
                pack="shop",
            ),
        ),
        migrations=(MigrationSpec("shop.Full", 1, "shop.nodes:old"),),
        sockets=(SocketSpec("Image", "Image", "#123456", "shop:codec"),),
        extensions={"samplers": {"shop.a": "shop.samplers:a"}},
        kinds=(ModelKind("faces", (".onnx",), "detectors", "help"),),
        settings=(Setting("a", 1), Setting("b", 1.0), Setting("c", "x"), Setting("d", True, "help")),
        problems=("something",),
    )
    data = dump_manifest(written)
    assert parse_manifest(data) == written
    assert [type(item.default) for item in parse_manifest(data).settings] == [int, float, str, bool]
    assert dump_manifest(parse_manifest(data)) == data
    with pytest.raises(ValueError, match="validation error"):
        parse_manifest(b'{"name": 3}')


def test_a_pack_is_imported_once_and_then_known(
    load: Callable[[], Registry], imports: Callable[[], int], tmp_path: Path
) -> None:
    assert list(load().specs) == ["tiny_pack.One"]
    assert list(load().specs) == ["tiny_pack.One"]
    assert imports() == 1
    assert "tiny_pack" not in sys.modules
    (file,) = cache_files(tmp_path)
    assert file.name.startswith("tiny_pack-")


def test_a_changed_pack_is_read_again(
    load: Callable[[], Registry], imports: Callable[[], int], tiny: FoundPack, tmp_path: Path
) -> None:
    load()
    assert tiny.root is not None
    (tiny.root / "__init__.py").write_text(PACK.replace("tiny_pack.One", "tiny_pack.Two"), encoding="utf-8")
    assert list(load().specs) == ["tiny_pack.Two"]
    assert imports() == 2
    assert len(cache_files(tmp_path)) == 1


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\x00", b'{"stamp": "x"}', b"[]"], ids=repr)
def test_a_damaged_cache_file_is_made_anew(
    load: Callable[[], Registry], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes
) -> None:
    probed: list[str] = []

    def probe(pack: FoundPack, folders: object, seconds: float, stop: object) -> Manifest:
        probed.append(pack.package)
        return Manifest("tiny_pack", specs=(Spec("tiny_pack.One"),))

    monkeypatch.setattr("nodeflow.core.probe.probe", probe)
    load()
    (file,) = cache_files(tmp_path)
    good = file.read_bytes()
    file.write_bytes(content)
    assert list(load().specs) == ["tiny_pack.One"]
    assert probed == ["tiny_pack", "tiny_pack"]
    assert file.read_bytes() == good


def test_a_pack_with_problems_is_tried_again_when_something_was_installed(
    load: Callable[[], Registry], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    probed: list[str] = []

    def probe(pack: FoundPack, folders: object, seconds: float, stop: object) -> Manifest:
        probed.append(pack.package)
        return Manifest("tiny_pack", problems=("needs another package",))

    monkeypatch.setattr("nodeflow.core.probe.probe", probe)
    load()
    assert [problem.reason for problem in load().problems] == ["needs another package"]
    assert probed == ["tiny_pack"]
    monkeypatch.syspath_prepend(str(tmp_path))
    load()
    assert probed == ["tiny_pack", "tiny_pack"]


BASE = """
from nodeflow.api import Pack
pack = Pack("base_pack", "1.0")
DEFAULT = 1
"""
USER = """
import os
from base_pack import DEFAULT
from nodeflow.api import Pack, node

pack = Pack("user_pack", "1.0", requires=("base_pack",))
with open(os.environ["TINY_PACK_LOG"], "a") as log:
    log.write("x")

@node("user_pack.One")
def one(size: int = DEFAULT) -> int:
    return size
"""


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[FoundPack]:
    """A pack and one that requires it."""
    monkeypatch.setenv("TINY_PACK_LOG", str(tmp_path / "log"))
    (tmp_path / "log").touch()
    found: list[FoundPack] = []
    for name, text in (("base_pack", BASE), ("user_pack", USER)):
        root = tmp_path / "packs" / name
        root.mkdir(parents=True)
        (root / "__init__.py").write_text(text, encoding="utf-8")
        found.append(FoundPack(name, root, folder=True))
    return found


def test_a_pack_is_read_again_when_one_that_it_requires_has_changed(
    two: list[FoundPack], imports: Callable[[], int], tmp_path: Path
) -> None:
    def default() -> Any:
        return load_registry(tmp_path, packs=two).spec("user_pack.One").inputs[0].default

    assert (default(), default(), imports()) == (1, 1, 1)
    base = tmp_path / "packs" / "base_pack" / "__init__.py"
    base.write_text(BASE.replace("DEFAULT = 1", "DEFAULT = 2"), encoding="utf-8")
    assert (default(), default(), imports()) == (2, 2, 2)


def test_a_pack_is_read_again_when_one_that_it_only_imports_has_changed(
    two: list[FoundPack], imports: Callable[[], int], tmp_path: Path
) -> None:
    user = tmp_path / "packs" / "user_pack" / "__init__.py"
    user.write_text(USER.replace(', requires=("base_pack",)', ""), encoding="utf-8")
    registry = load_registry(tmp_path, packs=two)
    assert registry.packs["user_pack"].imports == ("base_pack",)
    before = code_digest(registry, registry.spec("user_pack.One"), tmp_path)
    (tmp_path / "packs" / "base_pack" / "__init__.py").write_text(BASE + "MORE = 1\n", encoding="utf-8")
    later = load_registry(tmp_path, packs=two)
    assert imports() == 2
    assert code_digest(later, later.spec("user_pack.One"), tmp_path) != before


def test_a_pack_that_failed_is_tried_again_when_another_one_came(
    two: list[FoundPack], imports: Callable[[], int], tmp_path: Path
) -> None:
    alone = load_registry(tmp_path, packs=two[1:])
    assert [problem.pack for problem in alone.problems] == ["user_pack"]
    assert "No module named 'base_pack'" in alone.problems[0].reason
    assert list(load_registry(tmp_path, packs=two).specs) == ["user_pack.One"]
    assert imports() == 1


def test_a_pack_that_was_touched_is_not_read_again(
    load: Callable[[], Registry], imports: Callable[[], int], tiny: FoundPack
) -> None:
    load()
    assert tiny.root is not None
    os.utime(tiny.root / "__init__.py", (5, 5))
    assert list(load().specs) == ["tiny_pack.One"]
    assert imports() == 1


def test_files_that_have_settled_are_not_read_any_more(
    load: Callable[[], Registry], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def seen() -> Any:
        (file,) = cache_files(tmp_path)
        return json.loads(file.read_text(encoding="utf-8"))["seen"]

    load()
    assert seen()["stamp"] == ""
    monkeypatch.setattr(stamps, "_GRAIN_NS", 0)
    load()
    assert seen()["stamp"]


def test_what_takes_long_is_told_while_it_does(
    tiny: FoundPack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(manifest, "_PATIENCE_SECONDS", 0.1)
    ready = threading.Event()
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        ready.set()

    def slow(pack: FoundPack, *_: object) -> Manifest:
        if pack.package == "tiny_pack":
            assert ready.wait(timeout=10)
        return Manifest(pack.package)

    monkeypatch.setattr("nodeflow.core.probe.probe", slow)
    load_registry(tmp_path, packs=[tiny, FoundPack("quick_pack", None)], tell=tell)
    assert told == ["waiting for pack tiny_pack: it is new or has changed, and is slow to import"]
    load_registry(tmp_path, packs=[tiny], tell=tell)
    assert len(told) == 1


def test_a_registry_is_renewed_only_when_a_pack_has_changed(
    tiny: FoundPack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: ())
    registry = load_registry(tmp_path)
    registry.add_spec(Spec("mine.Own"), lambda: 7, digest="own")
    assert renewed(registry, tmp_path) is registry
    assert tiny.root is not None
    (tiny.root / "__init__.py").write_text(PACK.replace("tiny_pack.One", "tiny_pack.Two"), encoding="utf-8")
    later = renewed(registry, tmp_path)
    assert sorted(later.specs) == ["mine.Own", "tiny_pack.Two"]
    assert later.implementation(later.spec("mine.Own"))() == 7
    assert later.digests["mine.Own"] == "own"
    assert "tiny_pack.Two" not in registry.specs


def test_a_cache_that_cannot_be_written_costs_time_only(
    tiny: FoundPack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("nodeflow.core.probe.probe", lambda *_: Manifest("tiny_pack", specs=(Spec("tiny_pack.One"),)))
    (tmp_path / "file").touch()
    registry = load_registry(tmp_path / "file" / "home", packs=[tiny])
    assert list(registry.specs) == ["tiny_pack.One"]


def test_many_writers_leave_one_whole_file(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "file.json"
    contents = [bytes([letter]) * 20_000 for letter in b"abcdefgh"]

    def write_and_read(content: bytes) -> bytes:
        atomic.write_whole(place, content)
        return place.read_bytes()

    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(write_and_read, contents * 10))
    assert set(seen) <= set(contents)
    assert [file.name for file in place.parent.iterdir()] == ["file.json"]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        atomic.write_whole(tmp_path / "taken", b"x")
    assert [file.name for file in tmp_path.iterdir()] == ["taken"]


def test_the_home_may_be_empty_and_the_problems_of_folders_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "packs" / "empty_pack").mkdir(parents=True)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: ())
    registry = load_registry(tmp_path)
    assert [str(problem) for problem in registry.problems] == [
        f"pack empty_pack: the folder {tmp_path}/packs/empty_pack has no __init__.py"
    ]


def test_the_built_in_pack_is_known_without_torch_and_without_a_home_in_half_a_second(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_TORCH, str(tmp_path / "nowhere")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    result: Any = json.loads(done.stdout)
    assert {"KSampler", "LoadCheckpoint", "VAEDecode"} <= set(result["ids"])
    assert {"euler", "dpmpp_2m"} <= set(result["samplers"])
    assert result["problems"] == []
    assert result["modules"] == []
    assert result["seconds"] < 0.5
    assert not (tmp_path / "nowhere").exists()


def test_a_built_in_pack_without_its_snapshot_is_probed_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nodeflow.core.probe.probe", lambda pack, *_: Manifest(pack.package, specs=(Spec("Probed"),)))
    registry = load_registry(tmp_path / "home", packs=[FoundPack(BUILT_IN, tmp_path / "gone")])
    assert list(registry.specs) == ["Probed"]
    registry = load_registry(tmp_path / "home", packs=[FoundPack(BUILT_IN, None)])
    assert list(registry.specs) == ["Probed"]


def test_a_snapshot_is_written_beside_the_pack(
    tiny: FoundPack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path / "packs"))
    assert tiny.root is not None
    assert main(["tiny_pack"]) == 0
    place = tiny.root / "spec.json"
    assert capsys.readouterr().out == f"{place}\n"
    written = parse_manifest(place.read_bytes())
    assert [spec.id for spec in written.specs] == ["tiny_pack.One"]
    assert written.package == "tiny_pack"


def test_no_snapshot_is_written_of_a_broken_pack(
    tiny: FoundPack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path / "packs"))
    assert tiny.root is not None
    (tiny.root / "__init__.py").write_text(PACK.replace("-> int", ""), encoding="utf-8")
    with pytest.raises(PackFailed, match=r"one\(return\): has no type"):
        write_snapshot("tiny_pack")
    assert main(["tiny_pack"]) == 7
    assert "has no type" in capsys.readouterr().err
    assert not (tiny.root / "spec.json").exists()


def test_the_module_can_be_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["manifest"])
    monkeypatch.delitem(sys.modules, "nodeflow.core.manifest")
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("nodeflow.core.manifest", run_name="__main__")
    assert caught.value.code == 0
