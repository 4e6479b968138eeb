"""Packs: where they are found, and that a broken one breaks only what is broken."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from nodeflow.core.discovery import FoundPack, discover, files_of, root_of
from nodeflow.core.errors import PackFailed
from nodeflow.core.manifest import load_registry
from nodeflow.core.packimport import PackFinder
from nodeflow.core.packs import Manifest, Pack
from nodeflow.core.probe import guard, probe, serve
from nodeflow.core.scan import import_pack, scan

NODE = """
from nodeflow.api import node

@node("{pack}.{name}")
def {function}() -> int:
    return 1
"""


def node_text(pack: str, name: str) -> str:
    return NODE.format(pack=pack, name=name, function=name.lower())


def write_pack(folder: Path, name: str, *, head: str = "", **modules: str) -> FoundPack:
    """Write a package that is a pack with the given modules."""
    package = folder / name
    package.mkdir(parents=True)
    listed = ", ".join(repr(module) for module in modules)
    start = f"from nodeflow.api import Pack\npack = Pack({name!r}, '1.0', modules=[{listed}])\n"
    (package / "__init__.py").write_text(start + dedent(head), encoding="utf-8")
    for module, text in modules.items():
        (package / f"{module}.py").write_text(dedent(text), encoding="utf-8")
    return FoundPack(name, package, folder=True)


def install(folder: Path, name: str, entry: str) -> None:
    """Pretend that a distribution with an entry point is installed in ``folder``."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[nodeflow.packs]\n{name} = {entry}\n", encoding="utf-8")


@pytest.fixture(autouse=True)
def clean_imports() -> Iterator[None]:
    """Forget the packs that a test imported."""
    finders = list(sys.meta_path)
    yield
    sys.meta_path[:] = finders
    for name in [name for name in sys.modules if name.partition(".")[0].endswith("_pack")]:
        del sys.modules[name]


def finder_of(*folders: Path) -> PackFinder:
    """Finds folder packs."""
    return PackFinder(frozenset(folder.name for folder in folders), {folder.name: folder for folder in folders})


def reasons(manifest: Manifest) -> str:
    return "\n".join(manifest.problems)


def test_the_built_in_pack_is_found_first_then_entry_points_then_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, home = tmp_path / "site", tmp_path / "home"
    write_pack(site, "alpha_pack")
    install(site, "alpha-pack", "alpha_pack")
    install(site, "beta-pack", "not-a-module : pack")
    write_pack(home / "packs", "aardvark_pack")
    (home / "packs" / ".hidden").mkdir()
    (home / "packs" / "a file").touch()
    monkeypatch.syspath_prepend(str(site))
    found, problems = discover(home)
    names = [item.package for item in found]
    assert [name for name in names if name in ("nodeflow_nodes", "alpha_pack", "not-a-module", "aardvark_pack")] == [
        "nodeflow_nodes",
        "alpha_pack",
        "not-a-module",
        "aardvark_pack",
    ]
    by_name = {item.package: item for item in found}
    assert by_name["alpha_pack"] == FoundPack("alpha_pack", site / "alpha_pack", entry="alpha-pack")
    assert by_name["not-a-module"].root is None
    assert by_name["aardvark_pack"] == FoundPack("aardvark_pack", home / "packs" / "aardvark_pack", folder=True)
    assert problems == ()
    assert not {"alpha_pack", "aardvark_pack"} & sys.modules.keys()


def test_a_folder_that_cannot_be_imported_under_its_name_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, packs = tmp_path / "site", tmp_path / "packs"
    write_pack(site, "twice_pack")
    install(site, "twice-pack", "twice_pack")
    monkeypatch.syspath_prepend(str(site))
    for name in ("twice_pack", "json", "has-hyphen"):
        write_pack(packs, name)
    (packs / "empty_pack").mkdir()
    found, problems = discover(tmp_path)
    assert not any(item.folder for item in found)
    assert {problem.pack: problem.reason.replace(str(tmp_path), "") for problem in problems} == {
        "empty_pack": "the folder /packs/empty_pack has no __init__.py",
        "has-hyphen": "the folder /packs/has-hyphen must be named like a Python package: letters, digits and _",
        "json": "the folder /packs/json has the name of an installed module; rename it",
        "twice_pack": "the folder /packs/twice_pack has the name of the installed pack at /site/twice_pack",
    }


def test_modules_are_located_without_importing_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "single_file_pack.py").touch()
    (tmp_path / "only_namespace").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert root_of("single_file_pack") == tmp_path / "single_file_pack.py"
    assert root_of("only_namespace") is None
    assert root_of("no_such_module") is None
    assert root_of("no_such_package.module") is None
    assert "single_file_pack" not in sys.modules


