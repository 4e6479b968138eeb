"""``nodeflow pack``: a pack written by it passes everything its own CI asks for, and check says what is wrong."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

import pytest

from tests.cli.conftest import Shell

ROOT = Path(__file__).resolve().parents[2]
BAD = ROOT / "tests" / "testing" / "bad_packs"
# The options and the cache of this project, which are as strict: the types of torch are read once.
MYPY = ["mypy", "--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache")]
TOOLS = [
    ["ruff", "check", "."],
    ["ruff", "format", "--check", "."],
    [*MYPY, "film_look", "tests"],
    ["pyright", "--pythonpath", sys.executable],
]


def python(folder: Path, *words: str, path: Sequence[Path] = ()) -> subprocess.CompletedProcess[str]:
    search = os.pathsep.join(map(str, (*path, *filter(None, sys.path))))
    home = folder.parent / "home"
    env = {**os.environ, "PYTHONPATH": search, "NODEFLOW_HOME": str(home), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-P", "-m", *words], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def scaffolded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new pack, as ``nodeflow pack new`` writes it."""
    folder = tmp_path_factory.mktemp("new")
    done = python(folder, "nodeflow.cli.main", "pack", "new", "film-look")
    assert done.returncode == 0, done.stderr
    assert "next: cd film-look" in done.stdout
    return folder / "film-look"


@pytest.fixture(scope="module")
def installed(scaffolded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the new pack is installed into, beside the nodeflow that is here."""
    site = tmp_path_factory.mktemp("site")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(site))
    done = python(scaffolded, "pip", "install", *options, ".")
    assert done.returncode == 0, done.stdout + done.stderr
    return site


def test_a_new_pack_passes_its_own_tests_within_30_seconds(scaffolded: Path, installed: Path) -> None:
    started = monotonic()
    done = python(scaffolded, "pytest", "-q", "-p", "no:cacheprovider", path=[installed])
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert monotonic() - started < 30


def test_a_new_pack_has_no_findings_and_its_workflow_runs_by_name(scaffolded: Path, installed: Path) -> None:
    checked = python(scaffolded, "nodeflow.cli.main", "pack", "check", ".", path=[installed])
    assert (checked.returncode, checked.stdout) == (0, ".: ok\n"), checked.stdout + checked.stderr
    ran = python(scaffolded, "nodeflow.cli.main", "run", "film_look-example", "--json", path=[installed])
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["outputs"]["picture"]["paths"]
    listed = python(scaffolded, "nodeflow.cli.main", "pack", "list", "--json", path=[installed])
    packs = {pack["name"]: pack for pack in json.loads(listed.stdout)["packs"]}
    assert (packs["film_look"]["version"], packs["film_look"]["nodes"]) == ("0.1.0", 3)


@pytest.mark.parametrize("command", TOOLS, ids=["lint", "format", "mypy", "pyright"])
def test_the_sources_of_a_new_pack_satisfy_every_tool(scaffolded: Path, command: list[str]) -> None:
    done = python(scaffolded, *command)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_new_pack_is_complete(scaffolded: Path) -> None:
    files = {path.relative_to(scaffolded).as_posix() for path in scaffolded.rglob("*") if path.is_file()}
    assert {
        "README.md", "pyproject.toml", ".gitignore", ".github/workflows/ci.yml", "film_look/__init__.py",
        "film_look/py.typed", "film_look/spec.json", "film_look/workflows/film_look-example.json",
        "tests/test_contract.py", "tests/test_nodes.py", "tests/examples.py",
    } <= files  # fmt: skip
    project = tomllib.loads((scaffolded / "pyproject.toml").read_text())["project"]
    assert project["name"] == "film-look"
    assert project["entry-points"]["nodeflow.packs"] == {"film_look": "film_look"}
    texts = [path for path in scaffolded.rglob("*.*") if path.suffix in {".py", ".md", ".toml", ".yml", ".json"}]
    assert [path for path in texts if re.search("@[a-z]+@", path.read_text())] == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("-x", "the following arguments are required"),
        ("a b", "is no name of a project"),
        ("../up", "is no name of a project"),
        ("3d", "cannot be imported as 3d; try pack-3d"),
        ("class", "cannot be imported as class; try class-pack"),
        ("json", "json is the name of something else in Python; try json-pack"),
        ("nodeflow-nodes", "there is a pack nodeflow_nodes already"),
        ("nodeflow", "nodeflow is the name of something else"),
        ("numpy", "a module numpy is installed already; try numpy-pack"),
        ("shelltest", "there is a pack shelltest already"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(shell: Shell, name: str, words: str) -> None:
    done = shell("pack", "new", name)
    assert done.code == 2
    assert words in done.err
    assert not any(Path.cwd().iterdir())


def test_a_folder_that_is_there_is_left_alone(shell: Shell) -> None:
    Path("film-look").mkdir()
    done = shell("pack", "new", "film-look")
    assert (done.code, "film-look is there already" in done.err) == (2, True)
    assert not any(Path("film-look").iterdir())
    Path("file").touch()
    done = shell("pack", "new", "film-look", "--dir", "file/below")
    assert done.code == 2
    assert "cannot be written" in done.err


def test_findings_are_told_by_node_with_their_place_and_the_way_out(shell: Shell) -> None:
    shutil.copytree(BAD / "no_input_docs", "no_input_docs")
    done = shell("pack", "check", "no_input_docs")
    assert done.code == 7
    lines = done.out.splitlines()
    assert lines[0] == "no_input_docs:"
    assert "error: there is no spec.json" in lines[1]
    at = lines.index("no_input_docs.Add:")
    assert lines[at + 1] == '  error: the input "number" has no description [docs.input]'
    assert lines[at + 2] == "    at no_input_docs/__init__.py:9"
    assert lines[at + 3].startswith("    → ")
    assert lines[-1] == "no_input_docs: 2 errors"


def test_writing_the_snapshot_mends_a_missing_one_and_notes_fail_nothing(shell: Shell) -> None:
    shutil.copytree(BAD / "no_nbytes_unseen", "loader")
    source = Path("loader/__init__.py")
    source.write_text(source.read_text().replace("no_nbytes_unseen", "loader").replace("data: bytes", "data: str"))
    done = shell("pack", "check", "loader", "--write-spec")
    assert done.code == 0, done.out
    assert done.out.splitlines()[-1] == "loader: 1 note"
    assert json.loads(Path("loader/spec.json").read_text())["specs"][0]["id"] == "loader.Load"
    source.write_text(re.sub(r"file(: Annotated|: Which|\.read)", r"path\1", source.read_text()))
    done = shell("pack", "check", "loader", "--json")
    assert done.code == 7
    gone, new = (item for item in done.report["findings"] if item["severity"] == "error")
    assert gone["code"] == new["code"] == "spec.changed"
    assert gone["message"] == 'the input "file" is gone; there is path'
    assert 'raise version to 2 and add @migrates("loader.Load", 1)' in gone["way_out"]
    assert done.report["ok"] is False


def test_packs_are_listed_with_their_problems(shell: Shell) -> None:
    done = shell("pack", "list")
    assert done.code == 0
    assert any(line.startswith("nodeflow_nodes ") for line in done.out.splitlines())
    assert any(line.startswith("shelltest 1.0  ") for line in done.out.splitlines())


def test_a_pack_that_is_not_there_is_told(shell: Shell) -> None:
    done = shell("pack", "check", "shelltset")
    assert done.code == 2
    assert 'did you mean "shelltest"?' in done.err
