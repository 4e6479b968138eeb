"""Expanders that are handed lists, through validation and a whole session."""

from pathlib import Path
from typing import Annotated, NamedTuple

from nodeflow.api import Graph, Ref, Run, Seed, expander, node, quiet
from nodeflow.session import Session


@node("test.Words")
def words(text: str) -> list[str]:
    """Split a text at spaces."""
    return text.split()


@node("test.Shout")
def shout(text: str, seed: Annotated[int, Seed()] = 0) -> str:
    """Write in capitals."""
    return f"{text.upper()}{seed}"


class Both(NamedTuple):
    """A word, twice."""

    loud: str
    louder: str


@expander("test.Echo")
def echo(graph: Graph, text: Ref[str], times: int = 1) -> Both:
    """Shout a text again and again."""
    loud = graph(shout)(text)
    louder = loud
    for time in range(times):
        louder = graph(shout)(louder, time)
    return Both(loud, louder)


@node("test.Write")
def write(text: str, *, run: Run = quiet) -> None:
    """Write a text."""
    run.save("word", "txt", text.encode())


def test_a_list_handed_to_an_expander_gives_lists_that_go_on(tmp_path: Path) -> None:
    g = Graph()
    loud, louder = g.each(echo)(g(words)("a bc"), 2)
    g.output("loud", loud)
    g.output("louder", louder)
    g.each(write)(loud)
    with Session(home=tmp_path / "home", output_dir=tmp_path / "out") as session:
        session.workplace.registry.add_node(shout)
        result = session.run(g)
        assert result["loud"].value == ["A0", "BC0"]
        assert result["louder"].value == ["A001", "BC001"]
        assert sorted(path.read_text() for path in tmp_path.glob("out/word_*")) == ["A0", "BC0"]
        states = {item.node: item.state for item in session.explain(g)}
    assert states["echo"] == "run"
