"""One old node that becomes several: links, interfaces and draws find their way to the new ones."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from nodeflow.core.completion import complete
from nodeflow.core.migrations import ExtraNode, Migrated
from nodeflow.core.upgrade import migrate
from nodeflow.core.validate import resolve
from nodeflow.core.workflow import Document

Inputs = dict[str, Any]


def split_enhance(inputs: Inputs) -> Migrated:
    """``Enhance`` decoded and scaled: now ``Decode`` does the one, and an extra ``Scale`` the other."""
    scale = {"image": {"link": ".image"}, "width": inputs.get("size", 64), "height": inputs.get("size", 64)}
    return Migrated(
        {"latent": inputs["latent"]},
        outputs={"picture": ".scaled.image"},
        renamed={"size": ".scaled.width"},
        type="Decode",
        extra={"scaled": ExtraNode("Scale", scale, title="Scaled")},
    )


def with_steps(catalogue: Any, steps: Mapping[tuple[str, int], Callable[[Inputs], Any]], **versions: int) -> Any:
    """The catalogue with other migrations, and other versions of some nodes."""
    specs = catalogue.specs | {id: replace(catalogue.specs[id], version=version) for id, version in versions.items()}
    return replace(catalogue, specs=specs, steps=dict(steps))


@pytest.fixture
def specs(catalogue: Any) -> Any:
    """``Enhance`` 1 was split into ``Decode`` and ``Scale``."""
    return with_steps(catalogue, {("Enhance", 1): split_enhance})


LOAD: Any = {"type": "Load", "version": 1, "inputs": {"checkpoint": "emoji-tiny.safetensors"}}
ENHANCE: Any = {"type": "Enhance", "version": 1, "inputs": {"latent": {"link": "load.latent"}, "size": 128}}


def document(nodes: Mapping[str, Any], **more: Any) -> Document:
    return Document.from_tree({"nodeflow": 1, "nodes": dict(nodes), **more})


def test_a_node_becomes_two_and_its_links_lead_to_the_right_one(specs: Any, files: Any) -> None:
    old = document(
        {"load": LOAD, "good": ENHANCE, "save": {"type": "Save", "inputs": {"images": {"link": "good.picture"}}}},
        interface={
            "inputs": {"size": {"to": ["good.size"]}, "latent": {"to": ["good.latent"]}},
            "outputs": {"picture": {"from": "good.picture"}},
        },
    )

    new, problems = migrate(old, specs)

    assert problems == []
    assert list(new.nodes) == ["load", "good", "good_scaled", "save"]
    assert new.tree["nodes"]["good"] == {  # type: ignore[index,call-overload]
        "type": "Decode",
        "version": 1,
        "inputs": {"latent": {"link": "load.latent"}},
    }
    assert new.tree["nodes"]["good_scaled"] == {  # type: ignore[index,call-overload]
        "type": "Scale",
        "version": 1,
        "title": "Scaled",
        "inputs": {"image": {"link": "good.image"}, "width": 128, "height": 128},
    }
    assert new.nodes["save"].inputs == {"images": {"link": "good_scaled.image"}}
    assert new.interface.inputs["size"].to == ["good_scaled.width"]
    assert new.interface.inputs["latent"].to == ["good.latent"]
    assert new.interface.outputs["picture"].source == "good_scaled.image"
    assert resolve(old, specs, files).problems == ()
    assert migrate(new, specs)[0] is new


def test_saving_a_split_document_again_changes_nothing(specs: Any) -> None:
    saved = complete(document({"load": LOAD, "good": ENHANCE}), specs)

    assert saved.nodes["good_scaled"].inputs["method"] == "fast"
    assert complete(saved, specs).dumps() == saved.dumps()


def test_the_new_node_takes_no_id_that_is_there_and_is_bypassed_with_the_old_one(specs: Any) -> None:
    nodes = {"good": {**ENHANCE, "mode": "bypass"}, "good_scaled": LOAD, "good_scaled_2": LOAD}

    new, _ = migrate(document(nodes), specs)

    assert new.nodes["good_scaled_3"].type == "Scale"
    assert new.nodes["good_scaled_3"].mode == "bypass"
    assert new.nodes["good_scaled"].type == "Load"


def test_links_inside_lists_and_rows_of_a_sub_graph_and_its_interface_follow(specs: Any) -> None:
    inner: Any = {
        "nodes": {
            "good": {"type": "Enhance", "version": 1, "inputs": {}},
            "sheet": {"type": "Sheet", "version": 1, "inputs": {"images": [{"link": "good.picture"}]}},
            "rows": {"type": "mypack.Tag", "inputs": {"rows": [{"file": "a", "picture": {"link": "good.picture"}}]}},
        },
        "interface": {
            "inputs": {"latent": {"to": ["good.latent"]}, "size": {"to": ["good.size"]}},
            "outputs": {"sheet": {"from": "sheet.image"}, "picture": {"from": "good.picture"}},
        },
    }
    inner["nodes"]["good"]["inputs"] = {"latent": {"link": "elsewhere.latent"}}

    graph = migrate(document({}, graphs={"g": inner}), specs)[0].graphs["g"]

    assert graph.nodes["sheet"].inputs == {"images": [{"link": "good_scaled.image"}]}
    assert graph.nodes["rows"].inputs == {"rows": [{"file": "a", "picture": {"link": "good_scaled.image"}}]}
    assert graph.interface.inputs["size"].to == ["good_scaled.width"]
    assert graph.interface.outputs["picture"].source == "good_scaled.image"


def test_a_draw_is_handed_on_as_it_is(specs: Any) -> None:
    drawn = {"draw": "choice", "of": [64, 128, {"link": "good.picture"}]}
    nodes = {"load": LOAD, "good": {**ENHANCE, "inputs": {**ENHANCE["inputs"], "size": drawn}}}

    new, problems = migrate(document(nodes), specs)

    assert problems == []
    assert new.nodes["good_scaled"].inputs["width"] == drawn


def test_a_step_that_calculates_with_a_draw_is_a_problem_of_that_node(catalogue: Any) -> None:
    specs = with_steps(catalogue, {("Whole", 2): lambda inputs: {"value": inputs["value"] + 1}})
    nodes = {"n": {"type": "Whole", "version": 2, "inputs": {"value": {"draw": "random", "max": 3}}}}

    new, (problem,) = migrate(document(nodes), specs)

    assert (problem.code, problem.node) == ("version.migration", "n")
    assert "TypeError" in str(problem)
    assert new.nodes["n"].inputs == nodes["n"]["inputs"]


def test_a_node_may_be_put_before_the_old_one(catalogue: Any, files: Any) -> None:
    """``Decode`` 2 no longer samples, so that an extra node has to."""

    def sample_first(inputs: Inputs) -> Migrated:
        sampler = ExtraNode("Sample", {"model": inputs["model"], "latent": inputs["latent"]})
        return Migrated({"latent": {"link": ".sampled.latent"}}, extra={"sampled": sampler})

    specs = with_steps(catalogue, {("Decode", 1): sample_first}, Decode=2)
    old = {
        "type": "Decode",
        "version": 1,
        "inputs": {"model": {"link": "load.model"}, "latent": {"link": "load.latent"}},
    }

    graph = resolve(document({"load": LOAD, "d": old}), specs, files, targets=["d"]).require()

    assert [node.id for node in graph.nodes] == ["load", "d_sampled", "d"]


def test_later_steps_rename_what_earlier_ones_brought(catalogue: Any) -> None:
    """The extra node is linked to an output that the next step renames; and it has a migration of its own."""
    steps: Any = {
        ("Decode", 1): lambda inputs: Migrated(
            {"latent": inputs["latent"]},
            outputs={"both": ".scaled.result"},
            renamed={"size": ".scaled.size"},
            extra={"scaled": ExtraNode("Scale", {"picture": {"link": ".picture"}, "size": inputs["size"]}, version=1)},
        ),
        ("Decode", 2): lambda inputs: Migrated(inputs, outputs={"picture": "image"}),
        ("Decode", 3): lambda inputs: Migrated(
            inputs,
            outputs={"image": ".again.image"},
            extra={"again": ExtraNode("Scale", {"image": {"link": ".image"}})},
        ),
        ("Scale", 1): lambda inputs: Migrated(
            {"image": inputs["picture"], "width": inputs["size"]},
            outputs={"result": "image"},
            renamed={"size": "width"},
        ),
    }
    specs = with_steps(catalogue, steps, Decode=4, Scale=2)
    nodes = {
        "d": {"type": "Decode", "version": 1, "inputs": {"latent": {"link": "l.latent"}, "size": {"link": "w.n"}}},
        "a": {"type": "mypack.Tag", "inputs": {"both": {"link": "d.both"}, "plain": {"link": "d.picture"}}},
    }

    new, problems = migrate(document(nodes, interface={"inputs": {"size": {"to": ["d.size"]}}}), specs)

    assert problems == []
    assert new.nodes["a"].inputs == {"both": {"link": "d_scaled.image"}, "plain": {"link": "d_again.image"}}
    assert new.nodes["d_scaled"].inputs == {"image": {"link": "d_again.image"}, "width": {"link": "w.n"}}
    assert new.nodes["d_again"].inputs == {"image": {"link": "d.image"}}
    assert new.interface.inputs["size"].to == ["d_scaled.width"]


def test_a_brought_node_of_a_pack_that_is_not_here_is_kept(catalogue: Any) -> None:
    extra = {"tag": ExtraNode("mypack.Tag", {"image": {"link": ".image"}})}
    specs = with_steps(catalogue, {("Decode", 1): lambda inputs: Migrated(inputs, extra=extra)}, Decode=2)

    new, problems = migrate(document({"d": {"type": "Decode", "version": 1}}), specs)

    assert problems == []
    assert new.tree["nodes"]["d_tag"] == {  # type: ignore[index,call-overload]
        "type": "mypack.Tag",
        "version": 1,
        "inputs": {"image": {"link": "d.image"}},
    }


def forever(inputs: Inputs) -> Migrated:
    return Migrated(inputs, extra={"more": ExtraNode("Decode", {}, version=1)})


WRONG: list[tuple[str, Callable[[Inputs], Any], str]] = [
    ("no mapping", lambda inputs: 7, "returned int, expected inputs or Migrated"),
    ("inputs that are none", lambda inputs: Migrated(7), "TypeError"),  # type: ignore[arg-type]
    ("what is no JSON", lambda inputs: {"latent": {1, 2}}, "set is not JSON"),
    ("an output of no extra node", lambda inputs: Migrated(inputs, outputs={"a": ".b.c"}), "names no node"),
    ("an input of no extra node", lambda inputs: Migrated(inputs, renamed={"a": ".c"}), "names no node"),
    ("a link to no extra node", lambda inputs: {"latent": {"link": ".b.c"}}, "write .output, or .extra.output"),
    ("an id that is none", lambda inputs: Migrated(inputs, extra={"a b": ExtraNode("Scale", {})}), "'a b'"),
    ("ever more nodes", forever, "ever more nodes"),
]


@pytest.mark.parametrize(("step", "words"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_step_that_makes_no_sense_is_one_clear_problem(
    step: Callable[[Inputs], Any], words: str, catalogue: Any
) -> None:
    specs = with_steps(catalogue, {("Decode", 1): step}, Decode=2)

    _, (problem,) = migrate(document({"d": {"type": "Decode", "version": 1}}), specs)

    assert (problem.code, problem.node) == ("version.migration", "d")
    assert words in str(problem)


def test_the_same_extra_node_is_not_brought_twice(catalogue: Any) -> None:
    extra = {"a": ExtraNode("Scale", {})}
    steps = {("Decode", version): lambda inputs: Migrated(inputs, extra=extra) for version in (1, 2)}

    _, (problem,) = migrate(document({"d": {"type": "Decode", "version": 1}}), with_steps(catalogue, steps, Decode=3))

    assert "brings the node a once more" in problem.message


def test_what_fails_inside_a_sub_graph_says_so_once(catalogue: Any, files: Any) -> None:
    inner = {"nodes": {"n": {"type": "Number", "version": 1, "inputs": {"value": 1}}}}
    uses = {"a": {"type": "graph:g"}, "b": {"type": "graph:g"}}
    save = {"save": {"type": "Save", "inputs": {"images": {"link": "image.image"}}}}
    image = {"image": {"type": "LoadImage", "inputs": {"file": "cat.png"}}}

    used = resolve(document({**uses, **save, **image}, graphs={"g": inner}), catalogue, files)
    unused = resolve(document({**save, **image}, graphs={"g": inner}), catalogue, files)

    assert [(item.code, item.node, item.severity) for item in used.problems] == [
        ("version.migration", "graph:g/n", "error")
    ]
    assert [(item.code, item.node, item.severity) for item in unused.problems] == [
        ("version.migration", "graph:g/n", "warning")
    ]
