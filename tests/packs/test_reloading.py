"""Save the file, run again, the new code runs: in a session for development, and in every new process."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import nodeflow
from nodeflow.api import Graph
from nodeflow.core.errors import InvalidDocument, NodeFailed
from nodeflow.core.packimport import forget
from nodeflow.session import Session
from tests.packs.conftest import Place, document

INIT = "from nodeflow.api import Pack\npack = Pack('{name}', '1.0', modules={modules!r}, requires={requires!r})\n"
NODES = """
from nodeflow.api import node
from . import words

@node("mine.Say")
def say(text: str = "x") -> str:
    return words.PREFIX + "1" + text
"""
WORDS = "PREFIX = 'a'\n"
SAY = document({"n": ("mine.Say", {})}, {"said": "n.text"})


@pytest.fixture(autouse=True)
def clean_imports() -> Iterator[None]:
    """Forget the packs of a test."""
    finders = list(sys.meta_path)
    yield
    sys.meta_path[:] = finders
    forget({"mine", "base"})


@pytest.fixture
def mine(place: Place) -> Path:
    """A pack with a node and a module that helps it."""
    return place.pack("mine", init=INIT.format(name="mine", modules=["nodes"], requires=[]), nodes=NODES, words=WORDS)


@pytest.fixture
def session(place: Place, mine: Path) -> Iterator[Session]:
    with Session(place.home, output_dir=place.work / "out", dev=True) as made:
        yield made


@pytest.fixture
def said(session: Session) -> Callable[[], Any]:
    """Runs the node and gives what it said."""
    return lambda: session.run(SAY, write=())["said"].value


def save(file: Path, old: str, new: str) -> None:
    """Change a file as quickly as nobody can, so that it has the same size, and time as far as that can be set."""
    before = file.stat()
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_saved_file_runs_at_the_next_run_and_nothing_old_is_served(mine: Path, said: Callable[[], Any]) -> None:
    heard = [said()]
    for new in "234":
        save(mine / "nodes.py", f'"{int(new) - 1}"', f'"{new}"')
        heard.append(said())
    save(mine / "nodes.py", '"4"', '"1"')
    assert [*heard, said(), said()] == ["a1x", "a2x", "a3x", "a4x", "a1x", "a1x"]


def test_a_helping_module_counts_as_well(mine: Path, said: Callable[[], Any]) -> None:
    assert said() == "a1x"
    save(mine / "words.py", "'a'", "'b'")
    assert said() == "b1x"


def test_broken_code_is_a_problem_with_file_and_line_and_the_session_lives_on(
    mine: Path, said: Callable[[], Any]
) -> None:
    assert said() == "a1x"
    good = (mine / "nodes.py").read_text(encoding="utf-8")
    for broken, words in ((good + "\ndef (:\n", "SyntaxError"), (good + "\n1 / 0\n", "ZeroDivisionError")):
        (mine / "nodes.py").write_text(broken, encoding="utf-8")
        with pytest.raises(InvalidDocument) as caught:
            said()
        problem = caught.value.problems[0]
        assert problem.code == "pack.failed"
        assert words in str(problem.hint)
        assert f"{mine}/nodes.py:{len(broken.splitlines())}" in str(problem.hint)
    (mine / "nodes.py").write_text(good.replace('"1"', '"2"'), encoding="utf-8")
    assert said() == "a2x"


def test_code_that_breaks_while_it_runs_is_mended_like_any_other(mine: Path, said: Callable[[], Any]) -> None:
    save(mine / "words.py", "'a'", "[1]")
    with pytest.raises(NodeFailed, match="TypeError"):
        said()
    save(mine / "words.py", "[1]", "'b'")
    assert said() == "b1x"


def test_nodes_come_and_go(mine: Path, session: Session, said: Callable[[], Any]) -> None:
    assert said() == "a1x"
    good = (mine / "nodes.py").read_text(encoding="utf-8")
    other = document({"n": ("mine.Add", {"a": 2})}, {"sum": "n.number"})
    assert session.check(other)[0].code == "type.unknown"
    more = good + '\n@node("mine.Add")\ndef add(a: int, b: int = 3) -> int:\n    return a + b\n'
    (mine / "nodes.py").write_text(more, encoding="utf-8")
    assert session.run(other, write=())["sum"].value == 5
    (mine / "nodes.py").write_text(good, encoding="utf-8")
    assert session.check(other)[0].code == "type.unknown"
    assert said() == "a1x"


BASE = """
from dataclasses import dataclass
from nodeflow.api import Pack, Socket, node

