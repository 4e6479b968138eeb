"""Documents that earlier versions saved: every later version opens them, and runs them with the values they hold.

``tests/documents/saved/VERSION`` has what ``Session.save`` of that version made of the workflows it shipped. Files are
added with every release, and never changed.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from nodeflow.core.workflow import parse_document
from nodeflow.session import Session

ROOT = Path(__file__).parents[2]
SAVED = sorted((ROOT / "tests" / "documents" / "saved").glob("*/*.json"))


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    home = tmp_path_factory.mktemp("home")
    with Session(home=home, input_dir=ROOT / "workflows", output_dir=home / "out", device="cpu") as session:
        yield session


def literals(tree: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What the file says for every input that is neither linked nor drawn."""
    return {
        id: {name: value for name, value in node["inputs"].items() if not isinstance(value, dict)}
        for id, node in tree["nodes"].items()
    }


def test_there_are_files_of_the_first_version() -> None:
    assert len([path for path in SAVED if path.parent.name == "0.1.0"]) == 7


@pytest.mark.parametrize("path", SAVED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_an_old_document_opens_without_a_complaint_and_keeps_its_values(path: Path, session: Session) -> None:
    prepared = session.workplace.prepare(path)

    graph = prepared.resolution.require()

    assert prepared.resolution.errors == ()
    for id, values in literals(json.loads(path.read_bytes())).items():
        found = graph.nodes[graph.index[id]].literals
        assert {name: found[name] for name in values} == values, id


@pytest.mark.parametrize("path", SAVED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_loading_an_old_document_rewrites_nothing(path: Path) -> None:
    assert parse_document(path.read_bytes()).dumps() == path.read_bytes()


@pytest.mark.parametrize("path", SAVED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_saving_an_old_document_loses_nothing(path: Path, session: Session, tmp_path: Path) -> None:
    session.workplace.save(path, tmp_path / "saved.json")

    before, after = json.loads(path.read_bytes()), json.loads((tmp_path / "saved.json").read_bytes())
    assert list(after["nodes"]) == list(before["nodes"])
    assert {key: after[key] for key in before if key != "nodes"} == {
        key: before[key] for key in before if key != "nodes"
    }
    assert literals(after).keys() == literals(before).keys()
