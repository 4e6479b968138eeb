"""Packs that misbehave: each is named with what it did, and everything else works."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.packs.conftest import Place, document

GOOD = """
from nodeflow.api import Pack, node
from . import words
pack = Pack("good", "1.0")

@node("good.Say")
def say(text: str = "hello") -> str:
    return words.loud(text)
"""
LOUD = "def loud(text):\n    return text.upper()\n"
NODE = "from nodeflow.api import Pack, node\n\n@node('{id}')\ndef one() -> int:\n    return 1\n"


def init(name: str, *modules: str, **about: str) -> str:
    listed = "".join(f", {key}={value}" for key, value in about.items())
    start = (
        f"from nodeflow.api import ModelKind, Pack, Setting, Socket\npack = Pack({name!r}, '1.0', modules={modules!r}"
    )
    return f"{start}{listed})\n"


BAD: dict[str, dict[str, str]] = {
    "raising": {"init": "raise ValueError('no such luck')\n"},
    "leaving": {"init": "import sys\nsys.exit(3)\n"},
    "dying": {"init": "import os\nos._exit(9)\n"},
    "patching": {
        "init": init("patching", "nodes"),
        "nodes": "import nodeflow.core.canonical as c\nc.record_bytes = lambda value: b''\n"
        + NODE.format(id="patching.One"),
    },
    "greedy": {"init": init("greedy", "nodes"), "nodes": NODE.format(id="good.Say")},
    "orphan": {"init": init("orphan", "nodes", requires="['nobody>=2']"), "nodes": NODE.format(id="orphan.One")},
    "old": {"init": init("old", "nodes", requires="['good>=2']"), "nodes": NODE.format(id="old.One")},
    "circle_a": {"init": init("circle_a", "nodes", requires="['circle_b']"), "nodes": NODE.format(id="circle_a.One")},
    "circle_b": {"init": init("circle_b", requires="['circle_a']")},
    "third": {
        "init": init("third", "one", "two", "three"),
        "one": NODE.format(id="third.One"),
        "two": "def broken(:\n",
        "three": NODE.format(id="third.Three"),
    },
    "loose": {
        "init": init("loose", "nodes", settings="[Setting('size', [1]), Setting('depth', 1)]"),
        "nodes": "from nodeflow.api import node\n\n@node('loose.Join', converts=True)\n"
        "def join(a: int, b: int) -> str:\n    return ''\n",
    },
    "number": {"init": "from nodeflow.api import Pack\npack = Pack('number', 1.0)\n"},
    "kind_a": {"init": init("kind_a", kinds="[ModelKind('faces', ('.onnx',))]")},
    "kind_b": {"init": init("kind_b", kinds="[ModelKind('faces', ('.pt',))]")},
}
REASONS = {
    "raising": "raising cannot be imported: ValueError: no such luck (",
    "leaving": "leaving cannot be imported: it called sys.exit: 3 (",
    "dying": "dying cannot be imported: its process ended with exit code 9",
    "patching": "patching.nodes changes nodeflow.core.canonical.record_bytes when it is imported",
    "greedy": "node 'good.Say' is claimed by 'good' and 'greedy'",
    "orphan": "it requires nobody>=2, which is not installed; install nobody",
    "old": "it requires good>=2, but good 1.0 is installed",
    "circle_a": "packs require each other in a circle: circle_a → circle_b → circle_a",
    "circle_b": "packs require each other in a circle: circle_b → circle_a → circle_b",
    "third": "third.two cannot be imported: SyntaxError: invalid syntax (two.py, line 1)",
    "number": "number declares a wrong version: Input should be a valid string, found 1.0",
    "kind_a": "kind of models 'faces' is claimed by 'kind_a' and 'kind_b'",
    "kind_b": "kind of models 'faces' is claimed by 'kind_a' and 'kind_b'",
}
SAY = document({"n": ("good.Say", {})}, {"said": "n.text"})


@pytest.fixture(scope="module")
def bad_home(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A home with one good pack and with every kind of bad one."""
    place = Place(tmp_path_factory.mktemp("work"))
    place.pack("good", init=GOOD, words=LOUD)
    for name, modules in BAD.items():
        place.pack(name, **modules)
    place.nodeflow("nodes")
    return place


def test_every_bad_pack_is_named_with_what_it_did(bad_home: Place) -> None:
    found: dict[str, Any] = bad_home.nodeflow("nodes", "--json").report
    told: dict[str, list[str]] = {}
    for problem in found["problems"]:
        told.setdefault(problem["pack"], []).append(problem["reason"])
    for name, reason in REASONS.items():
        assert [line for line in told[name] if line.startswith(reason)], (name, told.get(name))
        assert len(told[name]) == 1
    assert told["loose"][0] == "setting 'size': its default [1] is no text, number, true or false"
    assert told["loose"][1].startswith("loose.nodes:join: a converter has exactly one required input, and this node")
    assert sorted(told) == sorted([*REASONS, "loose"])
    assert "faces" not in found["kinds"]
    assert list(found["packs"]["loose"]["settings"]) == ["depth"]


def test_what_is_sound_of_them_and_all_others_work(bad_home: Place) -> None:
    ids = bad_home.nodeflow("nodes", "--json").report["nodes"]
    assert {"third.One", "third.Three", "good.Say", "KSampler"} <= set(ids)
    assert bad_home.nodeflow("run", "-", "--json", stdin=SAY).report["outputs"]["said"]["value"] == "HELLO"


