"""Documents saved from Python and carried by results: complete, pinned, and losing nothing."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nodeflow.api import Graph, node
from nodeflow.core.errors import InvalidDocument, UsageError
from nodeflow.core.packs import Manifest
from nodeflow.core.workflow import Document
from nodeflow.session import Session

DOCUMENTS = Path(__file__).parents[1] / "documents"
NODES: dict[str, Any] = {"n": {"type": "Number", "version": 1, "inputs": {"value": 2}}}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(home=tmp_path / "home", output_dir=tmp_path / "out", device="cpu") as session:
        yield session


def saved(session: Session, path: Path, tree: Any) -> dict[str, Any]:
    session.save(Document.from_tree(tree), path)
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def test_saving_pins_what_is_used_and_saving_again_changes_nothing(session: Session, tmp_path: Path) -> None:
    once, twice = tmp_path / "deep" / "once.json", tmp_path / "twice.json"

    document = session.save("txt2img", once)
    session.save(once, twice)

    assert once.read_bytes() == twice.read_bytes() == document.dumps()
    assert list(document.packs) == ["nodeflow_nodes"]
    assert list(document.models) == ["emoji-tiny.safetensors"]
    assert session.check(once) == ()


def test_what_the_author_demanded_stays_and_what_it_was_made_with_is_renewed(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "saved.json"
    version = session.workplace.registry.packs["nodeflow_nodes"].version

    demanded = saved(session, path, {"nodeflow": 1, "nodes": NODES, "packs": {"nodeflow_nodes": {"version": ">=0.0"}}})
    noted = saved(session, path, {"nodeflow": 1, "nodes": NODES, "packs": {"nodeflow_nodes": {"version": "0.0"}}})

    assert demanded["packs"]["nodeflow_nodes"]["version"] == ">=0.0"
    assert noted["packs"]["nodeflow_nodes"]["version"] == version
    assert demanded["packs"]["nodeflow_nodes"]["sha256"] == noted["packs"]["nodeflow_nodes"]["sha256"]


def test_a_document_of_absent_packs_is_saved_without_loss(session: Session, tmp_path: Path) -> None:
    complete = DOCUMENTS / "complete_saved.json"
    before = json.loads(complete.read_text())

    session.save(complete, tmp_path / "saved.json")
    session.save(tmp_path / "saved.json", tmp_path / "again.json")

    after = json.loads((tmp_path / "saved.json").read_text())
    assert (tmp_path / "saved.json").read_bytes() == (tmp_path / "again.json").read_bytes()
    assert after["packs"]["mypack"] == before["packs"]["mypack"]
    assert after["nodes"]["other"] == before["nodes"]["other"]
    assert {key: after[key] for key in ("meta", "interface", "ui")} == {
        key: before[key] for key in ("meta", "interface", "ui")
    }


def test_draws_stay_draws_in_a_saved_document(session: Session, tmp_path: Path) -> None:
    draw = {"draw": "random", "max": 9}
    tree = {"nodeflow": 1, "nodes": {"n": {"type": "Number", "version": 1, "inputs": {"value": draw}}}}

    assert saved(session, tmp_path / "drawn.json", tree)["nodes"]["n"]["inputs"]["value"] == draw


def test_a_document_with_parts_that_cannot_be_kept_is_not_saved(session: Session, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidDocument, match="there is no field odd"):
        session.save(b'{"nodeflow": 1, "nodes": {}, "odd": 1}', tmp_path / "never.json")
    with pytest.raises(UsageError, match=r"never\.json: cannot be written"):
        session.save(b'{"nodeflow": 1, "nodes": {}}', tmp_path / "file" / "never.json")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "home") == ["file"]


def test_a_result_carries_the_pins_of_what_made_it(session: Session) -> None:
    tree = {"nodeflow": 1, "nodes": NODES, "interface": {"outputs": {"n": {"from": "n.number"}}}}

    ran = json.loads(session.run(Document.from_tree(tree), write=()).document)

    assert list(ran["packs"]) == ["nodeflow_nodes"]
    assert "models" not in ran


def test_functions_of_the_notebook_have_no_pack_to_pin(session: Session) -> None:
    @node("notebook.One")
    def one() -> int:
        """Give one."""
        return 1

    graph = Graph()
    graph.output("one", graph(one)())

    assert "packs" not in json.loads(session.run(graph, write=()).document)


@pytest.mark.parametrize(
    "inputs",
    [
        {"sampler": "lender.wild", "scheduler": "absent.none"},
        {"seed": {"draw": "lender.dice"}, "steps": {"draw": "random"}},
    ],
)
def test_a_pack_that_lends_a_sampler_or_a_draw_is_pinned(session: Session, inputs: Any) -> None:
    session.workplace.registry.add(Manifest("lender", "2.0"))
    tree = {"nodeflow": 1, "nodes": {"s": {"type": "KSampler", "version": 1, "inputs": inputs}}}

    packs = session.workplace.lock(Document.from_tree(tree)).document.packs

    assert list(packs) == ["lender", "nodeflow_nodes"]
    assert packs["lender"].version == "==2.0"


def test_files_of_one_name_and_two_kinds_are_told_apart(session: Session, tmp_path: Path) -> None:
    for kind, content in (("checkpoints", b"1"), ("vae", b"2")):
        path = tmp_path / "home" / "models" / kind / "same.safetensors"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    prepared = session.workplace.prepare(Document.from_tree({"nodeflow": 1, "nodes": {}}))
    from nodeflow.session.pinning import LocalStock, pinned

    stock = LocalStock(session.workplace.registry, session.workplace.home, prepared.files)
    both = [(kind, "same.safetensors") for kind in ("checkpoints", "vae")]

    alone = pinned(prepared.document, (), both[:1], stock)
    together = pinned(prepared.document, (), both, stock)

    assert list(alone.models) == ["same.safetensors"]
    assert list(together.models) == ["checkpoints/same.safetensors", "vae/same.safetensors"]
    assert (
        together.models["vae/same.safetensors"] == pinned(together, (), both[1:], stock).models["vae/same.safetensors"]
    )
    assert stock.named("vae", together.models["vae/same.safetensors"].sha256) in ("same.safetensors", None)
