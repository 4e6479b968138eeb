"""Where networks run and in which precision."""

import pytest
import torch
from torch import nn

from nodeflow.diffusion import memory
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.memory import SMALL_MODEL, moved, usable_device, usable_dtype, usable_dtypes

CPU, GPU = torch.device("cpu"), torch.device("cuda:0")
SMALL, LARGE = SMALL_MODEL - 1, SMALL_MODEL


@pytest.mark.parametrize(
    ("choice", "device", "parameters", "bf16", "expected"),
    [
        ("auto", CPU, SMALL, True, torch.float32),
        ("auto", CPU, LARGE, True, torch.bfloat16),
        ("auto", CPU, LARGE, False, torch.float32),
        ("auto", GPU, SMALL, False, torch.float16),
        ("fp32", GPU, LARGE, True, torch.float32),
        ("bf16", CPU, SMALL, False, torch.bfloat16),
        ("fp16", GPU, SMALL, False, torch.float16),
    ],
)
def test_the_precision_of_a_network(
    choice: memory.DtypeChoice,
    device: torch.device,
    parameters: int,
    bf16: bool,
    expected: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bf16)
    assert usable_dtype(choice, device, parameters, torch.float16) == expected


def test_the_other_networks_of_a_checkpoint_differ_where_they_must(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    half, brain, full = torch.float16, torch.bfloat16, torch.float32
    assert usable_dtypes("auto", CPU, LARGE, half) == (brain, full, brain)
    assert usable_dtypes("auto", CPU, SMALL, half) == (full, full, full)
    assert usable_dtypes("bf16", CPU, SMALL, half) == (brain, brain, brain)
    assert usable_dtypes("auto", GPU, LARGE, half) == (half, half, brain)


def test_half_precision_is_refused_on_a_cpu() -> None:
    with pytest.raises(ValueRuleError, match="fp16 is not for CPUs; use fp32, bf16 or auto"):
        usable_dtype("fp16", CPU, SMALL, torch.float16)


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ValueRuleError, match="'fp8' is unknown; expected auto, fp32, bf16, fp16"):
        usable_dtype("fp8", CPU, SMALL, torch.float16)  # type: ignore[arg-type]


@pytest.mark.parametrize("device", ["cuda:99", "mps", "gpu", ""])
def test_a_device_that_is_not_there_is_refused(device: str) -> None:
    with pytest.raises(ValueRuleError, match="is not usable here; there is cpu"):
        usable_device(device)


def test_a_moved_network_is_a_twin() -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)).requires_grad_(False)
    twin = moved(network, "cpu")
    assert twin is not network
    assert all(
        torch.equal(a, b) for a, b in zip(network.state_dict().values(), twin.state_dict().values(), strict=True)
    )
    assert not any(weight.requires_grad for weight in twin.parameters())
    x = torch.randn(2, 3)
    assert torch.equal(network.eval()(x), twin.eval()(x))
