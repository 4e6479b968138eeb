"""The document of one picture of a batch: cut where the batch begins, and nowhere else."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image as Picture
from PIL.PngImagePlugin import PngInfo

from nodeflow import Session
from nodeflow.api import BatchSize, Graph, node
from nodeflow.core.errors import InvalidDocument, UsageError
from nodeflow.core.workflow import Document
from nodeflow.diffusion.types import Image, Item
from nodeflow.session.items import alone, chosen_item


@node("test.Noises")
def noises(count: BatchSize = 4, seed: int = 0) -> Image:
    """Draw noise."""
    return Image(torch.rand((count, 2, 2, 3), generator=torch.Generator().manual_seed(seed)))


def empty(batch: Any) -> dict[str, Any]:
    return {"type": "EmptyLatent", "inputs": {"width": 64, "height": 64, "batch_size": batch}}


def document(**nodes: Any) -> Document:
    return Document.from_tree({"nodeflow": 1, "nodes": nodes})


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("items")
    return Session(home=folder / "home", output_dir=folder / "out", device="cpu")


def links(made: Document) -> dict[str, Any]:
    return {id: node.inputs.get("latent") for id, node in made.nodes.items() if "latent" in node.inputs}


UP = {"type": "LatentUpscaleBy", "inputs": {"latent": {"link": "empty.latent"}}}


def test_everything_that_took_the_batch_takes_the_item(session: Session) -> None:
    made = alone(document(empty=empty(8), up=UP, other=UP), Item(2, 8), session.workplace.registry)
    assert links(made) == {"up": {"link": "empty-item.out"}, "other": {"link": "empty-item.out"}}
    assert made.nodes["empty-item"].inputs == {"value": {"link": "empty.latent"}, "index": 2, "batch_size": 8}
    assert [problem.code for problem in session.check(made)] == ["run.nothing"], "there is nothing else wrong"


def test_batches_of_other_sizes_stay_whole_and_unknown_sizes_are_looked_at_later(session: Session) -> None:
    nodes = {"empty": empty(3), "big": empty(8), "linked": empty({"link": "n.number"})}
    made = alone(document(**nodes, n={"type": "Integer", "inputs": {}}), Item(2, 8), session.workplace.registry)
    assert [id for id in made.nodes if id.endswith("-item")] == ["big-item", "linked-item"]


def test_cutting_twice_changes_nothing_and_ids_are_new(session: Session) -> None:
    registry = session.workplace.registry
    first = alone(document(empty=empty(8), up=UP), Item(2, 8), registry)
    assert alone(first, Item(2, 8), registry) is first
    taken = alone(document(**{"empty": empty(8), "empty-item": UP}), Item(2, 8), registry)
    assert "empty-item-2" in taken.nodes


def test_results_and_sub_graphs_are_cut_too(session: Session) -> None:
    interface = {"outputs": {"start": {"from": "empty.latent"}, "end": {"from": "up.latent"}}}
    inner = {"nodes": {"empty": empty(8), "up": UP}, "interface": interface}
    tree = {"nodeflow": 1, "nodes": {"empty": empty(8), "up": UP}, "interface": interface, "graphs": {"g": inner}}
    made = alone(Document.from_tree(tree), Item(0, 8), session.workplace.registry)
    for part in (made, made.graphs["g"]):
        assert {name: output.source for name, output in part.interface.outputs.items()} == {
            "start": "empty-item.out",
            "end": "up.latent",
        }


def test_sizes_that_the_use_of_a_sub_graph_gives_are_looked_at_later(session: Session) -> None:
    interface = {"inputs": {"size": {"to": ["empty.batch_size"]}}, "outputs": {"latent": {"from": "empty.latent"}}}
    inner = {"nodes": {"empty": empty(1)}, "interface": interface}
    use = {"type": "graph:g", "inputs": {"size": 8}}
    tree = {"nodeflow": 1, "nodes": {"use": use, "up": {**UP, "inputs": {"latent": {"link": "use.latent"}}}}}
    made = alone(Document.from_tree({**tree, "graphs": {"g": inner}}), Item(2, 8), session.workplace.registry)
    assert made.graphs["g"].interface.outputs["latent"].source == "empty-item.out"


def test_the_size_may_be_given_with_the_run(session: Session) -> None:
    declared = {"inputs": {"size": {"to": ["empty.batch_size"]}}, "outputs": {"latent": {"from": "empty.latent"}}}
    one = Document.from_tree({"nodeflow": 1, "nodes": {"empty": empty(1)}, "interface": declared})
    third = session.run(session.document(one, item=3), {"size": 4})["latent"].tensor()
    assert (session.run(one, {"size": 4})["latent"].tensor().shape[0], third.shape[0]) == (4, 1)


def test_links_inside_lists_move_and_literal_objects_do_not(session: Session) -> None:
    literal = {"value": {"link": "empty.latent"}}
    odd = {"type": "absent.Node", "inputs": {"rows": [{"latent": {"link": "empty.latent"}}], "text": literal}}
    made = alone(document(empty=empty(2), odd=odd), Item(1, 2), session.workplace.registry)
    assert made.nodes["odd"].inputs == {"rows": [{"latent": {"link": "empty-item.out"}}], "text": literal}


def test_pictures_from_files_are_cut_where_nothing_else_makes_a_batch(session: Session) -> None:
    nodes = {"load": {"type": "LoadImage", "inputs": {"image": "moving.gif"}}}
    made = alone(document(**nodes), Item(1, 5), session.workplace.registry)
    assert [node.inputs["value"] for id, node in made.nodes.items() if id != "load"] == [
        {"link": "load.image"},
        {"link": "load.mask"},
    ]


def test_where_no_batch_begins_nothing_can_be_made_alone(session: Session) -> None:
    with pytest.raises(UsageError, match=r"no node of this document makes a batch of 8"):
        alone(document(empty=empty(1)), Item(2, 8), session.workplace.registry)
    with pytest.raises(UsageError, match=r"makes a batch with an item 3"):
        session.document(document(empty=empty(2)), item=3)


def test_a_batch_of_one_and_a_broken_document_stay_as_they_are(session: Session) -> None:
    single = document(empty=empty(1))
    assert alone(single, Item(0, 1), session.workplace.registry) is single
    broken = session.document(json.dumps({"nodeflow": 1, "nodes": {"empty": empty(8)}, "mata": {}}).encode())
    assert alone(broken, Item(2, 8), session.workplace.registry) is broken


def test_a_number_is_counted_from_one(session: Session) -> None:
    made = session.document(document(empty=empty(4)), item=3)
    assert made.nodes["empty-item"].inputs["index"] == 2
    with pytest.raises(UsageError, match="counted from 1"):
        session.document(document(empty=empty(4)), item=0)


def test_only_a_picture_tells_its_own_item(session: Session, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="only the file of a picture"):
        session.document(b'{"nodeflow": 1, "nodes": {}}', item=True)
    path = tmp_path / "plain.json"
    path.write_bytes(b'{"nodeflow": 1, "nodes": {}}')
    with pytest.raises(InvalidDocument, match="neither a PNG nor a WebP"):
        session.document(path, item=True)
    chunks = PngInfo()
    chunks.add_text("nodeflow", '{"nodeflow": 1, "nodes": {}}')
    chunks.add_text("nodeflow.run", '{"node": "sheet", "item": null}')
    Picture.new("RGB", (2, 2)).save(tmp_path / "sheet.png", pnginfo=chunks)
    with pytest.raises(UsageError, match="does not say which picture"):
        session.document(tmp_path / "sheet.png", item=True)


def test_a_picture_of_a_batch_knows_its_size(session: Session) -> None:
    graph = Graph()
    graph.outputs["picture"] = graph(noises)(4, 7)
    path = session.run(graph)["picture"].paths[2]
    assert chosen_item(path, wanted=True) == Item(2, 4)
    assert chosen_item(path, 4) == Item(3, 4)
    with pytest.raises(UsageError, match="the batch has 4"):
        chosen_item(path, 5)
    one = session.run(session.document(path, item=True))["picture"]
    assert torch.equal(one.tensor()[0], session.run(graph)["picture"].tensor()[2])
