"""Documents with sub-graphs and modes, run: the cache takes them for the same graph drawn without."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from nodeflow.api import Seed, node
from nodeflow.core.completion import complete
from nodeflow.core.errors import InvalidDocument
from nodeflow.core.validate import Resolution
from nodeflow.core.workflow import Document, parse_document
from nodeflow.diffusion.types import Image
from nodeflow.engine.cache import MemoryCache
from nodeflow.engine.explain import Forecast, State
from nodeflow.engine.outside import Refresh
from nodeflow.session import Session
from nodeflow.storage.documents import CHUNK
from nodeflow.storage.png import read_texts

CALLS: list[str] = []


@node("sub.Noise")
def noise(seed: Seed = 0) -> Image:
    """Draw noise."""
    CALLS.append(f"noise {seed}")
    return Image(torch.rand((1, 8, 8, 3), generator=torch.Generator().manual_seed(seed)))


@node("sub.Mix")
def mix(first: Image, second: Image, share: float = 0.5) -> Image:
    """Mix two pictures."""
    CALLS.append(f"mix {share}")
    return Image(first.pixels * share + second.pixels * (1 - share))


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    CALLS.clear()
    with Session(home=tmp_path / "home", output_dir=tmp_path / "out", device="cpu") as session:
        for function in (noise, mix):
            session.workplace.registry.add_node(function)
        yield session


def document(nodes: Mapping[str, Any], result: str, **graphs: Any) -> Document:
    tree: Any = {"nodeflow": 1, "nodes": dict(nodes), "interface": {"outputs": {"picture": {"from": result}}}}
    if graphs:
        tree["graphs"] = graphs
    return Document.from_tree(tree)


def mixing(first: str, second: str, share: float) -> dict[str, Any]:
    return {"type": "sub.Mix", "inputs": {"first": {"link": first}, "second": {"link": second}, "share": share}}


def noisy(seed: int) -> dict[str, Any]:
    return {"type": "sub.Noise", "inputs": {"seed": seed}}


FLAT = document(
    {
        "a": noisy(1),
        "b": noisy(2),
        "c": noisy(3),
        "ab": mixing("a.image", "b.image", 0.25),
        "ac": mixing("ab.image", "c.image", 0.25),
    },
    "ac.image",
)
BLEND: Any = {
    "nodes": {
        "noise": noisy(9),
        "mix": {"type": "sub.Mix", "inputs": {"second": {"link": "noise.image"}, "share": 0.25}},
    },
    "interface": {
        "inputs": {"image": {"to": ["mix.first"]}, "seed": {"to": ["noise.seed"]}},
        "outputs": {"image": {"from": "mix.image"}},
    },
}
TWICE: Any = {
    "nodes": {
        "one": {"type": "graph:blend", "inputs": {"seed": 2}},
        "two": {"type": "graph:blend", "inputs": {"image": {"link": "one.image"}, "seed": 3}},
    },
    "interface": {"inputs": {"image": {"to": ["one.image"]}}, "outputs": {"image": {"from": "two.image"}}},
}
NESTED = document(
    {"a": noisy(1), "both": {"type": "graph:twice", "inputs": {"image": {"link": "a.image"}}}},
    "both.image",
    blend=BLEND,
    twice=TWICE,
)


def states(session: Session, asked: Document, *args: Any) -> set[State]:
    return {item.state for item in session.explain(asked, *args)}


def test_after_the_flat_graph_the_nested_one_is_all_remembered(session: Session, tmp_path: Path) -> None:
    picture = session.run(FLAT, write=())["picture"].tensor()
    CALLS.clear()

    assert states(session, NESTED) == {State.HIT_MEMORY, State.SKIPPED}
    result = session.run(NESTED, write=())
    assert torch.equal(result["picture"].tensor(), picture)
    assert CALLS == []
    assert {id: report.status for id, report in result.nodes.items() if report.status != "skipped"} == {
        "both/two/mix": "hit-memory"
    }
    every = session.run(NESTED, targets=["a", "both/one/noise", "both/one", "both/two/noise", "both"], write=())
    assert {report.status for report in every.nodes.values()} == {"hit-memory"}
    assert list(every) == [
        "a.image", "both/one/noise.image", "both/one.image", "both/two/noise.image", "picture"
    ]  # fmt: skip


def keys(session: Session, asked: Document) -> dict[str, bytes | None]:
    """The keys that the engine gives to the nodes."""
    prepared = session.workplace.prepare(asked)
    graph = prepared.resolution.require()
    services = session._services(prepared, graph)
    forecast = Forecast(
        graph, services, MemoryCache(0), None, services.environment("cpu", "auto"), Refresh(), lambda: 0
    )
    forecast.plan_for(None)
    board = forecast._plan.board
    return {node.id: board.keys[index] for index, node in enumerate(board.nodes)}


def test_the_keys_are_those_of_the_flat_graph(session: Session) -> None:
    flat, nested = keys(session, FLAT), keys(session, NESTED)

    assert [nested[id] for id in ("a", "both/one/noise", "both/two/noise", "both/one/mix", "both/two/mix")] == [
        flat[id] for id in ("a", "b", "c", "ab", "ac")
    ]
    assert None not in flat.values()


def test_a_picture_of_a_nested_document_runs_again_to_the_same_keys(session: Session, tmp_path: Path) -> None:
    settings = {"both/two/mix.share": 0.75, "a.seed": 5}
    made = session.run(NESTED, settings)
    embedded = read_texts(made["picture"].path.read_bytes())[CHUNK]
    CALLS.clear()

    again = session.run(embedded.encode(), write=())

    assert CALLS == []
    assert torch.equal(again["picture"].tensor(), made["picture"].tensor())
    assert {id: report.status for id, report in again.nodes.items()} == {
        id: "skipped" if id != "both/two/mix" else "hit-memory" for id in made.nodes
    }
    tree = json.loads(embedded)
    assert tree["nodes"]["a"]["inputs"] == {"seed": 5}
    assert tree["graphs"]["blend"]["nodes"]["mix"]["inputs"]["share"] == 0.25
    assert session.run(embedded.encode(), write=()).document == made.document


def test_a_draw_at_the_use_is_drawn_once_for_all_its_sockets(session: Session) -> None:
    pair: Any = {
        "nodes": {"n": noisy(0), "m": noisy(0), "mix": mixing("n.image", "m.image", 0.5)},
        "interface": {"inputs": {"seed": {"to": ["n.seed", "m.seed"]}}, "outputs": {"image": {"from": "mix.image"}}},
    }
    drawn = {"type": "graph:pair", "inputs": {"seed": {"draw": "random", "max": 1000}}}

    result = session.run(document({"p": drawn}, "p.image", pair=pair), write=())

    (seed,) = result.drawn.values()
    assert list(result.drawn) == ["p.seed"]
    assert CALLS[:1] == [f"noise {seed}"]
    assert CALLS.count(f"noise {seed}") == 1
    assert json.loads(result.document)["nodes"]["p"]["inputs"]["seed"] == seed


def test_a_result_is_called_what_it_was_asked_for_as(session: Session, tmp_path: Path) -> None:
    result = session.run(NESTED, targets=["both/one"])

    assert [path.name for path in result["both/one.image"].paths] == ["one.image_00001.png"]


def test_bypassing_changes_the_keys_only_below(session: Session) -> None:
    session.run(NESTED, write=())
    CALLS.clear()
    tree = json.loads(NESTED.dumps())
    tree["graphs"]["twice"]["nodes"]["one"]["mode"] = "bypass"
    asked = Document.from_tree(tree)

    assert session.check(asked) == ()
    session.run(asked, write=())

    assert CALLS == ["mix 0.25"]


def test_a_muted_part_is_a_warning_that_strict_refuses(session: Session) -> None:
    tree = json.loads(NESTED.dumps())
    tree["nodes"]["a"]["mode"] = "mute"
    asked = Document.from_tree(tree)

    assert session.run(asked, write=()).outputs == {}
    assert {problem.severity for problem in session.check(asked)} == {"warning"}
    with pytest.raises(InvalidDocument, match="is muted"):
        session.run(asked, strict=True)


def test_explain_says_what_it_can_of_a_broken_document(session: Session) -> None:
    session.run(FLAT, write=())
    tree = json.loads(NESTED.dumps())
    tree["nodes"]["tag"] = {"type": "mypack.Tag", "inputs": {"image": {"link": "a.image"}}}
    tree["nodes"]["last"] = mixing("both.image", "tag.image", 0.5)
    tree["graphs"]["twice"]["nodes"]["two"]["inputs"]["seed"] = -1
    asked = Document.from_tree(tree)

    outlook = session.outlook(asked)

    assert outlook.failed
    assert {item.node: (item.state, item.reasons) for item in outlook.nodes} == {
        "a": (State.SKIPPED, ()),
        "both/one/noise": (State.SKIPPED, ()),
        "both/one/mix": (State.HIT_MEMORY, ()),
        "both/two/noise": (State.UNKNOWN, ("seed: -1 is below the range",)),
        "both/two/mix": (State.UNKNOWN, ("seed: -1 is below the range",)),
        "tag": (State.UNKNOWN, ("the pack mypack is not installed",)),
        "last": (State.UNKNOWN, ('needs "both/two/mix", which cannot run',)),
    }
    with pytest.raises(InvalidDocument, match="mypack"):
        session.explain(asked)


DOCUMENTS = Path(__file__).parents[1] / "documents"


def drawn_flat(resolution: Resolution) -> Document:
    """The document of a resolved graph, drawn without sub-graphs."""
    graph = resolution.require()
    names = [node.id.replace("/", "_") for node in graph.nodes]
    nodes: dict[str, Any] = {}
    for name, found in zip(names, graph.nodes, strict=True):
        inputs: dict[str, Any] = {
            key: list(value) if isinstance(value, list) else value for key, value in found.literals.items()
        }
        for wire in found.wires:
            link = {"link": f"{names[wire.source]}.{wire.output}"}
            input, place = (found.nested or {}).get(wire.input, (wire.input, ()))
            if place:
                inputs[input][place[0]] = link
            else:
                inputs[input] = link
        nodes[name] = {"type": found.spec.id, "version": found.spec.version, "inputs": inputs}
    outputs = {name: {"from": f"{names[at]}.{output}"} for name, (at, output) in graph.outputs.items()}
    return Document.from_tree({"nodeflow": 1, "nodes": nodes, "interface": {"outputs": outputs}})


def test_the_rich_document_gives_what_its_flat_twin_gave(tmp_path: Path) -> None:
    asked = parse_document((DOCUMENTS / "subgraphs.json").read_bytes())
    with Session(home=tmp_path / "home", output_dir=tmp_path / "out", device="cpu") as session:
        flat = session.run(drawn_flat(session.workplace.prepare(asked).resolution), write=())

        made = session.run(asked, {"studio/twice/s1.cfg": 4})

        assert {id: report.status for id, report in made.nodes.items() if report.status == "ran"} == {}
        assert {name: torch.equal(made[name].tensor(), flat[name].tensor()) for name in flat} == {
            "picture": True,
            "draft": True,
            "labelled": True,
        }
        assert [problem.code for problem in session.check(asked)] == ["mode.muted"]
        again = session.run(made["picture"].path, write=())
        assert {report.status for report in again.nodes.values()} == {"skipped", "hit-memory"}


def test_the_rich_document_is_saved_as_the_case_file_says(tmp_path: Path) -> None:
    saved = (DOCUMENTS / "subgraphs_saved.json").read_bytes()
    registry = Session(home=tmp_path, device="cpu").workplace.registry

    assert complete(parse_document((DOCUMENTS / "subgraphs.json").read_bytes()), registry).dumps() == saved
    assert complete(parse_document(saved), registry).dumps() == saved