def test_the_files_of_a_pack_are_its_code_and_not_its_models(tmp_path: Path) -> None:
    root = write_pack(tmp_path, "shop", nodes="").root
    assert root is not None
    for extra in (
        "models/big.safetensors",
        "workflows/a.json",
        "__pycache__/a.pyc",
        "data/table.csv",
        ".git/x",
        "a.pyc",
    ):
        (root / extra).parent.mkdir(exist_ok=True)
        (root / extra).touch()
    (root / "loop").symlink_to(root, target_is_directory=True)
    names = [file.relative_to(root).as_posix() for file in files_of(root)]
    assert names == ["__init__.py", "data/table.csv", "loop", "nodes.py"]
    assert list(files_of(root / "nodes.py")) == [root / "nodes.py"]
    assert list(files_of(None)) == list(files_of(tmp_path / "gone")) == []


def test_a_folder_may_lead_to_where_the_pack_is_imported_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pack(tmp_path / "work", "linked_pack", nodes=node_text("linked_pack", "One"))
    monkeypatch.syspath_prepend(str(tmp_path / "work"))
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "linked_pack").symlink_to(tmp_path / "work" / "linked_pack")
    found, problems = discover(tmp_path)
    assert [item.package for item in found if item.folder] == ["linked_pack"]
    assert problems == ()


def test_folder_packs_can_import_each_other_by_name(tmp_path: Path) -> None:
    write_pack(tmp_path, "base_pack", tools="VALUE = 7\n")
    write_pack(tmp_path, "user_pack", nodes="from base_pack.tools import VALUE\n" + node_text("user_pack", "One"))
    finder = finder_of(tmp_path / "base_pack", tmp_path / "user_pack")
    finder.install()
    finder.install()
    assert sys.meta_path.count(finder) == 1
    assert finder.find_spec("other_pack") is None
    manifest = scan(import_pack("user_pack"))
    assert [spec.id for spec in manifest.specs] == ["user_pack.One"]
    assert sys.modules["user_pack.nodes"].VALUE == 7


def test_a_broken_module_disables_only_its_own_nodes(tmp_path: Path) -> None:
    found = write_pack(
        tmp_path,
        "bad_pack",
        good=node_text("bad_pack", "Good"),
        raises="\n1 / 0\n",
        exits="import sys\nsys.exit('no thanks')\n",
        syntax="def broken(:\n",
        bare="raise RuntimeError\n",
    )
    assert found.root is not None
    finder_of(found.root).install()
    manifest = scan(import_pack("bad_pack"))
    assert [spec.id for spec in manifest.specs] == ["bad_pack.Good"]
    folder = found.root
    assert manifest.problems == (
        f"bad_pack.raises cannot be imported: ZeroDivisionError: division by zero ({folder}/raises.py:2)",
        f"bad_pack.exits cannot be imported: it called sys.exit: no thanks ({folder}/exits.py:2)",
        f"bad_pack.syntax cannot be imported: SyntaxError: invalid syntax (syntax.py, line 1) ({folder}/syntax.py:1)",
        f"bad_pack.bare cannot be imported: RuntimeError ({folder}/bare.py:1)",
    )


def test_modules_may_be_written_with_a_leading_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pack(tmp_path, "dotted_pack", nodes=node_text("dotted_pack", "One"))
    monkeypatch.syspath_prepend(str(tmp_path))
    manifest = scan(Pack("dotted_pack", "1.0", modules=[".nodes"]))
    assert [spec.id for spec in manifest.specs] == ["dotted_pack.One"]


def test_a_module_that_is_named_twice_is_looked_into_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pack(tmp_path, "lone_pack", nodes=node_text("lone_pack", "One"))
    (tmp_path / "lone_pack" / "__init__.py").write_text(node_text("lone_pack", "Own"))
    monkeypatch.syspath_prepend(str(tmp_path))
    manifest = scan(Pack("lone_pack", "1.0", modules=[".", ".nodes", "nodes"]))
    assert [spec.id for spec in manifest.specs] == ["lone_pack.Own", "lone_pack.One"]


def test_a_package_without_a_pack_is_told_so() -> None:
    with pytest.raises(PackFailed, match=r"pack json: json\.decoder has no `pack = Pack\(\.\.\.\)`"):
        import_pack("json.decoder")


