"""Explaining what would run, and what changed since."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pytest

from nodeflow.core.spec import Form, Kind
from nodeflow.core.stored import Stored
from nodeflow.core.types import Encoded
from nodeflow.engine.explain import State, explain
from nodeflow.engine.runtime import Constant, Expansion
from nodeflow.storage.results import DiskResults


@pytest.fixture
def engine(bench: Any, tmp_path: Path) -> Any:
    with bench.engine(disk=DiskResults(tmp_path, 1 << 30)) as engine:
        yield engine


def drawing(bench: Any, *, steps: int = 20, text: str = "a fox", by: str = "Decode", same: bool = False) -> Any:
    bench.fingerprints.setdefault("m.safetensors", "1")
    load = bench.node(lambda file: file, id="Load", files=("file",))
    encode = bench.node(lambda clip, text: text, id="Encode")
    sample = bench.node(lambda model, positive, steps=20: steps, id="Sample")
    decode = bench.node(lambda latent: latent, id=by)
    save = bench.node(lambda image: None, id="Save", kind=Kind.EFFECT, outputs=())
    found = bench.draw()
    model = found.add("load", load, file="m.safetensors")
    positive = found.add("encode", encode, clip=model, text=text)
    latent = found.add("sample", sample, model=model, positive=positive, **({} if same else {"steps": steps}))
    found.add("save", save, image=found.add("decode", decode, latent=latent))
    return found


def explained(bench: Any, engine: Any, graph: Any, **options: Any) -> dict[str, tuple[State, tuple[str, ...]]]:
    found = explain(graph.graph(), bench, engine.memory, engine.disk, **options)
    return {item.node: (item.state, item.reasons) for item in found}


def test_before_the_first_run_everything_would_run(bench: Any, engine: Any) -> None:
    found = explained(bench, engine, drawing(bench))
    assert found["sample"] == (State.RUN, ("it has not run here before",))
    assert found["save"] == (State.RUN, ("an effect always runs",))


def test_after_a_run_only_the_effect_would_run(bench: Any, engine: Any) -> None:
    engine.run(drawing(bench).graph())
    found = explained(bench, engine, drawing(bench))
    assert {node: state for node, (state, _) in found.items()} == {
        "load": State.SKIPPED,
        "encode": State.SKIPPED,
        "sample": State.SKIPPED,
        "decode": State.HIT_MEMORY,
        "save": State.RUN,
    }


def test_a_changed_literal_is_named_with_both_values(bench: Any, engine: Any) -> None:
    engine.run(drawing(bench).graph())
    found = explained(bench, engine, drawing(bench, steps=30))
    assert found["sample"] == (State.RUN, ("steps: 20 → 30",))
    assert found["decode"] == (State.RUN, ("latent: sample above it changed",))
    assert found["encode"][0] is State.HIT_MEMORY


def test_long_texts_are_shortened(bench: Any, engine: Any) -> None:
    engine.run(drawing(bench).graph())
    (reason,) = explained(bench, engine, drawing(bench, text="x" * 500))["encode"][1]
    assert reason.startswith("text: a fox → xxx")
    assert reason.endswith("…")


def test_a_changed_file_is_named(bench: Any, engine: Any) -> None:
    engine.run(drawing(bench).graph())
    bench.fingerprints["m.safetensors"] = "2"
    found = explained(bench, engine, drawing(bench))
    assert found["load"] == (State.RUN, ("file: the file changed",))
    assert found["encode"] == (State.RUN, ("clip: load above it changed",))


def test_changed_code_and_environment_are_named(bench: Any, engine: Any) -> None:
    engine.run(drawing(bench).graph())
    bench.digest = "other"
    assert explained(bench, engine, drawing(bench))["load"][1] == ("the code that computes it changed",)
    bench.digest = "code"
    reasons = explained(bench, engine, drawing(bench), device="cuda:0")["load"][1]
    assert reasons == ("environment: machine cpu auto → machine cuda:0 auto",)


def test_another_type_under_the_same_id_is_named(bench: Any, engine: Any) -> None:
    engine.run(drawing(bench).graph())
    assert explained(bench, engine, drawing(bench, by="Tiled"))["decode"][1] == ("type: Decode → Tiled",)


def test_links_that_came_or_went_and_list_depth_are_named(bench: Any, engine: Any) -> None:
    node = bench.node(lambda a=0, b=0: a, id="Node")
    number = bench.node(lambda: 1, id="Number")

    def graph(*, swap: bool) -> Any:
        found = bench.draw()
        one = found.add("number", number)
        found.output("r", found.add("node", node, depth=int(swap), **{"b" if swap else "a": one}))
        return found

    engine.run(graph(swap=False).graph())
    reasons = explained(bench, engine, graph(swap=True))["node"][1]
    assert set(reasons) == {
        "b: linked to number now",
        "a: no longer linked",
        "it is mapped over a list now, or no longer",
    }


def test_a_result_that_was_dropped_is_said_to_be(bench: Any, engine: Any) -> None:
    engine.run(drawing(bench).graph())
    engine.memory.clear()
    assert explained(bench, engine, drawing(bench))["sample"] == (State.RUN, ("its result was not kept",))


def test_a_result_on_disk_is_told_apart(bench: Any, engine: Any) -> None:
    import time

    found = bench.draw()
    found.output("r", found.add("slow", bench.node(lambda: time.sleep(0.05), id="Slow")))
    engine.run(found.graph())
    engine.memory.clear()
    assert explained(bench, engine, found)["slow"] == (State.HIT_DISK, ())


def test_without_a_disk_nothing_is_known_of_earlier_runs(bench: Any) -> None:
    with bench.engine() as engine:
        engine.run(drawing(bench).graph())
        found = explained(bench, engine, drawing(bench, steps=30))
        assert found["sample"] == (State.RUN, ("it has not run here before",))
        assert found["encode"][0] is State.HIT_MEMORY


def test_external_nodes_always_run(bench: Any, engine: Any) -> None:
    found = bench.draw()
    found.output("r", found.add("clock", bench.node(lambda: 1, id="Clock", kind=Kind.EXTERNAL)))
    assert explained(bench, engine, found)["clock"][1] == ("it depends on the world outside, so it always runs",)


def switched(bench: Any, *, on: bool = True) -> Any:
    async def switch(on: bool, yes: Any, no: Any) -> Any:
        return await (yes if on else no)

    found = bench.draw()
    leaf = bench.node(lambda value: value, id="Leaf")
    node = bench.node(switch, id="Switch", lazy=("yes", "no"))
    deep = found.add("deep", leaf, value=5)
    chosen = found.add("switch", node, on=on, yes=found.add("a", leaf, value=deep), no=found.add("b", leaf, value=deep))
    found.output("r", found.add("below", leaf, value=chosen))
    return found


def test_what_a_lazy_node_may_ask_for_is_unknown(bench: Any, engine: Any) -> None:
    found = explained(bench, engine, switched(bench))
    assert found["switch"][0] is State.RUN
    assert {found[node][0] for node in ("a", "b", "deep", "below")} == {State.UNKNOWN}


@pytest.mark.parametrize("memory", [True, False])
def test_a_choice_that_was_made_before_is_known(bench: Any, engine: Any, memory: bool) -> None:
    engine.run(switched(bench).graph())
    if not memory:
        engine.memory.clear()
        assert explained(bench, engine, switched(bench))["below"][0] is State.UNKNOWN
        return
    found = explained(bench, engine, switched(bench))
    assert found["below"][0] is State.HIT_MEMORY
    assert found["switch"][0] is State.SKIPPED


def test_a_choice_on_disk_is_known_too(bench: Any, engine: Any) -> None:
    import time

    graph = switched(bench)
    bench.functions["Leaf"] = lambda value: (time.sleep(0.05), value)[1]
    engine.run(graph.graph())
    engine.memory.clear()
    assert explained(bench, engine, graph)["below"][0] is State.HIT_DISK


def test_a_choice_that_cannot_be_read_is_unknown_again(bench: Any, engine: Any) -> None:
    import time

    graph = switched(bench)
    bench.functions["Leaf"] = lambda value: (time.sleep(0.05), value)[1]
    engine.run(graph.graph())
    engine.memory.clear()
    for key in engine.disk.known():
        engine.disk.write(key, Stored("Switch", 1.0, 1.0, Encoded({"format": 1, "outputs": "no list"}, [])))
    assert explained(bench, engine, graph)["below"][0] is State.UNKNOWN


def test_expanders_are_expanded_where_they_can_be(bench: Any, engine: Any) -> None:
    leaf = bench.node(lambda value: value, id="Leaf")

    def expand(values: Mapping[str, Any], linked: Collection[str]) -> Expansion:
        inner = bench.draw()
        link = inner.add("leaf", leaf, value=values["count"])
        return Expansion(inner.graph(), {}, {"out": inner.place(link)})

    bench.expansions["Expand"] = expand
    spec = bench.node(lambda count: None, id="Expand", form=Form.EXPANDER)
    for computed in (False, True):
        graph = bench.draw()
        count = graph.add("count", leaf, value=3) if computed else 3
        graph.output("r", graph.add("below", leaf, value=graph.add("expand", spec, count=count)))
        found = explained(bench, engine, graph)
        assert found["expand"][0] is State.RUN
        assert found["below"][0] is (State.UNKNOWN if computed else State.RUN)
        assert ("expand/leaf" in found) is not computed


def test_a_constant_result_needs_no_explanation(bench: Any, engine: Any) -> None:
    bench.expansions["Expand"] = lambda values, linked: Expansion(bench.draw().graph(), {}, {"out": Constant(1)})
    graph = bench.draw()
    graph.output("r", graph.add("expand", bench.node(lambda: None, id="Expand", form=Form.EXPANDER)))
    assert explained(bench, engine, graph)["expand"][0] is State.RUN


def test_what_cannot_run_says_why(bench: Any, engine: Any) -> None:
    graph = drawing(bench)
    del bench.fingerprints["m.safetensors"]
    found = explained(bench, engine, graph)
    assert found["load"] == (State.FAILED, ("m.safetensors cannot be read: m.safetensors",))
    assert found["sample"] == (State.FAILED, ("something above it cannot run",))


def test_targets_narrow_what_is_explained(bench: Any, engine: Any) -> None:
    graph = drawing(bench)
    found = explained(bench, engine, graph, targets=[(graph.index["encode"], "out")])
    assert found["encode"][0] is State.RUN
    assert found["save"][0] is State.SKIPPED
