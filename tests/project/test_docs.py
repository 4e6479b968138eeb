"""Every example in README.md and CONTRIBUTING.md runs, and what they claim about the tree is so."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeflow.cli.main import main
from nodeflow.storage.home import Home, read_config

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PORT = "http://127.0.0.1:8188"
FILE = re.compile(r"# file: (\S+)\n")


def blocks(document: str, *languages: str) -> list[tuple[str, str]]:
    found = BLOCK.findall((ROOT / document).read_text(encoding="utf-8"))
    return [(language, text) for language, text in found if language in languages]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, that is the home of nodeflow too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NODEFLOW_HOME", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path / "packs"))
    (tmp_path / "workflows").symlink_to(ROOT / "workflows")
    return tmp_path


def run_python(text: str, name: str, names: dict[str, object]) -> None:
    if header := FILE.match(text):
        path = Path(header[1])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text[header.end() :], encoding="utf-8")
    else:
        exec(compile(text, name, "exec"), names)


def run_shell(text: str, server: "Served") -> None:
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line.replace(PORT, server.url), comments=True)
        if not words:
            continue
        if words[-1] == "&":
            assert words == ["nodeflow", "serve", "&"], line
            server.start()
        elif words[0] == "curl":
            subprocess.run([*words, "--fail"], check=True, timeout=120)
        else:
            assert words[0] == "nodeflow", line
            assert main(words[1:]) == 0, line


class Served:
    """``nodeflow serve`` at a free port, which takes the place of the usual one."""

    def __init__(self) -> None:
        self.url = PORT
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "nodeflow.cli.main", "serve", "--port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().split()[-1]
        os.environ["NODEFLOW_SERVER"] = self.url

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.communicate(timeout=60)
            assert self.process.returncode == 0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("NODEFLOW_SERVER", PORT)
    served = Served()
    try:
        yield served
    finally:
        served.stop()


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_examples_run(document: str, workplace: Path, server: Served) -> None:
    names: dict[str, object] = {}
    before = set(sys.modules)
    try:
        for number, (language, text) in enumerate(blocks(document, "python", "sh"), 1):
            if language == "sh":
                run_shell(text, server)
            else:
                run_python(text.replace(PORT, server.url), f"{document} block {number}", names)
    finally:
        for module in set(sys.modules) - before:
            if module.split(".")[0] in {"softpack", "mypack"}:
                del sys.modules[module]


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "nodeflow/README.md"])
def test_every_path_that_is_named_exists(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    named = set(
        re.findall(r"`((?:\.\./)?(?:nodeflow|nodes|tests|workflows|diffusion|core|engine|storage|cli)/[\w./-]*)`", text)
    )
    places = (ROOT, ROOT / "nodeflow")
    assert sorted(path for path in named if not any((place / path).exists() for place in places)) == []


def test_the_settings_of_the_readme_are_settings(tmp_path: Path) -> None:
    ((_, text),) = blocks("README.md", "toml")
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    config = read_config(Home(tmp_path))
    assert config.models == (Path("/data/models"),)
    assert config.memory == 4 * 2**30


def test_the_first_two_blocks_of_the_readme_are_what_ci_runs() -> None:
    first, second = (text for _, text in blocks("README.md", "bash")[:2])
    assert "nodeflow run workflows/txt2img.json" in first
    assert "pytest" in second
    assert 'readme "$n"' in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
