"""Nodes that ComfyUI has too take its inputs, with its ranges, defaults and choices, and give its outputs.

`comfyui.json` is what ComfyUI 0.3.64 tells of the nodes of its `nodes.py` under `/object_info`: facts, no code.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from nodeflow.core.node import node_mark
from nodeflow.core.signature import read_spec
from nodeflow.core.spec import Input, Spec
from nodeflow_nodes.names import node_name, socket_name

COMFYUI: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "comfyui.json").read_text())
LARGEST = 2**53 - 1
"""Of all integers in a document; ComfyUI's seeds go on to 2^64 - 1."""
DIFFERENT: set[tuple[str, str, str]] = {("UNETLoader", "weight_dtype", "choices")}
"""(ComfyUI's node, its input, what of it): deliberately otherwise here."""


LEFT_OUT = {
    ("VAEDecodeTiled", "temporal_size"): "of video models",
    ("VAEDecodeTiled", "temporal_overlap"): "of video models",
    ("VAEEncodeTiled", "temporal_size"): "of video models",
    ("VAEEncodeTiled", "temporal_overlap"): "of video models",
}
"""(ComfyUI's node, its input): why it is not here."""


def specs() -> dict[str, Spec]:
    from importlib import import_module

    import nodeflow_nodes

    modules = [import_module(f"nodeflow_nodes.{name}") for name in nodeflow_nodes.pack.modules]
    functions = [value for module in modules for value in vars(module).values() if node_mark(value)]
    return {spec.id: spec for spec in map(read_spec, functions)}


SPECS = specs()
SHARED = [name for name in COMFYUI if node_name(name) in SPECS]


def ranges(item: Input) -> tuple[float | None, float | None]:
    return (None, None) if item.range is None else (item.range.ge, item.range.le)


def faults(comfy: str, name: str, said: dict[str, Any]) -> list[str]:
    item = SPECS[node_name(comfy)].input(socket_name(name))
    if item is None:
        return [f"{name}: there is no input {socket_name(name)}"]
    found: dict[str, Any] = {"default": item.default, "choices": list(item.choices or ())}
    found["min"], found["max"] = ranges(item)
    wanted = {key: value for key, value in said.items() if key in found}
    if wanted.get("max") == 2**64 - 1:
        wanted["max"] = LARGEST
    if "choices" in wanted:
        wanted.setdefault("default", wanted["choices"][0])
    return [
        f"{name}: {key} is {found[key]!r}, in ComfyUI {value!r}"
        for key, value in wanted.items()
        if found[key] != value and (comfy, name, key) not in DIFFERENT and name != "filename_prefix"
    ]


@pytest.mark.parametrize("comfy", SHARED)
def test_a_node_that_comfyui_has_is_set_as_there(comfy: str) -> None:
    inputs = {name: said for name, said in COMFYUI[comfy].items() if name != "->" and (comfy, name) not in LEFT_OUT}
    assert [fault for name, said in inputs.items() for fault in faults(comfy, name, said)] == []


@pytest.mark.parametrize("comfy", SHARED)
def test_a_node_that_comfyui_has_gives_its_outputs(comfy: str) -> None:
    wanted = [socket_name(name) for name in COMFYUI[comfy]["->"]]
    assert [output.name for output in SPECS[node_name(comfy)].outputs] == wanted


def test_the_exceptions_are_needed() -> None:
    assert {(comfy, name) for comfy, name, _ in DIFFERENT} | set(LEFT_OUT) <= {
        (comfy, name) for comfy in SHARED for name in COMFYUI[comfy]
    }


def rows() -> list[tuple[list[str], str, str]]:
    """ComfyUI's names, ours and the state, of each row of the tables in README.md."""
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    section = text.partition("## ComfyUI's nodes")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    body = [row for row in cells if row[0] not in ("ComfyUI's", "---")]
    return [(row[0].split(", "), row[1], row[2]) for row in body]


def test_the_readme_tells_of_every_node_of_comfyui_whether_it_is_here() -> None:
    told = {name: state for names, _, state in rows() for name in names}
    assert set(COMFYUI) - set(told) == set()
    here = {name for name in told if node_name(name) in SPECS}
    assert here == {name for name, state in told.items() if not state.startswith(("not yet", "left out"))}


def test_the_readme_names_only_nodes_that_are_here_as_its_own() -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    own = text.partition("Only here: ")[2].partition(", and nodes for")[0].split(", ")
    assert set(own) <= set(SPECS)