def test_a_module_that_hangs_or_crashes_in_another_process_disables_only_its_own_nodes(tmp_path: Path) -> None:
    found = write_pack(
        tmp_path,
        "rough_pack",
        first=node_text("rough_pack", "First"),
        hangs="import threading\nthreading.Event().wait()\n",
        middle="print('noise on standard output')\n" + node_text("rough_pack", "Middle"),
        crashes="import os\nos._exit(3)\n",
        killed="import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
        last=node_text("rough_pack", "Last"),
    )
    assert found.root is not None
    manifest = probe(found, finder_of(found.root), seconds=3)
    assert [spec.id for spec in manifest.specs] == ["rough_pack.First", "rough_pack.Middle", "rough_pack.Last"]
    assert (manifest.name, manifest.version) == ("rough_pack", "1.0")
    assert manifest.problems == (
        "rough_pack.hangs cannot be imported: it did not come back within 3 seconds",
        "rough_pack.crashes cannot be imported: its process ended with exit code 3",
        "rough_pack.killed cannot be imported: its process ended with signal 9",
    )
    assert "rough_pack" not in sys.modules


def test_a_pack_that_hangs_itself_is_given_up_at_once(tmp_path: Path) -> None:
    found = write_pack(tmp_path, "stuck_pack", head="import time\ntime.sleep(1000)\n", nodes="")
    assert found.root is not None
    manifest = probe(found, finder_of(found.root), seconds=0.5)
    assert manifest.specs == ()
    assert reasons(manifest) == "stuck_pack cannot be imported: it did not come back within 0.5 seconds"


def test_a_pack_that_leaves_a_thread_running_is_read_all_the_same(tmp_path: Path) -> None:
    thread = "import threading\nthreading.Thread(target=threading.Event().wait).start()\n"
    found = write_pack(tmp_path, "thread_pack", nodes=thread + node_text("thread_pack", "One"))
    assert found.root is not None
    manifest = probe(found, finder_of(found.root))
    assert [spec.id for spec in manifest.specs] == ["thread_pack.One"]
    assert manifest.problems == ()


def test_a_machine_that_starts_no_process_is_a_problem_of_the_pack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    manifest = probe(FoundPack("some_pack", tmp_path), finder_of())
    assert reasons(manifest).startswith("some_pack cannot be imported: no process could be started for it: ")


def test_the_other_process_tells_what_it_finds_module_by_module(tmp_path: Path) -> None:
    found = write_pack(tmp_path / "packs", "told_pack", a=node_text("told_pack", "A"), b=node_text("told_pack", "B"))
    assert found.root is not None
    request, report = tmp_path / "request", tmp_path / "report"
    asked = {"name": "told_pack", "package": "told_pack", "skip": ["a"], "tops": ["told_pack"]}
    request.write_text(json.dumps({**asked, "folders": {"told_pack": str(found.root)}}), encoding="utf-8")
    serve(str(request), str(report))
    lines = report.read_text(encoding="utf-8").splitlines()
    assert [line.partition(',"found":null')[0] for line in lines if '"found":null' in line] == [
        '{"module":""',
        '{"module":""',
        '{"module":"b"',
        '{"module":null',
    ]
    assert "told_pack.B" in report.read_text(encoding="utf-8")
    assert "told_pack.A" not in report.read_text(encoding="utf-8")


def test_the_other_process_tells_that_there_is_no_such_pack(tmp_path: Path) -> None:
    request, report = tmp_path / "request", tmp_path / "report"
    request.write_text(
        '{"name": "none", "package": "no_such_pack", "skip": [], "tops": [], "folders": {}}', encoding="utf-8"
    )
    serve(str(request), str(report))
    assert "no_such_pack cannot be imported: ModuleNotFoundError" in report.read_text(encoding="utf-8")
    assert '{"name":"none"' in report.read_text(encoding="utf-8")


def test_a_pack_that_does_not_declare_plain_data_is_told_where(tmp_path: Path) -> None:
    wrong = node_text("odd_pack", "One").replace("@node(", "@node(title=5, id=")
    found = write_pack(tmp_path, "odd_pack", fine=node_text("odd_pack", "Fine"), nodes=wrong)
    assert found.root is not None
    manifest = probe(found, finder_of(found.root))
    assert [spec.id for spec in manifest.specs] == ["odd_pack.Fine"]
    assert manifest.problems == (
        "odd_pack.nodes declares a wrong title of the node odd_pack.One: Input should be a valid string, found 5",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pack = Pack('odd_pack', 2)", "odd_pack declares a wrong version: Input should be a valid string, found 2"),
        ("pack = Pack('odd_pack', '2', modules=5)", "the Pack(…) of odd_pack cannot be read: TypeError: "),
        ("pack = Pack('odd_pack', '2', extensions=['x'])", "cannot be read: AttributeError: 'list' object"),
        ("pack = Pack('odd_pack', '2')\n@node(id='odd_pack.One', category=7)\ndef one() -> int: ...", "odd_pack.One"),
    ],
)
def test_the_other_process_reports_only_what_can_be_read(tmp_path: Path, text: str, words: str) -> None:
    found = write_pack(tmp_path, "odd_pack")
    assert found.root is not None
    (found.root / "__init__.py").write_text(f"from nodeflow.api import Pack, node\n{text}\n", encoding="utf-8")
    request, report = tmp_path / "request", tmp_path / "report"
    asked = {"name": "odd_pack", "package": "odd_pack", "skip": [], "tops": ["odd_pack"]}
    request.write_text(json.dumps({**asked, "folders": {"odd_pack": str(found.root)}}), encoding="utf-8")
    serve(str(request), str(report))
    *_, told, end = report.read_text(encoding="utf-8").splitlines()
    assert words in json.loads(told)["found"]["problems"][0]
    assert json.loads(end)["module"] is None


