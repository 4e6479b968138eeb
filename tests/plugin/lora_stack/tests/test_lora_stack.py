"""The stack against a direct computation, on a tiny network with the layout of Stable Diffusion 1."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lora_stack import Lora, apply
from safetensors.torch import load_file, save_file

from nodeflow import Session
from nodeflow.api import Graph
from nodeflow.diffusion.models.unet import UNet, UNetConfig
from nodeflow.diffusion.types import Model
from nodeflow.testing import NodeFailed, a_model, given, run_node
from nodeflow_nodes.primitives import number

PLACES = {
    "lora_unet_down_blocks_0_attentions_1_transformer_blocks_0_attn1_to_q": (
        "input_blocks.2.1.transformer_blocks.0.attn1.to_q"
    ),
    "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k": (
        "middle_block.1.transformer_blocks.0.attn2.to_k"
    ),
    "lora_unet_up_blocks_1_attentions_0_proj_in": "output_blocks.3.1.proj_in",
}


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    network = UNet(UNetConfig(model_channels=8, context_dim=8, num_heads=2, norm_groups=4))
    return replace(a_model(), network=network.requires_grad_(False).eval())


def weight(model: Model, key: str) -> torch.Tensor:
    found = model.network.get_submodule(PLACES[key]).weight
    assert isinstance(found, torch.Tensor)
    return found


def lora(file: Path, model: Model, rank: int, alpha: float | None = None) -> Path:
    """A file with something for three weights of the UNet, and for one of the text encoder."""
    parts = {"lora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight": torch.zeros(1, 1)}
    for key in PLACES:
        outer, inner, *kernel = weight(model, key).shape
        parts[f"{key}.lora_up.weight"] = torch.randn(outer, rank, *kernel)
        parts[f"{key}.lora_down.weight"] = torch.randn(rank, inner, *kernel)
        if alpha is not None:
            parts[f"{key}.alpha"] = torch.tensor(alpha)
    save_file(parts, file)
    return file


def product(file: Path, key: str) -> torch.Tensor:
    parts = load_file(file)
    up, down = parts[f"{key}.lora_up.weight"], parts[f"{key}.lora_down.weight"]
    return torch.einsum("or...,ri...->oi...", up, down)


def test_files_are_added_one_after_the_other(model: Model, tmp_path: Path) -> None:
    first = lora(tmp_path / "a.safetensors", model, rank=4, alpha=2.0)
    second = lora(tmp_path / "b.safetensors", model, rank=2)

    found = run_node(apply, model=model, rows=[Lora(file=first, strength=0.5), Lora(file=second, strength=-1)])

    for key in PLACES:
        expected = weight(model, key) + 0.5 * 2.0 / 4 * product(first, key) - product(second, key)
        torch.testing.assert_close(weight(found.value, key), expected)


def test_what_no_file_changes_is_shared_and_the_model_stays_as_it_is(model: Model, tmp_path: Path) -> None:
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    file = lora(tmp_path / "a.safetensors", model, rank=2)

    patched = run_node(apply, model=model, rows=[Lora(file=file)]).value

    assert all(tensor.equal(before[name]) for name, tensor in model.network.state_dict().items())
    shared = [a is b for a, b in zip(model.network.parameters(), patched.network.parameters(), strict=True)]
    assert shared.count(False) == len(PLACES)
    both = sum({**model.storages, **patched.storages}.values())
    assert model.nbytes < both < 1.1 * model.nbytes


def test_a_file_is_found_by_its_name_and_a_strength_may_be_linked(model: Model, tmp_path: Path) -> None:
    (tmp_path / "loras").mkdir()
    file = lora(tmp_path / "loras" / "a.safetensors", model, rank=2)
    g = Graph()
    rows = [Lora(file=Path("a.safetensors"), strength=g(number)(0.5))]
    g.output("model", g(apply)(given(g, model), rows))

    with Session(tmp_path / "home", models_dirs=[tmp_path]) as session:
        found = session.run(g)["model"].value

    for key in PLACES:
        torch.testing.assert_close(weight(found, key), weight(model, key) + 0.5 * product(file, key))


def test_a_file_for_another_network_is_refused_by_its_place(model: Model, tmp_path: Path) -> None:
    save_file({"lora_te_x.lora_up.weight": torch.zeros(1, 1)}, tmp_path / "text.safetensors")
    good = lora(tmp_path / "a.safetensors", model, rank=2)

    with pytest.raises(NodeFailed, match=r"rows\[1\]\.file: text\.safetensors has no weights for this model"):
        run_node(apply, model=model, rows=[Lora(file=good), Lora(file=tmp_path / "text.safetensors")])


def test_no_rows_change_nothing() -> None:
    model = a_model()

    assert run_node(apply, model=model).value.network.state_dict().keys() == model.network.state_dict().keys()
