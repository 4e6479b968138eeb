"""Merged networks have the weights of the formulas, on the numbers of the files."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor

from nodeflow.diffusion.checkpoints import Checkpoint, load_checkpoint
from nodeflow.diffusion.checkpoints.diffusersnames import unet_renaming
from nodeflow.diffusion.checkpoints.singles import load_model
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.merging import added, blended, blended_by_blocks, subtracted
from nodeflow.diffusion.networks import Clip, Model
from nodeflow.diffusion.reweighting import reweighted
from nodeflow.diffusion.weights import HeldWeight


@pytest.fixture(scope="module")
def second_file(micro_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network with other numbers."""
    path = tmp_path_factory.mktemp("second") / "second.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(1)
        weights = load_file(micro_file)
        save_file(
            {n: w + torch.randn(w.shape).half() / 9 if w.is_floating_point() else w for n, w in weights.items()}, path
        )
    return path


@pytest.fixture(scope="module")
def second(second_file: Path) -> Checkpoint:
    return load_checkpoint(second_file)


def weights(value: Model | Clip) -> Mapping[str, Tensor]:
    return {name: weight.detach().float() for name, weight in value.network.named_parameters()}


@pytest.mark.parametrize("ratio", [0.0, 0.25, 0.7, 1.0])
def test_a_blend_is_the_weighted_mean(micro: Checkpoint, second: Checkpoint, ratio: float) -> None:
    for one, other in ((micro.model, second.model), (micro.clip, second.clip)):
        found, a, b = weights(blended(one, other, ratio)), weights(one), weights(other)
        for name, weight in found.items():
            torch.testing.assert_close(weight, a[name] * ratio + b[name] * (1 - ratio), rtol=1e-6, atol=1e-7)


def test_all_of_one_side_is_shared_with_it(micro: Checkpoint, second: Checkpoint) -> None:
    assert blended(micro.model, second.model, 1.0) is micro.model
    theirs = blended(micro.model, second.model, 0.0)
    assert set(theirs.storages) == set(second.model.storages)
    assert theirs.weights == second.model.weights
    loose = replace(second.model, weights={})
    assert set(blended(micro.model, loose, 0.0).storages) == set(second.model.storages)


def test_what_two_models_share_is_not_computed(micro: Checkpoint) -> None:
    name = "middle_block.1.proj_in.weight"
    changed = reweighted(micro.model, {name: HeldWeight(torch.zeros(64, 64, 1, 1))})
    half = blended(micro.model, changed, 0.5)
    before, after = (dict(model.network.named_parameters()) for model in (micro.model, half))
    assert [key for key in before if before[key] is not after[key]] == [name]
    assert torch.equal(after[name], before[name] / 2)


def test_blocks_have_ratios_of_their_own(micro: Checkpoint, second: Checkpoint) -> None:
    ratios = {"input": 0.25, "middle": 0.5, "out": 1.0, "out.2": 0.0}
    found = weights(blended_by_blocks(micro.model, second.model, ratios))
    a, b = weights(micro.model), weights(second.model)
    wanted = {
        "input_blocks.0.0.weight": 0.25,
        "time_embed.0.weight": 0.25,
        "middle_block.1.proj_in.weight": 0.5,
        "output_blocks.0.0.in_layers.2.weight": 1.0,
        "out.0.bias": 1.0,
        "out.2.weight": 0.0,
    }
    for name, ratio in wanted.items():
        torch.testing.assert_close(found[name], a[name] * ratio + b[name] * (1 - ratio), rtol=1e-6, atol=1e-7)


def test_sums_and_differences(micro: Checkpoint, second: Checkpoint) -> None:
    for one, other in ((micro.model, second.model), (micro.clip, second.clip)):
        a, b = weights(one), weights(other)
        for name, weight in weights(added(one, other)).items():
            assert torch.equal(weight, a[name] + b[name])
        for name, weight in weights(subtracted(one, other, -2.5)).items():
            assert torch.equal(weight, (a[name] - b[name]) * -2.5)


def test_a_difference_that_is_added_again_rounds_once(micro_file: Path, second_file: Path) -> None:
    one, other = (load_checkpoint(path, dtype="bf16").model for path in (micro_file, second_file))
    back = weights(added(subtracted(one, other), other))
    for name, weight in weights(one).items():
        torch.testing.assert_close(back[name], weight, rtol=0.004, atol=1e-6)  # one bit of bfloat16


def test_a_difference_is_added_to_an_inpainting_network(micro: Checkpoint, second: Checkpoint, tmp_path: Path) -> None:
    name = "model.diffusion_model.input_blocks.0.0.weight"
    wide = {f"model.diffusion_model.{key}": weight.clone() for key, weight in weights(micro.model).items()}
    wide[name] = torch.randn(32, 9, 3, 3)
    save_file(wide, tmp_path / "wide.safetensors")
    inpainting = load_model(tmp_path / "wide.safetensors")
    found = weights(added(inpainting, second.model))["input_blocks.0.0.weight"]
    assert torch.equal(found[:, 4:], wide[name][:, 4:])
    assert torch.equal(found[:, :4], wide[name][:, :4] + weights(second.model)["input_blocks.0.0.weight"])
    with pytest.raises(ValueRuleError, match=r"1 weights of the two have different shapes: input_blocks\.0\.0\.weight"):
        blended(inpainting, second.model, 0.5)


def test_blends_are_those_of_state_dicts_of_diffusers(tmp_path: Path) -> None:
    both: list[Model] = []
    states: list[dict[str, Tensor]] = []
    for seed in (1, 2):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = UNet2DConditionModel(
                block_out_channels=(32, 64),
                layers_per_block=1,
                down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
                up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
                cross_attention_dim=64,
            )
        network.save_pretrained(tmp_path / str(seed))
        both.append(load_model(tmp_path / str(seed) / "diffusion_pytorch_model.safetensors"))
        states.append(network.state_dict())
    renaming = unet_renaming(states[0])
    found = weights(blended(both[0], both[1], 0.3))
    for name, weight in states[0].items():
        mean = torch.lerp(states[1][name].double(), weight.double(), 0.3)
        torch.testing.assert_close(found[str(renaming.to_ours(name))].double(), mean, rtol=1e-6, atol=1e-7)


def test_networks_of_two_families_are_not_merged(micro: Checkpoint, second: Checkpoint) -> None:
    with pytest.raises(ValueRuleError, match=r"the two have different weights, such as .*; merge two of one family"):
        blended(micro.clip, replace(second.clip, network=second.vae.network, weights={}), 0.5)
