"""The table of what proves each sampler and schedule has all of them, and claims what the tests do."""

import re
from pathlib import Path

from safetensors import safe_open

from nodeflow.diffusion import sampling
from nodeflow.diffusion.sampling.names import SAMPLER_NAMES, SCHEDULER_NAMES
from tests.golden.k_diffusion import CASES

GOLDEN = Path(__file__).parents[2] / "golden" / "sd1-micro.safetensors"


def rows(section: str) -> dict[str, str]:
    """Name to what its row says it is held against."""
    assert sampling.__file__ is not None
    text = Path(sampling.__file__).with_name("README.md").read_text(encoding="utf-8")
    _, after = text.split(f"\n## {section}\n")
    lines = [line.strip("|").split("|") for line in after.split("\n## ")[0].splitlines() if line.startswith("| `")]
    return {name: cells[-1] for cells in lines for name in re.findall(r"`(\w+)`", cells[0])}


def golden(kind: str, field: int) -> set[str]:
    with safe_open(GOLDEN, "pt") as numbers:
        keys = list(numbers.keys())
    return {key.split(".")[field] for key in keys if key.startswith(f"{kind}.")}


def same(name: str) -> str:
    return name.removesuffix("_gpu")


def test_every_sampler_and_schedule_has_a_row_in_the_order_of_the_names() -> None:
    assert tuple(rows("Samplers")) == SAMPLER_NAMES
    assert tuple(rows("Schedules")) == SCHEDULER_NAMES


def test_those_said_to_agree_with_comfyui_are_those_there_are_numbers_for() -> None:
    claimed = {same(name) for name, proof in rows("Samplers").items() if "ComfyUI" in proof}
    assert claimed == golden("sample", 1)
    assert {name for name, proof in rows("Schedules").items() if "ComfyUI" in proof} == golden("sigmas", 1)


def test_those_said_to_agree_with_k_diffusion_are_those_there_are_numbers_for() -> None:
    claimed = {same(name) for name, proof in rows("Samplers").items() if "k-diffusion" in proof}
    assert claimed == {name for name, _, _ in CASES.values()} | {"dpmpp_2m_sde_heun"}