@pytest.mark.parametrize("id", ["raising.X", "patching.One", "orphan.One", "circle_a.One", "third.Two", "loose.Join"])
def test_a_document_with_a_node_of_a_bad_pack_ends_with_7_and_the_reason(bad_home: Place, id: str) -> None:
    said = bad_home.nodeflow("check", "-", stdin=document({"n": (id, {})}), code=7)
    name = id.partition(".")[0]
    assert f"pack {name}: " in said.err
    assert f'{id} "n": the pack of this node could not be used' in said.err


def test_the_page_of_packs_tells_the_same(bad_home: Place) -> None:
    pages = bad_home.nodeflow("nodes", "--packs").out
    assert "\nraising\n" in pages
    assert "problems  third.two cannot be imported" in pages


NOISY = """
import ctypes, os, sys
print("from Python")
os.write(1, b"from a descriptor\\n")
ctypes.CDLL(None).puts(b"from C")
from nodeflow.api import InputError, Pack, node
pack = Pack("noisy", "1.0")

@node("noisy.Count")
def count(to: int = 3) -> int:
    return to

@count.check
def positive(to: int) -> None:
    if to < 0:
        raise InputError("to", "must not be negative")
"""


def test_what_a_pack_prints_when_it_is_imported_is_not_among_the_results(place: Place) -> None:
    place.pack("noisy", init=NOISY)
    text = document({"n": ("noisy.Count", {})}, {"number": "n.number"})
    for words in (("check", "-", "--json"), ("explain", "-", "--json"), ("run", "-", "--json"), ("nodes", "--json")):
        json.loads(place.nodeflow(*words, stdin=text).out)


FICKLE = """
import os
from nodeflow.api import Pack, node
pack = Pack("fickle", "1.0")
if os.environ.get("FICKLE") == "no":
    raise RuntimeError("not today")

@node("fickle.One")
def one() -> int:
    return 1
"""


def test_a_pack_whose_import_fails_only_when_it_runs_ends_with_7(place: Place) -> None:
    place.pack("fickle", init=FICKLE)
    text = document({"n": ("fickle.One", {})}, {"number": "n.number"})
    place.nodeflow("check", "-", stdin=text)
    said = place.nodeflow("run", "-", "--json", stdin=text, code=7, FICKLE="no")
    assert 'fickle.One "n": pack fickle: fickle cannot be imported: RuntimeError: not today' in said.err + said.out
    assert "Traceback" not in said.err


def test_a_pack_that_is_slow_to_import_is_waited_for_aloud_and_only_once(place: Place) -> None:
    place.pack("slow", init="import time\ntime.sleep(2.6)\n" + init("slow"))
    assert "waiting for pack slow: it is new or has changed" in place.nodeflow("nodes").err
    assert "waiting" not in place.nodeflow("nodes").err


HALFWAY = """
from dataclasses import dataclass
import time
from nodeflow.api import Encoded, Pack, Socket, node

@dataclass
class Tile:
    number: int
    nbytes: int = 8

class TileCodec:
    def encode(self, value, /):
        def blobs():
            yield b"first"
            raise OSError("the second half is missing")
        return Encoded({}, blobs())
    def decode(self, encoded, /):
        raise ValueError

codec = TileCodec()
pack = Pack("halfway", "1.0", sockets=[Socket(Tile, codec=":codec")])

@node("halfway.Make")
def make() -> Tile:
    time.sleep(0.05)
    return Tile(7)

@node("halfway.Read")
def read(tile: Tile) -> int:
    return tile.number
"""


def test_a_codec_that_fails_halfway_costs_a_file_and_says_whose_it_is(place: Place) -> None:
    place.pack("halfway", init=HALFWAY)
    text = document({"a": ("halfway.Make", {}), "b": ("halfway.Read", {"tile": "@a.tile"})}, {"number": "b.number"})
    said = place.nodeflow("run", "-", "--json", stdin=text)
    assert said.report["outputs"]["number"]["value"] == 7
    (warning,) = said.report["warnings"]
    assert "pack halfway: its codec for Tile failed: OSError: the second half is missing" in warning["message"]


DRAW = """
from typing import Literal
from nodeflow.api import Draw, Pack

class Unlucky(Draw):
    draw: Literal["unlucky.seven"]
    def pick(self, source):
        raise RuntimeError("seven is out")

pack = Pack("unlucky", "1.0", extensions={"draws": {"unlucky.seven": ":Unlucky", "unlucky.gone": ".gone:Draw"}})
"""


@pytest.mark.parametrize(("name", "words"), [("seven", "seven is out"), ("gone", "No module named 'unlucky.gone'")])
def test_a_draw_that_fails_is_one_line_that_names_its_pack(place: Place, name: str, words: str) -> None:
    place.pack("unlucky", init=DRAW)
    text = document({"n": ("Number", {"value": {"draw": f"unlucky.{name}"}})}, {"number": "n.number"})
    for command in ("check", "run"):
        said = place.nodeflow(command, "-", stdin=text, code=7)
        assert words in said.err
        assert "unlucky" in said.err
        assert "Traceback" not in said.err


def test_a_pack_folder_may_come_and_go(place: Place) -> None:
    folder: Path = place.pack("good", init=GOOD, words=LOUD)
    assert place.nodeflow("run", "-", "--json", stdin=SAY).report["outputs"]["said"]["value"] == "HELLO"
    for file in sorted(folder.rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    folder.rmdir()
    said = place.nodeflow("check", "-", stdin=SAY, code=3)
    assert "the pack good is not installed" in said.err
