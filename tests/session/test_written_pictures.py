"""Pictures that an earlier run has written, loaded from the output folder."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from nodeflow import Session
from nodeflow.core.errors import InvalidDocument, MissingFile, UsageError
from nodeflow.session.workplace import Workplace


def document(image: str = "a/p_00001.png", **more: object) -> dict[str, Any]:
    nodes = {"load": {"type": "LoadImageOutput", "inputs": {"image": image}}, **more}
    return {"nodeflow": 1, "nodes": nodes, "interface": {"outputs": {"picture": {"from": "load.image"}}}}


@pytest.fixture
def session(tmp_path: Path) -> Session:
    made = Session(tmp_path / "home", output_dir=tmp_path / "output")
    save = {"images": {"link": "empty.image"}, "filename_prefix": "a/p"}
    nodes = {
        "empty": {"type": "EmptyImage", "inputs": {"width": 5, "height": 3, "color": 0xFF0000}},
        "save": {"type": "SaveImage", "inputs": save},
    }
    made.run({"nodeflow": 1, "nodes": nodes})
    return made


def test_a_later_run_finds_it(session: Session) -> None:
    picture = session.run(document())["picture"].pil()
    assert (picture.size, picture.getpixel((0, 0))) == ((5, 3), (255, 0, 0))


def test_another_picture_of_that_name_makes_another_result(session: Session, tmp_path: Path) -> None:
    session.run(document())
    Image.new("RGB", (5, 3), "blue").save(tmp_path / "output" / "a" / "p_00001.png")
    assert session.run(document())["picture"].pil().getpixel((0, 0)) == (0, 0, 255)


def test_a_file_that_was_named_outright_is_taken(session: Session, tmp_path: Path) -> None:
    Image.new("RGB", (2, 2), "lime").save(tmp_path / "mine.png")
    found = session.run(document(), {"load.image": tmp_path / "mine.png"})["picture"].pil()
    assert found.getpixel((0, 0)) == (0, 255, 0)


@pytest.mark.parametrize("name", ["../secret.png", "a/../../secret.png", "/secret.png", "linked.png", "gone.png"])
def test_nothing_outside_of_the_folder_is_read(session: Session, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.png").write_bytes((tmp_path / "output" / "a" / "p_00001.png").read_bytes())
    (tmp_path / "output" / "linked.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises((InvalidDocument, MissingFile), match=r"in the output folder|never leaves it"):
        session.run(document(name))


def test_it_is_found_beside_a_document_too(session: Session, tmp_path: Path) -> None:
    session.save(document("p_00001.png"), tmp_path / "output" / "a" / "flow.json")
    elsewhere = Workplace.at(tmp_path / "home", output_dir=tmp_path / "elsewhere")
    assert not elsewhere.check(tmp_path / "output" / "a" / "flow.json")


def test_a_sweep_goes_through_all_that_were_written(session: Session) -> None:
    spread = session.workplace.spread(session.load(document()))
    assert spread.values("load.image", "a/*.png") == ("a/p_00001.png",)
    with pytest.raises(UsageError, match=r"\.\. are not allowed"):
        spread.values("load.image", "../*.png")
