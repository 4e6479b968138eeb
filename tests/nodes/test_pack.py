"""The built-in pack as a whole: its names and its tables agree with the diffusion library's."""

from importlib import import_module
from pathlib import Path

import nodeflow_nodes
from nodeflow.core.manifest import dump_manifest
from nodeflow.core.node import node_mark
from nodeflow.core.scan import import_pack, scan
from nodeflow.core.signature import read_spec
from nodeflow.core.spec import Kind, Spec
from nodeflow.diffusion.sampling.names import SAMPLER_NAMES, SCHEDULER_NAMES
from nodeflow.diffusion.sampling.table import builtin_table


def specs() -> dict[str, Spec]:
    modules = [import_module(f"nodeflow_nodes.{name}") for name in nodeflow_nodes.pack.modules]
    functions = [value for module in modules for value in vars(module).values() if node_mark(value)]
    return {spec.id: spec for spec in map(read_spec, functions)}


def test_every_input_is_described() -> None:
    silent = [f"{spec.id}.{item.name}" for spec in specs().values() for item in spec.inputs if not item.help]
    assert silent == []


def test_the_names_of_samplers_and_schedules_are_said_alike_everywhere() -> None:
    tables = nodeflow_nodes.pack.extensions
    assert tuple(tables["samplers"]) == SAMPLER_NAMES == tuple(builtin_table().samplers)
    assert tuple(tables["schedulers"]) == SCHEDULER_NAMES == tuple(builtin_table().schedules)


def test_the_table_of_extensions_leads_to_the_functions_of_the_built_in_one() -> None:
    def found(place: str) -> object:
        module, _, name = place.partition(":")
        return getattr(import_module(module), name)

    tables = nodeflow_nodes.pack.extensions
    assert {name: found(place) for name, place in tables["samplers"].items()} == {
        name: builtin_table().sampler(name).solve for name in SAMPLER_NAMES
    }
    assert {name: found(place) for name, place in tables["schedulers"].items()} == {
        name: builtin_table().schedule(name) for name in SCHEDULER_NAMES
    }


def test_what_saves_or_shows_is_an_effect_and_nothing_else_is() -> None:
    effects = {spec.id for spec in specs().values() if spec.kind is Kind.EFFECT}
    assert effects == {
        id for id in specs() if id.startswith(("Save", "Show", "Preview")) or id.endswith(("Save", "Preview"))
    }


def test_switch_is_lazy_and_repeat_expands() -> None:
    ours = specs()
    assert [item.name for item in ours["Switch"].inputs if item.lazy] == ["yes", "no"]
    assert [output.name for output in ours["Switch"].outputs] == ["out"]
    assert [output.name for output in ours["Repeat"].outputs] == ["latent"]
    assert [output.name for output in ours["Number"].outputs] == ["number"]


def test_the_snapshot_tells_what_the_code_says() -> None:
    """After a change: ``python -m nodeflow.core.manifest nodeflow_nodes``."""
    assert nodeflow_nodes.__file__ is not None
    snapshot = Path(nodeflow_nodes.__file__).with_name("spec.json")
    assert snapshot.read_bytes() == dump_manifest(scan(import_pack("nodeflow_nodes")))