def test_a_registry_is_loaded_although_every_kind_of_pack_is_there(tmp_path: Path) -> None:
    packs = tmp_path / "packs"
    write_pack(packs, "fine_pack", nodes=node_text("fine_pack", "One"))
    write_pack(packs, "rude_pack", head="raise SystemExit(1)\n")
    write_pack(packs, "greedy_pack", nodes=node_text("fine_pack", "One") + node_text("greedy_pack", "Two"))
    found = [FoundPack(item.name, item, folder=True) for item in sorted(packs.iterdir())]
    registry = load_registry(tmp_path, packs=found)
    assert sorted(registry.specs) == ["fine_pack.One", "greedy_pack.Two"]
    assert {problem.pack: problem.reason for problem in registry.problems} == {
        "rude_pack": f"rude_pack cannot be imported: it called sys.exit: 1 ({packs}/rude_pack/__init__.py:3)",
        "greedy_pack": "node 'fine_pack.One' is claimed by 'fine_pack' and 'greedy_pack'",
    }
    assert "fine_pack" not in sys.modules
    one = registry.implementation(registry.spec("fine_pack.One"))
    assert registry.implementation(registry.spec("fine_pack.One")) is one
    assert one() == 1
    assert "fine_pack.nodes" in sys.modules


def test_a_pack_knows_the_name_it_is_imported_under() -> None:
    assert Pack("shop", "1.0").import_name == "shop"
    assert Pack("shop", "1.0", package="shop_nodes").import_name == "shop_nodes"


ORPHAN = """
import subprocess, sys
from pathlib import Path
from nodeflow.core.manifest import load_registry
print("ready", flush=True)
load_registry(Path(sys.argv[1]))
"""
LOOPER = """
import os
from pathlib import Path
Path(__file__).with_name("pid").write_text(str(os.getpid()))
while True:
    pass
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stop_while_a_pack_hangs_is_quick_and_leaves_no_process(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "packs" / "looping_pack"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(LOOPER)
    pid = folder / "pid"
    asker = subprocess.Popen([sys.executable, "-c", ORPHAN, str(tmp_path)], stderr=subprocess.DEVNULL)
    try:
        assert soon(lambda: pid.exists() and bool(pid.read_text()))
        asker.send_signal(number)
        asker.wait(timeout=15)
        assert soon(lambda: not Path(f"/proc/{pid.read_text()}/stat").exists() or is_zombie(pid.read_text()))
    finally:
        asker.kill()
        asker.wait()


def is_zombie(pid: str) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def soon(happens: Callable[[], bool]) -> bool:
    """Whether something happens within a time that is far more than it takes."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if happens():
            return True
        time.sleep(0.05)
    return False


def test_a_process_whose_parent_is_another_ends_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr(os, "_exit", lambda code: ended.set())
    parents = iter([7, 1])
    monkeypatch.setattr(os, "getppid", lambda: next(parents, 1))
    guard(7)
    assert ended.wait(timeout=10)


def test_nobody_waits_for_a_pack_once_told_to_stop(tmp_path: Path) -> None:
    folder = tmp_path / "slow_pack"
    folder.mkdir()
    (folder / "__init__.py").write_text("import time\ntime.sleep(60)\n")
    stop = threading.Event()
    stop.set()
    manifest = probe(FoundPack("slow_pack", folder, folder=True), finder_of(folder), stop=stop)
    assert "nobody waits" in manifest.problems[0]


def test_ctrl_c_does_not_wait_for_the_other_packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a_pack", "b_pack"):
        folder = tmp_path / "packs" / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
    told = threading.Event()

    def interrupted(pack: FoundPack, folders: object, seconds: float, stop: threading.Event) -> Manifest:
        if pack.package == "a_pack":
            raise KeyboardInterrupt
        if stop.wait(timeout=10):
            told.set()
        return Manifest(pack.top)

    monkeypatch.setattr("nodeflow.core.probe.probe", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_registry(tmp_path)
    assert told.is_set()
    assert not list(tmp_path.rglob("b_pack-*.json"))
