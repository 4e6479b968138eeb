"""The table of samplers and schedules."""

import subprocess
import sys
from dataclasses import replace

import pytest

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.sampling.names import SAMPLER_NAMES, SCHEDULER_NAMES
from nodeflow.diffusion.sampling.prediction import flow_levels, scaled_linear_levels
from nodeflow.diffusion.sampling.schedules import normal
from nodeflow.diffusion.sampling.solvers.euler import euler, euler_ancestral, euler_ancestral_flow
from nodeflow.diffusion.sampling.table import SamplerEntry, builtin_table


def test_the_names_that_are_known_without_torch_are_those_of_the_table() -> None:
    assert tuple(builtin_table().samplers) == SAMPLER_NAMES
    assert tuple(builtin_table().schedules) == SCHEDULER_NAMES


def test_names_are_known_without_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; import nodeflow.diffusion.sampling.names"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_table_grows_into_a_new_one() -> None:
    table = builtin_table()
    more = table.with_sampler("mine", euler, flow=True).with_schedule("mine", normal)
    assert more.sampler("mine").solve is euler
    assert more.sampler("mine").flow
    assert more.schedule("mine") is normal
    assert "mine" not in table.samplers
    assert "mine" not in table.schedules


def test_a_name_cannot_be_taken_twice() -> None:
    with pytest.raises(ValueRuleError, match="sampler 'euler' exists already"):
        builtin_table().with_sampler("euler", euler)
    with pytest.raises(ValueRuleError, match="scheduler 'normal' exists already"):
        builtin_table().with_schedule("normal", normal)


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(ValueRuleError, match=f"there are {', '.join(SAMPLER_NAMES)}$"):
        builtin_table().sampler("zzz")


def test_an_option_that_is_a_level_follows_the_model() -> None:
    # ComfyUI's levels after a tenth and after half of Stable Diffusion's schedule are 8.30717 and 1.61558.
    entry = SamplerEntry(euler, options={"eta": 0.5}, levels_at={"high": 0.1, "low": 0.5})
    keywords = entry.keywords(scaled_linear_levels())
    assert keywords == {"high": pytest.approx(8.30717, rel=1e-6), "low": pytest.approx(1.61558, rel=1e-5), "eta": 0.5}
    assert replace(entry, options={"low": 0.7}).keywords(flow_levels()) == {"high": pytest.approx(0.9), "low": 0.7}


def test_sa_solver_stirs_noise_in_from_a_fifth_of_the_schedule_to_four_fifths() -> None:
    assert builtin_table().sampler("sa_solver").levels_at == {"sde_high": 0.2, "sde_low": 0.8}


def test_a_sampler_may_have_another_function_for_flow_models() -> None:
    entry = builtin_table().sampler("euler_ancestral")
    assert entry.method(flow_levels()) is euler_ancestral_flow
    assert entry.method(scaled_linear_levels()) is euler_ancestral
    assert builtin_table().sampler("euler").method(flow_levels()) is euler