@dataclass
class Tile:
    number: int
    nbytes: int = 8

pack = Pack("base", "1.0", sockets=[Socket(Tile)])

@node("base.Make")
def make() -> Tile:
    return Tile(1)
"""
READS = """
from base import Tile
from nodeflow.api import Pack, node

pack = Pack("mine", "1.0", requires=["base"])

@node("mine.Read")
def read(tile: Tile) -> int:
    assert isinstance(tile, Tile)
    return tile.number + 10
"""


def test_a_changed_pack_takes_those_that_require_it_along(place: Place) -> None:
    base, mine = place.pack("base", init=BASE), place.pack("mine", init=READS)
    text = document({"a": ("base.Make", {}), "b": ("mine.Read", {"tile": "@a.tile"})}, {"sum": "b.number"})
    with Session(place.home, output_dir=place.work / "out", dev=True) as session:

        def total() -> Any:
            return session.run(text, write=())["sum"].value

        assert total() == 11
        save(base / "__init__.py", "Tile(1)", "Tile(2)")
        assert total() == 12
        # Now only the reader is new; the tile is the one that was made before.
        kept = sys.modules["base"]
        save(mine / "__init__.py", "+ 10", "+ 20")
        assert total() == 22
        assert sys.modules["base"] is kept


def test_a_recorded_graph_runs_the_code_of_today(mine: Path, session: Session, said: Callable[[], Any]) -> None:
    assert said() == "a1x"
    graph = Graph()
    graph.output("said", graph(sys.modules["mine.nodes"].say)("y"))
    save(mine / "nodes.py", '"1"', '"2"')
    assert session.run(graph, write=())["said"].value == "a2y"


def test_settings_count_from_the_next_run_on(place: Place, session: Session, said: Callable[[], Any]) -> None:
    assert said() == "a1x"
    (place.home / "config.toml").write_text("[cache]\nmemory = 'much'\n", encoding="utf-8")
    with pytest.raises(nodeflow.core.errors.UsageError, match="must be bytes or a size"):
        said()
    (place.home / "config.toml").unlink()
    before = session.workplace
    assert said() == "a1x"
    assert session.workplace is before


def test_a_plain_session_keeps_what_it_began_with_and_says_so_when_it_cannot(place: Place, mine: Path) -> None:
    late = 'from nodeflow.api import node\n\n@node("mine.Late")\ndef late() -> int:\n    return 1\n'
    place.pack("mine", init=INIT.format(name="mine", modules=["nodes", "late"], requires=[]), late=late)
    other = document({"n": ("mine.Late", {})}, {"number": "n.number"})
    with Session(place.home, output_dir=place.work / "out", cache=False) as session:
        assert session.run(SAY, write=())["said"].value == "a1x"
        save(mine / "nodes.py", '"1"', '"2"')
        assert session.run(SAY, write=())["said"].value == "a1x"
        with pytest.raises(NodeFailed, match="its files have changed since this session read them") as caught:
            session.run(other, write=())
        assert caught.value.exit_code == 7
    with Session(place.home, output_dir=place.work / "out") as later:
        assert later.run(SAY, write=())["said"].value == "a2x"


def test_a_new_process_runs_what_is_in_the_files_however_quickly_they_changed(place: Place, mine: Path) -> None:
    def run() -> Any:
        return place.nodeflow("run", "-", "--json", stdin=SAY).report["outputs"]["said"]["value"]

    heard = [run()]
    for file, old, new in (("nodes", '"1"', '"2"'), ("words", "'a'", "'b'"), ("nodes", '"2"', '"1"')):
        save(mine / f"{file}.py", old, new)
        heard.append(run())
    assert heard == ["a1x", "a2x", "b2x", "b1x"]
