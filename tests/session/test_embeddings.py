"""Words learned as vectors in whole runs: found by name, told when they are absent, and part of the cache's keys."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nodeflow.api import Graph, node
from nodeflow.core.errors import MissingFile, NodeFailed
from nodeflow.session import Result, Session
from nodeflow_nodes.conditioning import PromptRow, clip_text_encode, prompt_schedule
from nodeflow_nodes.loaders import load_checkpoint

WIDTH = 128


@node("test.Wish")
def wish(word: str) -> str:
    """Say what is wished for.

    Args:
        word: A learned word.
    """
    return f"a cat in embedding:{word}"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def session(home: Path, tmp_path: Path) -> Iterator[Session]:
    with Session(home=home, output_dir=tmp_path / "out", device="cpu") as session:
        yield session


def learn(home: Path, name: str, level: float = 1.0, width: int = WIDTH) -> None:
    """Writes a learned word of two vectors."""
    file = home / "models" / "embeddings" / f"{name}.safetensors"
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({"emb_params": torch.full((2, width), level)}, file)


def encoding(text: str) -> Graph:
    graph = Graph()
    _, clip, _ = graph(load_checkpoint)("emoji-tiny.safetensors")
    graph.output("out", graph(clip_text_encode, id="encode")(clip, text))
    return graph


def wishing(word: str) -> Graph:
    graph = Graph()
    _, clip, _ = graph(load_checkpoint)("emoji-tiny.safetensors")
    graph.output("out", graph(clip_text_encode, id="encode")(clip, graph(wish)(word)))
    return graph


def scheduling(*texts: str) -> Graph:
    graph = Graph()
    _, clip, _ = graph(load_checkpoint)("emoji-tiny.safetensors")
    graph.output("out", graph(prompt_schedule, id="encode")(clip, [PromptRow(text=text) for text in texts]))
    return graph


def run(session: Session, graph: Graph) -> Result:
    return session.run(graph, write=())


@pytest.mark.parametrize("name", ["style", "style.safetensors", "sub/word", "word"])
def test_a_word_is_found_with_or_without_suffix_and_folder(name: str, session: Session, home: Path) -> None:
    learn(home, "style")
    learn(home, "sub/word")
    found = run(session, encoding(f"a cat in (embedding:{name}:1.2)"))["out"].value
    assert found.entries[0].context.shape == (1, 77, WIDTH)


@pytest.mark.parametrize("graph", [encoding("embedding:stile, a cat"), scheduling("a cat", "embedding:stile")])
def test_a_word_that_is_not_there_stops_the_run_before_it_begins(graph: Graph, session: Session, home: Path) -> None:
    learn(home, "style")
    with pytest.raises(MissingFile, match=r'there is no such file in embeddings; found "stile".*did you mean "style"'):
        run(session, graph)


def test_a_word_that_a_link_brings_is_told_with_the_nearest_one(session: Session, home: Path) -> None:
    learn(home, "style")
    with pytest.raises(NodeFailed, match=r'text: there is no stile in embeddings; did you mean "style"\?$'):
        run(session, wishing("stile"))
    (home / "models/embeddings/style.safetensors").unlink()
    with pytest.raises(NodeFailed, match=r"there is no stile in embeddings; put the file into .*embeddings$"):
        run(session, wishing("stile"))


@pytest.mark.parametrize(
    "graph", [encoding("a cat in embedding:style"), wishing("style"), scheduling("embedding:style")]
)
def test_a_word_that_is_learned_anew_makes_a_new_result(graph: Graph, session: Session, home: Path) -> None:
    learn(home, "style", 1.0)
    first = run(session, graph)
    again = run(session, graph)
    assert again.nodes["encode"].status == "hit-memory"
    learn(home, "style", 2.0)
    other = run(session, graph)
    assert other.nodes["encode"].status == "ran"
    contexts = [found["out"].value.entries[0].context for found in (first, other)]
    assert not torch.equal(*contexts)


def test_a_word_nobody_names_changes_nothing(session: Session, home: Path) -> None:
    learn(home, "style")
    run(session, encoding("a cat in embedding:style"))
    learn(home, "other")
    assert run(session, encoding("a cat in embedding:style")).nodes["encode"].status == "hit-memory"


def test_a_word_for_another_family_fails_the_node_in_one_line(session: Session, home: Path) -> None:
    learn(home, "large", width=768)
    expected = (
        r"^CLIPTextEncode \"encode\" · text: large\.safetensors: it has vectors of 768 features.*takes 128: it is "
    )
    with pytest.raises(NodeFailed, match=expected) as failure:
        run(session, encoding("embedding:large"))
    assert failure.value.traceback is None
