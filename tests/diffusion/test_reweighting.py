"""Networks with some other weights share the rest, start from the numbers of the file and round once."""

import gc
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from nodeflow.diffusion.checkpoints import Checkpoint, load_checkpoint
from nodeflow.diffusion.errors import CheckpointError, ValueRuleError
from nodeflow.diffusion.reweighting import reweighted, weights_of
from nodeflow.diffusion.weights import ComputedWeight, Files, HeldWeight

NAME = "middle_block.1.proj_in.weight"
FILE_NAME = f"model.diffusion_model.{NAME}"


def test_every_weight_of_a_checkpoint_knows_its_place_in_the_file(micro: Checkpoint, micro_file: Path) -> None:
    file = load_file(micro_file)
    with Files() as files:
        for value in micro:
            assert set(value.weights) == {name for name, _ in value.network.named_parameters()}
            for name, weight in weights_of(value).items():
                assert weight.dtype == torch.float16
                assert torch.equal(weight.unrounded(files), value.network.state_dict()[name])
        assert torch.equal(micro.model.weights[NAME].stored(files), file[FILE_NAME])


def test_what_does_not_change_is_shared(micro: Checkpoint) -> None:
    old = micro.model.weights[NAME]
    twice = reweighted(micro.model, {NAME: ComputedWeight((old,), lambda w: w * 2)})
    before, after = (dict(model.network.named_parameters()) for model in (micro.model, twice))
    assert [name for name in before if before[name] is not after[name]] == [NAME]
    assert torch.equal(after[NAME], before[NAME] * 2)
    assert len({**micro.model.storages, **twice.storages}) == len(micro.model.storages) + 1
    assert reweighted(twice, {}) is twice


def test_formulas_on_formulas_round_once(micro_file: Path) -> None:
    coarse = load_checkpoint(micro_file, dtype="bf16").model
    exact = load_file(micro_file)[FILE_NAME].float()
    model = coarse
    for _ in range(5):  # in bfloat16 each of these would be rounded away
        model = reweighted(model, {NAME: ComputedWeight((weights_of(model)[NAME],), lambda w: w * 1.001)})
    expected = exact
    for _ in range(5):
        expected = expected * 1.001
    found = dict(model.network.named_parameters())[NAME]
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, expected.bfloat16())
    with Files() as files:
        assert torch.equal(weights_of(model)[NAME].stored(files), expected.half())


def test_a_weight_of_no_file_is_its_own_origin(micro: Checkpoint) -> None:
    model = reweighted(micro.model, {NAME: HeldWeight(torch.zeros(64, 64, 1, 1))})
    with Files() as files:
        assert not weights_of(model)[NAME].stored(files).any()
        assert torch.equal(weights_of(model)[NAME].unrounded(files), torch.zeros(64, 64, 1, 1))


def test_a_file_that_was_replaced_is_told(micro_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    weights = load_file(micro_file)
    save_file(weights, path)
    model = load_checkpoint(path).model
    gc.collect()
    path.unlink()
    save_file({name: weight * 1 for name, weight in weights.items()}, path)
    with pytest.raises(CheckpointError, match=r"^mine\.safetensors: the file has changed since it was loaded"):
        reweighted(model, {NAME: ComputedWeight((weights_of(model)[NAME],), lambda w: w)})


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("middle_block.9.weight", (1,), "no weight middle_block.9.weight"),
        (NAME, (1,), r"of shape \[1\] does not fit; \[64, 64, 1, 1\] is expected"),
    ],
)
def test_a_weight_that_does_not_fit_is_refused(
    name: str, shape: tuple[int, ...], message: str, micro: Checkpoint
) -> None:
    with pytest.raises(ValueRuleError, match=message):
        reweighted(micro.model, {name: HeldWeight(torch.zeros(shape))})


def test_a_released_network_has_no_weights(micro_file: Path) -> None:
    model = load_checkpoint(micro_file).model
    model.release()
    with pytest.raises(ValueRuleError, match="was released"):
        weights_of(model)
