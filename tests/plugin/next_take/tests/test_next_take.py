"""Takes that go on from run to run, and are not used up by looking."""

import json
from pathlib import Path
from typing import Any

import pytest
from next_take import slate

from nodeflow import Session
from nodeflow.testing import InvalidDocument, run_node

PACK = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the pack; each test has scenes of its own."""
    home = tmp_path_factory.mktemp("home")
    (home / "packs").mkdir()
    (home / "packs" / "next_take").symlink_to(PACK)
    return home


def film(**draw: Any) -> bytes:
    nodes = {"slate": {"type": "next_take.Slate", "inputs": {"take": {"draw": "next_take.take", **draw}}}}
    return json.dumps(
        {"nodeflow": 1, "nodes": nodes, "interface": {"outputs": {"slate": {"from": "slate.text"}}}}
    ).encode()


def shot(home: Path, document: bytes) -> str:
    with Session(home, output_dir=home / "output") as session:
        return str(session.run(document, write=())["slate"].value)


def test_each_run_is_the_next_take_of_its_scene(home: Path) -> None:
    assert [shot(home, film(scene="cat")) for _ in range(3)] == [
        "scene cat | take 01",
        "scene cat | take 02",
        "scene cat | take 03",
    ]
    assert shot(home, film(scene="dog", first=7)) == "scene dog | take 07"


def test_checking_uses_no_take_up(home: Path) -> None:
    with Session(home) as session:
        assert [problem for problem in session.check(film(scene="owl")) if problem.severity == "error"] == []
        session.explain(film(scene="owl"))

    assert shot(home, film(scene="owl")) == "scene owl | take 01"


def test_what_was_drawn_is_in_the_report(home: Path) -> None:
    shot(home, film(scene="hen"))
    with Session(home) as session:
        result = session.run(film(scene="hen"), write=())

    assert result.drawn == {"slate.take": "hen-02"}


@pytest.mark.parametrize(
    ("draw", "words"), [({"scene": "a cat"}, "scene"), ({}, "scene"), ({"scene": "cat", "frist": 2}, '"first"')]
)
def test_a_draw_that_is_written_wrongly_is_told(draw: dict[str, Any], words: str, home: Path) -> None:
    with pytest.raises(InvalidDocument, match=words):
        shot(home, film(**draw))


def test_a_slate_is_a_text() -> None:
    assert run_node(slate, take="cat-03", title="Nine lives").value == "Nine lives | scene cat | take 03"
