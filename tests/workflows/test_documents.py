"""The shipped workflows as documents: complete, canonical, and readable when they are opened."""

from itertools import combinations
from pathlib import Path

import pytest

from nodeflow import Session
from nodeflow.core.completion import complete
from nodeflow.core.workflow import Document, parse_document

FOLDER = Path(__file__).resolve().parents[2] / "workflows"
PATHS = sorted(FOLDER.glob("*.json"))
WIDTH, HEIGHT = 240, 160
"""What a node takes at least on the editor's canvas."""


def document_of(path: Path) -> Document:
    return parse_document(path.read_bytes())


def test_these_are_shipped() -> None:
    assert [path.stem for path in PATHS] == [
        "area_composition", "batch_grid", "for_each", "hires_fix", "img2img", "inpaint", "merge_models", "outpaint",
        "prompt_schedule", "prompt_sheet", "samplers_sheet", "schedules_plot", "steps_grid", "subgraphs",
        "switch_and_loop", "two_pass_advanced", "txt2img", "while_loop",
    ]  # fmt: skip


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_workflow_is_valid(path: Path, session: Session) -> None:
    assert session.check(path) == ()


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_saving_a_workflow_changes_nothing(path: Path) -> None:
    assert document_of(path).dumps() == path.read_bytes()


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_input_is_written_out(path: Path, session: Session) -> None:
    document = document_of(path)
    assert complete(document, session.workplace.registry).tree == document.tree
    for id, node in document.nodes.items():
        known = session.workplace.registry.specs.get(node.type)
        declared = document.graphs[node.type.partition(":")[2]].interface.inputs.keys() if known is None else ()
        assert set(node.inputs) == (known.input_names if known else declared), id


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_node_has_a_place_of_its_own(path: Path) -> None:
    document = document_of(path)
    for sheet in (document, *document.graphs.values()):
        places = {id: (place["x"], place["y"]) for id, place in sheet.ui["nodes"].items()}
        assert places.keys() == sheet.nodes.keys()
        for (one, (x, y)), (other, (x2, y2)) in combinations(places.items(), 2):
            assert abs(x - x2) >= WIDTH or abs(y - y2) >= HEIGHT, f"{one} lies on {other}"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_workflow_says_what_it_does_and_gives_a_picture(path: Path) -> None:
    document = document_of(path)
    assert document.meta["title"]
    assert document.meta["about"]
    assert "picture" in document.interface.outputs
    samples = any(node.type == "KSampler" for node in document.nodes.values())
    assert {"prompt", "negative", "seed"} <= document.interface.inputs.keys() or not samples


def test_txt2img_declares_its_four_inputs() -> None:
    assert [*document_of(FOLDER / "txt2img.json").interface.inputs] == ["prompt", "negative", "seed", "steps"]
