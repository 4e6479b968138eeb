"""A folder of pictures as an input of a run: what lies in it is part of the key."""

from pathlib import Path

import pytest
from PIL import Image as Pillow

from nodeflow import Session
from nodeflow.api import Graph
from nodeflow.core.errors import MissingFile
from nodeflow.testing import run_node
from nodeflow_nodes.folders import load_image_folder


def grey(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.new("RGB", (4, 4), (level, level, level)).save(path)


def graph() -> Graph:
    """All pictures of the folder ``cats``, unless another is given."""
    graph = Graph()
    pictures = graph(load_image_folder)(graph.input("folder", Path("cats")))
    graph.output("names", pictures.names)
    return graph


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path / "home", input_dir=tmp_path / "input", output_dir=tmp_path / "output")


def test_a_new_picture_in_the_folder_makes_a_new_result(tmp_path: Path, session: Session) -> None:
    grey(tmp_path / "input" / "cats" / "a.png", 1)
    first = session.run(graph())
    assert first["names"].value == ["a"]
    again = session.run(graph())
    assert again.nodes["load_image_folder"].status == "hit-memory"
    grey(tmp_path / "input" / "cats" / "b.png", 2)
    assert session.run(graph())["names"].value == ["a", "b"]


def test_another_picture_under_the_same_name_makes_a_new_result(tmp_path: Path, session: Session) -> None:
    grey(tmp_path / "input" / "cats" / "a.png", 1)
    session.run(graph())
    grey(tmp_path / "input" / "cats" / "a.png", 2)
    assert session.run(graph()).nodes["load_image_folder"].status == "ran"


def test_a_folder_that_is_not_there_is_told_before_anything_runs(tmp_path: Path, session: Session) -> None:
    (problem,) = session.check(graph())
    assert "there is no such folder in the input folders" in str(problem)
    assert f"put it into {tmp_path / 'input'}" in str(problem)


def test_a_folder_anywhere_can_be_given_as_a_path(tmp_path: Path, session: Session) -> None:
    grey(tmp_path / "elsewhere" / "dog.png", 1)
    assert session.run(graph(), {"folder": tmp_path / "elsewhere"})["names"].value == ["dog"]
    with pytest.raises(MissingFile, match="the folder for folder is not there"):
        session.run(graph(), {"folder": tmp_path / "elsewhere" / "dog.png"})


def test_the_tools_for_packs_take_a_folder_by_its_path(tmp_path: Path) -> None:
    grey(tmp_path / "anywhere" / "a.png", 1)
    run = run_node(load_image_folder, folder=tmp_path / "anywhere")
    assert run.outputs["names"] == ["a"]
